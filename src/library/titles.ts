import { sql, type Expression, type SqlBool } from "kysely";
import { fromDate, toIso } from "../kernel/clock.ts";
import { parseId, type AccountId, type FileId, type TitleId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Viewer } from "../http/viewer.ts";
import type { TitleDetail, TitleList, TitleQuery, TitleSummary } from "../wire/titles.ts";
import type { Static } from "typebox";
import { fold } from "./names.ts";
import { hasScrubPictures } from "./scrub/keep-pictures.ts";
import type { Facts, LibraryTables } from "./tables.ts";
import { firstSidecarNumber, type Sidecar } from "./beside.ts";

/** How far one account has come with one title. */
export interface ProgressEntry {
  readonly titleId: TitleId;
  readonly positionSeconds: number;
  readonly durationSeconds: number;
  readonly updatedAt: string;
  readonly watched: boolean;
}

/** What the library asks of whoever keeps progress; it knows no such table itself. */
export interface ProgressReader {
  of(accountId: AccountId, titleIds: readonly TitleId[]): Promise<ReadonlyMap<TitleId, ProgressEntry>>;
  /** Newest first. */
  latest(accountId: AccountId, limit: number): Promise<readonly ProgressEntry[]>;
}

interface Needs {
  readonly db: Db;
  readonly progress: ProgressReader;
}

interface Row {
  readonly id: TitleId;
  readonly kind: "film" | "episode";
  readonly name: string;
  readonly year: number | null;
  readonly series_id: string | null;
  readonly series_name: string | null;
  readonly season: number | null;
  readonly episode: number | null;
  readonly added_at: Date;
  readonly state: "playable" | "damaged" | "missing" | null;
  readonly problem: string | null;
  readonly facts: Facts | null;
  readonly sidecars: readonly Sidecar[] | null;
  readonly digest: string | null;
  readonly poster_width: number | null;
  readonly poster_height: number | null;
  readonly colour: string | null;
}

/** A title with the best of its files: what can be played before what cannot, then the tallest picture. */
function selectTitles(db: Db) {
  return db
    .builder<LibraryTables>()
    .selectFrom("title as t")
    .leftJoin("series as s", "s.id", "t.series_id")
    .leftJoinLateral(
      (from) =>
        from
          .selectFrom("file")
          .select(["state", "problem", "facts", "sidecars"])
          .whereRef("file.title_id", "=", "t.id")
          .where("file.state", "<>", "missing")
          .orderBy(sql`(state = 'playable')`, "desc")
          .orderBy(sql`(facts->>'height')::float8 desc nulls last`)
          .orderBy("path")
          .limit(1)
          .as("f"),
      (join) => join.onTrue(),
    )
    .leftJoin("artwork as a", "a.title_id", "t.id")
    .select([
      "t.id",
      "t.kind",
      "t.name",
      "t.year",
      "t.series_id",
      "s.name as series_name",
      "t.season",
      "t.episode",
      "t.added_at",
      "f.state",
      "f.problem",
      "f.facts",
      "f.sidecars",
      "a.digest",
      "a.width as poster_width",
      "a.height as poster_height",
      "a.colour",
    ])
    .where("t.visible", "=", true);
}

/** In the order of the ids; those that are hidden meanwhile are left out. */
async function readRows(db: Db, ids: readonly TitleId[]): Promise<Row[]> {
  if (ids.length === 0) return [];
  const rows = await selectTitles(db).where("t.id", "in", ids).execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Percent and underscore mean themselves. */
const literal = (text: string): string => text.replace(/[\\%_]/g, (sign) => `\\${sign}`);

const continueLimit = 20;

/**
 * Titles that can be seen: the newest first, or with a search those whose names hold every word of it (as a part, in any
 * case, with or without diacritics), best match first. `after` is the last id of the page before; a title that is gone
 * meanwhile still marks its place. The first plain page says also what the account can go on watching.
 */
export async function listTitles(
  needs: Needs,
  viewer: Viewer,
  { search, kind, order, limit = 100, after }: Static<typeof TitleQuery>,
): Promise<TitleList> {
  // The page's ids first: what is joined to a title is then read for a page, not for every match.
  let query = needs.db.builder<LibraryTables>().selectFrom("title as t").select("t.id").where("t.visible", "=", true);
  if (kind !== undefined) query = query.where("t.kind", "=", kind);

  const wanted = search === undefined ? "" : fold(search) || search.trim();
  for (const word of new Set(wanted.split(" ").slice(0, 12))) {
    if (word !== "") query = query.where("t.search_text", "like", `%${literal(word)}%`);
  }
  const rank = (alias: string): Expression<number> =>
    wanted === ""
      ? sql`0::int`
      : sql`case when ${sql.ref(`${alias}.sort_key`)} like ${`${literal(wanted)}%`} then 0
                 when ${sql.ref(`${alias}.search_text`)} like ${`% ${literal(wanted)}%`} then 1 else 2 end`;

  const cursor = parseId<TitleId>(after);
  if (after !== undefined && cursor === undefined) return { titles: [], continueWatching: [], next: null };
  if (wanted === "" && order !== "name") {
    if (cursor !== undefined) {
      const later: Expression<SqlBool> = sql`(t.added_at, t.id) < (select added_at, id from title where id = ${cursor})`;
      query = query.where(later);
    }
    query = query.orderBy("t.added_at", "desc").orderBy("t.id", "desc");
  } else {
    if (cursor !== undefined) {
      const later: Expression<SqlBool> = sql`(${rank("t")}, t.sort_key, t.id) >
        (select ${rank("c")}, c.sort_key, c.id from title c where c.id = ${cursor})`;
      query = query.where(later);
    }
    query = query.orderBy(rank("t")).orderBy("t.sort_key").orderBy("t.id");
  }
  const found = (await query.limit(limit + 1).execute()).map(({ id }) => id);
  const page = await readRows(needs.db, found.slice(0, limit));
  const isFirstPlainPage = search === undefined && kind === undefined && after === undefined;
  return {
    titles: await summarise(needs, viewer, page),
    continueWatching: isFirstPlainPage ? await continueWatching(needs, viewer) : [],
    next: found.length > limit ? (found[limit - 1] ?? null) : null,
  };
}

/**
 * What was begun and not finished, the latest first; of a series its latest episode, or the next one when that was
 * watched to its end. At most 20.
 */
async function continueWatching(needs: Needs, viewer: Viewer): Promise<TitleSummary[]> {
  const latest = await needs.progress.latest(viewer.accountId, 5 * continueLimit);
  if (latest.length === 0) return [];
  const ids = latest.map(({ titleId }) => titleId);
  const byId = new Map((await readRows(needs.db, ids)).map((row) => [row.id, row]));

  const chosen: Row[] = [];
  const seriesSeen = new Set<string>();
  for (const entry of latest) {
    if (chosen.length === continueLimit) break;
    const row = byId.get(entry.titleId);
    if (row === undefined || row.state !== "playable") continue;
    if (row.series_id !== null) {
      if (seriesSeen.has(row.series_id)) continue;
      seriesSeen.add(row.series_id);
    }
    if (!entry.watched) {
      if (entry.positionSeconds > 0) chosen.push(row);
    } else if (row.series_id !== null) {
      const episodes = await episodesOf(needs.db, row.series_id);
      const next = nextAfter(episodes, row.id);
      if (next !== undefined) chosen.push(next);
    }
  }
  return summarise(needs, viewer, chosen);
}

/** Seasons in order, specials last. */
async function episodesOf(db: Db, seriesId: string): Promise<Row[]> {
  return selectTitles(db)
    .where("t.series_id", "=", seriesId)
    .orderBy(sql`(t.season = 0)`)
    .orderBy("t.season")
    .orderBy("t.episode")
    .orderBy("t.id")
    .execute();
}

/** The next one that can be played; a series' last episode is not followed by its specials. */
function nextAfter(episodes: readonly Row[], id: TitleId): Row | undefined {
  const at = episodes.findIndex((row) => row.id === id);
  const own = episodes[at];
  return episodes.slice(at + 1).find((row) => row.state === "playable" && (row.season === 0) === (own?.season === 0));
}

/** Everything a title's page shows, or `undefined` if there is no such title to be seen. */
export async function readTitle(needs: Needs, viewer: Viewer, id: TitleId): Promise<TitleDetail | undefined> {
  const row = await selectTitles(needs.db).where("t.id", "=", id).executeTakeFirst();
  if (row === undefined) return undefined;
  const episodeRows = row.series_id === null ? [] : await episodesOf(needs.db, row.series_id);
  const [own, ...episodes] = await summarise(needs, viewer, [row, ...episodeRows]);
  if (own === undefined) return undefined;
  const { facts } = row;
  const embedded = facts?.subtitles ?? [];
  const firstNumber = firstSidecarNumber(embedded);
  return {
    ...own,
    overview: null,
    width: facts?.width ?? 0,
    height: facts?.height ?? 0,
    audio: (facts?.audio ?? []).map(({ number, language, label, channels }) => ({ number, language, label, channels })),
    subtitles: [
      ...embedded.map(({ number, language, label }) => ({ number, language, label })),
      ...(row.sidecars ?? []).map(({ language, label }, index) => ({ number: firstNumber + index, language, label })),
    ],
    chapters: (facts?.chapters ?? []).map(({ startSeconds, name }) => ({ startSeconds, name })),
    episodes,
    nextEpisodeId: nextAfter(episodeRows, row.id)?.id ?? null,
  };
}

async function summarise({ progress }: Needs, viewer: Viewer, rows: readonly Row[]): Promise<TitleSummary[]> {
  if (rows.length === 0) return [];
  const entries = await progress.of(
    viewer.accountId,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => {
    const entry = entries.get(row.id);
    return {
      id: row.id,
      kind: row.kind,
      name: row.name,
      year: row.year,
      seriesId: row.series_id,
      seriesName: row.series_name,
      season: row.season,
      episode: row.episode,
      durationSeconds: row.facts?.durationSeconds ?? 0,
      poster: posterOf(row),
      addedAt: toIso(fromDate(row.added_at)),
      playable: row.state === "playable",
      // Reasons name codecs and places in the file; they help whoever can mend it.
      problem: row.problem === null ? null : viewer.role === "operator" ? row.problem : "damaged",
      progress:
        entry === undefined
          ? null
          : {
              positionSeconds: entry.positionSeconds,
              durationSeconds: entry.durationSeconds,
              updatedAt: entry.updatedAt,
              watched: entry.watched,
            },
    };
  });
}

function posterOf(row: Row): TitleSummary["poster"] {
  const { id, digest, poster_width: width, poster_height: height, colour } = row;
  if (digest === null || width === null || height === null || colour === null) return null;
  // The version makes a new picture a new address, so that a browser may keep the old one as long as it likes.
  return { path: `/api/titles/${id}/poster?v=${digest.slice(0, 12)}`, width, height, colour };
}

/** A file that a grant can name. */
export interface PlayableFile {
  readonly fileId: FileId;
  readonly titleId: TitleId;
  readonly path: string;
  readonly fingerprint: string;
  readonly index: unknown;
  readonly sidecars: readonly Sidecar[];
}

/** The file to play of a title: the tallest playable one. */
export async function chooseFile(
  db: Db,
  titleId: TitleId,
): Promise<
  | { readonly kind: "playable"; readonly fileId: FileId; readonly hasPictures: boolean }
  | { readonly kind: "damaged" }
  | { readonly kind: "missing" }
> {
  const row = await db.one<{ fileId: FileId; state: "playable" | "damaged"; hasPictures: boolean }>(
    `select id as "fileId", state, ${hasScrubPictures} as "hasPictures" from file
      where title_id = $1 and state <> 'missing'
      order by (state = 'playable') desc, (facts->>'height')::float8 desc nulls last, path
      limit 1`,
    [titleId],
  );
  if (row === undefined) return { kind: "missing" };
  const { state, fileId, hasPictures } = row;
  return state === "playable" ? { kind: "playable", fileId, hasPictures } : { kind: "damaged" };
}

/** What a stream is cut from; `undefined` once the file is away, damaged or another title's. */
export async function readPlayableFile(db: Db, fileId: FileId, titleId: TitleId): Promise<PlayableFile | undefined> {
  return db.one<PlayableFile>(
    `select id as "fileId", title_id as "titleId", path, fingerprint, index, sidecars from file
      where id = $1 and title_id = $2 and state = 'playable'`,
    [fileId, titleId],
  );
}

/** Titles by id, as a person would name them: "Series, season 1, episode 2: Name". Hidden ones too. */
export async function titleNames(db: Db, ids: readonly TitleId[]): Promise<ReadonlyMap<TitleId, string>> {
  const rows = await db.many<{
    id: TitleId;
    name: string;
    year: number | null;
    series: string | null;
    season: number | null;
    episode: number | null;
  }>(
    `select t.id, t.name, t.year, s.name as series, t.season, t.episode
       from title t left join series s on s.id = t.series_id where t.id = any($1)`,
    [ids],
  );
  return new Map(
    rows.map(({ id, name, year, series, season, episode }) => [
      id,
      series === null
        ? `${name}${year === null ? "" : ` (${year})`}`
        : `${series}, season ${season}, episode ${episode}: ${name}`,
    ]),
  );
}

/** Whether there is such a title, seen or hidden: progress may be kept for it. */
export async function titleExists(db: Db, titleId: TitleId): Promise<boolean> {
  return (await db.one(`select 1 as found from title where id = $1`, [titleId])) !== undefined;
}
