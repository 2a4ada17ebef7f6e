import { generateURI } from "otplib";
import type { AccountId, Epoch } from "../kernel/brand.ts";
import { minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { NoteProof, Viewer } from "../http/viewer.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { append } from "../timeline/append.ts";
import { holdAccount, openAccounts } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import { changed, prepareChange } from "./changed.ts";
import type { SeenFloors } from "./floors.ts";
import { hasSecondFactor } from "./has-second-factor.ts";
import type { HashPool } from "./hash-pool.ts";
import { standsAlone } from "./password-rules.ts";
import {
  answersProof,
  hashForProof,
  holdPasswordSetAt,
  passwordSetAt,
  readPasswordProof,
  type Decoy,
} from "./passwords.ts";
import { mayAddFactor, prepareRecoveryCodes, storeRecoveryCodes } from "./recovery-codes.ts";
import { judgeDoubtedTotp, readSecondFactors, readTypedFactor, stepMs } from "./second-factors.ts";
import { Refused, refusable, unlessRefused } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly hashPool: HashPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly seen: SeenFloors;
  readonly decoy: Decoy;
  readonly serviceName: string;
  readonly noteProof: NoteProof;
  /** The sessions room owns what it changes. */
  readonly forgetStrongProofs: (tx: Tx, accountId: AccountId) => Promise<void>;
}

/** How long a set-up waits for its first code. */
const setUpLifetimeMs = 15 * minuteMs;
/** Codes that may be tried at one set-up: a person mistypes, or the phone's clock is wrong. */
const setUpTries = 10;

const base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Base32 (RFC 4648 section 6) without padding: what people type where they cannot scan. 20 bytes are 32 letters. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += base32Alphabet[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + base32Alphabet[(held << (5 - bits)) & 31];
}

export type BeginTotpOutcome =
  | {
      readonly kind: "begun";
      /** The seed in base32. */
      readonly key: Secret;
      /** `otpauth://totp/…`, as authenticator apps read it from a QR code. */
      readonly uri: Secret;
      readonly expiresAt: EpochMs;
    }
  | { readonly kind: "renew-first" }
  | { readonly kind: "session-ended" };

/**
 * Begins to set up an authenticator app: makes a seed and shows it, once. It counts for nothing until a code proves
 * that the app has it; the app that is in use meanwhile stays so. The route asks for a fresh proof (ASVS 5.0 7.5.1).
 */
export async function beginTotp(needs: Needs, viewer: Viewer): Promise<BeginTotpOutcome> {
  const { db, keyholder, clock, random, serviceName } = needs;
  const { accountId, epoch } = viewer;
  const now = clock.now();
  const row = await db.one<{ dataKey: Buffer; floor: Epoch }>(
    `select data_key as "dataKey", (select f.epoch from floor f where f.kind = 'password') as floor
       from account where id = $1`,
    [accountId],
  );
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (row === undefined || account === undefined) return { kind: "session-ended" };
  if (epoch < row.floor) return { kind: "renew-first" };
  const { seed, sealed } = await keyholder.newTotpSeed(accountId, row.dataKey);
  const key = base32(seed.reveal());
  // The label is what tells accounts apart in the app; a name serves where there is no address.
  const label = account.addresses[0]?.address ?? account.name;
  const uri = generateURI({ issuer: serviceName, label: label === "" ? serviceName : label, secret: key });
  const begun = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await holdAccount(tx, accountId, viewer.generation))) throw new Refused();
      if (!(await mayAddFactor(tx, epoch))) throw new Refused();
      await tx.run(`delete from totp where account_id = $1 and proved_at is null`, [accountId]);
      await tx.run(
        `insert into totp (account_id, id, sealed_seed, epoch, added_at, next_try_at) values ($1, $2, $3, $4, $5, $5)`,
        [accountId, newId(random, now), sealed, epoch, toDate(now)],
      );
    }),
  );
  if (!begun) return { kind: "session-ended" };
  return { kind: "begun", key: Secret.fromText(key), uri: Secret.fromText(uri), expiresAt: plus(now, setUpLifetimeMs) };
}

export type ConfirmTotpOutcome =
  /** With the recovery codes that were made for an account that had none left; they are shown once. */
  | { readonly kind: "added"; readonly recoveryCodes: readonly Secret[] | null; readonly token: Secret }
  | { readonly kind: "refused" }
  | { readonly kind: "session-ended" };

/**
 * Ends the setting up with a first code of the app, which from now on is asked for at every sign-in and renewal. It takes
 * the place of the app that was in use. The code's step is used up by it (RFC 6238 section 5.2).
 */
export async function confirmTotp(needs: Needs, viewer: Viewer, typed: string): Promise<ConfirmTotpOutcome> {
  const { db, keyholder, clock, random, seen } = needs;
  const { accountId, epoch } = viewer;
  const now = clock.now();
  const waiting = await db.one<{ id: string; sealedSeed: Buffer; dataKey: Buffer }>(
    `update totp t set failures = failures + 1 from account a
      where t.account_id = $1 and a.id = t.account_id and t.proved_at is null and t.added_at > $2 and t.failures < $3
        and t.epoch >= (select max(f.epoch) from floor f where f.kind in ('password', 'totp', 'recovery'))
      returning t.id, t.sealed_seed as "sealedSeed", a.data_key as "dataKey"`,
    [accountId, toDate(plus(now, -setUpLifetimeMs)), setUpTries],
  );
  const factor = readTypedFactor(typed);
  if (waiting === undefined || factor?.kind !== "totp") return { kind: "refused" };
  const { id, sealedSeed, dataKey } = waiting;
  const step = await keyholder.verifyTotp(accountId, dataKey, sealedSeed, factor.code, Math.floor(now / stepMs));
  if (step === null) return { kind: "refused" };
  const { recoveryCodesLeft } = await readSecondFactors(db, accountId, seen);
  const set = recoveryCodesLeft > 0 ? null : await prepareRecoveryCodes(needs, accountId, dataKey, now);
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined) return { kind: "session-ended" };
  const { generation } = viewer;
  const change = await prepareChange(needs, account, {
    kind: "second factor added",
    subject: id,
    epoch,
    now,
    generation,
  });
  const token = await unlessRefused(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      const replaced = await tx.run(
        `update totp set removed_at = $2 where account_id = $1 and proved_at is not null and removed_at is null`,
        [accountId, toDate(now)],
      );
      const proved = await tx.run(
        `update totp set proved_at = $3, added_at = $3, last_step = $4, failures = 0
          where account_id = $1 and id = $2 and proved_at is null
            and least(epoch, $5::bigint) >= (select max(epoch) from floor where kind in ('password', 'totp', 'recovery'))`,
        [accountId, id, toDate(now), step, epoch],
      );
      if (proved === 0) throw new Refused();
      if (set !== null) await storeRecoveryCodes(tx, set, epoch, now);
      // The session is fresh, and the code was right: nothing more would be learnt by asking for both again.
      const next = await needs.noteProof(tx, viewer, { by: "password+totp", generation, now, random });
      if (next === undefined) throw new Refused();
      await append(tx, now, { kind: "second factor added", detail: { account: accountId, epoch } }, random);
      const told: SignalKind[] = [...(replaced > 0 ? (["authenticator removed"] as const) : []), "authenticator added"];
      await queueSignal(tx, random, accountId, told, "second factor changed", now);
      return next;
    }),
  );
  if (token === undefined) return { kind: "session-ended" };
  return { kind: "added", recoveryCodes: set?.codes ?? null, token };
}

export type KeepTotpOutcome =
  | { readonly kind: "kept" }
  | { readonly kind: "refused" }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "session-ended" };

/**
 * The owner says that an app which was added since the copy is theirs, and shows by a code that they have it: kept
 * unseen, somebody else's app would shut its owner out. In a session that was proved by something which counts; one from
 * before the containment keeps nothing. An app whose key was within reach is not kept: it is set up anew.
 */
export async function keepTotp(
  needs: Pick<Needs, "db" | "keyholder" | "clock" | "random" | "seen">,
  { accountId, epoch, generation }: Viewer,
  typed: string,
): Promise<KeepTotpOutcome> {
  const { db, clock, random } = needs;
  const now = clock.now();
  const judged = await judgeDoubtedTotp(needs, accountId, typed);
  if (judged.kind !== "proved") return judged;
  const kept = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await holdAccount(tx, accountId, generation))) throw new Refused();
      if (!(await mayAddFactor(tx, epoch))) throw new Refused();
      if (!(await judged.factor.claim(tx))) throw new Refused();
      await tx.run(
        `update totp set confirmed_epoch = $2, doubted_at = null
          where account_id = $1 and proved_at is not null and removed_at is null`,
        [accountId, epoch],
      );
      await recordEvent(tx, bareEvent(random, accountId, "second factor kept", now));
      await append(tx, now, { kind: "second factor kept", detail: { account: accountId, epoch } }, random);
    }),
  );
  return { kind: kept ? "kept" : "session-ended" };
}

export type RemoveTotpOutcome =
  | { readonly kind: "removed" }
  | { readonly kind: "nothing-to-remove" }
  | { readonly kind: "wrong-password" }
  /** The password is right and too short to stand alone. */
  | { readonly kind: "longer-password-needed" }
  | { readonly kind: "session-ended" };

/**
 * Stops asking for the app's codes. From then on the password stands alone, so it is asked for, and must be as long as
 * one that stands alone (NIST SP 800-63B-4 section 3.1.1.2). An account without a password gives none.
 */
export async function removeTotp(
  needs: Needs,
  viewer: Viewer,
  password: Secret | undefined,
): Promise<RemoveTotpOutcome> {
  const { db, clock, random, decoy, seen } = needs;
  const { accountId } = viewer;
  const now = clock.now();
  const proof = await readPasswordProof(db, accountId, decoy, seen);
  if (password === undefined) {
    if ((await passwordSetAt(db, accountId)) !== null) return { kind: "wrong-password" };
  } else {
    const tag = await hashForProof(needs, "second factor", password, proof);
    if (!(await answersProof(needs, tag, proof))) return { kind: "wrong-password" };
    if (!standsAlone(password)) return { kind: "longer-password-needed" };
  }
  const inUse = await totpInUse(db, accountId);
  const [account] = await openAccounts(needs, [accountId]);
  if (inUse === null || account === undefined) return { kind: "nothing-to-remove" };
  const { epoch, generation } = viewer;
  const change = await prepareChange(needs, account, {
    kind: "second factor removed",
    subject: inUse,
    epoch,
    now,
    generation,
  });
  const removed = await refusable(() =>
    db.transaction(async (tx) => {
      if (password !== undefined && !(await holdPasswordSetAt(tx, accountId, proof.setAt))) throw new Refused();
      if (!(await changed(tx, change))) throw new Refused();
      // One may have been set since, short because the app was there. Whoever sets one holds the account's row too.
      if (password === undefined && (await passwordSetAt(tx, accountId)) !== null) throw new Refused();
      if (!(await turnTotpOff(tx, accountId, inUse, now))) throw new Refused();
      if (!(await hasSecondFactor(tx, accountId))) await needs.forgetStrongProofs(tx, accountId);
      const detail = { account: accountId, epoch };
      await append(tx, now, { kind: "second factor removed", detail }, random);
      await queueSignal(tx, random, accountId, ["authenticator removed"], "second factor changed", now);
    }),
  );
  return { kind: removed ? "removed" : "session-ended" };
}

/**
 * Takes back that an app was set up: it goes, with the recovery codes that were made for it, and the app whose place it
 * took is asked for again. @returns whether it was still there.
 */
export async function takeBackAdded(tx: Tx, accountId: AccountId, id: string, now: EpochMs): Promise<boolean> {
  const row = await tx.one<{ addedAt: Date }>(
    `update totp set removed_at = $3 where account_id = $1 and id = $2 and removed_at is null
      returning added_at as "addedAt"`,
    [accountId, id, toDate(now)],
  );
  if (row === undefined) return false;
  await tx.run(`delete from recovery_code where account_id = $1 and added_at = $2`, [accountId, row.addedAt]);
  await tx.run(`update totp set removed_at = null where account_id = $1 and removed_at = $2 and id <> $3`, [
    accountId,
    row.addedAt,
    id,
  ]);
  return true;
}

/** Takes back that an app was removed: it is asked for again, unless another one is by now. */
export async function takeBackRemoved(tx: Tx, accountId: AccountId, id: string): Promise<boolean> {
  const back = await tx.run(
    `update totp t set removed_at = null
      where t.account_id = $1 and t.id = $2 and t.removed_at is not null and not exists (
        select from totp o where o.account_id = $1 and o.proved_at is not null and o.removed_at is null)`,
    [accountId, id],
  );
  return back === 1;
}

/** The id of the account's app, whether or not it counts now; `null` without one. */
export async function totpInUse(tx: Tx, accountId: AccountId): Promise<string | null> {
  const row = await tx.one<{ id: string }>(
    `select id from totp where account_id = $1 and proved_at is not null and removed_at is null`,
    [accountId],
  );
  return row?.id ?? null;
}

/** Turns an app off; "it was not me" can bring it back. @returns false if it is gone. */
export const turnTotpOff = async (tx: Tx, accountId: AccountId, id: string, now: EpochMs): Promise<boolean> =>
  (await tx.run(`update totp set removed_at = $3 where account_id = $1 and id = $2 and removed_at is null`, [
    accountId,
    id,
    toDate(now),
  ])) === 1;
