import type { Clock, EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { enqueue } from "../jobs/jobs.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, raiseGeneration } from "../accounts/accounts.ts";
import { callOffDeletion } from "../accounts/deletion.ts";
import { openRemovedAddresses, removedAddressIds } from "../accounts/removed-addresses.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { readUndoToken, type UndoToken } from "../credentials/changed.ts";
import { passkeySignal, roamingPasskeys } from "../credentials/passkeys.ts";
import { refusePassword } from "../credentials/refuse-password.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";
import { claimChange, findChange, takeBackSince } from "../credentials/take-back.ts";
import { totpInUse } from "../credentials/totp.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { announce } from "../sessions/announce.ts";
import { endOperatorLinks } from "../sessions/operator-link.ts";
import { endTickets } from "./renewal.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

export type NotMeOutcome =
  /** `complete` is false when something that was removed could not be given back. */
  | { readonly kind: "taken-back"; readonly complete: boolean }
  /** Used, out of date, or no such token. */
  | { readonly kind: "refused" };

/**
 * "It was not me": takes back the change that a letter told of, and everything that was changed after it; refuses the
 * password, ends renewals and links under way, calls off a deletion, and signs the account out everywhere. The token proves
 * that its holder reads mail at an address of the account, and gets nobody in: the way back is a renewal. So one from
 * before a containment still takes away; it gives nothing back then.
 *
 * Source: ASVS 5.0 6.3.7 and 7.4.3; NIST SP 800-63B-4 section 4.6.
 */
export async function takeBack(needs: Needs, presented: Secret): Promise<NotMeOutcome> {
  const now = needs.clock.now();
  const token = readUndoToken(presented);
  if (token === undefined || (await findChange(needs.db, token, now)) === undefined) return { kind: "refused" };
  for (;;) {
    const outcome = await tryToTakeBack(needs, token, now);
    // An address was removed between the reading and the writing; this account's removals are few and limited.
    if (outcome !== "overtaken") return outcome;
  }
}

async function tryToTakeBack(needs: Needs, token: UndoToken, now: EpochMs): Promise<NotMeOutcome | "overtaken"> {
  const { db, random } = needs;
  const { accountId } = token;
  const [account] = await openAccounts(needs, [accountId]);
  if (account === undefined) return { kind: "refused" };
  const removed = await openRemovedAddresses(needs, account);
  const letters = await Promise.all(
    [...account.addresses, ...removed]
      .filter(({ address }) => address !== "")
      .map(({ address }) =>
        sealLetter(needs, { letter: "change taken back", locale: account.locale, to: address, at: now }),
      ),
  );
  const roaming = await roamingPasskeys(needs, accountId);
  let complete = true;
  let isOvertaken = false;
  const done = await refusable(() =>
    db.transaction(async (tx) => {
      const change = await claimChange(tx, token, now);
      if (change === undefined) throw new Refused();
      // In the order of `containAccount`, so that the two cannot deadlock.
      await endTickets(tx, accountId, now);
      await endOperatorLinks(tx, accountId, now);
      await refusePassword(tx, accountId, now);
      // From here on nobody changes anything in the account until this commits.
      if ((await raiseGeneration(tx, accountId)) === undefined) throw new Refused();
      const aside = await removedAddressIds(tx, accountId);
      isOvertaken = aside.some((id) => account.addresses.some((one) => one.id === id));
      if (isOvertaken) throw new Refused();
      const appBefore = await totpInUse(tx, accountId);
      const { takenBack, left } = await takeBackSince(tx, accountId, change, removed, now);
      const appAfter = await totpInUse(tx, accountId);
      complete = left.length === 0;
      await callOffDeletion(tx, random, accountId, now);
      const detail = { account: accountId, change: change.kind, "taken back": takenBack.map(({ kind }) => kind), left };
      await append(tx, now, { kind: "change taken back", detail }, random);
      await recordEvent(tx, bareEvent(random, accountId, "change taken back", now));
      const told: SignalKind[] = ["password compromised", "session revoked"];
      for (const { kind, subject } of takenBack) {
        const isRoaming = subject !== null && roaming.has(subject);
        if (kind === "passkey added") told.push(passkeySignal("removed", isRoaming));
        if (kind === "passkey removed") told.push(passkeySignal("added", isRoaming));
      }
      // By what is asked for, before and after: one that had taken another's place gives it back.
      if (appBefore !== null && appBefore !== appAfter) told.push("authenticator removed");
      if (appAfter !== null && appBefore !== appAfter) told.push("authenticator added");
      await queueSignal(tx, random, accountId, told, "not me", now);
      await announce(tx, { accountId, reason: "signed-out" });
      for (const letter of letters) await enqueue(tx, "send-letter", letter);
    }),
  );
  if (isOvertaken) return "overtaken";
  return done ? { kind: "taken-back", complete } : { kind: "refused" };
}
