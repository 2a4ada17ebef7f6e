import type { AccountId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/** How long an ended or expired session is kept, for "what happened to my account". */
const keptMs = 30 * dayMs;

/** Removes every session of an account that is deleted, and the operator's links made for it. */
export async function forgetSessionsOf(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from session where account_id = $1`, [accountId]);
  await tx.run(`delete from operator_link where account_id = $1`, [accountId]);
  await tx.run(`delete from sign_in_step where account_id = $1`, [accountId]);
}

/**
 * Removes what has ended or expired long enough ago, at most `batchRows` of each kind a call, so that a backlog never
 * holds locks for long. @returns how many rows went; call again while it is `batchRows` or more.
 */
export async function forgetSessions(tx: Tx, now: EpochMs): Promise<number> {
  const before = toDate(plus(now, -keptMs));
  // In the order of an index each, so that a run that finds nothing reads nothing.
  const expired = await tx.run(
    `delete from session where (account_id, id) in (
       select account_id, id from session where expires_at < $1 order by expires_at limit $2)`,
    [before, batchRows],
  );
  const ended = await tx.run(
    `delete from session where (account_id, id) in (
       select account_id, id from session where ended_at < $1 order by ended_at limit $2)`,
    [before, batchRows],
  );
  const links = await tx.run(
    `delete from operator_link where digest in (select digest from operator_link where expires_at < $1 limit $2)`,
    [toDate(plus(now, -dayMs)), batchRows],
  );
  const steps = await tx.run(
    `delete from sign_in_step where (account_id, id) in (
       select account_id, id from sign_in_step where expires_at < $1 order by expires_at limit $2)`,
    [toDate(plus(now, -dayMs)), batchRows],
  );
  return expired + ended + links + steps;
}
