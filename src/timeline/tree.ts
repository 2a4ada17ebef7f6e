import { hash as digest } from "node:crypto";

/** SHA-256 of nothing: the root of the empty tree (RFC 9162 section 2.1.1). */
export const emptyRoot: Buffer = digest("sha256", Buffer.alloc(0), "buffer");

/** SHA-256(0x00 || body). The prefix keeps a leaf from passing as a node (RFC 9162 section 2.1.1). */
export function hashLeaf(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(1 + body.length);
  bytes[0] = 0;
  bytes.set(body, 1);
  return Buffer.from(digest("sha256", bytes, "latin1"), "latin1");
}

/** SHA-256(0x01 || left || right). */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(1 + left.length + right.length);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + left.length);
  return Buffer.from(digest("sha256", bytes, "latin1"), "latin1");
}

/**
 * The root over hashes that stand side by side, as many as some power of two: what `hashNode` would give pair by pair. One
 * buffer is hashed into itself, and digests come as Latin-1, which is less than half the time of a buffer for each.
 */
export function rootOfRow(row: Uint8Array): Buffer {
  const hashes = Buffer.from(row);
  const pair = Buffer.allocUnsafe(65);
  pair[0] = 1;
  for (let width = hashes.length / 64; width >= 1; width /= 2) {
    for (let i = 0; i < width; i++) {
      hashes.copy(pair, 1, i * 64, i * 64 + 64);
      hashes.write(digest("sha256", pair, "latin1"), i * 32, 32, "latin1");
    }
  }
  return hashes.subarray(0, 32);
}

/** The hash of a complete subtree: `2^level` leaves from leaf `place * 2^level` on. */
export interface TreeNode {
  readonly level: number;
  readonly place: number;
  readonly hash: Buffer;
}

/**
 * Heights of subtrees whose roots are stored: every fourth. A proof reads at most fifteen hashes of each of them and makes
 * the ones between; by every eighth, which C2SP tlog-tiles asks for, it read up to 255.
 */
export const storedLevelStep = 4;

/**
 * A tree that grows at the right, as the roots of its complete subtrees from left to right: one for each set bit of
 * `size`. Enough to take the next leaf and to tell the root; at most 53 hashes.
 */
export interface Frontier {
  readonly size: number;
  readonly roots: readonly Buffer[];
}

export const emptyFrontier: Frontier = { size: 0, roots: [] };

/**
 * Adds leaves at the right. `completed` sees each complete subtree of more than one leaf exactly once over the life
 * of the tree. Sizes stay below 2^53, so arithmetic is by division: bit operators stop at 32 bits.
 */
export function grow(
  { size, roots }: Frontier,
  leafHashes: readonly Buffer[],
  completed: (node: TreeNode) => void = () => {},
): Frontier {
  const grown = [...roots];
  let count = size;
  for (const leafHash of leafHashes) {
    let hash = leafHash;
    let place = count;
    for (let level = 1; place % 2 === 1; level++) {
      place = (place - 1) / 2;
      hash = hashNode(grown.pop()!, hash);
      completed({ level, place, hash });
    }
    grown.push(hash);
    count++;
  }
  return { size: count, roots: grown };
}

/** The tree's root: complete subtrees are joined from the right (RFC 9162 section 2.1.1). */
export function rootOf({ roots }: Frontier): Buffer {
  return roots.length === 0 ? emptyRoot : roots.reduceRight((right, left) => hashNode(left, right));
}

/** The complete subtrees, left to right, that make up the leaves from `start` to before `end`. */
export function subtreesOf(start: number, end: number): { readonly level: number; readonly place: number }[] {
  const subtrees: { level: number; place: number }[] = [];
  let from = start;
  while (from < end) {
    let level = 0;
    let width = 1;
    while (from % (width * 2) === 0 && from + width * 2 <= end) {
      level++;
      width *= 2;
    }
    subtrees.push({ level, place: from / width });
    from += width;
  }
  return subtrees;
}

/**
 * The ranges of leaves whose hashes prove that leaf `index` is in the tree of `size` leaves, in the order of the proof,
 * lowest first (RFC 9162 section 2.1.3.1).
 */
export function proofRanges(index: number, size: number): { readonly start: number; readonly end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    let left = 1;
    while (left * 2 < end - start) left *= 2;
    const middle = start + left;
    if (index < middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return ranges.toReversed();
}

/** An inclusion proof: the hashes beside the way from leaf `index` up to the root of the tree of `size` leaves. */
export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly hashes: readonly Buffer[];
}

/**
 * Whether the proof leads from the leaf to the root. Needs nothing but its arguments, so an outsider can run it.
 *
 * Source: RFC 9162 section 2.1.3.2.
 */
export function verifyInclusion(
  leafHash: Uint8Array,
  { index, size, hashes }: InclusionProof,
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let place = index;
  let last = size - 1;
  let hash: Uint8Array = leafHash;
  for (const beside of hashes) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = hashNode(beside, hash);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = hashNode(hash, beside);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && Buffer.compare(hash, root) === 0;
}

/**
 * The ranges of leaves whose hashes prove that the tree of `size` leaves begins with the one of `before`, in the order of
 * the proof (RFC 9162 section 2.1.4.1). None when one of them is empty or they are the same.
 */
export function consistencyRanges(before: number, size: number): { readonly start: number; readonly end: number }[] {
  if (before === 0 || before === size) return [];
  const ranges: { start: number; end: number }[] = [];
  let start = 0;
  let end = size;
  let isWhole = true;
  while (end > before) {
    let left = 1;
    while (left * 2 < end - start) left *= 2;
    const middle = start + left;
    if (before <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
      isWhole = false;
    }
  }
  if (!isWhole) ranges.push({ start, end });
  return ranges.toReversed();
}

/**
 * Whether the proof shows that the tree with root `newRoot` begins with the one with root `oldRoot`.
 *
 * Source: RFC 9162 section 2.1.4.2.
 */
export function verifyConsistency(
  before: { readonly size: number; readonly root: Uint8Array },
  after: { readonly size: number; readonly root: Uint8Array },
  hashes: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(before.size) || !Number.isSafeInteger(after.size)) return false;
  if (before.size < 0 || before.size > after.size) return false;
  if (before.size === 0) return hashes.length === 0;
  if (before.size === after.size) return hashes.length === 0 && Buffer.compare(before.root, after.root) === 0;
  let place = before.size - 1;
  let last = after.size - 1;
  while (place % 2 === 1) {
    place = (place - 1) / 2;
    last = Math.floor(last / 2);
  }
  // A complete subtree is its own first hash, and is left out of the proof.
  const path = place === 0 ? [before.root, ...hashes] : [...hashes];
  const first = path.shift();
  if (first === undefined) return false;
  let oldHash: Uint8Array = first;
  let newHash: Uint8Array = first;
  for (const beside of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      oldHash = hashNode(beside, oldHash);
      newHash = hashNode(beside, newHash);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = hashNode(newHash, beside);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && Buffer.compare(oldHash, before.root) === 0 && Buffer.compare(newHash, after.root) === 0;
}
