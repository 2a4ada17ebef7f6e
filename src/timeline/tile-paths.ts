/** How many levels of the tree one level of tiles stands for (C2SP tlog-tiles, "Merkle Tree"). */
export const tileHeight = 8;

/** How many hashes, or entries, stand in a full tile. */
export const tileWidth = 2 ** tileHeight;

/** Levels of a tree as large as a safe integer: 256^7 leaves are more. */
export const highestLevel = 6;

/** One file of the log: hashes of a level, or the entries themselves. */
export interface Tile {
  readonly level: number | "entries";
  readonly index: number;
  /** 1 to 256; less than 256 is a partial tile. */
  readonly width: number;
}

/**
 * Where a tile stands below the log's prefix: `tile/0/x001/x234/067`, `tile/entries/003.p/12` (C2SP tlog-tiles,
 * "Merkle Tree" and "Log entries").
 */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const parts = padded.match(/\d{3}/g) ?? [];
  const last = parts.pop() ?? "000";
  const partial = width === tileWidth ? "" : `.p/${width}`;
  return ["tile", String(level), ...parts.map((part) => `x${part}`), last].join("/") + partial;
}

/** The folder of a tile's partial versions, which goes when the full one is there. */
export const partialsFolder = (tile: Tile): string => `${tilePath({ ...tile, width: tileWidth })}.p`;

const pathPattern =
  /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*)(\d{3})(?:\.p\/([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]))?$/;

/** Reads a path as a tile; `undefined` for one that the format does not have, other spellings of the same tile included. */
export function readTilePath(path: string): Tile | undefined {
  if (path.length > 80) return undefined;
  const [, level, leading = "", last, partial] = pathPattern.exec(path) ?? [];
  if (level === undefined || last === undefined) return undefined;
  const tile: Tile = {
    level: level === "entries" ? level : Number(level),
    index: Number(leading.replaceAll(/[x/]/g, "") + last),
    width: partial === undefined ? tileWidth : Number(partial),
  };
  return Number.isSafeInteger(tile.index) && tilePath(tile) === path ? tile : undefined;
}

/** How many hashes a level has in a tree of `size`: one for each full tile of the level below. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / tileWidth ** level);
}

/**
 * The tiles that a tree of `size` has, and one of `before` did not, lowest level first, left to right, entries and level
 * 0 side by side. A partial tile that has become wider is another tile.
 */
export function* newTiles(before: number, size: number): Generator<Tile> {
  for (let level = 0; level <= highestLevel; level++) {
    const had = hashesAt(level, before);
    const has = hashesAt(level, size);
    if (has === had) continue;
    for (let index = Math.floor(had / tileWidth); index * tileWidth < has; index++) {
      const width = Math.min(tileWidth, has - index * tileWidth);
      if (level === 0) yield { level: "entries", index, width };
      yield { level, index, width };
    }
  }
}
