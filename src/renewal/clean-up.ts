import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/**
 * Removes tickets that are used or too old to be, and recoveries that nobody used. @returns how many rows went; call
 * again while it is a batch or more.
 */
export async function forgetTickets(tx: Tx, now: EpochMs): Promise<number> {
  const tickets = await tx.run(
    `delete from ticket where browser_digest in (
       select browser_digest from ticket where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  const recoveries = await tx.run(
    `delete from recovery where account_id in (
       select account_id from recovery where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  return tickets + recoveries;
}

/** Removes the renewals of an account, and its recovery, when it is deleted. */
export async function forgetTicketsOf(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from ticket where account_id = $1`, [accountId]);
  await tx.run(`delete from recovery where account_id = $1`, [accountId]);
}
