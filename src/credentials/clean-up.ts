import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { forgetChallenges } from "./passkey-challenge.ts";
import { forgetPasskeys } from "./passkeys.ts";

/** Removes registrations, address claims and challenges that can no longer be used, and passkeys removed long ago. @returns how many rows went. */
export async function forgetClaims(tx: Tx, now: EpochMs): Promise<number> {
  const signUps = await tx.run(`delete from sign_up where expires_at < $1`, [toDate(now)]);
  const claims = await tx.run(`delete from address_claim where expires_at < $1`, [toDate(now)]);
  return signUps + claims + (await forgetChallenges(tx, now)) + (await forgetPasskeys(tx, now));
}
