import type { AccountId, Epoch } from "../kernel/brand.ts";
import { toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newTypedCode, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { changed, prepareChange } from "./changed.ts";
import { recoveryCodeLength } from "./second-factors.ts";
import { Refused, refusable } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

const codesInSet = 10;

/** A set of recovery codes ready to be stored: the codes are shown once, the rows hold their MACs. */
export interface RecoveryCodeSet {
  readonly accountId: AccountId;
  readonly setId: string;
  readonly codes: readonly Secret[];
  readonly macs: readonly Uint8Array[];
}

/** Ten codes of 69 bits (NIST SP 800-63B-4 section 4.2.1.1, ASVS 5.0 11.5.1). */
export async function prepareRecoveryCodes(
  { keyholder, random }: Pick<Needs, "keyholder" | "random">,
  accountId: AccountId,
  dataKey: Uint8Array,
  now: EpochMs,
): Promise<RecoveryCodeSet> {
  const codes = Array.from({ length: codesInSet }, () => newTypedCode(random, recoveryCodeLength));
  return {
    accountId,
    setId: newId(random, now),
    codes,
    macs: await keyholder.recoveryMacs(accountId, dataKey, codes),
  };
}

/** Puts the set in the place of every code that the account had. */
export async function storeRecoveryCodes(
  tx: Tx,
  { accountId, setId, macs }: RecoveryCodeSet,
  epoch: Epoch,
  now: EpochMs,
): Promise<void> {
  await tx.run(`delete from recovery_code where account_id = $1`, [accountId]);
  await tx.run(
    `insert into recovery_code (account_id, set_id, ordinal, mac, epoch, added_at)
     select $1, $2, ordinal, mac, $4, $5 from unnest($3::bytea[]) with ordinality as made (mac, ordinal)`,
    [accountId, setId, macs, epoch, toDate(now)],
  );
}

export type MakeCodesOutcome =
  | { readonly kind: "made"; readonly codes: readonly Secret[] }
  /** The session was made before a containment that spared sessions. */
  | { readonly kind: "renew-first" }
  | { readonly kind: "session-ended" };

/** Makes a new set of recovery codes; the ones before it work no longer. The route asks for a fresh proof (ASVS 5.0 7.5.1). */
export async function makeRecoveryCodes(needs: Needs, viewer: Viewer): Promise<MakeCodesOutcome> {
  const { db, clock, random } = needs;
  const { accountId, epoch } = viewer;
  const now = clock.now();
  const row = await db.one<{ dataKey: Buffer; floor: Epoch }>(
    `select data_key as "dataKey", (select f.epoch from floor f where f.kind = 'password') as floor
       from account where id = $1`,
    [accountId],
  );
  const [account] = await openAccounts(needs, [accountId]);
  if (row === undefined || account === undefined) return { kind: "session-ended" };
  if (epoch < row.floor) return { kind: "renew-first" };
  const set = await prepareRecoveryCodes(needs, accountId, row.dataKey, now);
  const { generation } = viewer;
  const change = await prepareChange(needs, account, {
    kind: "recovery codes made",
    subject: set.setId,
    epoch,
    now,
    generation,
  });
  const made = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      if (!(await mayAddFactor(tx, epoch))) throw new Refused();
      await storeRecoveryCodes(tx, set, epoch, now);
      const detail = { account: accountId, codes: set.codes.length, epoch };
      await append(tx, now, { kind: "recovery codes made", detail }, random);
    }),
  );
  return made ? { kind: "made", codes: set.codes } : { kind: "session-ended" };
}

/**
 * Prepares what follows from a recovery code that signs in or proves again: the letters, and what is recorded in the
 * transaction that claims it. @returns the recording; it answers false if the account is in another generation by now.
 */
export async function recoveryCodeUsed(
  needs: Needs,
  accountId: AccountId,
  { epoch, generation }: { readonly epoch: Epoch; readonly generation: number },
  now: EpochMs,
): Promise<(tx: Tx) => Promise<boolean>> {
  const { random } = needs;
  const [account] = await openAccounts(needs, [accountId]);
  if (account === undefined) return () => Promise.resolve(false);
  const change = await prepareChange(needs, account, { kind: "recovery code used", epoch, now, generation });
  return async (tx) => {
    if (!(await changed(tx, change))) return false;
    await append(tx, now, { kind: "recovery code used", detail: { account: accountId, epoch } }, random);
    return true;
  };
}

/**
 * Whether a session of this epoch may still add something that signs in: it must not be older than the passwords that
 * are accepted, nor than the factors themselves. Repeated in the transaction that adds.
 */
export async function mayAddFactor(tx: Tx, epoch: Epoch): Promise<boolean> {
  const row = await tx.one<{ may: boolean }>(
    `select $1::bigint >= max(epoch) as may from floor where kind in ('password', 'totp', 'recovery')`,
    [epoch],
  );
  return row?.may === true;
}

/** Takes a set of recovery codes away, if it is still there. @returns whether it was. */
export async function dropRecoveryCodes(tx: Tx, accountId: AccountId, setId: string): Promise<boolean> {
  return (await tx.run(`delete from recovery_code where account_id = $1 and set_id = $2`, [accountId, setId])) > 0;
}
