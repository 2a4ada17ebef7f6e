import { hash as hashOf } from "node:crypto";
import { hashRawSync } from "@node-rs/argon2";
import type { HashCost } from "../../src/credentials/hash-pool.ts";

/** With the bytes of one block. */
const keyed = [
  ["md5", 64],
  ["sha1", 64],
  ["sha256", 64],
  ["sha512", 128],
  ["sha3-256", 136],
] as const;

/** So much of a digest is compared. */
export const windowBytes = 8;

/** What may have been a salt or a key, with the words to try with it. */
export interface Salt {
  readonly bytes: Uint8Array;
  /** Where it stands. */
  readonly column: string;
  /** What it would cost to hash a password with it; `null`: no password hash has such a salt. */
  readonly cost: HashCost | null;
  readonly words: readonly Uint8Array[];
}

/** A digest of a word that stands in a column. */
export interface Hit {
  readonly target: string;
  readonly how: string;
  readonly salt: string;
}

/** Tries every word with every salt. `targets`: eight bytes anywhere in a column, as Latin-1, and the column. */
export function tryWords(
  salts: readonly Salt[],
  targets: ReadonlyMap<string, string>,
  done: (salts: number) => void = () => undefined,
): { readonly hits: Hit[]; readonly hashes: number } {
  const hits = new Map<string, Hit>();
  // Written over for each try: a new buffer for each would take longer than the hash.
  const scratch = Buffer.alloc(4_096);
  const padsOfWords = new Map<Uint8Array, readonly Pads[]>();
  const mayBe = beginnings(targets.keys());
  let hashes = 0;
  for (const { bytes, column, cost, words } of salts) {
    const compare = (digest: string, how: string): void => {
      hashes++;
      if (!mayBe(digest)) return;
      const target = targets.get(digest.slice(0, windowBytes));
      if (target === undefined || target === column) return;
      const hit = { target, how, salt: column };
      hits.set(Object.values(hit).join("\n"), hit);
    };
    const joined = (first: Uint8Array, second: Uint8Array): Buffer => {
      scratch.set(first, 0);
      scratch.set(second, first.length);
      return scratch.subarray(0, first.length + second.length);
    };
    // As text from one hash into the next: that takes half as long as by way of a buffer of its own.
    const hmac = ({ name, inside, outside, whole }: Pads, text: Uint8Array): string => {
      whole.write(hashOf(name, joined(inside, text), "latin1"), outside, "latin1");
      return hashOf(name, whole, "latin1");
    };
    const saltPads = padsOf(bytes);
    for (const word of words) {
      const wordPads = padsOfWords.get(word) ?? padsOf(word);
      padsOfWords.set(word, wordPads);
      const forward = joined(bytes, word);
      for (const [name] of keyed) compare(hashOf(name, forward, "latin1"), name);
      const backward = joined(word, bytes);
      for (const [name] of keyed) compare(hashOf(name, backward, "latin1"), name);
      for (const pads of saltPads) compare(hmac(pads, word), pads.how);
      for (const pads of wordPads) compare(hmac(pads, bytes), pads.how);
      if (cost !== null) compare(argon2id(word, bytes, cost), "Argon2id");
    }
    done(1);
  }
  return { hits: [...hits.values()], hashes };
}

/** Says of a digest whether any target may begin as it does, by its first three bytes: nearly none does. */
function beginnings(targets: Iterable<string>): (digest: string) => boolean {
  const bits = new Uint8Array(1 << 21);
  const beginning = (text: string): number =>
    (text.charCodeAt(0) << 16) | (text.charCodeAt(1) << 8) | text.charCodeAt(2);
  for (const target of targets) bits[beginning(target) >>> 3]! |= 1 << (beginning(target) & 7);
  return (digest) => ((bits[beginning(digest) >>> 3]! >>> (beginning(digest) & 7)) & 1) === 1;
}

/** A key as HMAC (RFC 2104) mixes it in: two hashes in one call each, where `createHmac` takes as long as five. */
interface Pads {
  readonly name: string;
  readonly how: string;
  readonly inside: Uint8Array;
  /** The key mixed in for the second hash, and room for the first one, which begins after so many bytes. */
  readonly whole: Buffer;
  readonly outside: number;
}

const padsOf = (key: Uint8Array): Pads[] =>
  keyed.map(([name, block]) => {
    const short = key.length > block ? hashOf(name, key, "buffer") : key;
    const inside = Buffer.alloc(block, 0x36);
    const whole = Buffer.alloc(block + hashOf(name, "", "buffer").length, 0x5c);
    for (let at = 0; at < short.length; at++) {
      inside[at]! ^= short[at]!;
      whole[at]! ^= short[at]!;
    }
    return { name, how: `HMAC-${name}`, inside, whole, outside: block };
  });

function argon2id(word: Uint8Array, salt: Uint8Array, { memoryKib, passes, parallelism }: HashCost): string {
  return hashRawSync(word, {
    algorithm: 2,
    version: 1,
    memoryCost: memoryKib,
    timeCost: passes,
    parallelism,
    outputLen: 32,
    salt,
  }).toString("latin1");
}
