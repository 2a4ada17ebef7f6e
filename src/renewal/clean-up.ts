import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/** Removes tickets that are used or too old to be. @returns how many rows went. */
export const forgetTickets = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from ticket where browser_digest in (
       select browser_digest from ticket where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );

/** Removes the renewals of an account, when it is deleted. */
export async function forgetTicketsOf(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from ticket where account_id = $1`, [accountId]);
}
