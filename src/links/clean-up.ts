import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/** Removes links that nobody can claim any more. @returns how many rows went. */
export const forgetLinks = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from link where device_digest in (
       select device_digest from link where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );

/** Removes the links that an account approved, when it is deleted. */
export async function forgetLinksOf(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from link where account_id = $1`, [accountId]);
}
