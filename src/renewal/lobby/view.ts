import { hourMs, plus, toIso, type Clock } from "../../kernel/clock.ts";
import type { Db } from "../../db/db.ts";
import type { App } from "../../http/server.ts";
import type { HashPool } from "../../credentials/hash-pool.ts";
import { lanes, laneWeights } from "../../credentials/lanes.ts";
import type { WaitingLinks } from "../../links/waiting-links.ts";
import { LobbyView } from "../../wire/lobby.ts";
import { fullAfterSeconds, readLobbyFullness, readLobbyMinutes } from "./fullness.ts";
import { noCase } from "./line.ts";
import type { Lobby } from "./lobby.ts";

/** How people come back, for the operator who watches: lanes and their waits, the line, the last hour, televisions. */
export function lobbyView(
  app: App,
  {
    db,
    clock,
    hashPool,
    lobby,
    waiting,
  }: {
    readonly db: Db;
    readonly clock: Clock;
    readonly hashPool: HashPool;
    readonly lobby: Lobby;
    readonly waiting: WaitingLinks;
  },
): void {
  app.get("/api/lobby", { config: { access: "operator" }, schema: { response: { 200: LobbyView } } }, async () => {
    const now = clock.now();
    const { caseId, given, called, showRate } = lobby.state();
    const ofCase = caseId === noCase ? null : caseId;
    const [line, minutes] = await Promise.all([
      readLobbyFullness(db, ofCase, now),
      readLobbyMinutes(db, caseId, plus(now, -hourMs)),
    ]);
    return {
      lanes: lanes.map((lane) => ({
        lane,
        weight: laneWeights[lane],
        waitMs: Math.round(hashPool.waitMs(lane)),
        ...hashPool.lane(lane),
      })),
      hashesPerSecond: Math.round(hashPool.perSecond()),
      line: { caseId: ofCase, given, called, fullAfterSeconds, showRate, ...line },
      minutes: minutes.map(({ at, ...counts }) => ({ at: toIso(at), ...counts })),
      links: { waiting: waiting.waiting(), polls: waiting.polls(), intervalSeconds: waiting.intervalSeconds() },
    };
  });
}
