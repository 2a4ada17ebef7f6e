import type { AccountId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Viewer } from "../http/viewer.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import {
  demote,
  findAccount,
  holdAccount,
  openAccounts,
  operatorIds,
  promote,
  type OpenedAccount,
} from "../accounts/accounts.ts";
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

export type AddOperatorOutcome =
  | { readonly kind: "added"; readonly accountId: AccountId }
  | { readonly kind: "no-such-account" }
  /** A containment lies between the asking operator's sign-in and now, or they are one no more. */
  | { readonly kind: "contained" };

/**
 * Makes the account of an address an operator. One who asks in a session from before a containment, also one that it spared,
 * names nobody: a role has no epoch, and would outlive it.
 */
export async function addOperator(
  { db, keyholder, clock, random }: Needs,
  address: string,
  by: Pick<Viewer, "accountId" | "epoch" | "generation"> | "host",
): Promise<AddOperatorOutcome> {
  const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(address)));
  if (accountId === null) return { kind: "no-such-account" };
  return db.transaction(async (tx): Promise<AddOperatorOutcome> => {
    if (by !== "host" && !(await mayName(tx, by))) return { kind: "contained" };
    if (await promote(tx, accountId)) {
      const now = clock.now();
      await recordEvent(tx, bareEvent(random, accountId, "made operator", now));
      const author = by === "host" ? by : by.accountId;
      await append(tx, now, { kind: "operator added", detail: { account: accountId, by: author } }, random);
    }
    return { kind: "added", accountId };
  });
}

/** Whether who asks is an operator still, in the generation of their session and above the floors. Holds their account. */
async function mayName(tx: Tx, by: Pick<Viewer, "accountId" | "epoch" | "generation">): Promise<boolean> {
  if (!(await holdAccount(tx, by.accountId, by.generation))) return false;
  if (!(await operatorIds(tx)).includes(by.accountId)) return false;
  const row = await tx.one<{ may: boolean }>(`select $1::bigint >= epoch as may from floor where kind = 'password'`, [
    by.epoch,
  ]);
  return row?.may === true;
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
