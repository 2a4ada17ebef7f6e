import { deflateRawSync } from "node:zlib";
import { parseSealed } from "../../src/keyholder/sealed.ts";
import type { ColumnKind } from "../../src/incidents/stolen-copy/declare.ts";

/** Below this the tests below would pass for nearly anything. */
export const leastValues = 40;
export const leastBytes = 640;

/** A true column fails one of these about once in 10^7 runs: keys are fresh in each, and a test must not ring by chance. */
const mostBits = 38;
const mostSigma = 6.7;

/** What keeps a column of bytes from being without pattern; empty when nothing does. */
export function patternsIn(kind: Exclude<ColumnKind, "shown">, values: readonly Buffer[]): string[] {
  const found: string[] = [];
  const bodies: Buffer[] = [];
  const nonces = new Set<string>();
  for (const value of values) {
    if (kind !== "sealed" && kind !== "wrapped") {
      // A keyed value of a later key has that key's version before it.
      bodies.push(kind === "keyed" && value.length === 36 ? value.subarray(4) : value);
      continue;
    }
    const parts = parseSealed(value);
    if (parts === null) {
      found.push("a value has not the form of something sealed");
      continue;
    }
    nonces.add(Buffer.from(parts.nonce).toString("hex"));
    bodies.push(Buffer.concat([parts.nonce, parts.ciphertext, parts.tag]));
  }
  if (found.length > 0) return [...new Set(found)];
  const distinct = new Map(values.map((value) => [value.toString("latin1"), value]));
  if ((kind === "sealed" || kind === "wrapped") && nonces.size < distinct.size) found.push("a nonce was used twice");

  const unique = [...new Set(bodies.map((body) => body.toString("latin1")))].map((body) => Buffer.from(body, "latin1"));
  const some = spread(unique);
  const all = Buffer.concat(some);
  if (unique.length < leastValues || all.length < leastBytes) {
    return [`only ${unique.length} different values and ${all.length} bytes: too few to tell`];
  }
  const biased = biasedBit(some);
  if (biased !== undefined) found.push(`bit ${biased % 8} of byte ${Math.floor(biased / 8)} is not half ones`);
  if (byteSigma(all) > mostSigma) found.push("some bytes are commoner than others");
  const repeated = repeatedBlock(unique);
  if (repeated) found.push("a block of 16 bytes stands there twice");
  if (deflateRawSync(all, { level: 9 }).length < all.length * 0.99) found.push("it can be compressed");
  return found;
}

/** A pattern in a column shows in so many bytes of it; more of them cost more and say the same. */
const mostBytes = 512 * 1024;

/** As many of the values as that, from all over. */
function spread(values: readonly Buffer[]): readonly Buffer[] {
  const bytes = values.reduce((sum, { length }) => sum + length, 0);
  const step = Math.ceil(bytes / mostBytes);
  return step <= 1 ? values : values.filter((_value, at) => at % step === 0);
}

/** The first bit, by its place in the value, that is set too often or too seldom for chance. */
function biasedBit(values: readonly Buffer[]): number | undefined {
  const length = values.reduce((least, value) => Math.min(least, value.length), 256);
  for (let bit = 0; bit < 8 * length; bit++) {
    let ones = 0;
    for (const value of values) ones += ((value[bit >>> 3] ?? 0) >>> (bit & 7)) & 1;
    if (bitsOfSurprise(values.length, ones) > mostBits) return bit;
  }
  return undefined;
}

/** How unlikely it is, in bits, that `count` fair coins show `ones` or something rarer (Hoeffding's bound in its exact form). */
function bitsOfSurprise(count: number, ones: number): number {
  const share = ones / count;
  const entropy = [share, 1 - share].reduce((sum, part) => sum + (part === 0 ? 0 : -part * Math.log2(part)), 0);
  // At most 2 · 2^(-n(1 - h)): a bound, so that chance rings even less often than it says.
  return count * (1 - entropy) - 1;
}

/** How far the counts of the 256 bytes lie from even, in standard deviations (chi-square, Wilson and Hilferty 1931). */
function byteSigma(bytes: Buffer): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  const expected = bytes.length / 256;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const spread = 2 / (9 * 255);
  return (Math.cbrt(chiSquare / 255) - (1 - spread)) / Math.sqrt(spread);
}

function repeatedBlock(values: readonly Buffer[]): boolean {
  const seen = new Set<string>();
  for (const value of values) {
    for (let at = 0; at + 16 <= value.length; at += 4) {
      const block = value.toString("latin1", at, at + 16);
      if (seen.has(block)) return true;
      seen.add(block);
    }
    // At a million blocks chance is still out of the question; memory is not.
    if (seen.size > 1_000_000) return false;
  }
  return false;
}

/**
 * What the lengths of sealed values tell: nothing when there is one, or when all are whole blocks apart.
 */
export function lengthsThatTell(values: readonly Buffer[]): string | undefined {
  const lengths = [...new Set(values.map((value) => value.length))].toSorted((one, other) => one - other);
  const first = lengths[0];
  if (first === undefined || lengths.every((length) => (length - first) % 64 === 0)) return undefined;
  return `${lengths.length} lengths, from ${first} to ${lengths.at(-1)} bytes`;
}
