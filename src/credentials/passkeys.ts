import { createHash } from "node:crypto";
import type { Brand, AccountId, Epoch } from "../kernel/brand.ts";
import { dayMs, fromDate, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { batchRows } from "../db/batch.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { enqueue } from "../jobs/jobs.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { append } from "../timeline/append.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import type { SignalKind } from "../signals/events.ts";
import { isDoubted, roleThatCounts } from "./added-since.ts";

export type PasskeyId = Brand<string, "PasskeyId">;

export const passkeyNamePlace = (accountId: AccountId): Place => ({
  table: "passkey",
  column: "sealed_name",
  accountId,
});
export const descriptorPlace = (accountId: AccountId): Place => ({
  table: "passkey",
  column: "sealed_descriptor",
  accountId,
});

/** Finds its account: SHA-256 of the credential id's bytes. */
export const credentialDigest = (credentialId: string): Buffer =>
  createHash("sha256").update(Buffer.from(credentialId, "base64url")).digest();

/** SQL: whether a passkey counts now. `seen` is the place of the highest floor that this process has seen. */
const counts = (row: string, seen: string): string =>
  `(${row}.removed_at is null and not ${isDoubted(row)} and greatest(${row}.epoch, ${row}.confirmed_epoch)
      >= greatest(${seen}::bigint, (select f.epoch from floor f where f.kind = 'passkey')))`;

/** What a sign-in by passkey reads, in one statement: what checks the signature, and the epoch that it will carry. */
export interface PasskeyProof {
  readonly accountId: AccountId;
  readonly passkeyId: PasskeyId;
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly handleDigest: Uint8Array;
  readonly role: "viewer" | "operator";
  readonly generation: number;
  readonly dataKey: Uint8Array;
  /** The current epoch as of this read, not the passkey's own. */
  readonly epoch: Epoch;
}

/** Reads the passkey of a credential id, if it counts now. */
export async function readPasskeyProof(
  tx: Tx,
  credentialId: string,
  seenFloor: Epoch,
): Promise<PasskeyProof | undefined> {
  const way = await tx.one<{ accountId: AccountId; passkeyId: PasskeyId }>(
    `select account_id as "accountId", passkey_id as "passkeyId" from passkey_way where credential_digest = $1`,
    [credentialDigest(credentialId)],
  );
  if (way === undefined) return undefined;
  return tx.one<PasskeyProof>(
    `select p.account_id as "accountId", p.id as "passkeyId", p.public_key as "publicKey", p.counter,
            p.handle_digest as "handleDigest", ${roleThatCounts("a")} as role, a.generation, a.data_key as "dataKey",
            (select max(epoch) from floor) as epoch
       from passkey p join account a on a.id = p.account_id
      where p.account_id = $1 and p.id = $2 and ${counts("p", "$3")}`,
    [way.accountId, way.passkeyId, seenFloor],
  );
}

/** Whether a counter has gone on as it should: a passkey that counts at all counts upwards (section 7.2 step 22). */
export const countsUp = (stored: number, now: number): boolean => (stored === 0 && now === 0) || now > stored;

/**
 * Notes one use, in the transaction of what it opens. @returns false, and nothing is written, if the passkey was removed
 * or doubted since it was read, or if another signature with this count or a later one was seen meanwhile.
 */
export async function noteUse(
  tx: Tx,
  { accountId, passkeyId }: PasskeyProof,
  counter: number,
  now: EpochMs,
): Promise<boolean> {
  const used = await tx.run(
    `update passkey p set counter = $3, last_used_at = $4
      where p.account_id = $1 and p.id = $2 and (p.counter < $3 or (p.counter = 0 and $3 = 0)) and ${counts("p", "0")}`,
    [accountId, passkeyId, counter, toDate(now)],
  );
  return used === 1;
}

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Refuses a passkey from now on whose counter went back: its key may have been copied out of its authenticator, and
 * nobody can tell which of the two is the owner's. The owner is told, and may keep or remove it.
 *
 * Source: Web Authentication Level 3 section 6.1.1.
 */
export async function doubtPasskey(needs: Needs, { accountId, passkeyId }: PasskeyProof): Promise<void> {
  const { db, clock, random } = needs;
  const now = clock.now();
  const [account] = await openAccounts(needs, [accountId]);
  if (account === undefined) return;
  const letters = await Promise.all(
    account.addresses
      .filter(({ address }) => address !== "")
      .map(({ address }) =>
        sealLetter(needs, { letter: "passkey doubted", locale: account.locale, to: address, at: now }),
      ),
  );
  await db.transaction(async (tx) => {
    const doubted = await tx.run(
      `update passkey set doubted_at = $3, counter_back_at = $3
        where account_id = $1 and id = $2 and doubted_at is null and removed_at is null`,
      [accountId, passkeyId, toDate(now)],
    );
    if (doubted === 0) return;
    await recordEvent(tx, bareEvent(random, accountId, "passkey doubted", now));
    await append(tx, now, { kind: "passkey doubted", detail: { account: accountId, passkey: passkeyId } }, random);
    for (const letter of letters) await enqueue(tx, "send-letter", letter);
  });
}

/** What is needed to ask an authenticator for a passkey by name. */
export interface PasskeyDescriptor {
  readonly id: string;
  readonly transports: readonly string[];
  /** base64url of the user handle that the authenticator keeps with it. */
  readonly handle: string;
}

/** The account's passkeys as authenticators know them, the oldest first; with `counting`, those that count now. */
export async function openDescriptors(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountId: AccountId,
  which: "all" | "counting",
): Promise<PasskeyDescriptor[]> {
  const rows = await db.many<{ dataKey: Buffer; sealed: Buffer }>(
    `select a.data_key as "dataKey", p.sealed_descriptor as sealed
       from passkey p join account a on a.id = p.account_id
      where p.account_id = $1 and p.removed_at is null and ($2 or ${counts("p", "0")}) order by p.added_at, p.id`,
    [accountId, which === "all"],
  );
  const opened = await keyholder.open(
    rows.map(({ dataKey, sealed }) => ({ dataKey, place: descriptorPlace(accountId), sealed })),
  );
  return opened.flatMap((text) => (text === null ? [] : [JSON.parse(text) as PasskeyDescriptor]));
}

/**
 * Whether a passkey lives in a thing of its own that is carried from machine to machine (a roaming authenticator, Web
 * Authentication Level 3 section 6.2.1): its authenticator is reached by cable, touch or radio, and is neither built in nor a phone.
 */
export const roams = (transports: readonly string[]): boolean =>
  transports.length > 0 && !transports.some((one) => one === "internal" || one === "hybrid");

/** Which of the account's passkeys roam, those that were removed and can come back among them. */
export async function roamingPasskeys(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountId: AccountId,
): Promise<ReadonlySet<string>> {
  const rows = await db.many<{ id: PasskeyId; dataKey: Buffer; sealed: Buffer }>(
    `select p.id, a.data_key as "dataKey", p.sealed_descriptor as sealed
       from passkey p join account a on a.id = p.account_id where p.account_id = $1`,
    [accountId],
  );
  const opened = await keyholder.open(
    rows.map(({ dataKey, sealed }) => ({ dataKey, place: descriptorPlace(accountId), sealed })),
  );
  const isRoaming = (text: string | null | undefined): boolean =>
    typeof text === "string" && roams((JSON.parse(text) as PasskeyDescriptor).transports);
  return new Set(rows.filter((_row, place) => isRoaming(opened[place])).map(({ id }) => id));
}

/** What relying services are told of a passkey (CAEP 1.0 section 3.2): the event's type of credential says whether it roams. */
export const passkeySignal = (change: "added" | "removed", isRoaming: boolean): SignalKind =>
  isRoaming ? `security key ${change}` : `passkey ${change}`;

/** Whether the account can prove more than a password by a passkey that counts now. */
export async function hasPasskey(tx: Tx, accountId: AccountId): Promise<boolean> {
  const row = await tx.one<{ has: boolean }>(
    `select exists (select from passkey p where p.account_id = $1 and ${counts("p", "0")}) as has`,
    [accountId],
  );
  return row?.has === true;
}

export interface ListedPasskey {
  readonly id: PasskeyId;
  readonly name: string;
  readonly addedAt: EpochMs;
  readonly lastUsedAt: EpochMs | null;
  readonly doubt: "added-since-copy" | "counter-back" | null;
}

/** The account's passkeys as their owner sees them, the oldest first. */
export async function listPasskeys(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountId: AccountId,
): Promise<ListedPasskey[]> {
  const rows = await db.many<{
    id: PasskeyId;
    dataKey: Buffer;
    sealedName: Buffer;
    addedAt: Date;
    lastUsedAt: Date | null;
    doubt: ListedPasskey["doubt"];
  }>(
    `select p.id, a.data_key as "dataKey", p.sealed_name as "sealedName", p.added_at as "addedAt",
            p.last_used_at as "lastUsedAt",
            case when p.counter_back_at is not null then 'counter-back'
                 when not ${counts("p", "0")} then 'added-since-copy' end as doubt
       from passkey p join account a on a.id = p.account_id
      where p.account_id = $1 and p.removed_at is null order by p.added_at, p.id`,
    [accountId],
  );
  const names = await keyholder.open(
    rows.map(({ dataKey, sealedName }) => ({ dataKey, place: passkeyNamePlace(accountId), sealed: sealedName })),
  );
  return rows.map(({ id, addedAt, lastUsedAt, doubt }, place) => ({
    id,
    name: names[place] ?? "",
    addedAt: fromDate(addedAt),
    lastUsedAt: lastUsedAt === null ? null : fromDate(lastUsedAt),
    doubt,
  }));
}

/** Takes back the adding of a passkey. @returns false if the account has it no more. */
export async function dropPasskey(tx: Tx, accountId: AccountId, passkeyId: string): Promise<boolean> {
  const dropped = await tx.run(`delete from passkey where account_id = $1 and id = $2`, [accountId, passkeyId]);
  await tx.run(`delete from passkey_way where account_id = $1 and passkey_id = $2`, [accountId, passkeyId]);
  return dropped === 1;
}

/** Takes back the removal of a passkey. @returns false if it is too late. */
export const restorePasskey = async (tx: Tx, accountId: AccountId, passkeyId: string): Promise<boolean> =>
  (await tx.run(`update passkey set removed_at = null where account_id = $1 and id = $2 and removed_at is not null`, [
    accountId,
    passkeyId,
  ])) === 1;

/** How long a removed passkey is kept: a day longer than its removal can be taken back. */
const removedForMs = 8 * dayMs;

/** Forgets passkeys that were removed long ago, and the ways to them. @returns how many. */
export async function forgetPasskeys(tx: Tx, now: EpochMs): Promise<number> {
  const row = await tx.one<{ count: number }>(
    `with gone as (
       delete from passkey where (account_id, id) in (
         select account_id, id from passkey where removed_at < $1 order by removed_at limit $2)
       returning account_id, id
     ), ways as (
       delete from passkey_way w using gone g where w.account_id = g.account_id and w.passkey_id = g.id
     )
     select count(*) as count from gone`,
    [toDate(plus(now, -removedForMs)), batchRows],
  );
  return row?.count ?? 0;
}
