import type { AccountId, Epoch } from "../kernel/brand.ts";
import { hourMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newTypedCode, readTypedCode, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { NoteTry } from "../http/tries.ts";
import { enqueue } from "../jobs/jobs.ts";
import { parseAddress, type AddressRefusal } from "../mail/address.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { codeValidHours } from "../mail/templates.ts";
import { append } from "../timeline/append.ts";
import type { Locale } from "../wire/common.ts";
import { addAddress, addressPlace, createAccount, findAccount, namePlace } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import type { BreachedPasswords } from "./breached/breached.ts";
import type { HashPool } from "./hash-pool.ts";
import { mayMail } from "./letter-limits.ts";
import { judgePassword } from "./password-rules.ts";
import { sealNewPassword, storePassword, type SealedPassword } from "./passwords.ts";

/** Ten letters, 43 bits: with five tries a browser, a guess succeeds once in 10^12. */
export const codeLength = 10;
export const codeTries = 5;
/** NIST SP 800-63B-4 section 4.2.1.2: a mailed confirmation code lives at most 24 hours. */
export const codeLifetimeMs = codeValidHours * hourMs;

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly hashPool: HashPool;
  readonly breached: BreachedPasswords;
  readonly clock: Clock;
  readonly random: Random;
  readonly noteTry: NoteTry;
  readonly serviceName: string;
}

export interface SignUpOrder {
  readonly address: string;
  readonly password: Secret;
  readonly name: string | undefined;
  readonly locale: Locale;
  /** 256 bits that the asking browser keeps; the code answers only to it. */
  readonly browser: Secret;
  /** The peer's address. */
  readonly network: string;
}

export type SignUpOutcome =
  | { readonly kind: "code-sent"; readonly expiresAt: EpochMs }
  | { readonly kind: "address-refused"; readonly reason: AddressRefusal }
  | { readonly kind: "password-refused"; readonly rule: string; readonly detail: string };

/**
 * Begins a registration: stores it sealed and mails a code to its address. An address that has an account gets a
 * letter that says so instead; the answer, the row and the work are the same, so that nobody learns who has one. Past
 * the limit of letters nothing is mailed, and the answer is still the same.
 *
 * Source: NIST SP 800-63B-4 sections 3.1.1.2 and 4.2.1.2; ASVS 5.0 6.3.8.
 */
export async function beginSignUp(needs: Needs, order: SignUpOrder): Promise<SignUpOutcome> {
  const { db, keyholder, clock, random, serviceName } = needs;
  const now = clock.now();
  const parsed = parseAddress(order.address);
  if (parsed.kind === "refused") return { kind: "address-refused", reason: parsed.reason };
  needs.noteTry("sign-up", parsed.normalised);
  // Before anything that depends on whether the account exists.
  needs.hashPool.expectRoom("sign-up");
  const about = {
    address: parsed.address,
    service: serviceName,
    ...(order.name === undefined ? {} : { name: order.name }),
  };
  const verdict = judgePassword(order.password.revealText(), about, needs.breached);
  if (verdict.kind === "refused") return { kind: "password-refused", rule: verdict.rule, detail: verdict.detail };

  const accountId = newId<AccountId>(random, now);
  const addressIndex = await keyholder.index("address", parsed.normalised);
  const existing = await findAccount(db, addressIndex);
  const code = newTypedCode(random, codeLength);
  const digest = order.browser.digest();
  const [password, dataKey, codeMac] = await Promise.all([
    sealNewPassword(needs, "sign-up", accountId, order.password),
    keyholder.newDataKey(accountId),
    keyholder.codeMac("sign-up", digest, code),
  ]);
  // After the hash, which a full lane refuses: nothing was mailed then, and who comes again has every letter left.
  const within = await mayMail(needs, "sign-up", parsed.normalised, order.network);
  const [sealedAddress, sealedName, letter] = await Promise.all([
    keyholder.seal(dataKey, addressPlace(accountId), parsed.address),
    keyholder.seal(dataKey, namePlace(accountId), order.name ?? ""),
    sealLetter(needs, {
      letter: existing.accountId === null ? "sign-up code" : "already registered",
      locale: order.locale,
      to: parsed.address,
      code,
    }),
  ]);
  const expiresAt = plus(now, codeLifetimeMs);
  await db.transaction(async (tx) => {
    // The epoch is the one read with the address: a registration begun before a containment ends with it.
    const { locale } = order;
    const { epoch } = existing;
    const sealed = { dataKey, sealedAddress, sealedName };
    await insertSignUp(tx, {
      accountId,
      addressIndex,
      ...sealed,
      locale,
      ...password,
      codeMac,
      epoch,
      digest,
      begunAt: now,
    });
    if (within) await enqueue(tx, "send-code", letter);
  });
  return { kind: "code-sent", expiresAt };
}

export type ConfirmOutcome =
  { readonly kind: "account-created"; readonly accountId: AccountId } | { readonly kind: "refused" };

/** What a registration hands to its account. */
export interface SignedUp extends SealedPassword {
  readonly accountId: AccountId;
  readonly addressIndex: Uint8Array;
  readonly dataKey: Uint8Array;
  readonly sealedAddress: Uint8Array;
  readonly sealedName: Uint8Array;
  readonly locale: Locale;
  readonly epoch: Epoch;
}

interface WaitingSignUp extends BoundCode, SignedUp {}

/** A mailed code as its row has it. */
interface BoundCode {
  /** Of what the asking browser keeps. */
  readonly digest: Buffer;
  readonly codeMac: Buffer;
}

/** Finds the row whose mailed code was typed; `undefined` if it is none of theirs. */
export async function codeIsOf<Row extends BoundCode>(
  { keyholder }: { readonly keyholder: Pick<Keyholder, "checkCode"> },
  purpose: "sign-up" | "renewal",
  typedCode: string,
  rows: readonly Row[],
): Promise<Row | undefined> {
  const code = readTypedCode(typedCode, codeLength);
  if (code === undefined) return undefined;
  const are = await Promise.all(rows.map(({ digest, codeMac }) => keyholder.checkCode(purpose, digest, code, codeMac)));
  return rows.find((_, at) => are[at]);
}

/**
 * Ends a registration with the mailed code, one of those that the browser has asked for. Each counts a try, committed before
 * the code is judged, so that a crash gives no free tries; the code of one is no guess at the others, which get theirs back. At
 * most one caller creates the account. A wrong code, a used one, an old one, too many tries and an address taken meanwhile all
 * answer `refused`.
 */
export async function confirmSignUp(
  { db, keyholder, clock, random }: Omit<Needs, "hashPool" | "breached" | "serviceName" | "noteTry">,
  { typedCode, browsers }: { readonly typedCode: string; readonly browsers: readonly Secret[] },
): Promise<ConfirmOutcome> {
  const now = clock.now();
  const all = await db.many<WaitingSignUp>(
    `update sign_up set tries = tries + 1
      where browser_digest in (select browser_digest from sign_up
              where browser_digest = any($1) and used_at is null and expires_at > $2 and tries < $3
                and epoch >= (select epoch from floor where kind = 'code')
              order by browser_digest for update)
      returning browser_digest as digest, account_id as "accountId", address_index as "addressIndex", data_key as "dataKey",
                sealed_address as "sealedAddress", sealed_name as "sealedName", locale, salt, parameters, record,
                code_mac as "codeMac", epoch`,
    [browsers.map((one) => one.digest()), toDate(now), codeTries],
  );
  const waiting = await codeIsOf({ keyholder }, "sign-up", typedCode, all);
  if (waiting === undefined) return { kind: "refused" };

  const { digest } = waiting;
  const others = all.filter((other) => other !== waiting);
  if (others.length > 0) await giveBackTries(db, others);
  const created = await refusable(() =>
    db.transaction(async (tx) => {
      const claimed = await tx.run(
        `update sign_up set used_at = $2 where browser_digest = $1 and used_at is null
            and epoch >= (select epoch from floor where kind = 'code')`,
        [digest, toDate(now)],
      );
      if (claimed === 0 || !(await writeSignedUp(tx, random, waiting, now))) throw new Refused();
    }),
  );
  return created ? { kind: "account-created", accountId: waiting.accountId } : { kind: "refused" };
}

const giveBackTries = (db: Db, signUps: readonly BoundCode[]): Promise<number> =>
  db.run(
    // In the order in which tries are counted, so that neither waits for the other.
    `update sign_up set tries = tries - 1
      where browser_digest in (select browser_digest from sign_up
              where browser_digest = any($1) and used_at is null and tries > 0
              order by browser_digest for update)`,
    [signUps.map(({ digest }) => digest)],
  );

/** What a confirmed registration leaves of an account. @returns false if its address is taken, or its password too old. */
async function writeSignedUp(
  tx: Tx,
  random: Random,
  { accountId, addressIndex, dataKey, sealedAddress, sealedName, locale, epoch, ...password }: SignedUp,
  now: EpochMs,
): Promise<boolean> {
  await createAccount(tx, { accountId, role: "viewer", locale, dataKey, sealedName, now });
  await recordEvent(tx, bareEvent(random, accountId, "account created", now));
  const addressId = newId(random, now);
  const added = await addAddress(tx, { accountId, addressId, addressIndex, sealed: sealedAddress, epoch, now });
  if (!added || !(await storePassword(tx, accountId, password, epoch, now))) return false;
  await append(tx, now, { kind: "account created", detail: { account: accountId, epoch } }, random);
  return true;
}

/**
 * Makes an account as if somebody had begun its registration `tookMs` ago and confirmed it now: row for row what both leave, but
 * for the letter. For canaries, which a copy must not tell from anybody. @returns false if its address is taken.
 */
export async function makeSignedUp(
  tx: Tx,
  random: Random,
  made: SignedUp & { readonly codeMac: Uint8Array },
  { now, tookMs }: { readonly now: EpochMs; readonly tookMs: number },
): Promise<boolean> {
  const begunAt = plus(now, -tookMs);
  await insertSignUp(tx, { ...made, digest: random.bytes(32), begunAt });
  await tx.run(`update sign_up set used_at = $2, tries = 1 where account_id = $1`, [made.accountId, toDate(now)]);
  return writeSignedUp(tx, random, made, now);
}

const insertSignUp = (
  tx: Tx,
  made: SignedUp & { readonly digest: Uint8Array; readonly codeMac: Uint8Array; readonly begunAt: EpochMs },
): Promise<number> =>
  tx.run(
    `insert into sign_up (browser_digest, account_id, address_index, data_key, sealed_address, sealed_name, locale,
                          salt, parameters, record, code_mac, epoch, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      made.digest,
      made.accountId,
      made.addressIndex,
      made.dataKey,
      made.sealedAddress,
      made.sealedName,
      made.locale,
      made.salt,
      made.parameters,
      made.record,
      made.codeMac,
      made.epoch,
      toDate(made.begunAt),
      toDate(plus(made.begunAt, codeLifetimeMs)),
    ],
  );

/** Thrown inside a transaction to roll it back for a reason that is an outcome, and caught right outside it. */
export class Refused extends Error {}

/** Runs `work`; false if it rolled back with `Refused`. */
export const refusable = async (work: () => Promise<unknown>): Promise<boolean> =>
  (await unlessRefused(async () => {
    await work();
    return true;
  })) ?? false;

/** What `work` returns; `undefined` if it rolled back with `Refused`. */
export async function unlessRefused<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof Refused) return undefined;
    throw thrown;
  }
}
