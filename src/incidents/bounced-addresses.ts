import type { AccountId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** An address that bounced for good gets no campaign's letter for so long; renewal mail always. */
export const suppressedForMs = 180 * dayMs;

/** Addresses of these accounts that no campaign writes to, because a letter to them came back for good not long ago. */
export async function bouncedAddresses(
  tx: Tx,
  accountIds: readonly AccountId[],
  now: EpochMs,
): Promise<ReadonlySet<string>> {
  const rows = await tx.many<{ addressId: string }>(
    `select address_id as "addressId" from address_bounce where account_id = any($1) and at > $2`,
    [accountIds, toDate(plus(now, -suppressedForMs))],
  );
  return new Set(rows.map(({ addressId }) => addressId));
}

/** Forgets what is remembered of one account's addresses. */
export const forgetBouncesOf = (tx: Tx, accountId: AccountId): Promise<number> =>
  tx.run(`delete from address_bounce where account_id = $1`, [accountId]);
