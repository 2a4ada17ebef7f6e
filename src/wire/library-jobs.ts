import { Type, type Static } from "typebox";
import { Closed, Instant } from "./common.ts";

/** What happens to the files of the library now, what waits, and what could not be done. Paths are relative to its folder. */
export const LibraryJobs = Closed({
  /** The newest look through the folder; all null and 0 before the first. */
  scan: Closed({
    isRunning: Type.Boolean(),
    isWaiting: Type.Boolean(),
    startedAt: Type.Union([Instant, Type.Null()]),
    /** Null while files are inspected; posters are made after it. */
    finishedAt: Type.Union([Instant, Type.Null()]),
    files: Type.Integer(),
    toInspect: Type.Integer(),
    inspected: Type.Integer(),
    inspecting: Type.Array(Type.String()),
    /** Taken by the next one. */
    stillWritten: Type.Integer(),
    /** Something of ours is missing or broken: tried again. */
    notInspected: Type.Integer(),
  }),
  /** Films that are encoded while somebody watches, by the process that answers. */
  transcoding: Type.Array(Closed({ path: Type.String(), encoders: Type.Integer() })),
  pictures: Closed({
    now: Type.Union([Closed({ path: Type.String(), since: Instant }), Type.Null()]),
    made: Type.Integer(),
    waiting: Type.Integer(),
    failed: Type.Integer(),
  }),
  /** The newest of each kind: films that cannot be played, and films without scrub pictures. */
  failed: Type.Array(
    Closed({
      kind: Type.Union([Type.Literal("film"), Type.Literal("pictures")]),
      path: Type.String(),
      /** In English, as the log has it. */
      problem: Type.String(),
      /** Null: not by itself, but once the file changes. */
      againAt: Type.Union([Instant, Type.Null()]),
    }),
  ),
  /** Jobs that end in a fault of ours; each is tried again. */
  broken: Type.Array(Closed({ task: Type.String(), error: Type.String() })),
});
export type LibraryJobs = Static<typeof LibraryJobs>;
