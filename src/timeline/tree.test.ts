import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  emptyFrontier,
  emptyRoot,
  grow,
  hashLeaf,
  hashNode,
  proofRanges,
  rootOf,
  rootOfRow,
  subtreesOf,
  verifyInclusion,
} from "./tree.ts";

/** RFC 9162 section 2.1.1, word for word: the definition that the streaming form must equal. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash("sha256").digest();
  if (leaves.length === 1)
    return createHash("sha256")
      .update(Buffer.concat([Buffer.of(0), leaves[0]!]))
      .digest();
  const k = split(leaves.length);
  return createHash("sha256")
    .update(Buffer.concat([Buffer.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k))]))
    .digest();
}

/** RFC 9162 section 2.1.3.1, word for word. */
function naivePath(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

const split = (n: number): number => 2 ** (Math.ceil(Math.log2(n)) - 1);
const leavesOf = (size: number): Buffer[] => Array.from({ length: size }, (_, i) => Buffer.from(`leaf ${i}`));

test("the streaming root equals the definition at every size from 0 to 300", () => {
  const leaves = leavesOf(300);
  let frontier = emptyFrontier;
  expect(rootOf(frontier).equals(emptyRoot)).toBe(true);
  for (const [i, leaf] of leaves.entries()) {
    frontier = grow(frontier, [hashLeaf(leaf)]);
    expect(rootOf(frontier).equals(naiveRoot(leaves.slice(0, i + 1))), `size ${i + 1}`).toBe(true);
  }
});

test("the root of a row is that of its hashes, joined pair by pair, and the row stays as it was", () => {
  for (let width = 1; width <= 256; width *= 2) {
    const leaves = leavesOf(width);
    const row = Buffer.concat(leaves.map(hashLeaf));
    const before = Buffer.from(row);
    expect(rootOfRow(row).equals(naiveRoot(leaves)), `width ${width}`).toBe(true);
    expect(row.equals(before)).toBe(true);
  }
});

test("leaves give the same root in one piece or in any pieces, and each subtree is completed once", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 12 }), (pieces) => {
      const leaves = leavesOf(pieces.reduce((sum, piece) => sum + piece, 0));
      const nodes = new Map<string, Buffer>();
      let frontier = emptyFrontier;
      let from = 0;
      for (const piece of pieces) {
        frontier = grow(frontier, leaves.slice(from, from + piece).map(hashLeaf), ({ level, place, hash }) => {
          expect(nodes.has(`${level}/${place}`)).toBe(false);
          nodes.set(`${level}/${place}`, hash);
        });
        from += piece;
      }
      expect(rootOf(frontier).equals(naiveRoot(leaves))).toBe(true);
      for (const [key, hash] of nodes) {
        const [level, place] = key.split("/").map(Number);
        const width = 2 ** level!;
        expect(hash.equals(naiveRoot(leaves.slice(place! * width, (place! + 1) * width)))).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

const range = (leaves: readonly Buffer[], start: number, end: number): Buffer =>
  subtreesOf(start, end)
    .map(({ level, place }) => naiveRoot(leaves.slice(place * 2 ** level, (place + 1) * 2 ** level)))
    .reduceRight((right, left) => hashNode(left, right));

test("a proof equals the definition, leads to the root, and nothing else does", () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 300 })
        .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }))),
      fc.nat(),
      ([size, index], pick) => {
        const leaves = leavesOf(size);
        const root = naiveRoot(leaves);
        const hashes = proofRanges(index, size).map(({ start, end }) => range(leaves, start, end));
        expect(hashes.map((hash) => hash.toString("hex"))).toEqual(
          naivePath(index, leaves).map((hash) => hash.toString("hex")),
        );
        const leafHash = hashLeaf(leaves[index]!);
        expect(verifyInclusion(leafHash, { index, size, hashes }, root)).toBe(true);

        const other = pick % size;
        if (other !== index) {
          expect(verifyInclusion(leafHash, { index: other, size, hashes }, root)).toBe(false);
          expect(verifyInclusion(hashLeaf(leaves[other]!), { index, size, hashes }, root)).toBe(false);
        }
        if (hashes.length > 0) {
          const bent = hashes.map((hash, i) => (i === pick % hashes.length ? hashLeaf(hash) : hash));
          expect(verifyInclusion(leafHash, { index, size, hashes: bent }, root)).toBe(false);
          expect(verifyInclusion(leafHash, { index, size, hashes: hashes.slice(1) }, root)).toBe(false);
          expect(verifyInclusion(leafHash, { index, size, hashes: [...hashes, root] }, root)).toBe(false);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test.each([-1, 5, 1.5, Number.NaN])("a proof for place %d of 5 is refused", (index) => {
  const leaves = leavesOf(5);
  expect(verifyInclusion(hashLeaf(leaves[0]!), { index, size: 5, hashes: [] }, naiveRoot(leaves))).toBe(false);
});

test("no leaf stands behind the end of a tree", () => {
  const leaf = hashLeaf(Buffer.from("only"));
  expect(verifyInclusion(leaf, { index: 0, size: 1, hashes: [] }, leaf)).toBe(true);
  for (const index of [1, 5, -1, 0.5]) {
    expect(verifyInclusion(leaf, { index, size: 1, hashes: [] }, leaf)).toBe(false);
  }
});
