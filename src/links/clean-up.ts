import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** Removes links that nobody can claim any more. @returns how many rows went. */
export const forgetLinks = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(`delete from link where expires_at < $1`, [toDate(now)]);
