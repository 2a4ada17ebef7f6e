import type { AccountId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import type { Secret } from "../kernel/secret.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { readCost, type HashPool } from "./hash-pool.ts";
import type { Lane } from "./lanes.ts";

/**
 * The passwords that somebody else may have: refused by a containment or by "it was not me", and then replaced by a renewal.
 * Set again they would be current ones, and whoever has guessed them from the copy would be in. Kept until the case is
 * closed; never used to let anybody in.
 */
export interface RefusedPassword {
  readonly salt: Uint8Array;
  readonly parameters: string;
  readonly record: Uint8Array;
}

/** Each costs one hash when a password is chosen. Of more than these, the oldest may be chosen again. */
const mostCompared = 3;

/**
 * Keeps the account's password aside if it is refused by now, in the transaction of the renewal that takes its place and
 * before it does.
 */
export const keepRefused = (tx: Tx, accountId: AccountId, now: EpochMs): Promise<number> =>
  tx.run(
    `insert into refused_password (account_id, salt, parameters, record, replaced_at)
     select account_id, salt, parameters, record, $2 from password
      where account_id = $1 and epoch < (select f.epoch from floor f where f.kind = 'password')
     on conflict (account_id, salt) do nothing`,
    [accountId, toDate(now)],
  );

/** Those that are kept aside, the last ones first. */
export const readRefused = (tx: Tx, accountId: AccountId): Promise<RefusedPassword[]> =>
  tx.many<RefusedPassword>(
    `select salt, parameters, record from refused_password where account_id = $1 order by replaced_at desc, salt limit $2`,
    [accountId, mostCompared],
  );

/** Whether a password is one of them. A hash for each, all at once. */
export async function isAnyOf(
  { keyholder, hashPool }: { readonly keyholder: Keyholder; readonly hashPool: HashPool },
  lane: Lane,
  accountId: AccountId,
  refused: readonly RefusedPassword[],
  password: Secret,
): Promise<boolean> {
  const are = await Promise.all(
    refused.map(async ({ salt, parameters, record }) =>
      keyholder.verifyPassword(accountId, record, await hashPool.hash(lane, password, salt, readCost(parameters))),
    ),
  );
  return are.includes(true);
}

/** As long as "it was not me" works: what it refuses belongs to no case. */
const keptAtLeastMs = 7 * dayMs;

/** Removes those that no case keeps any more. @returns how many went; call again while it is `batchRows` or more. */
export const forgetRefused = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from refused_password where (account_id, salt) in (
       select account_id, salt from refused_password where replaced_at < $1 order by replaced_at limit $2)`,
    [toDate(plus(now, -keptAtLeastMs)), batchRows],
  );
