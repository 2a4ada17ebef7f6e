import { Type, type Static } from "typebox";
import { Closed } from "./common.ts";

/** What a table is about, for reading them in groups. */
export const copyGroups = ["people", "cases", "signals", "machinery"] as const;

/** GET /api/stolen-copy: what a copy of the database would show, table by table and column by column. No row is read. */
export const StolenCopy = Closed({
  tables: Type.Array(
    Closed({
      name: Type.String(),
      /** Null for a table that this version of the service does not know. */
      group: Type.Union([Type.Enum(copyGroups), Type.Null()]),
      /** What a row stands for; null for a table that this version of the service does not know. */
      holds: Type.Union([Type.String(), Type.Null()]),
      /** As the database's own statistics have it. */
      rowsAbout: Type.Integer(),
      columns: Type.Array(
        Closed({
          name: Type.String(),
          /** `unknown`: nobody has said what it is, so it counts as readable. */
          kind: Type.Union([
            Type.Literal("sealed"),
            Type.Literal("wrapped"),
            Type.Literal("keyed"),
            Type.Literal("digest"),
            Type.Literal("random"),
            Type.Literal("shown"),
            Type.Literal("unknown"),
          ]),
          says: Type.String(),
          /** Why it may be read, or what equal values tell. */
          because: Type.Union([Type.String(), Type.Null()]),
        }),
      ),
    }),
  ),
});
export type StolenCopy = Static<typeof StolenCopy>;
