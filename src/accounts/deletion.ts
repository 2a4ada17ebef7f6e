import type { AccountId } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import { bareEvent, recordEvent } from "./security-events.ts";

/** Two requests that are closer together than this are one, sent twice. */
const sameAskingMs = minuteMs;

/** Notes when an account is to be deleted. @returns false if that was noted a moment ago, or there is no such account. */
export async function planDeletion(tx: Tx, accountId: AccountId, at: EpochMs): Promise<boolean> {
  const planned = await tx.run(
    `update account set delete_after = $2 where id = $1 and (delete_after is null or delete_after <= $3)`,
    [accountId, toDate(at), toDate(plus(at, -sameAskingMs))],
  );
  return planned === 1;
}

/** The account stays. @returns false if it was not to be deleted. */
export async function keepAccount(tx: Tx, accountId: AccountId): Promise<boolean> {
  return (
    (await tx.run(`update account set delete_after = null where id = $1 and delete_after is not null`, [accountId])) ===
    1
  );
}

/**
 * The account stays, and that it does is written down: its owner says so, or whoever asked for the deletion may have been somebody else,
 * since the account is contained or a change in it taken back. The caller holds the account. @returns false if it was not to be deleted.
 */
export async function callOffDeletion(tx: Tx, random: Random, accountId: AccountId, now: EpochMs): Promise<boolean> {
  if (!(await keepAccount(tx, accountId))) return false;
  await recordEvent(tx, bareEvent(random, accountId, "deletion withdrawn", now));
  await append(tx, now, { kind: "account deletion withdrawn", detail: { account: accountId } }, random);
  return true;
}

/** When the account is to be deleted; `null` if it is not. */
export async function plannedDeletion(tx: Tx, accountId: AccountId): Promise<EpochMs | null> {
  const row = await tx.one<{ at: Date | null }>(`select delete_after as at from account where id = $1`, [accountId]);
  return row?.at == null ? null : fromDate(row.at);
}

/** Accounts whose time has come, the longest due first. */
export async function dueDeletions(tx: Tx, now: EpochMs, limit: number): Promise<AccountId[]> {
  const rows = await tx.many<{ id: AccountId }>(
    `select id from account where delete_after <= $1 order by delete_after limit $2`,
    [toDate(now), limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Whether an account is an operator whose leaving would leave none who stays and counts (`thatCount`). Locks the operators' rows
 * then, so that two who leave at once take turns.
 */
export async function isLastOperator(
  tx: Tx,
  accountId: AccountId,
  thatCount: (tx: Tx) => Promise<readonly AccountId[]>,
): Promise<boolean> {
  const own = await tx.one(`select 1 as it from account where id = $1 and role = 'operator'`, [accountId]);
  if (own === undefined) return false;
  const operators = await tx.many<{ id: AccountId; stays: boolean }>(
    `select id, delete_after is null as stays from account where role = 'operator' order by id for no key update`,
  );
  if (!operators.some(({ id }) => id === accountId)) return false;
  const counting = await thatCount(tx);
  return !operators.some(({ id, stays }) => id !== accountId && stays && counting.includes(id));
}

/**
 * Deletes what this room keeps of an account. With its row goes its wrapped data key, and with that whatever was sealed
 * for it anywhere in this database (crypto-shredding, NIST SP 800-88 section 2.5). The address is free again.
 */
export async function shredAccount(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(
    `delete from address where account_id = $1
        and blind_index in (select unnest(array[blind_index, former_index]) from account_address where account_id = $1)`,
    [accountId],
  );
  await tx.run(`delete from account_address where account_id = $1`, [accountId]);
  await tx.run(`delete from removed_address where account_id = $1`, [accountId]);
  await tx.run(`delete from security_event where account_id = $1`, [accountId]);
  await tx.run(`delete from account where id = $1`, [accountId]);
}
