import { fromDate, type Clock } from "../kernel/clock.ts";
import type { Tx } from "./db.ts";

/** A node whose clock is further than this from the database's must not decide what has expired. */
const clockSkewLimitMs = 2_000;

export interface ClockSkew {
  /** How far this node's clock is from the database's, ahead or behind, if the question took as long as the answer. */
  readonly apartMs: number;
  /**
   * Whether it is no further than two seconds, as far as can be known: the database read its clock at some moment between the
   * question and the answer, so that an answer which took its time proves nothing against a clock that is right.
   */
  readonly isRight: boolean;
}

/** Compares this node's clock with the database's, which all nodes share. */
export async function readClockSkew(db: Pick<Tx, "one">, clock: Clock): Promise<ClockSkew> {
  const before = clock.now();
  const row = await db.one<{ now: Date }>(`select clock_timestamp() as now`);
  const after = clock.now();
  const apartMs = row === undefined ? Infinity : Math.abs(fromDate(row.now) - (before + after) / 2);
  return { apartMs, isRight: apartMs - Math.abs(after - before) / 2 <= clockSkewLimitMs };
}
