import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { announce } from "./announce.ts";

/**
 * Ends the session that a browser or program held until it signed in anew, in the transaction that writes the new one: its
 * token opens nothing any more, and no dead twin of the device is left in anybody's list. It may be another account's.
 *
 * Source: ASVS 5.0 7.2.4.
 */
export async function endReplaced(tx: Tx, replaced: Viewer | null, now: EpochMs, random: Random): Promise<void> {
  if (replaced === null) return;
  const { accountId, sessionId } = replaced;
  const ended = await tx.run(
    `update session set ended_at = $3 where account_id = $1 and id = $2 and ended_at is null`,
    [accountId, sessionId, toDate(now)],
  );
  if (ended === 0) return;
  await append(tx, now, { kind: "sign-out", detail: { account: accountId, session: sessionId } }, random);
  await announce(tx, { accountId, reason: "signed-out" });
}
