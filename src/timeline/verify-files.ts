import { join } from "node:path";
import type { Progress } from "../kernel/progress.ts";
import { readCheckpointBody } from "./checkpoint.ts";
import { readBundle } from "./entry-bundle.ts";
import { readNote, type Note } from "./note.ts";
import { readBounded } from "./read-bounded.ts";
import { hashesAt, highestLevel, tilePath, tileWidth, type Tile } from "./tile-paths.ts";
import { emptyFrontier, emptyRoot, grow, hashLeaf, rootOf, type Frontier } from "./tree.ts";

/** What a folder of tlog-tiles holds once every byte of it has been looked at. */
export interface WholeFolder {
  readonly kind: "whole";
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** The checkpoint, its signatures still to be judged. */
  readonly note: Note;
  /** The root of the first so many entries, for each size that was asked for and is not beyond the tree. */
  readonly roots: ReadonlyMap<number, Buffer>;
}

export type FolderVerdict =
  | WholeFolder
  /** `says` names the file and what is wrong with it. */
  | { readonly kind: "damaged"; readonly says: string };

interface Asked {
  /** Sizes whose roots are wanted. */
  readonly sizes?: readonly number[];
  /** Sees each entry in its order, once it is known to give its hash. */
  readonly entry?: (index: number, body: Buffer, leafHash: Buffer) => void;
  /** In entries. */
  readonly progress?: Progress | undefined;
}

/** A bundle of 256 entries of the largest size, with some room: nothing larger is read into memory. */
const mostBytes = 20_000_000;

class Damage extends Error {}

/**
 * Recomputes a timeline from its files alone (C2SP tlog-tiles): every entry's hash, every tile of every level, and the
 * root that the checkpoint states. Who signed the checkpoint is for the caller to judge. Reads each file once, from left
 * to right; memory is flat.
 */
export async function readWholeFolder(
  folder: string,
  { sizes = [], entry, progress }: Asked = {},
): Promise<FolderVerdict> {
  try {
    return await readAll(folder, sizes, entry, progress);
  } catch (thrown) {
    if (thrown instanceof Damage) return { kind: "damaged", says: thrown.message };
    throw thrown;
  }
}

async function readAll(
  folder: string,
  sizes: readonly number[],
  seeEntry: Asked["entry"] = () => undefined,
  progress: Asked["progress"] = () => undefined,
): Promise<WholeFolder> {
  const text = await readNamed(folder, "checkpoint");
  const note = readNote(text.toString("utf8"));
  const stated = note === undefined ? undefined : readCheckpointBody(note.body);
  if (note === undefined || stated === undefined) throw new Damage("checkpoint: it is no signed checkpoint");
  const { size, origin } = stated;

  const wanted = [...new Set(sizes)].filter((one) => one <= size).toSorted((one, other) => one - other);
  const roots = new Map<number, Buffer>();
  if (wanted[0] === 0) roots.set(0, emptyRoot);
  const uppers = upperLevels(folder, size);
  let frontier: Frontier = emptyFrontier;
  for (let index = 0; index * tileWidth < size; index++) {
    const width = Math.min(tileWidth, size - index * tileWidth);
    const leaves = await readLeaves(folder, { level: 0, index, width }, seeEntry);
    const finished: { level: number; place: number; hash: Buffer }[] = [];
    let done = 0;
    // In pieces, so that the root at each size that was asked for is met on the way.
    for (const stop of [...wanted.filter((one) => one > frontier.size && one < frontier.size + width), undefined]) {
      const upTo = stop === undefined ? width : stop - index * tileWidth;
      frontier = grow(frontier, leaves.slice(done, upTo), (node) => {
        if (node.level % 8 === 0) finished.push({ ...node, level: node.level / 8 });
      });
      done = upTo;
      if (wanted.includes(frontier.size)) roots.set(frontier.size, rootOf(frontier));
    }
    for (const node of finished) await uppers.compare(node);
    progress(frontier.size, size);
  }
  const root = rootOf(frontier);
  if (!root.equals(stated.root)) throw new Damage("checkpoint: its root is not that of the entries");
  return { kind: "whole", origin, size, root, note, roots };
}

/** The leaf hashes of one tile, each compared with the entry that it is the hash of. */
async function readLeaves(folder: string, tile: Tile, seeEntry: NonNullable<Asked["entry"]>): Promise<Buffer[]> {
  const hashes = await readHashes(folder, tile);
  const bundle: Tile = { ...tile, level: "entries" };
  const { path, bytes, width } = await readTile(folder, bundle);
  const bodies = readBundle(bytes);
  // One more than it should have is one that nobody signed.
  if (bodies?.length !== width) throw new Damage(`${path}: it is cut short, torn or too long`);
  return bodies.slice(0, tile.width).map((body, i) => {
    const leafHash = hashLeaf(body);
    const place = tile.index * tileWidth + i;
    if (hashes[i]?.equals(leafHash) !== true) {
      throw new Damage(`${path}: entry ${place} does not give the hash that stands in ${tilePath(tile)}`);
    }
    seeEntry(place, body, leafHash);
    return leafHash;
  });
}

/** The tiles above the leaves, one of each level in memory, compared hash by hash with what the leaves give. */
function upperLevels(folder: string, size: number) {
  const held = new Map<number, { readonly index: number; readonly hashes: readonly Buffer[] }>();
  return {
    compare: async ({ level, place, hash }: { level: number; place: number; hash: Buffer }): Promise<void> => {
      if (level > highestLevel) return;
      const index = Math.floor(place / tileWidth);
      const width = Math.min(tileWidth, hashesAt(level, size) - index * tileWidth);
      let tile = held.get(level);
      if (tile?.index !== index) {
        tile = { index, hashes: await readHashes(folder, { level, index, width }) };
        held.set(level, tile);
      }
      if (tile.hashes[place % tileWidth]?.equals(hash) === true) return;
      throw new Damage(
        `${tilePath({ level, index, width })}: hash ${place % tileWidth} is not that of what is below it`,
      );
    },
  };
}

async function readHashes(folder: string, tile: Tile): Promise<Buffer[]> {
  const { path, bytes, width } = await readTile(folder, tile);
  if (bytes.length !== width * 32) throw new Damage(`${path}: it is not ${width} hashes long`);
  return Array.from({ length: tile.width }, (_, i) => bytes.subarray(i * 32, i * 32 + 32));
}

/** The tile, or the full one that has taken a partial one's place (C2SP tlog-tiles, "Partial Tiles"). */
async function readTile(
  folder: string,
  tile: Tile,
): Promise<{ readonly path: string; readonly bytes: Buffer; readonly width: number }> {
  const path = tilePath(tile);
  const bytes = await readIfThere(folder, path);
  if (bytes !== undefined) return { path, bytes, width: tile.width };
  if (tile.width < tileWidth) {
    const full = tilePath({ ...tile, width: tileWidth });
    const wider = await readIfThere(folder, full);
    if (wider !== undefined) return { path: full, bytes: wider, width: tileWidth };
  }
  throw new Damage(`${path}: it is missing`);
}

async function readNamed(folder: string, name: string): Promise<Buffer> {
  const bytes = await readIfThere(folder, name);
  if (bytes === undefined) throw new Damage(`${name}: it is missing`);
  return bytes;
}

async function readIfThere(folder: string, path: string): Promise<Buffer | undefined> {
  const found = await readBounded(join(folder, path), mostBytes);
  if (found.kind === "refused") throw new Damage(`${path}: it ${found.why}`);
  return found.kind === "read" ? found.bytes : undefined;
}
