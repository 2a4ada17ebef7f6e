import fc from "fast-check";
import { expect, test } from "vitest";
import { readBundle, writeBundle } from "./entry-bundle.ts";
import { newTiles, readTilePath, tilePath, type Tile } from "./tile-paths.ts";

const count = (size: number, level: Tile["level"]) => {
  const tiles = [...newTiles(0, size)].filter((tile) => tile.level === level);
  return {
    full: tiles.filter(({ width }) => width === 256).length,
    partial: tiles.find(({ width }) => width < 256)?.width,
  };
};

// C2SP tlog-tiles gives these two.
test("an index is written in groups of three digits, all but the last behind an x", () => {
  expect(tilePath({ level: 2, index: 1_234_067, width: 256 })).toBe("tile/2/x001/x234/067");
  expect(tilePath({ level: "entries", index: 0, width: 7 })).toBe("tile/entries/000.p/7");
});

test("a tree of 70,000 has 273 full tiles and one of 112 below, one full and one of 17 above, and one of 1 on top", () => {
  expect(count(70_000, 0)).toEqual({ full: 273, partial: 112 });
  expect(count(70_000, "entries")).toEqual({ full: 273, partial: 112 });
  expect(count(70_000, 1)).toEqual({ full: 1, partial: 17 });
  expect(count(70_000, 2)).toEqual({ full: 0, partial: 1 });
  expect(count(70_000, 3)).toEqual({ full: 0, partial: undefined });
  expect(count(256, 1)).toEqual({ full: 0, partial: 1 });
});

test("what a tree has after growing in any steps is what it has after growing in one", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sizes, (steps) => {
      const stops = steps.toSorted((one, other) => one - other);
      const last = stops.at(-1)!;
      const grown = new Set<string>();
      let before = 0;
      for (const size of stops) {
        for (const tile of newTiles(before, size)) grown.add(tilePath(tile));
        before = size;
      }
      for (const tile of newTiles(0, last)) expect(grown.has(tilePath(tile)), tilePath(tile)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test("a path is read back as its tile, and no other spelling of it is", () => {
  const tiles = fc.record({
    level: fc.oneof(fc.constant("entries" as const), fc.integer({ min: 0, max: 63 })),
    index: fc.integer({ min: 0, max: 2 ** 50 }),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tiles, (tile) => {
      expect(readTilePath(tilePath(tile))).toEqual(tile);
    }),
  );
  for (const path of [
    "tile/0/0",
    "tile/00/000",
    "tile/64/000",
    "tile/0/x000/000",
    "tile/0/001/002",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/../checkpoint",
    "tile/entries/000/",
    "tile/0/x999/x999/x999/x999/x999/x999/999",
    "checkpoint",
  ]) {
    expect(readTilePath(path), path).toBeUndefined();
  }
});

test("a bundle gives its entries back; cut anywhere but between two, it gives none", () => {
  const bodies = [Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(65_535, 7), Buffer.from("four")];
  const bundle = writeBundle(bodies);
  expect(readBundle(bundle)).toEqual(bodies);
  const between = [0, 5, 7, 7 + 65_537, bundle.length];
  for (const length of [1, 2, 3, 4, 6, 8, 100, 7 + 65_538, bundle.length - 1]) {
    expect(between.includes(length)).toBe(false);
    expect(readBundle(bundle.subarray(0, length)), `${length}`).toBeUndefined();
  }
  expect(readBundle(writeBundle(Array.from({ length: 257 }, () => Buffer.of(1))))).toBeUndefined();
});
