import type { AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { holdAccount } from "../accounts/accounts.ts";
import { shredAccount } from "../accounts/deletion.ts";
import { forgetCredentials } from "../credentials/clean-up.ts";
import { forgetBouncesOf } from "../incidents/bounced-addresses.ts";
import { forgetLinksOf } from "../links/clean-up.ts";
import { forgetTicketsOf } from "../renewal/clean-up.ts";
import { forgetSessionsOf } from "../sessions/clean-up.ts";
import { append } from "../timeline/append.ts";

/** What the rooms that know no account keep of one: what it has watched. */
export type ForgetProgress = (tx: Tx, accountId: AccountId) => Promise<void>;

/**
 * Removes what every room holds of an account and says in the timeline that it is deleted: a person's as a canary's, which would
 * stand out if anything more or less of it stayed. In the caller's transaction, which waits for whoever holds the account.
 */
export async function removeAccount(
  tx: Tx,
  { random, forgetProgress }: { readonly random: Random; readonly forgetProgress: ForgetProgress },
  accountId: AccountId,
  by: string,
  now: EpochMs,
): Promise<void> {
  await holdAccount(tx, accountId);
  await forgetAccount(tx, forgetProgress, accountId);
  await append(tx, now, { kind: "account deleted", detail: { account: accountId, by } }, random);
}

/** Removes what every room holds of an account, its wrapped data key last. */
export async function forgetAccount(tx: Tx, forgetProgress: ForgetProgress, accountId: AccountId): Promise<void> {
  await forgetTicketsOf(tx, accountId);
  await forgetLinksOf(tx, accountId);
  await forgetSessionsOf(tx, accountId);
  await forgetCredentials(tx, accountId);
  await forgetProgress(tx, accountId);
  await forgetBouncesOf(tx, accountId);
  await shredAccount(tx, accountId);
}
