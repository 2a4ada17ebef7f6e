import { randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../kernel/fault.ts";
import type { Progress } from "../kernel/progress.ts";
import type { Log } from "../kernel/log.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { clearDrafts, syncFolder, writeWhole } from "../kernel/whole-file.ts";
import type { Db } from "../db/db.ts";
import { readUnsignedCheckpoint } from "./checkpoint.ts";
import { witnessKey } from "./cosign.ts";
import { writeBundle } from "./entry-bundle.ts";
import type { Policy } from "./policy.ts";
import { rootAt } from "./proof.ts";
import { newTiles, partialsFolder, tileHeight, tilePath, tileWidth, type Tile } from "./tile-paths.ts";

/** Where a service keeps its timeline as files, below its data folder. */
export const timelineFolder = (dataDir: string): string => join(dataDir, "timeline");

interface Needs {
  readonly db: Db;
  /** Made if it is missing. Only this function writes in it. */
  readonly folder: string;
  readonly log: Log;
  /** Whose cosignatures make the file `cosigned`; without a policy there is none. */
  readonly policy?: Pick<Policy, "witnesses" | "isMet"> | undefined;
  /** In entries. */
  readonly progress?: Progress;
  /** When it aborts, what is not finished is removed at once: the process may be about to end, and the folder is for others. */
  readonly signal?: AbortSignal;
}

export interface Published {
  /** How many entries the folder's checkpoint covers; 0 without one. */
  readonly size: number;
  /** Files written by this call. */
  readonly written: number;
  /** Where a folder that held another timeline was put. */
  readonly setAside?: string;
}

/** Tiles whose rows are read and written together: some thousand entries. */
const tilesAtOnce = 32;
const unfinished = ".writing-";
/** Those of this process. */
const own = `${unfinished}${process.pid}-`;

/**
 * Brings a folder up to the newest signed checkpoint (C2SP tlog-tiles): entry bundles, tiles of hashes, and at the very
 * end the checkpoint, so that a reader who believes the checkpoint finds what it covers. Every file is written beside
 * its place, flushed, and renamed; none is changed afterwards except the checkpoint. Killed after any line, the next
 * call goes on from the checkpoint that is there. Partial tiles go when the full one is there, as the format allows.
 *
 * A folder that holds another timeline (a database was put back from a backup) is put aside under another name and said
 * in the log: two timelines under one key are evidence, and nothing here deletes it.
 *
 * The files follow from the database alone, so that two processes may write the same folder.
 */
export async function publishTiles(needs: Needs): Promise<Published> {
  const { db, folder, log, signal } = needs;
  const head = await db.one<{ size: number; note: string }>(
    `select size, note || coalesce((select string_agg(line || E'\\n', '' order by key)
                                      from timeline_cosignature c where c.size = h.size), '') as note
       from timeline_checkpoint h where note is not null order by size desc limit 1`,
  );
  if (head === undefined) return { size: 0, written: 0 };
  const before = await publishedCheckpoint(folder);
  if (before?.note === head.note) return { size: head.size, written: await writeCosigned(needs) };
  await makeFolder(folder, 0o700);
  const giveUp = (): void => removeOwn(folder);
  signal?.addEventListener("abort", giveUp);
  try {
    if (before !== undefined && !(await isOfThisTimeline(db, before))) throw new OtherTimeline();
    const { size, written } = await writeUpTo(needs, before?.size ?? 0, head);
    // What a killed writer left; another process may be at work here too.
    await clearDrafts(join(folder, "checkpoint"), (name) => name.startsWith(unfinished));
    return { size, written: written + (await writeCosigned(needs)) };
  } catch (thrown) {
    if (!(thrown instanceof OtherTimeline)) throw thrown;
    const setAside = `${folder}-other-${randomUUID()}`;
    await rename(folder, setAside);
    log.error({ setAside }, "the folder held another timeline than the database: it was put aside");
    await makeFolder(folder, 0o700);
    return { ...(await writeUpTo(needs, 0, head)), setAside };
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}

/**
 * The newest checkpoint that enough witnesses cosigned, as a file of its own: the newest of all may still wait for them.
 * @returns how many files were written.
 */
async function writeCosigned({ db, folder, policy }: Needs): Promise<number> {
  if (policy === undefined || policy.witnesses.length === 0) return 0;
  const names = new Map(policy.witnesses.map(({ name, key }) => [witnessKey(key), name]));
  const rows = await db.many<{ note: string; keys: string[]; lines: string[] }>(
    `select h.note, c.keys, c.lines
       from (select size, array_agg(key order by key) as keys, array_agg(line order by key) as lines
               from timeline_cosignature group by size order by size desc limit $1) c
       join timeline_checkpoint h using (size) where h.note is not null order by size desc`,
    [lookedThrough],
  );
  const found = rows.find(({ keys }) => policy.isMet(new Set(keys.flatMap((key) => names.get(key) ?? []))));
  if (found === undefined) return 0;
  const text = Buffer.from(`${found.note}${found.lines.map((line) => `${line}\n`).join("")}`);
  if ((await readIfThere(join(folder, "cosigned")))?.equals(text) === true) return 0;
  const touched = new Set<string>();
  await replaceFile(folder, "cosigned", text, touched);
  await syncFolders(touched);
  return 1;
}

/** Cosigned checkpoints that are looked through for one with enough witnesses. */
const lookedThrough = 100;

/** What a folder's checkpoint says, unverified; `undefined` without one. */
async function publishedCheckpoint(
  folder: string,
): Promise<{ readonly size: number; readonly root: Buffer; readonly note: string } | undefined> {
  const note = await readIfThere(join(folder, "checkpoint"));
  if (note === undefined) return undefined;
  const read = readUnsignedCheckpoint(note.toString("utf8"));
  // What cannot be read is not ours: size 0 and a root of no tree, so that it is put aside.
  return { size: read?.size ?? 0, root: read?.root ?? Buffer.alloc(0), note: note.toString("utf8") };
}

class OtherTimeline extends Error {}

async function isOfThisTimeline(
  db: Db,
  { size, root }: { readonly size: number; readonly root: Buffer },
): Promise<boolean> {
  const ours = await rootAt(db, size);
  return ours !== undefined && ours.rootHex === root.toString("hex");
}

async function writeUpTo(
  { db, folder, progress }: Needs,
  before: number,
  head: { readonly size: number; readonly note: string },
): Promise<Published> {
  const touched = new Set<string>();
  let written = 0;
  let batch: Tile[] = [];
  const flush = async (): Promise<void> => {
    const contents = await readTiles(db, batch);
    // All of them end before one that failed does: none is still being written when the next call looks.
    const ends = await Promise.allSettled(
      contents.map(async ({ tile, bytes }) => {
        if (await writeOnce(folder, tilePath(tile), bytes, touched)) written++;
      }),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    const last = batch.at(-1);
    // Entries and the hashes beside them are written together, and the hashes come last.
    if (last !== undefined && rank(last) === 0) progress?.(last.index * tileWidth + last.width, head.size);
    const complete = batch.filter(({ width }) => width === tileWidth);
    batch = [];
    // Folders first, so that no name is removed before the one that replaces it is durable.
    await syncFolders(touched);
    for (const tile of complete) await rm(join(folder, partialsFolder(tile)), { recursive: true, force: true });
  };
  for (const tile of newTiles(before, head.size)) {
    // A batch is of one kind, or of entries and the hashes beside them.
    const first = batch[0];
    if (first !== undefined && (batch.length >= tilesAtOnce || rank(first) !== rank(tile))) await flush();
    batch.push(tile);
  }
  if (batch.length > 0) await flush();
  // Another process may have written further meanwhile; a checkpoint that goes back would look like a lost log.
  const newest = await publishedCheckpoint(folder);
  if (newest !== undefined && newest.size > head.size) return { size: newest.size, written };
  await replaceFile(folder, "checkpoint", Buffer.from(head.note), touched);
  await syncFolders(touched);
  return { size: head.size, written: written + 1 };
}

const rank = ({ level }: Tile): number => (level === "entries" ? 0 : level);

interface Content {
  readonly tile: Tile;
  readonly bytes: Buffer;
}

/** The bytes of tiles that stand side by side: of one level, or entries and level 0. */
async function readTiles(db: Db, tiles: readonly Tile[]): Promise<Content[]> {
  const first = tiles[0];
  const last = tiles.at(-1);
  if (first === undefined || last === undefined) return [];
  const from = first.index * tileWidth;
  const to = last.index * tileWidth + last.width;
  const level = rank(first);
  const rows =
    level === 0
      ? await db.many<{ hash: Buffer; body: Buffer }>(
          `select leaf_hash as hash, body from timeline_entry where leaf_index >= $1 and leaf_index < $2
            order by leaf_index`,
          [from, to],
        )
      : await db.many<{ hash: Buffer; body?: Buffer }>(
          `select hash from timeline_node where level = $1 and place >= $2 and place < $3 order by place`,
          [level * tileHeight, from, to],
        );
  if (rows.length !== to - from) throw new Fault("IMPOSSIBLE", "the timeline has a gap: verify it");
  return tiles.map((tile) => {
    const own = rows.slice(tile.index * tileWidth - from, tile.index * tileWidth - from + tile.width);
    return {
      tile,
      bytes:
        tile.level === "entries"
          ? writeBundle(own.map(({ body }) => body ?? Buffer.alloc(0)))
          : Buffer.concat(own.map(({ hash }) => hash)),
    };
  });
}

/** @returns whether it was written. What is there already is complete, since names are given to whole files only. */
async function writeOnce(folder: string, path: string, bytes: Buffer, touched: Set<string>): Promise<boolean> {
  const there = await readIfThere(join(folder, path));
  if (there !== undefined) {
    if (!there.equals(bytes)) throw new OtherTimeline();
    // Its name may not be durable yet: whoever wrote it may have been killed before.
    touched.add(dirname(join(folder, path)));
    return false;
  }
  await replaceFile(folder, path, bytes, touched);
  return true;
}

async function replaceFile(folder: string, path: string, bytes: Buffer, touched: Set<string>): Promise<void> {
  const target = join(folder, path);
  const parent = dirname(target);
  const made = await makeFolder(parent, 0o700);
  // The names of new folders must last too.
  for (let at = parent; made !== undefined && at.length >= dirname(made).length; at = dirname(at)) touched.add(at);
  touched.add(parent);
  await writeWhole(join(folder, `${own}${randomUUID()}`), target, bytes);
}

async function syncFolders(touched: Set<string>): Promise<void> {
  const folders = [...touched];
  touched.clear();
  await Promise.all(folders.map(syncFolder));
}

function removeOwn(folder: string): void {
  for (const name of readdirSync(folder)) if (name.startsWith(own)) rmSync(join(folder, name), { force: true });
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}
