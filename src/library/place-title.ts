import { createHash } from "node:crypto";
import type { TitleId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { impossible } from "../kernel/fault.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { readPath, splitExtension, type Placement } from "./layout.ts";
import { displayName, fold, sortKeyOf } from "./names.ts";

/** A name of punctuation alone folds to nothing, and then stands for itself. */
const key = (name: string): string => fold(name) || name;

const digestOf = (...parts: readonly (string | number)[]): Buffer =>
  createHash("sha256").update(JSON.stringify(parts)).digest();

const seriesIdentity = (name: string, year: number | null): Buffer => digestOf("series", key(name), year ?? 0);

/** What the path says; a file that the walk found but whose name cannot be read is a film by that name. */
export const placementOf = (path: string): Placement =>
  readPath(path) ?? {
    kind: "film",
    name: displayName(splitExtension(path.split("/").at(-1) ?? "").stem) || "Unnamed",
    year: null,
  };

/**
 * What makes two files versions of one title: a film's name and year; series, season and episode. Films without a year
 * are one only within a folder, since "clip" of two holidays is two.
 */
export function titleIdentity(path: string, placement: Placement): Buffer {
  if (placement.kind === "episode") {
    const { series, seriesYear, season, episode } = placement;
    return digestOf("episode", seriesIdentity(series, seriesYear).toString("hex"), season, episode);
  }
  const { name, year } = placement;
  return year === null
    ? digestOf("film in", path.slice(0, path.lastIndexOf("/") + 1), key(name))
    : digestOf("film", key(name), year);
}

const pad = (count: number): string => String(count).padStart(4, "0");

/** Compatibility forms can be 18 times as long as what they stand for, and an index entry has at most 2,704 bytes. */
const short = (text: string): string => Array.from(text).slice(0, 300).join("").trimEnd();

/** The columns that follow from the path alone. */
function columnsOf(placement: Placement): {
  readonly season: number | null;
  readonly episode: number | null;
  readonly lastEpisode: number | null;
  readonly year: number | null;
  readonly searchText: string;
  readonly sortKey: string;
} {
  if (placement.kind === "film") {
    const { name, year } = placement;
    return {
      season: null,
      episode: null,
      lastEpisode: null,
      year,
      searchText: ` ${short(key(name))} ${year ?? ""}`.trimEnd(),
      sortKey: `${short(sortKeyOf(name) || name)} ${year ?? ""}`.trimEnd(),
    };
  }
  const { series, seriesYear, season, episode, lastEpisode, name } = placement;
  return {
    season,
    episode,
    lastEpisode,
    year: seriesYear,
    searchText: ` ${short(key(series))} ${short(key(name))} s${String(season).padStart(2, "0")}e${String(episode).padStart(2, "0")}`,
    // Specials come after the seasons.
    sortKey: `${short(sortKeyOf(series) || series)} ${seriesYear ?? ""} ${season === 0 ? "9999" : pad(season)} ${pad(episode)}`,
  };
}

async function ensureSeries(
  tx: Tx,
  { random, now }: { readonly random: Random; readonly now: EpochMs },
  placement: Extract<Placement, { kind: "episode" }>,
): Promise<string> {
  const row = await tx.one<{ id: string }>(
    `insert into series (id, identity, name, year, added_at) values ($1, $2, $3, $4, $5)
     on conflict (identity) do update set identity = excluded.identity
     returning id`,
    [
      newId(random, now),
      seriesIdentity(placement.series, placement.seriesYear),
      placement.series,
      placement.seriesYear,
      toDate(now),
    ],
  );
  return row?.id ?? impossible("an upsert returned no series");
}

/**
 * The title that a path stands for, made if it is new. Callers hold the library's write lock.
 *
 * With `keep`, the file had a title already and was renamed or moved: if nothing else hangs on that title and no other
 * one is called so, the title itself is renamed and keeps its id, so that progress and links go on.
 */
export async function placeTitle(
  tx: Tx,
  { random, now }: { readonly random: Random; readonly now: EpochMs },
  path: string,
  keep?: { readonly titleId: TitleId; readonly fileId: string },
): Promise<TitleId> {
  const placement = placementOf(path);
  const identity = titleIdentity(path, placement);
  const existing = await tx.one<{ id: TitleId }>(`select id from title where identity = $1`, [identity]);
  if (existing) return existing.id;

  const { season, episode, lastEpisode, year, searchText, sortKey } = columnsOf(placement);
  const seriesId = placement.kind === "episode" ? await ensureSeries(tx, { random, now }, placement) : null;
  const columns = [
    placement.kind,
    identity,
    placement.name,
    year,
    seriesId,
    season,
    episode,
    lastEpisode,
    searchText,
    sortKey,
  ];

  if (keep !== undefined) {
    const renamed = await tx.run(
      `update title
          set kind = $2, identity = $3, name = $4, year = $5, series_id = $6, season = $7, episode = $8,
              last_episode = $9, search_text = $10, sort_key = $11
        where id = $1 and not exists (select 1 from file where title_id = $1 and id <> $12 and state <> 'missing')`,
      [keep.titleId, ...columns, keep.fileId],
    );
    if (renamed === 1) return keep.titleId;
  }
  const id = newId<TitleId>(random, now);
  await tx.run(
    `insert into title (id, kind, identity, name, year, series_id, season, episode, last_episode, search_text, sort_key,
                        added_at, visible)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false)`,
    [id, ...columns, toDate(now)],
  );
  return id;
}
