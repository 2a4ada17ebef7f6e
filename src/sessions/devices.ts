import type { AccountId, SessionClass, SessionId } from "../kernel/brand.ts";
import { fromDate, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { raiseGeneration } from "../accounts/accounts.ts";
import { bareEvent, prepareEvent, recordEvent, type PreparedEvent } from "../accounts/security-events.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { announce } from "./announce.ts";
import { inUse } from "./in-use.ts";
import { labelPlace, networkPlace } from "./open-session.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Device {
  readonly id: SessionId;
  readonly class: SessionClass;
  readonly label: string;
  readonly network: string;
  readonly createdAt: EpochMs;
  readonly lastSeenAt: EpochMs;
  readonly current: boolean;
}

const live = `s.ended_at is null and s.expires_at > $2
   and exists (select 1 from account a where a.id = s.account_id and a.generation = s.generation and ${inUse("$2")})
   and s.epoch >= (select epoch from floor where kind = s.class)`;

/** The viewer's devices that are signed in now, the one asking first, then by last use; at most 200. */
export const listDevices = (needs: Needs, { accountId, sessionId }: Viewer): Promise<Device[]> =>
  listDevicesOf(needs, accountId, sessionId);

/** The same of any account, asked for by one of its sessions or by none. */
export async function listDevicesOf(
  { db, keyholder, clock }: Omit<Needs, "random">,
  accountId: AccountId,
  sessionId: SessionId | null,
): Promise<Device[]> {
  const rows = await db.many<{
    id: SessionId;
    class: SessionClass;
    dataKey: Buffer;
    sealedLabel: Buffer;
    sealedNetwork: Buffer;
    createdAt: Date;
    lastSeenAt: Date;
  }>(
    `select s.id, s.class, a.data_key as "dataKey", s.sealed_label as "sealedLabel", s.sealed_network as "sealedNetwork",
            s.created_at as "createdAt", s.last_seen_at as "lastSeenAt"
       from session s join account a on a.id = s.account_id
      where s.account_id = $1 and ${live}
      order by (s.id = $3::uuid) is true desc, s.last_seen_at desc limit 200`,
    [accountId, toDate(clock.now()), sessionId],
  );
  const opened = await keyholder.open(
    rows.flatMap(({ dataKey, sealedLabel, sealedNetwork }) => [
      { dataKey, place: labelPlace(accountId), sealed: sealedLabel },
      { dataKey, place: networkPlace(accountId), sealed: sealedNetwork },
    ]),
  );
  return rows.map(({ id, class: sessionClass, createdAt, lastSeenAt }, i) => ({
    id,
    class: sessionClass,
    label: opened[2 * i] ?? "",
    network: opened[2 * i + 1] ?? "",
    createdAt: fromDate(createdAt),
    lastSeenAt: fromDate(lastSeenAt),
    current: id === sessionId,
  }));
}

/** Signs out one device of the viewer. @returns false if it is not signed in, or not the viewer's. */
export async function signOut(
  { db, keyholder, clock, random }: Needs,
  viewer: Viewer,
  sessionId: SessionId,
): Promise<boolean> {
  const now = clock.now();
  const event = await signedOutEvent({ db, keyholder, random }, viewer, sessionId, now);
  return db.transaction(async (tx) => {
    const ended = await tx.run(`update session s set ended_at = $2 where s.account_id = $1 and s.id = $3 and ${live}`, [
      viewer.accountId,
      toDate(now),
      sessionId,
    ]);
    if (ended === 0) return false;
    const detail = { account: viewer.accountId, session: sessionId };
    await append(tx, now, { kind: "sign-out", detail }, random);
    if (event !== undefined) await recordEvent(tx, event);
    await announce(tx, { accountId: viewer.accountId, reason: "signed-out" });
    return true;
  });
}

/** The event by which the owner sees that one device has signed out another; signing oneself out is none. */
async function signedOutEvent(
  { db, keyholder, random }: Omit<Needs, "clock">,
  { accountId, sessionId: own }: Viewer,
  sessionId: SessionId,
  now: EpochMs,
): Promise<PreparedEvent | undefined> {
  if (sessionId === own) return undefined;
  const row = await db.one<{ dataKey: Buffer; sealed: Buffer }>(
    `select a.data_key as "dataKey", s.sealed_label as sealed from session s join account a on a.id = s.account_id
      where s.account_id = $1 and s.id = $2`,
    [accountId, sessionId],
  );
  if (row === undefined) return undefined;
  const { dataKey, sealed } = row;
  const [device] = await keyholder.open([{ dataKey, place: labelPlace(accountId), sealed }]);
  const detail = { device: device ?? "" };
  return prepareEvent({ keyholder, random }, { accountId, dataKey }, "device signed out", now, detail);
}

/**
 * Signs out every device but the viewer's own, whatever their number, by raising the account's generation: links that
 * wait and grants that play end with them (ASVS 5.0 7.4.3). @returns how many devices that were, or `undefined` if this
 * session itself was ended meanwhile.
 */
export async function signOutOthers({ db, clock, random }: Needs, viewer: Viewer): Promise<number | undefined> {
  const { accountId, sessionId } = viewer;
  const now = clock.now();
  return db.transaction(async (tx) => {
    const others = await tx.one<{ count: number }>(
      `select count(*) as count from session s where s.account_id = $1 and s.id <> $3 and ${live}`,
      [accountId, toDate(now), sessionId],
    );
    const generation = await raiseGeneration(tx, accountId, viewer.generation);
    if (generation === undefined) return undefined;
    await keepOnlySession(tx, accountId, sessionId, generation);
    const ended = others?.count ?? 0;
    await append(tx, now, { kind: "devices signed out", detail: { account: accountId, devices: ended } }, random);
    await recordEvent(tx, bareEvent(random, accountId, "devices signed out", now));
    await queueSignal(tx, random, accountId, ["session revoked"], "devices signed out", now);
    return ended;
  });
}

/** Carries one session into the account's new generation; every other one is left behind, which ends it. */
export async function keepOnlySession(
  tx: Tx,
  accountId: AccountId,
  keep: SessionId,
  generation: number,
): Promise<void> {
  await tx.run(`update session set generation = $3 where account_id = $1 and id = $2 and ended_at is null`, [
    accountId,
    keep,
    generation,
  ]);
  await announce(tx, { accountId, reason: "signed-out" });
}
