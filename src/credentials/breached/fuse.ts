import { Fault } from "../../kernel/fault.ts";

/**
 * A static set of SHA-1 digests in 9.7 bits each that never denies a member and takes one stranger in 512 for one:
 * a 4-wise binary fuse filter with 9-bit fingerprints. A digest is at home in one slot of each of four neighbouring
 * segments, and its fingerprint is the XOR of what stands in them, so that a question needs one stretch of the file.
 *
 * A segment is stored as the low eight bits of its slots, one byte each, and then their ninth bits, eight to a byte.
 *
 * Source: Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters" (2022), section 4 and its table of
 * sizes; written from the paper. The digests are uniform already, so their own words serve as hashes.
 */

/** Words of a SHA-1 digest, big-endian. */
export const wordsPerDigest = 5;
export const fingerprintBits = 9;
const fingerprintMask = (1 << fingerprintBits) - 1;
const arity = 4;

export interface Shape {
  /** Slots in a segment: a power of two, at least 8. */
  readonly segmentLength: number;
  /** Segments in all, three more than a digest's first slot can be in. */
  readonly segments: number;
  /** What is mixed into the digests; another one is tried when a set cannot be laid out with the first. */
  readonly seed: number;
}

export const bytesOfSegment = (segmentLength: number): number => segmentLength + segmentLength / 8;
export const bytesOfShape = ({ segmentLength, segments }: Shape): number => segments * bytesOfSegment(segmentLength);
/** How much of the file one question reads. */
export const bytesOfWindow = ({ segmentLength }: Shape): number => arity * bytesOfSegment(segmentLength);

function shapeFor(digests: number, seed: number): Shape {
  const n = Math.max(digests, 2);
  const exponent = Math.floor(Math.log(n) / Math.log(2.91) - 0.5);
  const segmentLength = 2 ** Math.min(Math.max(exponent, 3), 14);
  const slotsWanted = n * Math.max(1.075, 0.77 + (0.305 * Math.log(600_000)) / Math.log(n));
  return { segmentLength, segments: Math.max(Math.ceil(slotsWanted / segmentLength), arity), seed };
}

/** The finaliser of MurmurHash3, a permutation of the 32-bit numbers. */
function mixed(word: number): number {
  let mix = word;
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}

/**
 * Where a digest is at home: the number of its first segment. The last three words decide it and the slots; the
 * fingerprint is of the second, and the first orders the file.
 */
function firstSegment(word2: number, { segments, seed }: Shape): number {
  return Math.floor((mixed(word2 ^ seed) * (segments - arity + 1)) / 2 ** 32);
}

/** Its slots within four segments, written to `slots` as 0 to segmentLength - 1. */
function slotsIn(word3: number, word4: number, { segmentLength, seed }: Shape, slots: Uint32Array): void {
  const mask = segmentLength - 1;
  const a = mixed(word3 ^ Math.imul(seed, 0x9e3779b1));
  const b = mixed(word4 ^ Math.imul(seed, 0x7feb352d));
  slots[0] = a & mask;
  slots[1] = (a >>> 16) & mask;
  slots[2] = b & mask;
  slots[3] = (b >>> 16) & mask;
}

/**
 * Lays out `digests` different digests, given as five words each. Memory: 13 bytes a digest besides them.
 *
 * @throws Fault when no layout is found in 100 tries, which chance does not do to different digests.
 */
export function buildFilter(words: Uint32Array, digests: number): { readonly shape: Shape; readonly bytes: Buffer } {
  for (let attempt = 1; attempt <= 100; attempt++) {
    const shape = shapeFor(digests, Math.imul(attempt, 0x9e3779b9) >>> 0);
    const values = laidOut(words, digests, shape);
    if (values !== undefined) return { shape, bytes: packed(values, shape) };
  }
  throw new Fault("CONFIG_INVALID", "these hashes cannot be laid out: they are not SHA-1 digests of passwords");
}

function laidOut(words: Uint32Array, digests: number, shape: Shape): Uint16Array | undefined {
  const { segmentLength, segments } = shape;
  const slotCount = segments * segmentLength;
  const homes = new Uint32Array(arity);
  const placeHomes = (digest: number): void => {
    const at = digest * wordsPerDigest;
    slotsIn(words[at + 3]!, words[at + 4]!, shape, homes);
    const first = firstSegment(words[at + 2]!, shape) * segmentLength;
    for (let i = 0; i < arity; i++) homes[i]! += first + i * segmentLength;
  };

  // How many digests want each slot, and the XOR of their numbers: of the last one left, that is its number.
  const wanted = new Uint16Array(slotCount);
  const who = new Uint32Array(slotCount);
  for (let digest = 0; digest < digests; digest++) {
    placeHomes(digest);
    for (const slot of homes) {
      wanted[slot]!++;
      who[slot]! ^= digest;
    }
  }
  const alone = new Uint32Array(slotCount);
  let waiting = 0;
  for (let slot = 0; slot < slotCount; slot++) if (wanted[slot] === 1) alone[waiting++] = slot;
  const order = new Uint32Array(digests);
  const ownSlot = new Uint32Array(digests);
  let placed = 0;
  while (waiting > 0) {
    const slot = alone[--waiting]!;
    if (wanted[slot] !== 1) continue;
    const digest = who[slot]!;
    order[placed] = digest;
    ownSlot[placed++] = slot;
    placeHomes(digest);
    for (const home of homes) {
      who[home]! ^= digest;
      if (--wanted[home]! === 1) alone[waiting++] = home;
    }
  }
  if (placed < digests) return undefined;

  // In reverse, each digest's own slot is the one that no later digest of this loop touches again.
  const values = new Uint16Array(slotCount);
  for (let i = digests - 1; i >= 0; i--) {
    const digest = order[i]!;
    placeHomes(digest);
    let value = words[digest * wordsPerDigest + 1]! & fingerprintMask;
    for (const home of homes) value ^= values[home]!;
    values[ownSlot[i]!] = value;
  }
  return values;
}

function packed(values: Uint16Array, shape: Shape): Buffer {
  const { segmentLength, segments } = shape;
  const bytes = Buffer.alloc(bytesOfShape(shape));
  const stride = bytesOfSegment(segmentLength);
  for (let segment = 0; segment < segments; segment++) {
    for (let slot = 0; slot < segmentLength; slot++) {
      const value = values[segment * segmentLength + slot]!;
      bytes[segment * stride + slot] = value;
      if (value > 0xff) bytes[segment * stride + segmentLength + (slot >>> 3)]! |= 1 << (slot & 7);
    }
  }
  return bytes;
}

/** Where the stretch of bytes begins that a digest's question reads, `bytesOfWindow` long. */
export const windowOf = (words: Uint32Array, shape: Shape): number =>
  firstSegment(words[2]!, shape) * bytesOfSegment(shape.segmentLength);

/** Whether the filter holds the digest: surely if it was put in, and for 1 in 512 others. */
export function isIn(window: Uint8Array, words: Uint32Array, shape: Shape): boolean {
  const { segmentLength } = shape;
  const slots = new Uint32Array(arity);
  slotsIn(words[3]!, words[4]!, shape, slots);
  let value = words[1]! & fingerprintMask;
  for (let i = 0; i < arity; i++) {
    const at = i * bytesOfSegment(segmentLength);
    const slot = slots[i]!;
    const ninth = (window[at + segmentLength + (slot >>> 3)]! >>> (slot & 7)) & 1;
    value ^= window[at + slot]! | (ninth << 8);
  }
  return value === 0;
}
