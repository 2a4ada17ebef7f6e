import type { AccountId, Epoch } from "../kernel/brand.ts";
import { plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newTypedCode, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { NoteTry } from "../http/tries.ts";
import { enqueue } from "../jobs/jobs.ts";
import { lookUpForm, parseAddress } from "../mail/address.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, raiseGeneration } from "../accounts/accounts.ts";
import { addressCounts, findRenewable } from "../credentials/added-since.ts";
import { changed, prepareChange } from "../credentials/changed.ts";
import type { BreachedPasswords } from "../credentials/breached/breached.ts";
import type { HashPool } from "../credentials/hash-pool.ts";
import { judgePassword, tooShort } from "../credentials/password-rules.ts";
import { readRecord, sealNewPassword, storePassword } from "../credentials/passwords.ts";
import { endAddressClaims } from "../credentials/refuse-password.ts";
import { isAnyOf, keepRefused, readRefused } from "../credentials/refused-passwords.ts";
import { codeIsOf, codeLength, codeLifetimeMs, codeTries, Refused, refusable } from "../credentials/sign-up.ts";
import { mayMail } from "../credentials/letter-limits.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import {
  asksSecondFactor,
  isStillLongEnough,
  judgeFactor,
  leastPasswordLength,
  readSecondFactors,
  type FactorOutcome,
  type ProvedFactor,
  type SecondFactors,
} from "../credentials/second-factors.ts";
import { endRecovery, findRecovery, noteRecoveryEnded, prepareRecovery, readRecovery } from "./recovery.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { announce } from "../sessions/announce.ts";
import { endSteps } from "../sessions/second-factor.ts";
import { endApprovedLinks } from "../links/links.ts";
import { limits, type Locale } from "../wire/common.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly hashPool: HashPool;
  readonly breached: BreachedPasswords;
  readonly clock: Clock;
  readonly random: Random;
  readonly noteTry: NoteTry;
  readonly seen: SeenFloors;
  readonly serviceName: string;
}

/**
 * Asks for a renewal code. The row and the work are the same for every address, and so is the answer; a letter leaves only
 * for one that has an account and counts (one added since a copy was taken does not), or that a recovery names whose delay is
 * over. It goes to the address as its owner proved it, whatever was typed. Several codes may be live at once, each for the
 * browser that asked for it, so that a late letter still works. Past the limit nothing is mailed, and the answer is still the
 * same.
 *
 * Source: NIST SP 800-63B-4 section 4.2.1.2 (24 hours), ASVS 5.0 6.3.8.
 */
export async function askRenewal(
  { db, keyholder, clock, random, noteTry }: Needs,
  {
    address,
    locale,
    browser,
    network,
  }: { readonly address: string; readonly locale: Locale; readonly browser: Secret; readonly network: string },
): Promise<{ readonly expiresAt: EpochMs }> {
  const now = clock.now();
  const form = lookUpForm(address);
  noteTry("renewal", form);
  const [addressIndex, within] = await Promise.all([
    keyholder.index("address", form),
    mayMail({ db, clock, keyholder }, "renewal", form, network),
  ]);
  const reading = db.together();
  const [renewable, recovery] = await Promise.all([
    findRenewable(reading, addressIndex),
    findRecovery(reading, addressIndex, now),
  ]);
  const { isDoubted } = renewable;
  const isOwn = renewable.accountId !== null || isDoubted || recovery === undefined;
  const { accountId, epoch } = isOwn ? renewable : recovery;
  const recoveryId = isOwn ? null : recovery.id;
  const addressId = within ? renewable.addressId : null;
  const code = newTypedCode(random, codeLength);
  const digest = browser.digest();
  const parsed = parseAddress(address);
  const [codeMac, letter] = await Promise.all([
    keyholder.codeMac("renewal", digest, code),
    // Sealed and queued for every address; one that nobody has gets a letter that is never sent.
    sealLetter(
      { keyholder, random, clock },
      {
        letter: isDoubted ? "address doubted" : accountId === null ? "no letter" : "renewal code",
        locale,
        to: parsed.kind === "address" ? parsed.address : "nobody@localhost",
        // For a stranger's address the id of nobody: one length for all.
        account: accountId ?? newId<AccountId>(random, now),
        code,
      },
    ),
  ]);
  const expiresAt = plus(now, codeLifetimeMs);
  await db.transaction(async (tx) => {
    await Promise.all([
      tx.run(
        `insert into ticket (browser_digest, account_id, address_index, code_mac, epoch, created_at, expires_at, recovery_id,
                             address_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          digest,
          within ? accountId : null,
          addressIndex,
          codeMac,
          epoch,
          toDate(now),
          toDate(expiresAt),
          recoveryId,
          addressId,
        ],
      ),
      within ? enqueue(tx, "send-code", letter) : undefined,
    ]);
  });
  return { expiresAt };
}

/**
 * Whether the mailed code is right, asked before a wait in line: one statement and one call of the keyholder, no hash. The
 * try counts unless it is. The ticket remembers that the mailbox is proved; the wait does not use its life up
 * (NIST SP 800-63B-4 section 4.2.1.2 limits the code until it is presented).
 */
export async function proveMailbox(
  { db, keyholder, clock }: Pick<Needs, "db" | "keyholder" | "clock">,
  order: Pick<CompleteOrder, "typedCode" | "browsers">,
): Promise<boolean> {
  const ticket = await tryTickets({ db, keyholder }, order, clock.now());
  if (ticket === undefined) return false;
  await db.run(
    `update ticket set tries = tries - 1, proved_at = coalesce(proved_at, $2)
      where browser_digest = $1 and used_at is null and tries > 0`,
    [ticket.digest, toDate(clock.now())],
  );
  return true;
}

export interface CompleteOrder {
  readonly typedCode: string;
  /** Of each code that the browser has asked for. */
  readonly browsers: readonly Secret[];
  readonly password: Secret;
  /** As typed; needed for an account that has one. */
  readonly secondFactor?: string | undefined;
  /** "Sign out connected devices after password change": ticked unless the person unticked it. */
  readonly signOutDevices: boolean;
}

export type CompleteOutcome =
  | { readonly kind: "renewed"; readonly signedOutDevices: boolean }
  | { readonly kind: "refused" }
  /** Told only after the mailbox is proved; the code stays good for another password. */
  | { readonly kind: "password-refused"; readonly rule: string; readonly detail: string }
  | { readonly kind: "password-is-old" }
  /** Told only after the mailbox is proved; the code stays good. */
  | { readonly kind: "second-factor-needed" }
  | { readonly kind: "second-factor-refused" }
  | { readonly kind: "wait"; readonly seconds: number };

interface Ticket {
  digest: Buffer;
  accountId: AccountId;
  codeMac: Buffer;
  epoch: Epoch;
  recoveryId: string | null;
  addressId: string | null;
}

/**
 * The ticket that a typed code is of, among those that the browser has asked for and that are still good; `undefined` for
 * none. Each counts a try before its code is judged; the code of one is no guess at the others, which get theirs back. A code
 * that nobody was sent, guessed, is as wrong as any other.
 */
async function tryTickets(
  { db, keyholder }: Pick<Needs, "db" | "keyholder">,
  { typedCode, browsers }: Pick<CompleteOrder, "typedCode" | "browsers">,
  now: EpochMs,
): Promise<Ticket | undefined> {
  const tickets = await db.many<Omit<Ticket, "accountId"> & { accountId: AccountId | null }>(
    // In the order of a renewal that ends them all, so that neither waits for the other.
    `update ticket set tries = tries + 1
      where browser_digest in (select browser_digest from ticket
              where browser_digest = any($1) and used_at is null and expires_at > $2 and tries < $3
                and epoch >= (select max(epoch) from floor where kind in ('code', 'ticket'))
              order by browser_digest for update)
      returning browser_digest as digest, account_id as "accountId", code_mac as "codeMac", epoch,
                recovery_id as "recoveryId", address_id as "addressId"`,
    [browsers.map((one) => one.digest()), toDate(now), codeTries],
  );
  const ticket = await codeIsOf({ keyholder }, "renewal", typedCode, tickets);
  if (ticket === undefined || ticket.accountId === null) return undefined;
  const others = tickets.filter((other) => other !== ticket);
  if (others.length > 0) await giveBackTries({ db }, others);
  return { ...ticket, accountId: ticket.accountId };
}

/**
 * Sets a new password, proved by the mailed code in the browser that asked for it, and by the second factor of an account
 * that has one: a renewal is no way round it. The try is counted before the code is judged. The new password carries
 * the epoch read when the code was asked for, so a code from before a containment proves nothing after it. By default
 * every connected device is signed out in the same transaction; by a recovery, whose owner has nothing at hand, always.
 * An address that the account has no more by then proves nothing: whoever reads its mail may be why it was removed.
 * What waits to let somebody in (other tickets, a recovery, claims of addresses, approved links, sign-ins that wait for a
 * second factor) ends in it in any case.
 *
 * Source: NIST SP 800-63B-4 sections 3.1.1.2, 4.2 and 4.6; ASVS 5.0 6.4.3 and 7.4.3.
 */
export async function completeRenewal(needs: Needs, order: CompleteOrder): Promise<CompleteOutcome> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const ticket = await tryTickets(needs, order, now);
  if (ticket === undefined) return { kind: "refused" };

  const { digest, accountId, epoch, recoveryId, addressId } = ticket;
  const reading = db.together();
  const [[account], factorsNow, present, refused] = await Promise.all([
    openAccounts({ db: reading, keyholder }, [accountId]),
    readSecondFactors(reading, accountId, needs.seen),
    readRecord(reading, accountId),
    readRefused(reading, accountId),
  ]);
  if (account === undefined) return { kind: "refused" };
  const recovery = recoveryId === null ? null : await readRecovery(needs, account, recoveryId, now);
  // Stopped, or ended, since its code was mailed.
  if (recovery === undefined) return { kind: "refused" };
  const factors = recovery?.withoutSecondFactor === true ? noFactors : factorsNow;
  const addresses = recovery === null ? account.addresses : [...account.addresses, recovery];
  const refusal = judge(needs, order.password, { name: account.name, addresses }, leastPasswordLength(factors));
  if (refusal !== undefined) {
    await giveBackTry(needs, digest);
    return refusal;
  }
  const factor = await judgeSecond(needs, digest, accountId, asksSecondFactor(factors), order.secondFactor);
  if (factor.kind !== "proved") return factor;
  // What a thief may have too. All hashes at once: one after the other, somebody would wait in the lane twice.
  const stolen = present === null ? refused : [present, ...refused];
  const giveBack = async (): Promise<void> => {
    await giveBackTry(needs, digest);
    await factor.factor?.giveBack();
  };
  const [isOld, sealed] = await Promise.all([
    isAnyOf(needs, "renewal", accountId, stolen, order.password),
    sealNewPassword(needs, "renewal", accountId, order.password),
  ]).catch(async (thrown: unknown) => {
    // A full lane, or a node that stops, has judged nothing: who comes again must find the code good. Why it failed is what is said.
    await giveBack().catch(() => undefined);
    throw thrown;
  });
  if (isOld) {
    await giveBack();
    return { kind: "password-is-old" };
  }
  const change = await prepareChange(needs, account, {
    kind: "renewed",
    epoch,
    now,
    ...(recovery === null ? {} : { alsoTo: recovery.address }),
  });
  const recovering = recovery === null ? null : await prepareRecovery(needs, account, recovery, { epoch, now });
  const signedOutDevices = order.signOutDevices || recovering !== null;
  let isLongEnough = true;
  const renewed = await refusable(() =>
    db.transaction(async (tx) => {
      // The account's other tickets end with this one: whoever else reads its mail must not renew it again.
      const ended = await tx.many<{ isThis: boolean }>(
        `update ticket set used_at = $3
          where browser_digest in (select browser_digest from ticket where account_id = $2 and used_at is null
                                    order by browser_digest for update)
          returning browser_digest = $1 and expires_at > $3
            and epoch >= (select max(epoch) from floor where kind in ('code', 'ticket')) as "isThis"`,
        [digest, accountId, toDate(now)],
      );
      if (!ended.some(({ isThis }) => isThis)) throw new Refused();
      if (recovering !== null && !(await recovering.claim(tx))) throw new Refused();
      // Judged together afterwards, since a refusal takes all of it back: so all of it leaves in one write.
      const [, , , , isStored, isFactorClaimed, isHeld, isProved] = await Promise.all([
        // Who renews by an address of the account has not lost everything.
        recovering === null && noteRecoveryEnded(tx, random, accountId, now, "owner"),
        endAddressClaims(tx, accountId, now),
        // Step, password, factor: in the order in which a sign-in that is completed takes them.
        endSteps(tx, accountId, now),
        keepRefused(tx, accountId, now),
        storePassword(tx, accountId, sealed, epoch, now),
        factor.factor?.claim(tx) ?? true,
        changed(tx, change),
        // Whoever removes an address holds the account too: one that went meanwhile proves nothing.
        addressId === null || addressCounts(tx, accountId, addressId),
      ]);
      if (!isStored || !isFactorClaimed || !isHeld || !isProved) throw new Refused();
      await recovering?.carryOut(tx);
      const told: SignalKind[] = ["password changed", ...(signedOutDevices ? (["session revoked"] as const) : [])];
      const detail = {
        account: accountId,
        "signed out devices": signedOutDevices,
        epoch,
        ...(recovering && { recovery: true }),
      };
      [isLongEnough] = await Promise.all([
        isStillLongEnough(tx, accountId, order.password),
        ...(signedOutDevices ? [raiseGeneration(tx, accountId), announce(tx, { accountId, reason: "renewed" })] : []),
        endApprovedLinks(tx, accountId),
        queueSignal(tx, random, accountId, told, "renewed", now),
        factor.factor?.kind === "recovery" &&
          append(tx, now, { kind: "recovery code used", detail: { account: accountId, epoch } }, random),
        append(tx, now, { kind: "renewed", detail }, random),
      ]);
      if (!isLongEnough) throw new Refused();
    }),
  );
  if (!isLongEnough) {
    // The transaction, and with it the code's use, is rolled back.
    await giveBack();
    const { rule, detail } = tooShort(limits.passwordLengthAlone);
    return { kind: "password-refused", rule, detail };
  }
  return renewed ? { kind: "renewed", signedOutDevices } : { kind: "refused" };
}

/** Of an account whose second factor a recovery waives. */
const noFactors: SecondFactors = { totpAddedAt: null, setAside: null, recoveryCodesLeft: 0, recoveryCodesMadeAt: null };

/** Judges the second factor of a renewal whose mailbox is proved, or finds that none is asked for. */
async function judgeSecond(
  needs: Needs,
  digest: Uint8Array,
  accountId: AccountId,
  isAsked: boolean,
  typed: string | undefined,
): Promise<
  | { readonly kind: "proved"; readonly factor: ProvedFactor | null }
  | Extract<CompleteOutcome, { kind: "second-factor-needed" | "second-factor-refused" | "wait" }>
> {
  if (!isAsked) return { kind: "proved", factor: null };
  if (typed === undefined || typed.trim() === "") {
    await giveBackTry(needs, digest);
    return { kind: "second-factor-needed" };
  }
  const judged: FactorOutcome = await judgeFactor(needs, accountId, typed);
  if (judged.kind === "refused") return { kind: "second-factor-refused" };
  if (judged.kind === "wait") await giveBackTry(needs, digest);
  return judged;
}

function judge(
  { serviceName, breached }: Needs,
  password: Secret,
  account: { readonly name: string; readonly addresses: readonly { readonly address: string }[] },
  leastLength: number,
): Extract<CompleteOutcome, { kind: "password-refused" }> | undefined {
  const text = password.revealText();
  for (const address of account.addresses.length === 0 ? [""] : account.addresses.map((one) => one.address)) {
    const verdict = judgePassword(text, { address, name: account.name, service: serviceName, leastLength }, breached);
    if (verdict.kind === "refused") return { kind: "password-refused", rule: verdict.rule, detail: verdict.detail };
  }
  return undefined;
}

/**
 * Ends the renewals that one account has under way, and its recovery. Used and not expired: a renewal that began a moment
 * ago, or on a node whose clock is behind, compares expiry with an earlier instant. @returns how many renewals.
 */
export async function endTickets(tx: Tx, accountId: AccountId, now: EpochMs): Promise<number> {
  const ended = await tx.run(
    // In the order of a renewal that ends the others, so that neither waits for the other.
    `update ticket set used_at = $2
      where browser_digest in (select browser_digest from ticket where account_id = $1 and used_at is null
                                order by browser_digest for update)`,
    [accountId, toDate(now)],
  );
  await endRecovery(tx, accountId);
  return ended;
}

/** The code was right: choosing a better password must not use the tries up. */
const giveBackTry = (needs: Pick<Needs, "db">, digest: Uint8Array): Promise<void> => giveBackTries(needs, [{ digest }]);

async function giveBackTries(
  { db }: Pick<Needs, "db">,
  tickets: readonly { readonly digest: Uint8Array }[],
): Promise<void> {
  await db.run(
    // In the order of a renewal that ends them all, so that neither waits for the other.
    `update ticket set tries = tries - 1
      where browser_digest in (select browser_digest from ticket
              where browser_digest = any($1) and used_at is null and tries > 0
              order by browser_digest for update)`,
    [tickets.map(({ digest }) => digest)],
  );
}
