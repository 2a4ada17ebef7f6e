import { hash as hashOf } from "node:crypto";
import { formsOf } from "./forms.ts";
import { gatherNeedles, searchThrough, type NeedleTable } from "./needles.ts";

/** Something that went in and must not be found. */
export interface Sought {
  /** What is told when it is found: never the value. */
  readonly what: string;
  readonly value: string | Uint8Array;
  /** 256 random bits may be kept as their SHA-256 digest: nothing shorter than guessing them leads back. */
  readonly mayBeDigest?: boolean;
  /** Made by a machine and copied by machines: nobody respells it. */
  readonly exact?: true;
  /** One of thousands of its kind: a column that held digests of them would hold those of the others too. */
  readonly withoutDigests?: true;
}

/** Digests that a thief would look for without any key; the longer list is `guess.ts`'s. */
const digests = ["md5", "sha1", "sha256", "sha512", "sha3-256", "blake2b512"] as const;
/** So much of a digest is compared: enough that chance has no part in it. */
const digestBytes = 16;

/**
 * All that is sought, in one table: a stretch of bytes of any length is searched for any number of values in one pass.
 * Case does not count (A to Z are searched as a to z), and each value is also looked for backwards and as its digests.
 * `digests: false` leaves those out, for what is large and held nothing that no column ever held.
 */
export function needlesOf(
  sought: readonly Sought[],
  { digests: withDigests = true, did = () => undefined }: { digests?: boolean; did?: (values: number) => void } = {},
): NeedleTable {
  const needles = gatherNeedles();
  for (const { what, value, mayBeDigest = false, exact, withoutDigests } of sought) {
    for (const bytes of exact === true ? [Buffer.from(value)] : spellings(value)) {
      needles.add(what, bytes);
      needles.add(`${what}, backwards`, Buffer.from(bytes).reverse());
      for (const name of withDigests && withoutDigests !== true ? digests : []) {
        if (mayBeDigest && name === "sha256") continue;
        needles.add(`${what}, as ${name}`, hashOf(name, bytes, "buffer").subarray(0, digestBytes));
      }
    }
    did(1);
  }
  return needles.table();
}

/** Looks for what is sought. */
export interface Search {
  /** What of it stands in these bytes, in any encoding; empty for nothing. */
  findIn(bytes: Buffer): Set<string>;
  /** The same in these bytes as they are. */
  findPlain(bytes: Buffer): Set<string>;
}

export const searchFor = (...needles: Parameters<typeof needlesOf>): Search => searchOver(needlesOf(...needles));

export function searchOver(table: NeedleTable): Search {
  const search = searchThrough(table);
  return {
    findPlain: (bytes) => {
      const found = new Set<string>();
      search(bytes, found);
      return found;
    },
    findIn: (bytes) => {
      const found = new Set<string>();
      for (const form of formsOf(bytes)) search(form, found);
      return found;
    },
  };
}

/** As it was typed, as databases and people respell it, and with the accents taken off. */
function spellings(value: string | Uint8Array): Buffer[] {
  if (typeof value !== "string") return [Buffer.from(value)];
  const texts = [value, value.normalize("NFC"), value.normalize("NFD"), value.toLowerCase(), value.toUpperCase()];
  return [...new Set(texts)].flatMap((text) => {
    const isLatin1 = /^[\x20-\xff]*$/.test(text) && !/^[\x20-\x7e]*$/.test(text);
    return isLatin1 ? [Buffer.from(text, "utf8"), Buffer.from(text, "latin1")] : [Buffer.from(text, "utf8")];
  });
}
