import type { AccountId } from "../kernel/brand.ts";
import { fromDate, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import { findAccount, openAccounts } from "../accounts/accounts.ts";
import { hasTotp } from "../credentials/second-factors.ts";
import { isCurrentRecovery } from "./recovery.ts";

export interface LookedUp {
  readonly accountId: AccountId;
  readonly createdAt: EpochMs;
  readonly addresses: number;
  readonly secondFactor: boolean;
  readonly recovery: {
    readonly readyAt: EpochMs;
    readonly expiresAt: EpochMs;
    readonly withoutSecondFactor: boolean;
  } | null;
}

/**
 * The account of an address, for an operator who helps its owner back in. Whom an operator looks up is recorded, in the
 * timeline, by the account's id. @returns `undefined` for an address that no account has.
 */
export async function lookUpAccount(
  {
    db,
    keyholder,
    clock,
    random,
  }: {
    readonly db: Db;
    readonly keyholder: Keyholder;
    readonly clock: Clock;
    readonly random: Random;
  },
  address: string,
  by: AccountId,
): Promise<LookedUp | undefined> {
  const now = clock.now();
  const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(address)));
  if (accountId === null) return undefined;
  const [[account], row, secondFactor] = await Promise.all([
    openAccounts({ db, keyholder }, [accountId]),
    db.one<{ createdAt: Date; readyAt: Date | null; expiresAt: Date | null; withoutSecondFactor: boolean | null }>(
      `select a.created_at as "createdAt", r.ready_at as "readyAt", r.expires_at as "expiresAt",
              r.without_second_factor as "withoutSecondFactor"
         from account a left join recovery r on r.account_id = a.id and r.expires_at > $2 and ${isCurrentRecovery("r.epoch")}
        where a.id = $1`,
      [accountId, toDate(now)],
    ),
    hasTotp(db, accountId),
  ]);
  if (account === undefined || row === undefined) return undefined;
  await db.transaction((tx) =>
    append(tx, now, { kind: "account looked up", detail: { account: accountId, by } }, random),
  );
  const { createdAt, readyAt, expiresAt, withoutSecondFactor } = row;
  return {
    accountId,
    createdAt: fromDate(createdAt),
    addresses: account.addresses.length,
    secondFactor,
    recovery:
      readyAt === null || expiresAt === null
        ? null
        : {
            readyAt: fromDate(readyAt),
            expiresAt: fromDate(expiresAt),
            withoutSecondFactor: withoutSecondFactor === true,
          },
  };
}
