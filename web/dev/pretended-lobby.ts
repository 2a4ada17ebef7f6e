import type { LobbyView } from "../../src/wire/lobby.ts";
import { ago } from "./pretended-data.ts";

/** An evening on which many come back. */
export function pretendedLobby(): LobbyView {
  const lane = (name: string, weight: number, waiting: number, waitMs: number, made: number, turnedAway: number) => ({
    lane: name,
    weight,
    waiting,
    waitMs,
    made,
    turnedAway,
  });
  return {
    lanes: [
      lane("operator", 16, 0, 12, 41, 0),
      lane("second factor", 4, 1, 20, 1_204, 0),
      lane("renewal", 8, 9, 74, 182_330, 0),
      lane("sign-in", 3, 31, 410, 40_112, 1_961),
      lane("sign-up", 1, 4, 230, 902, 17),
    ],
    hashesPerSecond: 148,
    line: {
      caseId: null,
      waiting: 18_204,
      given: 109_377,
      called: 91_173,
      calledPerSecond: 61.4,
      expectedSeconds: 296.5,
      fullness: 0.494,
      fullAfterSeconds: 600,
      showRate: 0.87,
    },
    minutes: Array.from({ length: 60 }, (_none, minute) => ({
      at: ago((60 - minute) * 60_000),
      given: Math.round(5_200 * Math.exp(-(((minute - 18) / 16) ** 2))),
      called: minute < 4 ? minute * 700 : 3_500 + Math.round(240 * Math.sin(minute)),
      entered: 3_000,
      walkedIn: minute < 2 ? 300 : 0,
    })),
    links: { waiting: 4_310, polls: 1_204_551, intervalSeconds: 5 },
  };
}
