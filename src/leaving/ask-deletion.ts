import { plus, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Viewer } from "../http/viewer.ts";
import { lookUpForm } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import { holdAccount, openAccounts } from "../accounts/accounts.ts";
import { callOffDeletion, isLastOperator, planDeletion, plannedDeletion } from "../accounts/deletion.ts";
import { operatorsThatCount } from "../credentials/added-since.ts";
import { changed, prepareChange, undoLifetimeMs } from "../credentials/changed.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

export type AskDeletionOutcome =
  | { readonly kind: "planned"; readonly deleteAfter: EpochMs }
  /** What was typed is no address of the account. */
  | { readonly kind: "not-confirmed" }
  | { readonly kind: "last-operator" }
  | { readonly kind: "session-ended" };

/**
 * Plans the deletion of the viewer's account, confirmed by typing one of its addresses. Until its day the account works as
 * before: every address is told, and can take it back for as long as the account is still there. Asking again begins the
 * week anew, unless the same asking is sent twice within a minute, which writes nothing. Containing the account, or "it was
 * not me", calls it off: somebody else may have asked.
 *
 * Source: GDPR article 17.
 */
export async function askDeletion(
  { db, keyholder, clock, random }: Needs,
  viewer: Viewer,
  confirmation: string,
): Promise<AskDeletionOutcome> {
  const { accountId, epoch, generation } = viewer;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined) return { kind: "session-ended" };
  const typed = lookUpForm(confirmation);
  if (!account.addresses.some(({ address }) => lookUpForm(address) === typed)) return { kind: "not-confirmed" };
  const deleteAfter = plus(now, undoLifetimeMs);
  const change = await prepareChange({ db, keyholder, clock, random }, account, {
    kind: "deletion asked",
    subject: accountId,
    epoch,
    now,
    generation,
  });
  let why: AskDeletionOutcome = { kind: "session-ended" };
  const done = await refusable(() =>
    db.transaction(async (tx) => {
      // First, since it locks other operators' rows in their order.
      if (await isLastOperator(tx, accountId, operatorsThatCount)) {
        why = { kind: "last-operator" };
        throw new Refused();
      }
      if (!(await changed(tx, change))) throw new Refused();
      if (!(await planDeletion(tx, accountId, deleteAfter))) {
        const planned = await plannedDeletion(tx, accountId);
        if (planned !== null) why = { kind: "planned", deleteAfter: planned };
        throw new Refused();
      }
      await append(tx, now, { kind: "account deletion asked", detail: { account: accountId } }, random);
    }),
  );
  return done ? { kind: "planned", deleteAfter } : why;
}

/** The viewer's account stays. @returns false if it was not to be deleted, or the session ended meanwhile. */
export async function withdrawDeletion(
  { db, clock, random }: Omit<Needs, "keyholder">,
  viewer: Viewer,
): Promise<boolean> {
  const { accountId, generation } = viewer;
  const now = clock.now();
  return db.transaction(
    async (tx) => (await holdAccount(tx, accountId, generation)) && (await callOffDeletion(tx, random, accountId, now)),
  );
}
