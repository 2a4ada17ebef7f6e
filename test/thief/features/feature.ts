import type { Count } from "../steps.ts";
import type { World } from "../world.ts";

/** Somebody whose every fact is like nobody else's, so that it is known when it is found. */
export interface Person {
  readonly number: number;
  readonly name: string;
  readonly address: string;
  readonly secondAddress: string;
  readonly network: string;
  /** The password now; renewing and changing it move on. */
  password: string;
  /** A browser's session, while there is one. */
  cookie: string;
  accountId: string;
  /** Some go on without, so that each way in can be shown to be open to them. */
  wantsSecondFactor: boolean;
  /** What the authenticator app was given, and the codes of it that were typed: too short to be looked for, and guessed. */
  totpKey: string;
  readonly totpCodes: string[];
}

/** Base32 (RFC 4648 section 6) of 20 bytes. */
export function seedOf(key: string): Buffer {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(key, (letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** What was left unused on purpose, so that each way in can be shown to be open: `ways-in.ts` uses it up. */
export interface Spare {
  titleId: string;
  operatorCookie: string;
  /** Whose turn it is to show that a way in is open. */
  turn: number;
  /** The first person's, one of which each control uses up. */
  recoveryCodes: string[];
}

/**
 * One feature of the product, used through the product's own operations. `each` is done by everybody and `once` by one;
 * the order is that of the list, with the theft between `before` and `after`.
 */
export interface Feature {
  readonly name: string;
  readonly phase: "first" | "before" | "after" | "last";
  /** The tables that have rows because of it; one that stays empty is an error. */
  readonly fills: readonly string[];
  once?(world: World, people: readonly Person[], spare: Spare, count: Count): Promise<void>;
  each?(world: World, person: Person, spare: Spare): Promise<void>;
}

const pad = (number: number): string => String(number).padStart(5, "0");

/** Names with and without accents, networks of both kinds, addresses with capitals and a tag. */
export function makePerson(world: World, number: number): Person {
  const went = (what: string, value: string): string => world.went(what, value);
  const name = number % 3 === 0 ? `Zoë Quillfeather ${pad(number)}` : `Ada Lanternwright ${pad(number)}`;
  const network =
    number % 4 === 3
      ? `2001:db8:77:${(number + 4096).toString(16)}::b0b:1`
      : `198.18.${100 + Math.floor(number / 150)}.${100 + (number % 150)}`;
  return {
    number,
    name: went("a name", name),
    address: went("an address", `Quill.${pad(number)}+Feather@Some.Example.org`),
    secondAddress: `second.${pad(number)}@mail.example.net`,
    network: went("a network address", network),
    password: went("a password", `seven lanterns for ${pad(number)}`),
    cookie: "",
    accountId: "",
    wantsSecondFactor: number % 8 < 7,
    totpKey: "",
    totpCodes: [],
  };
}
