import type { AccountId, Epoch, SessionClass, SessionId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { NoteProof, Proof } from "../http/viewer.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { stillStands } from "../credentials/passwords.ts";
import { prepareEvent, writeWithEvent, type PreparedEvent } from "../accounts/security-events.ts";
import { writeToken } from "./tokens.ts";

/** How long a session of each class lives without a new proof, in ms. */
export type SessionLifetimesMs = Readonly<Record<SessionClass, number>>;

/**
 * Browsers: 30 days unless set otherwise (NIST SP 800-63B-4 section 2.1.3). TVs, apps and tools stay longer, a deviation
 * written down in docs/decisions: nobody types a password on a TV, and containment ends them all the same.
 */
export const sessionLifetimesMs = (browserDays: number, deviceDays: number): SessionLifetimesMs => ({
  browser: browserDays * dayMs,
  tv: deviceDays * dayMs,
  app: deviceDays * dayMs,
  tool: deviceDays * dayMs,
});

export const labelPlace = (accountId: AccountId): Place => ({ table: "session", column: "sealed_label", accountId });
export const networkPlace = (accountId: AccountId): Place => ({
  table: "session",
  column: "sealed_network",
  accountId,
});

/** A session ready to be written: everything that needs the keyholder is done before the transaction opens. */
export interface PreparedSession {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly class: SessionClass;
  readonly secret: Secret;
  readonly sealedLabel: Uint8Array;
  readonly sealedNetwork: Uint8Array;
  /** What the owner's list of events says of it. */
  readonly event: PreparedEvent;
  readonly expiresAt: EpochMs;
}

export async function prepareSession(
  {
    keyholder,
    random,
    lifetimesMs,
  }: { readonly keyholder: Keyholder; readonly random: Random; readonly lifetimesMs: SessionLifetimesMs },
  {
    accountId,
    dataKey,
    class: sessionClass,
    label,
    network,
    now,
  }: {
    readonly accountId: AccountId;
    readonly dataKey: Uint8Array;
    readonly class: SessionClass;
    readonly label: string;
    readonly network: string;
    readonly now: EpochMs;
  },
): Promise<PreparedSession> {
  const device = label.slice(0, 100);
  const [sealedLabel, sealedNetwork, event] = await Promise.all([
    keyholder.seal(dataKey, labelPlace(accountId), device),
    keyholder.seal(dataKey, networkPlace(accountId), network),
    prepareEvent({ keyholder, random }, { accountId, dataKey }, "signed in", now, {
      device,
      network,
      class: sessionClass,
    }),
  ]);
  return {
    accountId,
    sessionId: newId<SessionId>(random, now),
    class: sessionClass,
    secret: newSecret(random),
    sealedLabel,
    sealedNetwork,
    event,
    expiresAt: plus(now, lifetimesMs[sessionClass]),
  };
}

/**
 * Writes a session under the epoch of what proved it, unless that has fallen below its floor, or the account was
 * signed out everywhere, since the proof was read. The event that the owner sees goes with it, in one
 * statement. @returns false if it was refused; nothing is written then.
 */
export async function writeSession(
  tx: Tx,
  session: PreparedSession,
  proof: {
    readonly epoch: Epoch;
    readonly generation: number;
    readonly floors: readonly string[];
    /** How its holder has proved who they are just now. */
    readonly by: Proof;
  },
  now: EpochMs,
): Promise<boolean> {
  const event = proof.by === "linked" ? { ...session.event, kind: "linked" as const } : session.event;
  return writeWithEvent(
    tx,
    `insert into session (account_id, id, digest, class, epoch, generation, sealed_label, sealed_network,
                          created_at, proved_at, last_seen_at, expires_at, proof, strongly_proved_at)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($12::timestamptz, to_timestamp(0)), $9, $10, $13, $14
      where $5::bigint >= (select max(epoch) from floor where kind = $4 or kind = any($11))
        and $6::bigint = (select generation from account where id = $1)`,
    [
      session.accountId,
      session.sessionId,
      session.secret.digest(),
      session.class,
      proof.epoch,
      proof.generation,
      session.sealedLabel,
      session.sealedNetwork,
      toDate(now),
      toDate(session.expiresAt),
      proof.floors,
      proof.by === "linked" ? null : toDate(now),
      proof.by,
      isStrong(proof.by) ? toDate(now) : null,
    ],
    event,
  );
}

/** More than a password, and lasting: what the host's own link proves counts for five minutes only. */
const isStrong = (proof: Proof): boolean => proof === "passkey" || proof === "password+totp";

/**
 * Notes that the viewer has proved who they are once more, and gives the session another token: whoever had the one
 * before, by whatever way, does not get what the proof opens. The session's id stays, and so do its place in the list of
 * devices and the grants that play by it. Of two proofs by one token the second finds it replaced, and one in a session that
 * a containment has refused meanwhile finds none. A password that fell below its floor, or was changed, since it was read
 * proves nothing: a containment may have spared the session and not it.
 *
 * Source: ASVS 5.0 7.2.4.
 */
export const noteProof: NoteProof = async (tx, viewer, { by, generation, now, random, password }) => {
  const { accountId, sessionId } = viewer;
  const secret = newSecret(random);
  const noted = await tx.run(
    `update session set digest = $7, proved_at = $3, proof = $5, strongly_proved_at = coalesce($6, strongly_proved_at)
      where account_id = $1 and id = $2 and digest = $8 and ended_at is null and generation = $4
        and generation = (select generation from account where id = $1)
        and epoch >= (select f.epoch from floor f where f.kind = session.class)
        and ($9::timestamptz is null or ${stillStands({ account: "$1", setAt: "$9", epoch: "$10" })})`,
    [
      accountId,
      sessionId,
      toDate(now),
      generation,
      by,
      isStrong(by) ? toDate(now) : null,
      secret.digest(),
      viewer.digest,
      password === undefined ? null : toDate(password.setAt),
      password?.epoch ?? null,
    ],
  );
  return noted === 1 ? writeToken({ accountId, sessionId, secret }) : undefined;
};

/** What an account can no longer prove, its sessions have not proved either. */
export async function forgetStrongProofs(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(
    `update session set strongly_proved_at = null where account_id = $1 and strongly_proved_at is not null`,
    [accountId],
  );
}

export const tokenOf = ({ accountId, sessionId, secret }: PreparedSession): Secret =>
  writeToken({ accountId, sessionId, secret });
