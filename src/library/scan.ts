import type { BigIntStats } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { FileId, TitleId } from "../kernel/brand.ts";
import { toDate, type Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import { picturesOf, sidecarsOf, type Sidecar } from "./beside.ts";
import { fileProblems } from "./file-problems.ts";
import { mediaIndexVersion } from "./media/media-index.ts";
import { placementOf, placeTitle, titleIdentity } from "./place-title.ts";
import type { Facts } from "./tables.ts";
import { fingerprintOf, walkLibrary, type FoundFile, type WalkLimits } from "./walk.ts";

/** What the media room says of a file. A file that it cannot make sense of is damaged, with the reason for the operator. */
export type Inspection =
  | { readonly kind: "playable"; readonly facts: Facts; readonly index: unknown }
  | { readonly kind: "damaged"; readonly reason: string };

export interface ScanNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly libraryDir: string;
  /** Reads one file by its full path. May throw a Fault when something of ours is broken: the file is tried again. */
  readonly inspect: (path: string, signal: AbortSignal) => Promise<Inspection>;
  readonly walkLimits?: WalkLimits;
}

/** What one scan did. */
export interface ScanCounts {
  readonly files: number;
  readonly unchanged: number;
  readonly inspected: number;
  readonly damaged: number;
  /** Renamed or moved, back, or with other things beside them. */
  readonly updated: number;
  readonly missing: number;
  /** Still being written: the next scan takes them. */
  readonly waiting: number;
  /** Could not be inspected because something of ours is broken; tried again. */
  readonly failed: number;
  /** Links, folders that cannot be read, names that are too long. */
  readonly skipped: number;
}

type Counts = { -readonly [Name in keyof ScanCounts]: number };

/** A file that changed less than this long ago may still be being written. */
export const settleMs = 5_000;

/** Files inspected at once. */
const inspectionsAtOnce = 2;

interface KnownFile {
  readonly id: FileId;
  readonly titleId: TitleId;
  readonly path: string;
  readonly fingerprint: string;
  readonly state: "playable" | "damaged" | "missing";
  readonly problem: string | null;
  readonly sidecars: readonly Sidecar[];
  readonly pictures: readonly string[];
  readonly identity: Buffer;
  readonly indexVersion: number | null;
}

/**
 * Brings the tables in line with the folder. A file whose fingerprint is known is not read again; each file is one small
 * transaction, so that a scan that is killed goes on where it was, and two scans at once make the same rows once. A file
 * that is away hides its title and keeps everything that hangs on it; a renamed one keeps its title's id.
 *
 * @returns `away` when the library's folder cannot be read: nothing is concluded from that. What a broken or hostile
 *   file does to its inspection ends with that file.
 */
export async function scanLibrary(
  needs: ScanNeeds,
  signal: AbortSignal,
): Promise<{ readonly kind: "scanned"; readonly counts: ScanCounts } | { readonly kind: "away" }> {
  const { db, clock, random, log, libraryDir } = needs;
  const counts: Counts = {
    files: 0,
    unchanged: 0,
    inspected: 0,
    damaged: 0,
    updated: 0,
    missing: 0,
    waiting: 0,
    failed: 0,
    skipped: 0,
  };
  const startedAt = clock.now();
  const known = await readKnown(db);
  const found: FoundFile[] = [];
  let end;
  try {
    end = await walkLibrary(
      libraryDir,
      (file) => found.push(file),
      (what) => {
        counts.skipped++;
        log.info({ path: what.path, reason: what.reason }, "the scan passes something by");
      },
      signal,
      needs.walkLimits,
    );
  } catch (thrown) {
    log.warn({ reason: messageOf(thrown) }, "the library's folder cannot be read");
    return { kind: "away" };
  }
  counts.files = found.length;
  if (end.stoppedBy !== null) {
    log.error(
      { libraryDir, limit: end.stoppedBy },
      "the library was not read to its end: LIBRARY_DIR must be a folder of films and nothing else",
    );
  }

  const scanId = newId(random, startedAt);
  await db.run(`insert into scan (id, started_at, counts) values ($1, $2, $3)`, [
    scanId,
    toDate(startedAt),
    JSON.stringify(counts),
  ]);

  const byPath = new Map(known.map((file) => [file.path, file]));
  const foundPaths = new Set(found.map(({ path }) => path));
  const isUnknown = (path: string): boolean =>
    !end.complete || end.unreadable.some((folder) => path.startsWith(`${folder}/`));
  const gone = known.filter(({ path }) => !foundPaths.has(path) && !isUnknown(path));
  // Several where names were links to one file, or where a file took the place of another.
  const goneByFingerprint = Map.groupBy(gone, ({ fingerprint }) => fingerprint);

  const toInspect: FoundFile[] = [];
  for (const file of found) {
    if (signal.aborted) break;
    const age = startedAt - file.modifiedMs;
    const before = byPath.get(file.path);
    if (age < settleMs && age > -settleMs) {
      counts.waiting++;
      continue;
    }
    const moved = before === undefined ? takeGone(goneByFingerprint, file.fingerprint) : undefined;
    if (moved !== undefined) {
      counts.updated += await keepFile(needs, file, moved);
    } else if (before === undefined || isOutdated(file, before)) {
      toInspect.push(file);
    } else if (isAsBefore(file, before)) {
      counts.unchanged++;
    } else {
      counts.updated += await keepFile(needs, file, before);
    }
  }

  if (!signal.aborted) {
    // A file that came back under another name is not gone, although its old path is.
    counts.missing = await hideGone(needs, [...goneByFingerprint.values()].flat());
  }
  await inspectAll(needs, toInspect, counts, scanId, signal);
  await finishScan(db, scanId, counts, toDate(clock.now()));
  // A folder that is looked at every few seconds while films arrive: what found nothing new is not news.
  const { files: _files, unchanged: _unchanged, waiting: _waiting, ...news } = counts;
  const level = Object.values(news).some((count) => count > 0) ? "info" : "debug";
  log[level]({ ...counts }, "the library is scanned");
  return { kind: "scanned", counts };
}

async function readKnown(db: Db): Promise<KnownFile[]> {
  return db.many<KnownFile>(
    `select file.id, title_id as "titleId", path, fingerprint, state, problem, sidecars, pictures, title.identity,
            (index->>'version')::int as "indexVersion"
       from file join title on title.id = file.title_id`,
  );
}

/** The row of a file that is gone from its path, for a new path of the same file: one that was there until now before others. */
function takeGone(gone: ReadonlyMap<string, KnownFile[]>, fingerprint: string): KnownFile | undefined {
  const same = gone.get(fingerprint) ?? [];
  const present = same.findIndex(({ state }) => state !== "missing");
  return same.splice(Math.max(0, present), 1)[0];
}

/**
 * Its bytes may have changed, or what we know of them is in a form that is not used any more, or nothing is known of them: a
 * right to read that is given later leaves the file's time of change as it was.
 */
const isOutdated = (file: FoundFile, before: KnownFile): boolean =>
  before.fingerprint !== file.fingerprint ||
  before.problem === fileProblems.forbidden ||
  (before.problem === null && before.indexVersion !== mediaIndexVersion);

function isAsBefore(file: FoundFile, before: KnownFile): boolean {
  return (
    before.state !== "missing" &&
    isSame(sidecarsOf(file.path, file.beside), before.sidecars) &&
    isSame(picturesOf(file.path, file.beside), before.pictures) &&
    titleIdentity(file.path, placementOf(file.path)).equals(before.identity)
  );
}

/** PostgreSQL's jsonb orders keys in its own way. */
function isSame(one: unknown, other: unknown): boolean {
  const ordered = (_key: string, value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(one, ordered) === JSON.stringify(other, ordered);
}

/** Scans write one after another, so that "is there such a title" and "then make it" cannot interleave. */
const lockLibrary = (tx: Tx): Promise<number> =>
  tx.run(`select pg_advisory_xact_lock(hashtext('houselights library'))`);

/** Every title of which a file is there can be seen. */
const showTitles = (tx: Tx, titleIds: readonly TitleId[]): Promise<number> =>
  tx.run(
    `update title
        set visible = exists (select 1 from file where title_id = title.id and state <> 'missing')
      where id = any($1)`,
    [titleIds],
  );

/** The file is known, by its path or by its fingerprint: its row follows it. @returns how many rows changed. */
async function keepFile({ db, clock, random }: ScanNeeds, file: FoundFile, before: KnownFile): Promise<number> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    await lockLibrary(tx);
    if (before.path !== file.path) {
      const taken = await tx.one(`select 1 as taken from file where path = $1`, [file.path]);
      // Another scan was faster.
      if (taken) return 0;
    }
    const titleId = await placeTitle(tx, { random, now }, file.path, { titleId: before.titleId, fileId: before.id });
    const changed = await tx.run(
      `update file
          set path = $3, title_id = $4, sidecars = $5, pictures = $6,
              state = case when problem is null then 'playable' else 'damaged' end
        where id = $1 and path = $2`,
      [
        before.id,
        before.path,
        file.path,
        titleId,
        JSON.stringify(sidecarsOf(file.path, file.beside)),
        JSON.stringify(picturesOf(file.path, file.beside)),
      ],
    );
    await showTitles(tx, [before.titleId, titleId]);
    return changed;
  });
}

/** Marks what is gone, unless it has been found elsewhere since the rows were read. */
async function hideGone({ db }: ScanNeeds, gone: readonly KnownFile[]): Promise<number> {
  const present = gone.filter(({ state }) => state !== "missing");
  if (present.length === 0) return 0;
  return db.transaction(async (tx) => {
    await lockLibrary(tx);
    const hidden = await tx.many<{ titleId: TitleId }>(
      `update file set state = 'missing'
         from unnest($1::uuid[], $2::text[]) as was (id, path)
        where file.id = was.id and file.path = was.path and state <> 'missing'
        returning title_id as "titleId"`,
      [present.map(({ id }) => id), present.map(({ path }) => path)],
    );
    await showTitles(
      tx,
      hidden.map(({ titleId }) => titleId),
    );
    return hidden.length;
  });
}

async function inspectAll(
  needs: ScanNeeds,
  files: readonly FoundFile[],
  counts: Counts,
  scanId: string,
  signal: AbortSignal,
): Promise<void> {
  const { db, libraryDir, log } = needs;
  const inspecting = new Set<string>();
  // One after the other: of two that are written at once the older could stay.
  let noted: Promise<unknown> = Promise.resolve();
  const note = (): Promise<unknown> =>
    (noted = noted.then(() =>
      db.run(`update scan set counts = $2, inspecting = $3, to_inspect = $4 where id = $1`, [
        scanId,
        JSON.stringify(counts),
        [...inspecting],
        files.length,
      ]),
    ));
  let next = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const file = files[next++];
      if (file === undefined || signal.aborted) return;
      let inspection: Inspection;
      inspecting.add(file.path);
      await note();
      try {
        inspection =
          file.problem === null
            ? await needs.inspect(join(libraryDir, file.path), signal)
            : { kind: "damaged", reason: file.problem };
      } catch (thrown) {
        if (signal.aborted) return;
        if (thrown instanceof Fault && thrown.code !== "MEDIA_UNREADABLE") {
          counts.failed++;
          log.error({ path: file.path, fault: thrown.code, reason: thrown.message }, "a file could not be inspected");
          if (thrown.code === "MEDIA_TOOL_MISSING") {
            // All others would fail alike, and each would say so: they are tried when this one is.
            counts.failed += Math.max(0, files.length - next);
            next = files.length;
          }
          continue;
        }
        inspection = { kind: "damaged", reason: `it could not be read: ${messageOf(thrown)}` };
      } finally {
        inspecting.delete(file.path);
      }
      if (file.problem === null && (await changedMeanwhile(libraryDir, file))) {
        counts.waiting++;
        continue;
      }
      inspection = await recordFile(needs, file, inspection).then(
        () => inspection,
        async (thrown: unknown) => {
          // With the database away this fails too, and the scan with it: it is tried again.
          const unstored = {
            kind: "damaged",
            reason: `what it says of itself cannot be stored: ${messageOf(thrown)}`,
          } as const;
          await recordFile(needs, file, unstored);
          return unstored;
        },
      );
      counts.inspected++;
      if (inspection.kind === "damaged") {
        counts.damaged++;
        log.warn({ path: file.path, reason: inspection.reason }, "a file is damaged");
      }
    }
  };
  await Promise.all(Array.from({ length: inspectionsAtOnce }, work));
}

async function changedMeanwhile(libraryDir: string, file: FoundFile): Promise<boolean> {
  const stats: BigIntStats | undefined = await lstat(join(libraryDir, file.path), { bigint: true }).catch(
    () => undefined,
  );
  return stats === undefined || fingerprintOf(stats) !== file.fingerprint;
}

/** Strings from inside a hostile file may hold what jsonb cannot: U+0000 and halves of characters. */
const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "string" ? part.toWellFormed().replaceAll("\0", "") : part,
  );

async function recordFile({ db, clock, random }: ScanNeeds, file: FoundFile, inspection: Inspection): Promise<void> {
  const now = clock.now();
  await db.transaction(async (tx) => {
    await lockLibrary(tx);
    const before = await tx.one<{ titleId: TitleId }>(`select title_id as "titleId" from file where path = $1`, [
      file.path,
    ]);
    const titleId = await placeTitle(tx, { random, now }, file.path);
    await tx.run(
      `insert into file (id, title_id, path, fingerprint, size_bytes, state, problem, facts, index, sidecars, pictures,
                         first_seen_at, inspected_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
       on conflict (path) do update
         set title_id = excluded.title_id, fingerprint = excluded.fingerprint, size_bytes = excluded.size_bytes,
             state = excluded.state, problem = excluded.problem, facts = excluded.facts, index = excluded.index,
             sidecars = excluded.sidecars, pictures = excluded.pictures, inspected_at = excluded.inspected_at`,
      [
        newId<FileId>(random, now),
        titleId,
        file.path,
        file.fingerprint,
        file.sizeBytes,
        inspection.kind,
        inspection.kind === "damaged" ? inspection.reason.toWellFormed().replaceAll("\0", "").slice(0, 1_000) : null,
        inspection.kind === "playable" ? toJson(inspection.facts) : null,
        inspection.kind === "playable" ? toJson(inspection.index) : null,
        JSON.stringify(sidecarsOf(file.path, file.beside)),
        JSON.stringify(picturesOf(file.path, file.beside)),
        toDate(now),
      ],
    );
    await showTitles(tx, before === undefined ? [titleId] : [titleId, before.titleId]);
  });
}

async function finishScan(db: Db, scanId: string, counts: ScanCounts, finishedAt: Date): Promise<void> {
  await db.run(`update scan set finished_at = $2, counts = $3, inspecting = '{}' where id = $1`, [
    scanId,
    finishedAt,
    JSON.stringify(counts),
  ]);
  await db.run(`delete from scan where id not in (select id from scan order by started_at desc limit 50)`);
}
