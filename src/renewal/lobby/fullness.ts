import type { IncidentId } from "../../kernel/brand.ts";
import { fromDate, minuteMs, plus, toDate, type EpochMs } from "../../kernel/clock.ts";
import type { Tx } from "../../db/db.ts";
import { noCase } from "./line.ts";

/** A line this long is full: whoever writes letters should stop until it is shorter. */
export const fullAfterSeconds = 10 * 60;
/** The rate of calling is taken over so many minutes. */
const rateMinutes = 5;

/** How full the lobby is, with the arithmetic behind it. */
export interface LobbyFullness {
  /** `expectedSeconds / fullAfterSeconds`, at most 1; 0 while nobody waits, 1 while some wait and nobody is called. */
  readonly fullness: number;
  readonly waiting: number;
  /** Over the last five minutes, of all nodes. */
  readonly calledPerSecond: number;
  /** `waiting / calledPerSecond`: what somebody who comes now would wait. `null` while nobody is called. */
  readonly expectedSeconds: number | null;
}

export function fullnessOf(waiting: number, calledPerSecond: number): LobbyFullness {
  if (waiting <= 0) return { fullness: 0, waiting: 0, calledPerSecond, expectedSeconds: 0 };
  if (calledPerSecond <= 0) return { fullness: 1, waiting, calledPerSecond: 0, expectedSeconds: null };
  const expectedSeconds = waiting / calledPerSecond;
  return { fullness: Math.min(1, expectedSeconds / fullAfterSeconds), waiting, calledPerSecond, expectedSeconds };
}

/**
 * How full the lobby of a case is, as any process reads it: one statement. A campaign that sends `1 - fullness` of what it
 * could lets the line be as long as people can be expected to wait, and no longer.
 */
export async function readLobbyFullness(tx: Tx, caseId: IncidentId | null, now: EpochMs): Promise<LobbyFullness> {
  const row = await tx.one<{ waiting: number; called: number; since: Date | null }>(
    `select lobby.given - lobby.called as waiting, coalesce(sum(m.called), 0)::bigint as called, min(m.minute) as since
       from lobby left join lobby_minute m on m.case_id = lobby.case_id and m.minute > $2 and m.called > 0
      where lobby.case_id = $1 group by lobby.case_id`,
    [caseId ?? noCase, toDate(plus(now, -rateMinutes * minuteMs))],
  );
  if (row === undefined) return fullnessOf(0, 0);
  // A line that has just begun to move has not had five minutes.
  const seconds = row.since === null ? 1 : Math.max(10, (now - fromDate(row.since)) / 1_000);
  return fullnessOf(row.waiting, row.called / seconds);
}

/** A minute of a line, for its chart. */
export interface LobbyMinute {
  readonly at: EpochMs;
  readonly given: number;
  readonly called: number;
  readonly entered: number;
  readonly walkedIn: number;
}

export async function readLobbyMinutes(tx: Tx, caseId: IncidentId, since: EpochMs): Promise<LobbyMinute[]> {
  const rows = await tx.many<Omit<LobbyMinute, "at"> & { at: Date }>(
    `select minute as at, given, called, entered, walked_in as "walkedIn" from lobby_minute
      where case_id = $1 and minute >= $2 order by minute`,
    [caseId, toDate(since)],
  );
  return rows.map((row) => ({ ...row, at: fromDate(row.at) }));
}
