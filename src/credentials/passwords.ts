import type { AccountId, Epoch } from "../kernel/brand.ts";
import { every, fromDate, minuteMs, toDate, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { roleThatCounts } from "./added-since.ts";
import type { SeenFloors } from "./floors.ts";
import { costText, ordinaryCost, readCost, type HashCost, type HashPool } from "./hash-pool.ts";
import type { Lane } from "./lanes.ts";
import { countingTotp } from "./second-factors.ts";

/** What a sign-in reads of an account, in one statement: the proof, and the epoch that whatever it proves will carry. */
export interface PasswordProof {
  readonly accountId: AccountId;
  readonly salt: Uint8Array;
  readonly parameters: string;
  readonly record: Uint8Array;
  /** False when there is no such account, no password, or one below the floor: the decoy stands in its place. */
  readonly acceptable: boolean;
  readonly role: "viewer" | "operator";
  readonly generation: number;
  readonly dataKey: Uint8Array;
  /** The current epoch as of this read, not the password's own. */
  readonly epoch: Epoch;
  readonly setAt: EpochMs;
  /** Whether the password does not sign in alone. */
  readonly asksFactor: boolean;
}

/** A record that no password answers, of the same size and cost as a true one, for accounts that do not exist. */
export interface Decoy {
  readonly accountId: AccountId;
  readonly salt: Uint8Array;
  readonly parameters: string;
  readonly record: Uint8Array;
  readonly dataKey: Uint8Array;
}

/** Makes this process's decoy: a true record of random bytes under an account id that nobody has. */
export async function makeDecoy(
  keyholder: Keyholder,
  random: Random,
  accountId: AccountId,
  cost: HashCost = ordinaryCost,
): Promise<Decoy> {
  return {
    accountId,
    salt: random.bytes(16),
    parameters: costText(cost),
    record: await keyholder.sealPassword(accountId, new Secret(random.bytes(32))),
    dataKey: await keyholder.newDataKey(accountId),
  };
}

/** How long one decoy record stands: less than a key is on its way out, so that it never names a key that is gone. */
const decoyLivesMs = minuteMs;

/** A decoy that is made anew now and then, until stopped; with the keyholder away the last one stands. */
export async function keepDecoy(make: () => Promise<Decoy>): Promise<Decoy & { stop(): Promise<void> }> {
  let now = await make();
  const renewing = every(decoyLivesMs, async () => {
    now = await make().catch(() => now);
  });
  return {
    get accountId() {
      return now.accountId;
    },
    get salt() {
      return now.salt;
    },
    get parameters() {
      return now.parameters;
    },
    get record() {
      return now.record;
    },
    get dataKey() {
      return now.dataKey;
    },
    stop: () => renewing.stop(),
  };
}

/**
 * Reads an account's password proof. Always one row of the same size: where there is nothing to prove with (no
 * account, no password, a password below the floor) the decoy is read instead, so that an old password is never
 * verified again and no work tells the cases apart.
 */
export async function readPasswordProof(
  tx: Tx,
  accountId: AccountId | null,
  decoy: Decoy,
  seen: SeenFloors,
): Promise<PasswordProof> {
  const row = await tx.one<Omit<PasswordProof, "setAt"> & { setAt: Date }>(
    `select case when ok.it then p.account_id else $2 end as "accountId",
            case when ok.it then p.salt else $3 end as salt,
            case when ok.it then p.parameters else $4 end as parameters,
            case when ok.it then p.record else $5 end as record,
            ok.it as acceptable,
            coalesce(${roleThatCounts("a")}, 'viewer') as role,
            coalesce(a.generation, 1) as generation,
            case when ok.it then a.data_key else $6 end as "dataKey",
            f.epoch,
            exists (select from totp t where t.account_id = $1 and ${countingTotp("t", "$8")}) as "asksFactor",
            coalesce(p.set_at, to_timestamp(0)) as "setAt"
       from (
        select max(epoch) as epoch, max(epoch) filter (where kind = 'password') as password from floor
      ) f
       left join account a on a.id = $1
       left join password p on p.account_id = $1
      cross join lateral (select coalesce(p.epoch >= greatest($7::bigint, f.password), false) as it) ok`,
    [
      accountId,
      decoy.accountId,
      decoy.salt,
      decoy.parameters,
      decoy.record,
      decoy.dataKey,
      seen.of("password"),
      seen.of("totp"),
    ],
  );
  if (row === undefined) throw new Fault("IMPOSSIBLE", "a left join from one row answers one row");
  return { ...row, setAt: fromDate(row.setAt) };
}

/** The one hash that a try costs, whatever the case. */
export const hashForProof = (
  { hashPool }: { readonly hashPool: HashPool },
  lane: Lane,
  password: Secret,
  proof: PasswordProof,
): Promise<Secret> => hashPool.hash(lane, password, proof.salt, readCost(proof.parameters));

/** Whether the hash of a password answers the proof. One keyholder call, whatever the case. */
export async function answersProof(
  { keyholder }: { readonly keyholder: Keyholder },
  tag: Secret,
  proof: PasswordProof,
): Promise<boolean> {
  const matches = await keyholder.verifyPassword(proof.accountId, proof.record, tag);
  return matches && proof.acceptable;
}

/** A password ready to be stored: hashed and sealed, before any transaction opens. */
export interface SealedPassword {
  readonly salt: Uint8Array;
  readonly parameters: string;
  readonly record: Uint8Array;
}

/** Hashes with a fresh 128-bit salt and seals the tag for the account (NIST SP 800-63B-4 section 3.1.1.2: keyed, the key apart). */
export async function sealNewPassword(
  {
    hashPool,
    keyholder,
    random,
  }: { readonly hashPool: HashPool; readonly keyholder: Keyholder; readonly random: Random },
  lane: Lane,
  accountId: AccountId,
  password: Secret,
): Promise<SealedPassword> {
  const salt = random.bytes(16);
  const tag = await hashPool.hash(lane, password, salt, hashPool.cost);
  return { salt, parameters: costText(hashPool.cost), record: await keyholder.sealPassword(accountId, tag) };
}

/**
 * Stores a password, unless what proved it has fallen below the floor meanwhile or a newer proof has already been used.
 * `replaces` is the salt of the password that proved it (empty: there was none); another one standing there by now was set by
 * somebody who got in first. The salt and not the record, which is sealed again when keys change. @returns false when
 * refused; nothing is written then.
 */
export async function storePassword(
  tx: Tx,
  accountId: AccountId,
  sealed: SealedPassword,
  epoch: Epoch,
  now: EpochMs,
  replaces?: Uint8Array,
): Promise<boolean> {
  const written = await tx.run(
    `insert into password (account_id, salt, parameters, record, epoch, set_at)
     select $1, $2, $3, $4, $5, $6 where $5::bigint >= (select epoch from floor where kind = 'password')
     on conflict (account_id) do update
       set salt = excluded.salt, parameters = excluded.parameters, record = excluded.record,
           epoch = excluded.epoch, set_at = excluded.set_at
     where password.epoch <= excluded.epoch and ($7::bytea is null or password.salt = $7)`,
    [accountId, sealed.salt, sealed.parameters, sealed.record, epoch, toDate(now), replaces ?? null],
  );
  return written === 1;
}

/**
 * SQL: whether the password that an account had when it was read, by when it was set and the epoch of that reading, is
 * accepted still; each is the place of a value.
 */
export const stillStands = ({
  account,
  setAt,
  epoch,
}: {
  readonly account: string;
  readonly setAt: string;
  readonly epoch: string;
}): string =>
  `exists (select from password p where p.account_id = ${account} and p.set_at = ${setAt}
             and ${epoch}::bigint >= (select f.epoch from floor f where f.kind = 'password'))`;

/** Whether the account's password is the one that was set at that instant; it stays so until the transaction ends. */
export async function holdPasswordSetAt(tx: Tx, accountId: AccountId, setAt: EpochMs): Promise<boolean> {
  const row = await tx.one(`select 1 as held from password where account_id = $1 and set_at = $2 for share`, [
    accountId,
    toDate(setAt),
  ]);
  return row !== undefined;
}

/** When the account's password was set, for the account page; `null` if it has none. */
export async function passwordSetAt(tx: Tx, accountId: AccountId): Promise<EpochMs | null> {
  const row = await tx.one<{ setAt: Date }>(`select set_at as "setAt" from password where account_id = $1`, [
    accountId,
  ]);
  return row === undefined ? null : fromDate(row.setAt);
}

/** The record of the account's password, whether or not it is refused, for who must not choose it again; `null` without one. */
export async function readRecord(
  tx: Tx,
  accountId: AccountId,
): Promise<Pick<PasswordProof, "salt" | "parameters" | "record"> | null> {
  const row = await tx.one<Pick<PasswordProof, "salt" | "parameters" | "record">>(
    `select salt, parameters, record from password where account_id = $1`,
    [accountId],
  );
  return row ?? null;
}
