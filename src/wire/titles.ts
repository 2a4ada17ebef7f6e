import { Type, type Static } from "typebox";
import { Closed, Id, Instant } from "./common.ts";

export const Progress = Closed({
  positionSeconds: Type.Number(),
  durationSeconds: Type.Number(),
  updatedAt: Instant,
  watched: Type.Boolean(),
});

/** One film or episode as a list shows it. Artwork paths carry a grant-free, session-checked address. */
export const TitleSummary = Closed({
  id: Id,
  kind: Type.Union([Type.Literal("film"), Type.Literal("episode")]),
  name: Type.String(),
  year: Type.Union([Type.Integer(), Type.Null()]),
  seriesId: Type.Union([Id, Type.Null()]),
  seriesName: Type.Union([Type.String(), Type.Null()]),
  season: Type.Union([Type.Integer(), Type.Null()]),
  episode: Type.Union([Type.Integer(), Type.Null()]),
  durationSeconds: Type.Number(),
  poster: Type.Union([
    Closed({ path: Type.String(), width: Type.Integer(), height: Type.Integer(), colour: Type.String() }),
    Type.Null(),
  ]),
  addedAt: Instant,
  playable: Type.Boolean(),
  /** Why it cannot be played, in words for the operator; viewers are told "damaged". */
  problem: Type.Union([Type.String(), Type.Null()]),
  progress: Type.Union([Progress, Type.Null()]),
});
export type TitleSummary = Static<typeof TitleSummary>;

/** GET /api/titles?search=&kind=&order=&limit=&after= (a search is ordered by match, then name) */
export const TitleQuery = Closed({
  search: Type.Optional(Type.String({ maxLength: 200 })),
  kind: Type.Optional(Type.Union([Type.Literal("film"), Type.Literal("episode")])),
  order: Type.Optional(Type.Union([Type.Literal("newest"), Type.Literal("name")])),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 100 })),
  after: Type.Optional(Type.String({ maxLength: 300 })),
});
export const TitleList = Closed({
  titles: Type.Array(TitleSummary),
  continueWatching: Type.Array(TitleSummary),
  next: Type.Union([Type.String(), Type.Null()]),
});
export type TitleList = Static<typeof TitleList>;

export const AudioTrack = Closed({
  number: Type.Integer(),
  language: Type.String(),
  label: Type.String(),
  channels: Type.Integer(),
});
export const SubtitleTrack = Closed({ number: Type.Integer(), language: Type.String(), label: Type.String() });
export const Chapter = Closed({ startSeconds: Type.Number(), name: Type.String() });

/** GET /api/titles/{id} */
export const TitleDetail = Closed({
  ...TitleSummary.properties,
  overview: Type.Union([Type.String(), Type.Null()]),
  width: Type.Integer(),
  height: Type.Integer(),
  audio: Type.Array(AudioTrack),
  subtitles: Type.Array(SubtitleTrack),
  chapters: Type.Array(Chapter),
  /** The other episodes of its series, in order, itself included; empty for a film. */
  episodes: Type.Array(TitleSummary),
  nextEpisodeId: Type.Union([Id, Type.Null()]),
});
export type TitleDetail = Static<typeof TitleDetail>;

/** POST /api/titles/{id}/grants: the right of this session to play this title, in the playlist's path. */
export const Grant = Closed({
  playlist: Type.String({ description: "path of the HLS master playlist" }),
  pictures: Type.Union([
    Type.String({ description: "path of a WebVTT file whose cues name scrub pictures" }),
    Type.Null(),
  ]),
  expiresAt: Instant,
});
export type Grant = Static<typeof Grant>;

/** PUT /api/titles/{id}/progress */
export const SetProgress = Closed({
  positionSeconds: Type.Number({ minimum: 0, maximum: 1e6 }),
  durationSeconds: Type.Number({ minimum: 0, maximum: 1e6 }),
});
