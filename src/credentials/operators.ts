import type { AccountId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import { demote, findAccount, openAccounts, operatorIds, promote, type OpenedAccount } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

/** Who may run the service. `by` names the act's author in the timeline: an account id, or "host" for the command line. */
export async function listOperators({ db, keyholder }: Pick<Needs, "db" | "keyholder">): Promise<OpenedAccount[]> {
  return openAccounts({ db, keyholder }, await operatorIds(db));
}

/** Makes the account of an address an operator. @returns `undefined` if no account has the address. */
export async function addOperator(
  { db, keyholder, clock, random }: Needs,
  address: string,
  by: string,
): Promise<AccountId | undefined> {
  const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(address)));
  if (accountId === null) return undefined;
  await db.transaction(async (tx) => {
    if (!(await promote(tx, accountId))) return;
    const now = clock.now();
    await recordEvent(tx, bareEvent(random, accountId, "made operator", now));
    await append(tx, now, { kind: "operator added", detail: { account: accountId, by } }, random);
  });
  return accountId;
}

/** Makes an operator a viewer again; the last one stays. Its sessions go on as a viewer's from the next request. */
export async function removeOperator(
  { db, clock, random }: Omit<Needs, "keyholder">,
  accountId: AccountId,
  by: string,
): Promise<"demoted" | "last" | "not-an-operator"> {
  return db.transaction(async (tx) => {
    const outcome = await demote(tx, accountId);
    if (outcome === "demoted") {
      const now = clock.now();
      await recordEvent(tx, bareEvent(random, accountId, "operator no more", now));
      await append(tx, now, { kind: "operator removed", detail: { account: accountId, by } }, random);
    }
    return outcome;
  });
}
