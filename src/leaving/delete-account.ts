import { parseId, type AccountId } from "../kernel/brand.ts";
import { hourMs, plus, toDate, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { enqueue } from "../jobs/jobs.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { readSince } from "../timeline/read.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { dueDeletions, isLastOperator } from "../accounts/deletion.ts";
import { operatorsThatCount } from "../credentials/added-since.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";
import { announce } from "../sessions/announce.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { forgetAccount, removeAccount, type ForgetProgress } from "./remove-account.ts";

export interface DeleteNeeds {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "open" | "sealForMailer">;
  readonly clock: Clock;
  readonly random: Random;
  readonly forgetProgress: ForgetProgress;
}

export type DeleteOutcome = "deleted" | "no-such-account" | "not-due" | "last-operator";

/**
 * Deletes an account in one transaction: its rows in every room, and its wrapped data key with them, so that nothing
 * sealed for it opens any more. What stays names a random id and no person: the timeline, and the outcome of letters,
 * whose sum must hold; a letter that still waits counts as `no address`. A last letter goes to every address.
 *
 * `due`: only if its day has come, in case the owner has taken it back a moment ago.
 */
export async function deleteAccount(
  needs: DeleteNeeds,
  accountId: AccountId,
  { by, due }: { readonly by: "owner" | "host"; readonly due: boolean },
): Promise<DeleteOutcome> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined) return "no-such-account";
  const letters = await Promise.all(
    account.addresses
      .filter(({ address }) => address !== "")
      .map(({ address }) =>
        sealLetter(needs, { letter: "account deleted", locale: account.locale, to: address, at: now }),
      ),
  );
  let why: DeleteOutcome = "not-due";
  const done = await refusable(() =>
    db.transaction(async (tx) => {
      if (await isLastOperator(tx, accountId, operatorsThatCount)) {
        why = "last-operator";
        throw new Refused();
      }
      const held = await tx.one(
        `select 1 as held from account where id = $1 and ($2 = false or delete_after <= $3) for update`,
        [accountId, due, toDate(now)],
      );
      if (held === undefined) throw new Refused();
      await removeAccount(tx, needs, accountId, by, now);
      const cause = by === "host" ? "account deleted by the host" : "account deleted";
      await queueSignal(tx, random, accountId, ["session revoked", "account purged"], cause, now);
      await announce(tx, { accountId, reason: "signed-out" });
      for (const letter of letters) await enqueue(tx, "send-letter", letter);
    }),
  );
  return done ? "deleted" : why;
}

/** Longer than any request lasts, and than two clean-ups lie apart. */
const lateMs = 3 * hourMs;

/**
 * Forgets what a request that was let in before an account's deletion committed has written of it afterwards: how far a film was
 * seen, or the session of a sign-in. A check in each such report would lock the account's row for every viewer, every few seconds.
 */
export async function forgetLate({
  db,
  clock,
  forgetProgress,
}: Pick<DeleteNeeds, "db" | "clock" | "forgetProgress">): Promise<void> {
  for (const { detail } of await readSince(db, "account deleted", plus(clock.now(), -lateMs))) {
    const accountId = parseId<AccountId>(detail["account"]);
    if (accountId !== undefined) await forgetAccount(db, forgetProgress, accountId);
  }
}

/** Deletes the accounts whose day has come; one that cannot be deleted is said so and left for the next time. */
export async function deleteDue(needs: DeleteNeeds & { readonly log: Log }): Promise<number> {
  let deleted = 0;
  for (const accountId of await dueDeletions(needs.db, needs.clock.now(), 100)) {
    try {
      const outcome = await deleteAccount(needs, accountId, { by: "owner", due: true });
      if (outcome === "deleted") deleted++;
      else if (outcome === "last-operator") {
        needs.log.warn({ accountId }, "the last operator asked for deletion; the account stays until there is another");
      }
    } catch (thrown) {
      needs.log.error({ accountId, reason: messageOf(thrown) }, "an account could not be deleted");
    }
  }
  return deleted;
}
