import type { AccountId, Epoch, FloorKind } from "../kernel/brand.ts";
import { fromDate, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { readTypedCode } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { limits } from "../wire/common.ts";
import { isDoubted } from "./added-since.ts";
import type { SeenFloors } from "./floors.ts";
import { standsAlone } from "./password-rules.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly seen: SeenFloors;
}

/** Sixteen letters, 69 bits: beyond guessing (NIST SP 800-63B-4 section 4.2.1.1 asks for 64). */
export const recoveryCodeLength = 16;
/** RFC 6238 section 4: the time step X. */
export const stepMs = 30 * secondMs;

/** What a person typed as a second factor: digits are an app's code, letters a recovery code. */
export type TypedFactor =
  { readonly kind: "totp"; readonly code: Secret } | { readonly kind: "recovery"; readonly code: Secret };

/**
 * Reads a typed second factor. Width, case, spaces and hyphens do not matter. `undefined` for anything that is neither
 * six digits nor sixteen letters of the code alphabet.
 */
export function readTypedFactor(typed: string): TypedFactor | undefined {
  const text = typed.normalize("NFKC");
  const digits = text.replace(/[\s-]/g, "");
  if (/^[0-9]{6}$/.test(digits)) return { kind: "totp", code: Secret.fromText(digits) };
  const code = readTypedCode(text, recoveryCodeLength);
  return code === undefined ? undefined : { kind: "recovery", code };
}

/** SQL: whether a row of `totp` is a factor that counts now. `seen` is the place of the highest floor this process has seen. */
export const countingTotp = (row: string, seen: string): string =>
  `(${row}.proved_at is not null and ${row}.removed_at is null and not ${isDoubted(row)}
    and greatest(${row}.epoch, ${row}.confirmed_epoch)
        >= greatest(${seen}::bigint, (select f.epoch from floor f where f.kind = 'totp')))`;

/** SQL: whether a row of `totp` would count if its owner said that it is theirs. One whose seed may be known to others would not. */
const doubtedTotp = (row: string, seen: string): string =>
  `(${row}.proved_at is not null and ${row}.removed_at is null and ${isDoubted(row)}
    and greatest(${row}.epoch, ${row}.confirmed_epoch)
        >= greatest(${seen}::bigint, (select f.epoch from floor f where f.kind = 'totp')))`;

/** The same as `countingTotp` for a row of `recovery_code`. */
export const countingCode = (row: string, seen: string): string =>
  `(${row}.used_at is null and not ${isDoubted(row)}
    and ${row}.epoch >= greatest(${seen}::bigint, (select f.epoch from floor f where f.kind = 'recovery')))`;

/** What an account has besides its password, as far as it counts now. */
export interface SecondFactors {
  /** When the authenticator app was set up; `null` without one. */
  readonly totpAddedAt: EpochMs | null;
  /**
   * An app that is set up and does not count: `since-copy`, until its owner keeps it; `keys-reachable`, for good, since its
   * key may be known to others.
   */
  readonly setAside: { readonly addedAt: EpochMs; readonly why: "since-copy" | "keys-reachable" } | null;
  readonly recoveryCodesLeft: number;
  readonly recoveryCodesMadeAt: EpochMs | null;
}

export async function readSecondFactors(tx: Tx, accountId: AccountId, seen: SeenFloors): Promise<SecondFactors> {
  const row = await tx.one<{
    totpAddedAt: Date | null;
    counts: boolean | null;
    isDoubted: boolean | null;
    left: number;
    madeAt: Date | null;
  }>(
    `select t.added_at as "totpAddedAt", ${countingTotp("t", "$2")} as counts, ${doubtedTotp("t", "$2")} as "isDoubted",
            (select count(*) from recovery_code r where r.account_id = $1 and ${countingCode("r", "$3")}) as left,
            (select max(r.added_at) from recovery_code r where r.account_id = $1) as "madeAt"
       from (select $1::uuid as account_id) asked
       left join totp t on t.account_id = asked.account_id and t.proved_at is not null and t.removed_at is null`,
    [accountId, seen.of("totp"), seen.of("recovery")],
  );
  const addedAt = row?.totpAddedAt == null ? null : fromDate(row.totpAddedAt);
  const counts = row?.counts === true;
  return {
    totpAddedAt: counts ? addedAt : null,
    setAside:
      addedAt === null || counts
        ? null
        : { addedAt, why: row?.isDoubted === true ? ("since-copy" as const) : ("keys-reachable" as const) },
    recoveryCodesLeft: row?.left ?? 0,
    recoveryCodesMadeAt: row?.madeAt == null ? null : fromDate(row.madeAt),
  };
}

/** Whether the account has an app whose codes count now. */
export async function hasTotp(tx: Tx, accountId: AccountId): Promise<boolean> {
  return (
    (await tx.one(`select 1 as has from totp t where t.account_id = $1 and ${countingTotp("t", "0")}`, [accountId])) !==
    undefined
  );
}

/** Whether a password alone does not sign the account in. */
export const asksSecondFactor = ({ totpAddedAt }: SecondFactors): boolean => totpAddedAt !== null;

/** The fewest characters of a new password (NIST SP 800-63B-4 section 3.1.1.2(1)). */
export const leastPasswordLength = (factors: SecondFactors): number =>
  asksSecondFactor(factors) ? limits.passwordLengthWithFactor : limits.passwordLengthAlone;

/**
 * Whether a password is long enough for what the account has now. Asked again in the transaction that sets it, once the
 * account's row is held: the app that allowed a short one may have been removed since the password was judged.
 */
export const isStillLongEnough = async (tx: Tx, accountId: AccountId, password: Secret): Promise<boolean> =>
  standsAlone(password) || (await hasTotp(tx, accountId));

/** A second factor that was right, and still has to be claimed in the transaction of what it proves. */
export interface ProvedFactor {
  readonly kind: "totp" | "recovery";
  /** The floor that what it proves must pass besides. */
  readonly floor: FloorKind;
  /** Uses the code up. At most one caller ever gets `true`; `false` too if it has fallen below its floor meanwhile. */
  readonly claim: (tx: Tx) => Promise<boolean>;
  /** The code was right and is not used after all: its try was none. */
  readonly giveBack: () => Promise<void>;
}

export type FactorOutcome =
  | { readonly kind: "proved"; readonly factor: ProvedFactor }
  | { readonly kind: "refused" }
  /** Too many wrong codes in a row: nothing was tried. */
  | { readonly kind: "wait"; readonly seconds: number };

/** Wrong codes in a row that cost nothing; each further one doubles the wait, from half a minute up to an hour. */
const freeTries = 5;
const firstWaitSeconds = 30;
const longestWaitSeconds = 3_600;

/**
 * Judges a typed second factor of an account. Its try is counted and committed before it is judged, so that a crash
 * gives no free ones.
 *
 * Wrong codes of the app are counted for the account, whoever types them, and only ever slow down. Who has the password
 * gets a try an hour, right 3 times in a million; the owner meanwhile has recovery codes, which are beyond guessing and
 * wait for nobody, and every device that is signed in (NIST SP 800-63B-4 section 3.2.2; ASVS 5.0 6.1.1 and 6.6.3).
 *
 * A wait longer than there is was written by a clock that was ahead and has been set right: it is none.
 */
export async function judgeFactor(needs: Needs, accountId: AccountId, typed: string): Promise<FactorOutcome> {
  const factor = readTypedFactor(typed);
  if (factor === undefined) return { kind: "refused" };
  return factor.kind === "totp"
    ? judgeTotp(needs, accountId, factor.code, countingTotp)
    : judgeRecoveryCode(needs, accountId, factor.code);
}

/**
 * Judges a code of an app that does not count because it was added since the copy: who keeps it shows that they have it.
 * The same count of tries, and the same waits.
 */
export async function judgeDoubtedTotp(needs: Needs, accountId: AccountId, typed: string): Promise<FactorOutcome> {
  const factor = readTypedFactor(typed);
  return factor?.kind === "totp" ? judgeTotp(needs, accountId, factor.code, doubtedTotp) : { kind: "refused" };
}

async function judgeTotp(
  { db, keyholder, clock, seen }: Needs,
  accountId: AccountId,
  code: Secret,
  which: typeof countingTotp,
): Promise<FactorOutcome> {
  const now = clock.now();
  const row = await db.one<{ id: string; sealedSeed: Buffer; dataKey: Buffer }>(
    `update totp t
        set failures = failures + 1,
            next_try_at = case when failures + 1 < $4 then $2::timestamptz
              else $2::timestamptz
                   + least($6::float8, $5::float8 * power(2, least(failures + 1 - $4, 20))) * interval '1 second' end
       from account a
      where t.account_id = $1 and a.id = t.account_id and ${which("t", "$3")}
        and (t.failures < $4 or t.next_try_at <= $2 or t.next_try_at > $2::timestamptz + $6::float8 * interval '1 second')
      returning t.id, t.sealed_seed as "sealedSeed", a.data_key as "dataKey"`,
    [accountId, toDate(now), seen.of("totp"), freeTries, firstWaitSeconds, longestWaitSeconds],
  );
  if (row === undefined) return waitOrNothing(db, accountId, which("t", "$2"), seen.of("totp"), now);
  const { id, sealedSeed, dataKey } = row;
  const step = await keyholder.verifyTotp(accountId, dataKey, sealedSeed, code, Math.floor(now / stepMs));
  if (step === null) return { kind: "refused" };
  const claim = async (tx: Tx): Promise<boolean> => {
    // A code is good for its step and each step for one code (RFC 6238 section 5.2, ASVS 5.0 6.5.1).
    const claimed = await tx.run(
      `update totp t set last_step = $3, failures = 0, next_try_at = $4
        where t.account_id = $1 and t.id = $2 and t.last_step < $3 and ${which("t", "$5")}`,
      [accountId, id, step, toDate(now), seen.of("totp")],
    );
    return claimed === 1;
  };
  const giveBack = async (): Promise<void> => {
    await db.run(`update totp set failures = failures - 1 where account_id = $1 and id = $2 and failures > 0`, [
      accountId,
      id,
    ]);
  };
  return { kind: "proved", factor: { kind: "totp", floor: "totp", claim, giveBack } };
}

async function waitOrNothing(
  tx: Tx,
  accountId: AccountId,
  which: string,
  floor: Epoch,
  now: EpochMs,
): Promise<FactorOutcome> {
  const row = await tx.one<{ nextTryAt: Date }>(
    `select next_try_at as "nextTryAt" from totp t where t.account_id = $1 and ${which}`,
    [accountId, floor],
  );
  const seconds = row === undefined ? 0 : Math.ceil((row.nextTryAt.getTime() - now) / secondMs);
  return seconds > 0 ? { kind: "wait", seconds } : { kind: "refused" };
}

async function judgeRecoveryCode(
  { db, keyholder, clock, seen }: Needs,
  accountId: AccountId,
  code: Secret,
): Promise<FactorOutcome> {
  const now = clock.now();
  const rows = await db.many<{ setId: string; ordinal: number; mac: Buffer; dataKey: Buffer }>(
    `select r.set_id as "setId", r.ordinal, r.mac, a.data_key as "dataKey"
       from recovery_code r join account a on a.id = r.account_id
      where r.account_id = $1 and ${countingCode("r", "$2")} order by r.ordinal`,
    [accountId, seen.of("recovery")],
  );
  const [first] = rows;
  if (first === undefined) return { kind: "refused" };
  const macs = rows.map(({ mac }) => mac);
  const place = await keyholder.findRecoveryCode(accountId, first.dataKey, code, macs);
  const found = place === null ? undefined : rows[place];
  if (found === undefined) return { kind: "refused" };
  const claim = async (tx: Tx): Promise<boolean> => {
    const claimed = await tx.run(
      `update recovery_code r set used_at = $4
        where r.account_id = $1 and r.set_id = $2 and r.ordinal = $3 and ${countingCode("r", "$5")}`,
      [accountId, found.setId, found.ordinal, toDate(now), seen.of("recovery")],
    );
    return claimed === 1;
  };
  const giveBack = (): Promise<void> => Promise.resolve();
  return { kind: "proved", factor: { kind: "recovery", floor: "recovery", claim, giveBack } };
}
