import { Type, type Static } from "typebox";
import { Closed, Id, Instant } from "./common.ts";

/** GET /api/lobby: how people come back just now. Lanes and links are those of the process that answers; the line is everybody's. */
export const LobbyView = Closed({
  lanes: Type.Array(
    Closed({
      lane: Type.String(),
      weight: Type.Integer(),
      waiting: Type.Integer(),
      waitMs: Type.Number({ description: "what the next one would wait" }),
      made: Type.Integer({ description: "hashes since the process started" }),
      turnedAway: Type.Integer({ description: "told to come again since then" }),
    }),
  ),
  hashesPerSecond: Type.Number(),
  line: Closed({
    caseId: Type.Union([Id, Type.Null()]),
    waiting: Type.Integer(),
    given: Type.Integer(),
    called: Type.Integer(),
    calledPerSecond: Type.Number(),
    expectedSeconds: Type.Union([Type.Number(), Type.Null()]),
    fullness: Type.Number({ minimum: 0, maximum: 1 }),
    fullAfterSeconds: Type.Integer(),
    showRate: Type.Number({ description: "of those who are called, how many come" }),
  }),
  minutes: Type.Array(
    Closed({
      at: Instant,
      given: Type.Integer(),
      called: Type.Integer(),
      entered: Type.Integer(),
      walkedIn: Type.Integer(),
    }),
  ),
  links: Closed({ waiting: Type.Integer(), polls: Type.Integer(), intervalSeconds: Type.Integer() }),
});
export type LobbyView = Static<typeof LobbyView>;
