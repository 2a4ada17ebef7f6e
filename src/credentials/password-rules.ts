import type { Secret } from "../kernel/secret.ts";
import { limits } from "../wire/common.ts";
import type { BreachedPasswords } from "./breached/breached.ts";
import { isCommonPassword } from "./common-passwords.ts";

export type PasswordVerdict =
  | { readonly kind: "good" }
  | {
      readonly kind: "refused";
      readonly rule: "too-short" | "too-long" | "common" | "breached" | "about-you" | "repeats";
      readonly detail: string;
    };

/**
 * Judges a new password. At least 15 characters where it is the only factor and 8 where a second one is asked for, any
 * characters, no composition rules; the entire password is compared with common ones, the operator's list of breached
 * ones, the service's name and the account's own address and name.
 *
 * Source: NIST SP 800-63B-4 section 3.1.1.2 (length by code points, blocklist with a reason), ASVS 5.0 6.2.4, 6.2.11
 * and 6.2.12.
 */
export function judgePassword(
  password: string,
  about: {
    readonly address?: string;
    readonly name?: string;
    readonly service: string;
    /** The fewest characters; 15 unless the account has a second factor. */
    readonly leastLength?: number;
  },
  breached: BreachedPasswords,
): PasswordVerdict {
  const normal = password.normalize("NFC");
  const length = lengthOf(normal);
  const { leastLength = limits.passwordLengthAlone } = about;
  if (length < leastLength) return tooShort(leastLength);
  if (length > limits.passwordLength) return refused("too-long", `Use at most ${limits.passwordLength} characters.`);
  const plain = normal.toLowerCase().replace(/[\s._-]+/g, "");
  if (isRepetition(plain))
    return refused("repeats", "This repeats one short piece. Add something that does not repeat.");
  const own = [about.address, about.address?.split("@")[0], about.name, about.service]
    .filter((word) => word !== undefined)
    .map((word) => word.toLowerCase().replace(/[\s._-]+/g, ""))
    .filter((word) => word.length >= 3);
  // Own words alone, doubled, or with digits around them are the first guesses of somebody who knows the address.
  if (own.some((word) => stripped(plain, word).length <= 4)) {
    return refused("about-you", "This is made of your address, your name or our name. Choose something else.");
  }
  if (isCommonPassword(plain)) {
    return refused("common", "This password is on lists that thieves try first. Choose something else.");
  }
  // In NFC and otherwise as typed, which is how it will be hashed and how lists of stolen passwords have it.
  if (breached.holds(normal)) {
    return refused(
      "breached",
      "This password was stolen somewhere before, or our list mistakes it for one that was: that happens to 1 good password in 512. Choose something else.",
    );
  }
  return { kind: "good" };
}

/** In code points of the form that is hashed. */
const lengthOf = (password: string): number => Array.from(password.normalize("NFC")).length;

/** Whether a password is as long as one must be that is the only factor. */
export const standsAlone = (password: Secret): boolean => lengthOf(password.revealText()) >= limits.passwordLengthAlone;

export const tooShort = (leastLength: number): Extract<PasswordVerdict, { kind: "refused" }> =>
  refused("too-short", `Use at least ${leastLength} characters. A few words in a row work well.`);

const refused = (
  rule: Exclude<PasswordVerdict, { kind: "good" }>["rule"],
  detail: string,
): Extract<PasswordVerdict, { kind: "refused" }> => ({
  kind: "refused",
  rule,
  detail,
});

const stripped = (text: string, word: string): string => text.split(word).join("");

/** Whether the text is one piece of up to five characters, over and over, or a run like 12345678901234567. */
function isRepetition(text: string): boolean {
  for (let size = 1; size <= 5; size++) {
    const piece = text.slice(0, size);
    if (piece.repeat(Math.ceil(text.length / size)).slice(0, text.length) === text) return true;
  }
  const codes = Array.from(text, (letter) => letter.codePointAt(0) ?? 0);
  const steps = new Set(codes.slice(1).map((code, i) => code - (codes[i] ?? 0)));
  // One constant step, or the jump from 9 to 0 besides.
  return steps.size === 1 || (steps.size === 2 && steps.has(-9) && (steps.has(1) || steps.has(-1)));
}
