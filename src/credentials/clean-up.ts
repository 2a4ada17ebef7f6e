import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** Removes registrations and address claims whose code can no longer be used. @returns how many rows went. */
export async function forgetClaims(tx: Tx, now: EpochMs): Promise<number> {
  const signUps = await tx.run(`delete from sign_up where expires_at < $1`, [toDate(now)]);
  return signUps + (await tx.run(`delete from address_claim where expires_at < $1`, [toDate(now)]));
}
