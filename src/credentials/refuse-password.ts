import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** Ends the claims of addresses that wait for their code: each would become a way into the account. */
export async function endAddressClaims(tx: Tx, accountId: AccountId, now: EpochMs): Promise<void> {
  await tx.run(
    `update address_claim set expires_at = $2 where account_id = $1 and used_at is null and expires_at > $2`,
    [accountId, toDate(now)],
  );
}

/**
 * Refuses one account's password and its waiting address claims from now on. Epoch 0 is below every floor: the record
 * stays, so that renewal can tell the stolen password from a new one, and opens nothing.
 *
 * @returns how many passwords that were, 0 or 1.
 */
export async function refusePassword(tx: Tx, accountId: AccountId, now: EpochMs): Promise<number> {
  await endAddressClaims(tx, accountId, now);
  return tx.run(`update password set epoch = 0 where account_id = $1`, [accountId]);
}
