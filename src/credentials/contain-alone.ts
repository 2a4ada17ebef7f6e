import type { AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { raiseGeneration } from "../accounts/accounts.ts";
import { callOffDeletion } from "../accounts/deletion.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { doubtAddedTo } from "./added-since.ts";
import { refusePassword } from "./refuse-password.ts";

/**
 * What containing one account does to its rows, by whoever orders it or carries it out after a crash: the password and its sessions
 * are refused, what was added since `doubtedSince` is doubted, a planned deletion is called off, owner and relying services are told.
 *
 * @returns false if there is no such account.
 */
export async function containAlone(
  tx: Tx,
  random: Random,
  account: AccountId,
  doubtedSince: EpochMs,
  now: EpochMs,
): Promise<boolean> {
  await refusePassword(tx, account, now);
  if ((await raiseGeneration(tx, account)) === undefined) return false;
  await callOffDeletion(tx, random, account, now);
  await doubtAddedTo(tx, account, doubtedSince, now);
  await recordEvent(tx, bareEvent(random, account, "contained", now));
  await queueSignal(tx, random, account, ["password compromised", "session revoked"], "account contained", now);
  return true;
}
