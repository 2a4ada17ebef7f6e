import { toDate, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { AccountId, SessionId } from "../kernel/brand.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, raiseGeneration, readDataKey } from "../accounts/accounts.ts";
import { bareEvent, recordEvent } from "../accounts/security-events.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { changed, prepareChange } from "./changed.ts";
import { hasSecondFactor } from "./has-second-factor.ts";
import { passkeyNamePlace, passkeySignal, roamingPasskeys, type PasskeyId } from "./passkeys.ts";
import { Refused, refusable } from "./sign-up.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

/** Gives a passkey another name, which only its owner sees. @returns false if it is not the viewer's. */
export async function renamePasskey(
  { db, keyholder }: Pick<Needs, "db" | "keyholder">,
  { accountId }: Viewer,
  passkeyId: PasskeyId,
  name: string,
): Promise<boolean> {
  const dataKey = await readDataKey(db, accountId);
  if (dataKey === undefined) return false;
  const sealedName = await keyholder.seal(dataKey, passkeyNamePlace(accountId), name);
  const renamed = await db.run(
    `update passkey set sealed_name = $3 where account_id = $1 and id = $2 and removed_at is null`,
    [accountId, passkeyId, sealedName],
  );
  return renamed === 1;
}

/**
 * Removes a passkey, and by default signs out every other device in the same transaction: whoever holds it may be signed
 * in by it. When it was the last thing that proves more than a password, sessions that were proved so are no longer.
 *
 * Source: ASVS 5.0 6.3.7, 7.4.3 and 7.5.1.
 */
export async function removePasskey(
  needs: Needs & {
    /** Signs out every session of the account but one; the sessions room owns that table, as for the next. */
    readonly keepOnlySession: (tx: Tx, accountId: AccountId, keep: SessionId, generation: number) => Promise<void>;
    readonly forgetStrongProofs: (tx: Tx, accountId: AccountId) => Promise<void>;
  },
  viewer: Viewer,
  passkeyId: PasskeyId,
  { signOutDevices }: { readonly signOutDevices: boolean },
): Promise<"removed" | "not-found" | "session-ended"> {
  const { db, keyholder, clock, random } = needs;
  const { accountId, generation, epoch } = viewer;
  const now = clock.now();
  const [account] = await openAccounts({ db, keyholder }, [accountId]);
  if (account === undefined) return "session-ended";
  const change = await prepareChange(needs, account, {
    kind: "passkey removed",
    subject: passkeyId,
    epoch,
    now,
    generation,
  });
  const roaming = await roamingPasskeys(needs, accountId);
  let wasThere = true;
  const removed = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      const rows = await tx.run(
        `update passkey set removed_at = $3 where account_id = $1 and id = $2 and removed_at is null`,
        [accountId, passkeyId, toDate(now)],
      );
      wasThere = rows === 1;
      if (!wasThere) throw new Refused();
      if (!(await hasSecondFactor(tx, accountId))) await needs.forgetStrongProofs(tx, accountId);
      if (signOutDevices) {
        const next = await raiseGeneration(tx, accountId, generation);
        if (next === undefined) throw new Refused();
        await needs.keepOnlySession(tx, accountId, viewer.sessionId, next);
      }
      const told: SignalKind[] = [passkeySignal("removed", roaming.has(passkeyId))];
      if (signOutDevices) told.push("session revoked");
      await queueSignal(tx, random, accountId, told, "passkeys changed", now);
      const detail = { account: accountId, passkey: passkeyId, "signed out devices": signOutDevices };
      await append(tx, now, { kind: "passkey removed", detail }, random);
    }),
  );
  if (removed) return "removed";
  return wasThere ? "session-ended" : "not-found";
}

/**
 * The owner says that a doubted passkey is theirs, in a session that was proved by something which counts. One from
 * before the containment that doubts it keeps nothing: its epoch is below the floor of passwords. Kept again, nothing is
 * written.
 */
export async function keepPasskey(
  { db, clock, random }: Pick<Needs, "db" | "clock" | "random">,
  { accountId, epoch, generation }: Viewer,
  passkeyId: PasskeyId,
): Promise<boolean> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const own = await tx.one<{ isKept: boolean }>(
      `select confirmed_epoch >= $3 and doubted_at is null and counter_back_at is null as "isKept" from passkey
        where account_id = $1 and id = $2 and removed_at is null
          and $3::bigint >= (select max(epoch) from floor where kind in ('passkey', 'password'))
          and $4::bigint = (select generation from account where id = $1) for update`,
      [accountId, passkeyId, epoch, generation],
    );
    if (own === undefined) return false;
    if (own.isKept) return true;
    const kept = await tx.run(
      `update passkey set confirmed_epoch = $3, doubted_at = null, counter_back_at = null
        where account_id = $1 and id = $2
          and $3::bigint >= (select max(epoch) from floor where kind in ('passkey', 'password'))
          and $4::bigint = (select generation from account where id = $1)`,
      [accountId, passkeyId, epoch, generation],
    );
    if (kept === 0) return false;
    await recordEvent(tx, bareEvent(random, accountId, "passkey kept", now));
    await append(tx, now, { kind: "passkey kept", detail: { account: accountId, passkey: passkeyId, epoch } }, random);
    return true;
  });
}
