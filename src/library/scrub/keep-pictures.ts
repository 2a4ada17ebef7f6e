import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { FileId } from "../../kernel/brand.ts";
import { dayMs, hourMs, plus, toDate, type Clock } from "../../kernel/clock.ts";
import type { Random } from "../../kernel/random.ts";
import type { Db, Tx } from "../../db/db.ts";
import { scrubFolder, scrubName } from "./picture-file.ts";

export interface ScrubNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly libraryDir: string;
  readonly dataDir: string;
}

/** A film whose pictures are to be made. */
export interface ScrubCandidate {
  readonly fileId: FileId;
  /** Relative to the library. */
  readonly path: string;
  readonly fingerprint: string;
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly startSeconds: number | null;
  readonly isIndexed: boolean;
}

/** A film whose pictures failed is tried this many times, with this pause between, and then left until it changes. */
export const mostTries = 3;
export const pauseMs = 6 * hourMs;
/** The pictures of a film that is away are kept for this long, so that a disk that was off for a night costs nothing. */
const awayMs = dayMs;

/** Whether there are pictures of a row of `file`, as it is now. */
export const hasScrubPictures = `exists (
  select from scrub where scrub.file_id = file.id and scrub.fingerprint = file.fingerprint and scrub.state = 'made')`;

/**
 * Removes the pictures of films that changed or have been away for a day, and what a crash left behind. @returns the films
 * whose pictures are not on this host although they were made: made on another one, or the folder was emptied.
 */
export async function tidyPictures({ db, clock, dataDir }: ScrubNeeds): Promise<readonly FileId[]> {
  const now = clock.now();
  await db.run(`delete from scrub using file where file.id = scrub.file_id and file.fingerprint <> scrub.fingerprint`);
  await db.run(
    `update scrub set away_since = case when file.state = 'playable' then null else $1::timestamptz end
       from file where file.id = scrub.file_id and (file.state = 'playable') = (away_since is not null)`,
    [toDate(now)],
  );
  await db.run(`delete from scrub where away_since < $1`, [toDate(plus(now, -awayMs))]);

  const folder = scrubFolder(dataDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = await db.many<{ fileId: FileId; fingerprint: string }>(
    `select file_id as "fileId", fingerprint from scrub where state = 'made'`,
  );
  const missing = new Map(made.map(({ fileId, fingerprint }) => [scrubName(fileId, fingerprint), fileId]));
  for (const name of await readdir(folder)) {
    if (missing.delete(name)) continue;
    const full = join(folder, name);
    const stats = await stat(full).catch(() => undefined);
    // A young one's row may be on its way.
    if (stats !== undefined && now - stats.mtimeMs > hourMs) await rm(full, { recursive: true, force: true });
  }
  return [...missing.values()];
}

/** The next film to make pictures of, the newest first; one of `missing` when there is no other. */
export async function nextCandidate(
  { db, clock }: ScrubNeeds,
  missing: readonly FileId[],
): Promise<ScrubCandidate | undefined> {
  return db.one<ScrubCandidate>(
    `select file.id as "fileId", path, file.fingerprint, (facts->>'durationSeconds')::float8 as "durationSeconds",
            (facts->>'width')::float8 as width, (facts->>'height')::float8 as height,
            (index->'video'->>'startTicks')::float8 / (index->'video'->>'timescale')::float8 as "startSeconds",
            index->>'container' <> 'other' as "isIndexed"
       from file left join scrub on scrub.file_id = file.id and scrub.fingerprint = file.fingerprint
      where file.state = 'playable'
        and (scrub.file_id is null or (scrub.state <> 'made' and tries < $1 and tried_at < $2) or file.id = any($3))
      order by coalesce(tries, 0), first_seen_at desc, file.id limit 1`,
    [mostTries, toDate(plus(clock.now(), -pauseMs)), missing],
  );
}

/** Counts a try, before it begins. Pictures that are made again where they are missing stay made. */
export async function beginTry({ db, clock }: ScrubNeeds, { fileId, fingerprint }: ScrubCandidate): Promise<void> {
  await db.run(
    `insert into scrub (file_id, fingerprint, state, tries, tried_at) values ($1, $2, 'making', 1, $3)
     on conflict (file_id) do update
       set fingerprint = excluded.fingerprint, state = 'making', problem = null, tried_at = excluded.tried_at,
           tries = case when scrub.fingerprint = excluded.fingerprint then scrub.tries else 0 end + 1
      where scrub.state <> 'made' or scrub.fingerprint <> excluded.fingerprint`,
    [fileId, fingerprint, toDate(clock.now())],
  );
}

/** How a try ended. `null`: the pictures are on the disk. */
export async function endTry(tx: Tx, { fileId, fingerprint }: ScrubCandidate, problem: string | null): Promise<void> {
  await tx.run(
    `update scrub set state = case when $3::text is null then 'made' else 'failed' end, problem = $3
      where file_id = $1 and fingerprint = $2 and state = 'making'`,
    [fileId, fingerprint, problem?.toWellFormed().replaceAll("\0", "").slice(0, 500) ?? null],
  );
}

/** A try that was broken off for no reason of the film's does not count. */
export async function forgetTry(tx: Tx, { fileId }: ScrubCandidate): Promise<void> {
  await tx.run(`delete from scrub where file_id = $1 and state = 'making'`, [fileId]);
}
