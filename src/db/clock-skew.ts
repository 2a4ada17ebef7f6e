import { fromDate, type Clock } from "../kernel/clock.ts";
import type { Tx } from "./db.ts";

/** A node whose clock is further than this from the database's must not decide what has expired. */
export const clockSkewLimitMs = 2_000;

export interface ClockSkew {
  /** How far this node's clock is from the database's, either way, as if both ways of the question took as long. */
  readonly apartMs: number;
  /** How far it is at the least: while a busy database takes its time to answer, nobody knows when it looked. */
  readonly atLeastMs: number;
}

/** Compares this node's clock with the database's, which all nodes share. */
export async function readClockSkew(db: Tx, clock: Clock): Promise<ClockSkew> {
  const before = clock.now();
  const row = await db.one<{ now: Date }>(`select clock_timestamp() as now`);
  const after = clock.now();
  const apartMs = row === undefined ? Infinity : Math.abs(fromDate(row.now) - (before + after) / 2);
  return { apartMs, atLeastMs: apartMs - Math.abs(after - before) / 2 };
}
