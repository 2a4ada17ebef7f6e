import { hash as hashOf } from "node:crypto";
import { formsOf } from "./forms.ts";

/** Something that went in and must not be found. */
export interface Sought {
  /** What is told when it is found: never the value. */
  readonly what: string;
  readonly value: string | Uint8Array;
  /** 256 random bits may be kept as their SHA-256 digest: nothing shorter than guessing them leads back. */
  readonly mayBeDigest?: boolean;
}

/** Digests that a thief would look for without any key; the longer list is `guess.ts`'s. */
const digests = ["md5", "sha1", "sha256", "sha512", "sha3-256", "blake2b512"] as const;

/** The bytes that are compared before the rest is. */
const keyBytes = 8;
const tableBits = 24;

/**
 * All that is sought, in one table: a stretch of bytes of any length is searched for any number of values in one pass.
 * Case does not count (A to Z are searched as a to z), and each value is also looked for backwards and as its digests.
 */
export interface Search {
  /** What of it stands in these bytes, in any encoding; empty for nothing. */
  findIn(bytes: Buffer): Set<string>;
  /** The same in these bytes as they are, for what is too large to be read in every encoding at once. */
  findPlain(bytes: Buffer): Set<string>;
  readonly values: number;
}

export function searchFor(sought: readonly Sought[]): Search {
  const needles: { readonly what: string; readonly bytes: Buffer }[] = [];
  const chains = new Map<number, number[]>();
  const bits = new Uint32Array(2 ** (tableBits - 5));

  const add = (what: string, needle: Buffer): void => {
    const bytes = fold(needle);
    if (bytes.length < keyBytes) return;
    const key = keyOf(bytes, 0);
    const slot = key >>> (32 - tableBits);
    bits[slot >>> 5] = (bits[slot >>> 5] ?? 0) | (1 << (slot & 31));
    const chain = chains.get(key);
    if (chain?.some((at) => needles[at]?.bytes.equals(bytes) === true) === true) return;
    if (chain === undefined) chains.set(key, [needles.length]);
    else chain.push(needles.length);
    needles.push({ what, bytes });
  };

  for (const { what, value, mayBeDigest = false } of sought) {
    for (const bytes of spellings(value)) {
      add(what, bytes);
      add(`${what}, backwards`, Buffer.from(bytes).reverse());
      for (const name of digests) {
        if (mayBeDigest && name === "sha256") continue;
        add(`${what}, as ${name}`, hashOf(name, bytes, "buffer"));
      }
    }
  }

  const search = (bytes: Buffer, found: Set<string>): void => {
    if (bytes.length < keyBytes) return;
    // A window of eight folded bytes slides along, as two numbers.
    let high = 0;
    let low = 0;
    for (let at = 0; at < bytes.length; at++) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | folded[bytes[at]!]!;
      if (at < keyBytes - 1) continue;
      const key = mix(high, low);
      const slot = key >>> (32 - tableBits);
      if (((bits[slot >>> 5]! >>> (slot & 31)) & 1) === 0) continue;
      const start = at - keyBytes + 1;
      for (const index of chains.get(key) ?? []) {
        const needle = needles[index]!;
        if (matches(bytes, start, needle.bytes)) found.add(needle.what);
      }
    }
  };

  return {
    values: sought.length,
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

const folded = Uint8Array.from({ length: 256 }, (_none, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte));
const fold = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => folded[byte] ?? 0));
const mix = (high: number, low: number): number => {
  const mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 15) ^ low) >>> 0;
};
const keyOf = (bytes: Buffer, at: number): number => mix(bytes.readInt32BE(at), bytes.readInt32BE(at + 4));

function matches(bytes: Buffer, start: number, needle: Buffer): boolean {
  if (start + needle.length > bytes.length) return false;
  for (let at = 0; at < needle.length; at++) if (folded[bytes[start + at]!] !== needle[at]) return false;
  return true;
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
