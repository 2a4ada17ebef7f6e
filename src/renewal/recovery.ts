import type { AccountId, Epoch } from "../kernel/brand.ts";
import { dayMs, hourMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { enqueue } from "../jobs/jobs.ts";
import { parseAddress } from "../mail/address.ts";
import { sealLetter } from "../mail/sealed-letter.ts";
import { limits } from "../wire/common.ts";
import { append } from "../timeline/append.ts";
import { addAddress, addressPlace, findAccount, openAccounts, type OpenedAccount } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { changed, prepareChange, type PreparedChange } from "../credentials/changed.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { totpInUse, turnTotpOff } from "../credentials/totp.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

/** From the start of a recovery until its address can renew: time for every other address to stop it. */
const recoveryDelayMs = 72 * hourMs;
/** The same where the renewal will not ask for the account's second factor. */
const recoveryDelayWithoutFactorMs = 7 * dayMs;
/** How long the address can renew from then on. */
const recoveryOpenMs = 7 * dayMs;

/** SQL: whether a recovery was proved by nothing from before the last containment. */
export const isCurrentRecovery = (epoch: string): string =>
  `${epoch} >= (select max(epoch) from floor where kind in ('code', 'ticket', 'password'))`;

export interface StartOrder {
  readonly accountId: AccountId;
  /** A new one, with which the operator has met the owner some other way. */
  readonly address: string;
  /** The renewal will not ask for the second factor, and turns it off. */
  readonly withoutSecondFactor: boolean;
  /** The epoch of the session that asks; left out for the host. */
  readonly epoch?: Epoch;
  /** The operator's account id, or "host". */
  readonly by: string;
}

export type StartOutcome =
  | { readonly kind: "started"; readonly readyAt: EpochMs; readonly expiresAt: EpochMs }
  | { readonly kind: "address-refused"; readonly reason: string }
  | { readonly kind: "no-such-account" }
  /** The account has as many addresses as it may have. */
  | { readonly kind: "full" }
  /** The account has no address: nobody could be told, and nobody could stop it. */
  | { readonly kind: "nobody-to-tell" }
  | { readonly kind: "under-way" }
  /** A containment lies between the operator's sign-in and now. */
  | { readonly kind: "contained" };

/**
 * Starts the recovery of an account: every address of it is told at once and can stop it, and nothing opens before the
 * delay is over. An operator starts it and no more: the new password is chosen by who reads mail at the new address.
 *
 * Source: NIST SP 800-63B-4 section 4.2; ASVS 5.0 6.4.5 and 6.4.6.
 */
export async function startRecovery(needs: Needs, order: StartOrder): Promise<StartOutcome> {
  const { db, keyholder, clock, random } = needs;
  const { accountId, withoutSecondFactor, by } = order;
  const now = clock.now();
  const parsed = parseAddress(order.address);
  if (parsed.kind === "refused") return { kind: "address-refused", reason: parsed.reason };
  const addressIndex = await keyholder.index("address", parsed.normalised);
  const [newest] = splitMacs(addressIndex);
  const existing = await findAccount(db, addressIndex);
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined || newest === undefined) return { kind: "no-such-account" };
  if (existing.accountId !== null) return { kind: "address-refused", reason: "an account has it already" };
  if (account.addresses.length === 0) return { kind: "nobody-to-tell" };
  if (account.addresses.length >= limits.addressesPerAccount) return { kind: "full" };

  const epoch = Math.min(order.epoch ?? existing.epoch, existing.epoch) as Epoch;
  const readyAt = plus(now, withoutSecondFactor ? recoveryDelayWithoutFactorMs : recoveryDelayMs);
  const expiresAt = plus(readyAt, recoveryOpenMs);
  const id = newId(random, now);
  const [sealed, waits, change] = await Promise.all([
    keyholder.seal(account.dataKey, addressPlace(accountId), parsed.address),
    sealLetter(needs, { letter: "recovery waits", locale: account.locale, to: parsed.address, at: readyAt }),
    prepareChange(needs, account, {
      kind: withoutSecondFactor ? "recovery without second factor" : "recovery started",
      subject: id,
      about: { address: parsed.address },
      epoch,
      now,
      undoUntil: expiresAt,
    }),
  ]);
  let why: StartOutcome = { kind: "no-such-account" };
  const started = await refusable(() =>
    db.transaction(async (tx) => {
      const current = await tx.one(`select 1 as it where ${isCurrentRecovery("$1::bigint")}`, [epoch]);
      why = { kind: current === undefined ? "contained" : "under-way" };
      // Before the account is held, in the order in which a containment locks the same rows.
      const written = await tx.run(
        `insert into recovery (account_id, id, address_index, sealed, without_second_factor, epoch, started_at, ready_at, expires_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9 where ${isCurrentRecovery("$6::bigint")}
         on conflict (account_id) do update
           set id = excluded.id, address_index = excluded.address_index, sealed = excluded.sealed,
               without_second_factor = excluded.without_second_factor, epoch = excluded.epoch,
               started_at = excluded.started_at, ready_at = excluded.ready_at, expires_at = excluded.expires_at
         where recovery.expires_at <= excluded.started_at or not ${isCurrentRecovery("recovery.epoch")}`,
        [accountId, id, newest, sealed, withoutSecondFactor, epoch, toDate(now), toDate(readyAt), toDate(expiresAt)],
      );
      if (written === 0) throw new Refused();
      why = { kind: "no-such-account" };
      if (!(await changed(tx, change))) throw new Refused();
      const detail = { account: accountId, by, epoch, "without second factor": withoutSecondFactor };
      await append(tx, now, { kind: "recovery started", detail }, random);
      await enqueue(tx, "send-letter", waits);
    }),
  );
  return started ? { kind: "started", readyAt, expiresAt } : why;
}

/**
 * Ends a recovery before it is used, and tells every address of the account and the one that was to renew. @returns false
 * if there is none.
 */
export async function cancelRecovery(needs: Needs, accountId: AccountId, by: string): Promise<boolean> {
  const { db, keyholder, clock, random } = needs;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  const waiting = await db.one<{ sealed: Buffer }>(`select sealed from recovery where account_id = $1`, [accountId]);
  if (account === undefined || waiting === undefined) return false;
  const place = addressPlace(accountId);
  const [named] = await keyholder.open([{ dataKey: account.dataKey, place, sealed: waiting.sealed }]);
  const told = [...account.addresses.map(({ address }) => address), named ?? ""].filter((address) => address !== "");
  const letters = await Promise.all(
    told.map((to) => sealLetter(needs, { letter: "recovery ended", locale: account.locale, to, at: now })),
  );
  return db.transaction(async (tx) => {
    if (!(await noteRecoveryEnded(tx, random, accountId, now, by))) return false;
    for (const letter of letters) await enqueue(tx, "send-letter", letter);
    return true;
  });
}

/** Ends a recovery in the transaction of what ends it, and writes down that it did. @returns false if there is none. */
export async function noteRecoveryEnded(
  tx: Tx,
  random: Random,
  accountId: AccountId,
  now: EpochMs,
  by: string,
): Promise<boolean> {
  if ((await endRecovery(tx, accountId)) === 0) return false;
  await recordEvent(tx, bareEvent(random, accountId, "recovery ended", now));
  await append(tx, now, { kind: "recovery ended", detail: { account: accountId, by } }, random);
  return true;
}

/** Ends the recovery that an account has under way; a code that was mailed for it proves nothing any more. @returns how many. */
export const endRecovery = (tx: Tx, accountId: AccountId): Promise<number> =>
  tx.run(`delete from recovery where account_id = $1`, [accountId]);

/** The account whose renewal an address may ask for by a recovery that is ready now. One statement. */
export async function findRecovery(
  tx: Tx,
  addressIndex: Uint8Array,
  now: EpochMs,
): Promise<{ readonly accountId: AccountId; readonly id: string; readonly epoch: Epoch } | undefined> {
  return tx.one(
    `select r.account_id as "accountId", r.id, r.epoch from recovery r
      where r.address_index = any($1) and r.ready_at <= $2 and r.expires_at > $2 and ${isCurrentRecovery("r.epoch")}
      order by r.started_at limit 1`,
    [splitMacs(addressIndex), toDate(now)],
  );
}

/** A recovery as its renewal needs it. */
export interface Recovery {
  readonly id: string;
  readonly address: string;
  readonly sealed: Uint8Array;
  readonly withoutSecondFactor: boolean;
}

/** Reads a recovery that is ready now; `undefined` if it was ended. */
export async function readRecovery(
  { db, keyholder }: Pick<Needs, "db" | "keyholder">,
  { accountId, dataKey }: OpenedAccount,
  id: string,
  now: EpochMs,
): Promise<Recovery | undefined> {
  const row = await db.one<{ sealed: Buffer; withoutSecondFactor: boolean }>(
    `select r.sealed, r.without_second_factor as "withoutSecondFactor" from recovery r
      where r.account_id = $1 and r.id = $2 and r.ready_at <= $3 and r.expires_at > $3 and ${isCurrentRecovery("r.epoch")}`,
    [accountId, id, toDate(now)],
  );
  if (row === undefined) return undefined;
  const [address] = await keyholder.open([{ dataKey, place: addressPlace(accountId), sealed: row.sealed }]);
  return address === undefined || address === null ? undefined : { id, address, ...row };
}

/** What a renewal by recovery changes besides the password; made before its transaction. */
export interface PreparedRecovery {
  /** Uses the recovery up. At most one caller ever gets `true`; `false` too if it was ended meanwhile. */
  readonly claim: (tx: Tx) => Promise<boolean>;
  /** Gives the account the new address, and turns the waived second factor off. Throws `Refused`. */
  readonly carryOut: (tx: Tx) => Promise<void>;
}

/**
 * Prepares what a renewal by recovery does besides: the address that proved it becomes one of the account's, and a
 * second factor that was waived is turned off, else the next sign-in would ask for it. Both are told and can be taken
 * back like any change.
 */
export async function prepareRecovery(
  needs: Needs,
  account: OpenedAccount,
  { id, address, sealed, withoutSecondFactor }: Recovery,
  { epoch, now }: { readonly epoch: Epoch; readonly now: EpochMs },
): Promise<PreparedRecovery> {
  const { db, keyholder, random } = needs;
  const { accountId } = account;
  const parsed = parseAddress(address);
  if (parsed.kind === "refused") throw new Error("an address that was accepted at the start is refused now");
  const addressIndex = await keyholder.index("address", parsed.normalised);
  const addressId = newId(random, now);
  const alsoTo = address;
  const added = await prepareChange(needs, account, {
    kind: "address added",
    subject: addressId,
    about: { address },
    epoch,
    now,
    alsoTo,
  });
  const totpId = withoutSecondFactor ? await totpInUse(db, accountId) : null;
  const waived: PreparedChange | null =
    totpId === null
      ? null
      : await prepareChange(needs, account, { kind: "second factor removed", subject: totpId, epoch, now, alsoTo });
  return {
    claim: async (tx) =>
      (await tx.run(
        `delete from recovery r
          where r.account_id = $1 and r.id = $2 and r.ready_at <= $3 and r.expires_at > $3 and ${isCurrentRecovery("r.epoch")}`,
        [accountId, id, toDate(now)],
      )) === 1,
    carryOut: async (tx) => {
      if (!(await changed(tx, added))) throw new Refused();
      if (!(await addAddress(tx, { accountId, addressId, addressIndex, sealed, epoch, now }))) throw new Refused();
      const detail = { account: accountId, epoch };
      await append(tx, now, { kind: "address added", detail }, random);
      if (totpId === null || waived === null) return;
      if (!(await changed(tx, waived)) || !(await turnTotpOff(tx, accountId, totpId, now))) throw new Refused();
      await append(tx, now, { kind: "second factor removed", detail }, random);
      await queueSignal(tx, random, accountId, ["authenticator removed"], "renewed", now);
    },
  };
}
