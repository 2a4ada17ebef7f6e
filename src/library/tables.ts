import type { Generated } from "kysely";
import type { FileId, TitleId } from "../kernel/brand.ts";
import type { Sidecar } from "./beside.ts";

/** What a page shows of a file; `index`, what cuts its segments, is the media room's own. */
export interface Facts {
  readonly durationSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string;
  readonly audio: readonly {
    readonly number: number;
    readonly language: string;
    readonly label: string;
    readonly channels: number;
  }[];
  readonly subtitles: readonly { readonly number: number; readonly language: string; readonly label: string }[];
  readonly chapters: readonly { readonly startSeconds: number; readonly name: string }[];
}

export interface SeriesRow {
  id: string;
  identity: Buffer;
  name: string;
  year: number | null;
  added_at: Date;
}

export interface TitleRow {
  id: TitleId;
  kind: "film" | "episode";
  identity: Buffer;
  name: string;
  year: number | null;
  series_id: string | null;
  season: number | null;
  episode: number | null;
  last_episode: number | null;
  search_text: string;
  sort_key: string;
  added_at: Date;
  visible: boolean;
}

export interface FileRow {
  id: FileId;
  title_id: TitleId;
  path: string;
  fingerprint: string;
  size_bytes: number;
  state: "playable" | "damaged" | "missing";
  problem: string | null;
  facts: Facts | null;
  index: unknown;
  sidecars: readonly Sidecar[];
  pictures: readonly string[];
  first_seen_at: Date;
  inspected_at: Date;
}

export interface ArtworkRow {
  title_id: TitleId;
  source: string;
  digest: string | null;
  width: number | null;
  height: number | null;
  colour: string | null;
  made_at: Date;
}

export interface ScanRow {
  id: string;
  started_at: Date;
  finished_at: Date | null;
  counts: Generated<unknown>;
}

/** The library's tables, for the query builder. */
export interface LibraryTables {
  series: SeriesRow;
  title: TitleRow;
  file: FileRow;
  artwork: ArtworkRow;
  scan: ScanRow;
}
