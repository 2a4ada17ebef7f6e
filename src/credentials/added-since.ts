import type { AccountId, Epoch } from "../kernel/brand.ts";
import { dayMs, fromDate, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { doubtAddresses, findAccount } from "../accounts/accounts.ts";

/**
 * What was added since the copy was taken does not count until its owner confirms it through something older. Who could
 * read the database may also have had a way to write, or a session to add a way in with, and such a thing would outlive
 * the containment: a passkey needs no renewal, and an address opens one.
 *
 * Each containment stores one instant. Every check of a credential reads it in its own statement by `isDoubted`, so a
 * committed containment is in force for the next check everywhere, and no row of any account is touched.
 */

/** How far back a copy is taken to lie when nobody knows. */
const unknownCopyMs = 90 * dayMs;

/** From when on additions are doubted by a containment. */
export const doubtedFrom = (containedAt: EpochMs, copiedAt: EpochMs | null): EpochMs =>
  copiedAt ?? plus(containedAt, -unknownCopyMs);

/** From when on an addition is shown as new to whoever looks now: since the copy of the last containment, but at most for 90 days. */
export async function doubtedNow(tx: Tx, now: EpochMs): Promise<EpochMs> {
  const row = await tx.one<{ since: Date }>(`select since from added_since order by epoch desc limit 1`);
  const unknown = doubtedFrom(now, null);
  return row === undefined ? unknown : (Math.max(fromDate(row.since), unknown) as EpochMs);
}

/**
 * SQL: whether a row does not count. The row has `epoch` (of what proved its adding), `confirmed_epoch` (of the session
 * in which its owner kept it, or 0) and `doubted_at` (null, unless this one row is doubted); `addedAt` is its instant.
 */
export const isDoubted = (row: string, addedAt = `${row}.added_at`): string =>
  `(${row}.doubted_at is not null
    or exists (select from added_since s
                where s.epoch > greatest(${row}.epoch, ${row}.confirmed_epoch) and ${addedAt} >= s.since))`;

/** The same for an address, which counts in any case if the account began with it. */
export const isDoubtedAddress = (row: string): string =>
  `(not ${row}.founding and ${isDoubted(row, `${row}.confirmed_at`)})`;

/**
 * From this containment on, what was added since then does not count, and of operators only `operators` do
 * (`operatorsToCount`). In the containment's own transaction. The epoch is new, so that a row which has it already was not written by
 * the service; it is replaced, since a planted one could doubt nothing.
 */
export async function doubtAddedSince(
  tx: Tx,
  epoch: Epoch,
  since: EpochMs,
  operators: readonly AccountId[],
): Promise<void> {
  await tx.run(
    `insert into added_since (epoch, since, operators) values ($1, $2, $3)
     on conflict (epoch) do update set since = excluded.since, operators = excluded.operators`,
    [epoch, toDate(since), operators],
  );
}

/**
 * SQL: the role of the account `row` as it counts now. An operator's does if every containment has found so, or somebody
 * who may has said so since; it is a viewer's until then. Asked of operators' rows alone.
 */
export const roleThatCounts = (row: string): string =>
  `case when ${row}.role = 'operator' and exists (select from added_since s where ${row}.id <> all (s.operators))
        then 'viewer' else ${row}.role end`;

/** Whose role counts now. */
export async function operatorsThatCount(tx: Tx): Promise<AccountId[]> {
  const rows = await tx.many<{ id: AccountId }>(
    `select a.id from account a where a.role = 'operator' and ${roleThatCounts("a")} = 'operator' order by a.id`,
  );
  return rows.map(({ id }) => id);
}

/**
 * Lets an operator count again, whatever the containments up to an epoch have found: that of the session which says so, or all of them
 * (`null`) where the host says it. One that commits meanwhile judges anew. @returns false if they counted already.
 */
export const letCount = async (tx: Tx, operator: AccountId, upTo: Epoch | null): Promise<boolean> =>
  (await tx.run(
    `update added_since set operators = array_append(operators, $1::uuid)
      where $1 <> all (operators) and ($2::bigint is null or epoch <= $2)`,
    [operator, upTo],
  )) > 0;

/** Takes somebody who is an operator no more off the lists of those who count: a role written behind the service's back counts for nothing. */
export async function countNoMore(tx: Tx, operator: AccountId): Promise<void> {
  await tx.run(`update added_since set operators = array_remove(operators, $1::uuid) where $1 = any (operators)`, [
    operator,
  ]);
}

/** The same for one account, which is contained without a new epoch: its rows themselves are marked. */
export async function doubtAddedTo(tx: Tx, accountId: AccountId, since: EpochMs, now: EpochMs): Promise<void> {
  await doubtAddresses(tx, accountId, since, now);
  const values = [accountId, toDate(since), toDate(now)];
  await tx.run(
    `update passkey set doubted_at = $3 where account_id = $1 and added_at >= $2 and doubted_at is null`,
    values,
  );
  await tx.run(
    `update totp set doubted_at = $3 where account_id = $1 and added_at >= $2 and doubted_at is null`,
    values,
  );
  await tx.run(
    `update recovery_code set doubted_at = $3 where account_id = $1 and added_at >= $2 and doubted_at is null`,
    values,
  );
}

/**
 * Finds the account that an address may renew, under which id it has the address, whether somebody has the address who may not,
 * and the current epoch as it was before any of it was read. Two statements for every address: the way to an account lies on a
 * shard of its own.
 */
export async function findRenewable(
  tx: Tx,
  addressIndex: Uint8Array,
): Promise<{
  readonly accountId: AccountId | null;
  readonly addressId: string | null;
  readonly isDoubted: boolean;
  readonly epoch: Epoch;
}> {
  const { accountId, epoch } = await findAccount(tx, addressIndex);
  const row = await tx.one<{ id: string; isDoubted: boolean }>(
    `select d.id, ${isDoubtedAddress("d")} as "isDoubted" from account_address d
      where d.account_id = $1 and (d.blind_index = any($2) or d.former_index = any($2))`,
    [accountId, splitMacs(addressIndex)],
  );
  const counts = row?.isDoubted === false;
  const isDoubted = row?.isDoubted === true;
  return { accountId: counts ? accountId : null, addressId: counts ? row.id : null, isDoubted, epoch };
}

/**
 * Whether the account still has an address, and it counts. Asked while the account is held, it stays so until the transaction
 * ends.
 */
export const addressCounts = async (tx: Tx, accountId: AccountId, addressId: string): Promise<boolean> =>
  (await tx.one(
    `select 1 as it from account_address d where d.account_id = $1 and d.id = $2 and not ${isDoubtedAddress("d")}`,
    [accountId, addressId],
  )) !== undefined;

/** The ids of these accounts' addresses that do not count: letters go to them, and they prove nothing. */
export async function doubtedAddresses(tx: Tx, accountIds: readonly AccountId[]): Promise<ReadonlySet<string>> {
  const rows = await tx.many<{ id: string }>(
    `select d.id from account_address d where d.account_id = any($1) and ${isDoubtedAddress("d")}`,
    [accountIds],
  );
  return new Set(rows.map(({ id }) => id));
}
