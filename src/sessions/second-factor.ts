import type { AccountId, Epoch, SessionClass, SessionId } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import { withinLimit } from "../http/throttle.ts";
import type { Viewer } from "../http/viewer.ts";
import { roleThatCounts } from "../credentials/added-since.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import { bareEvent } from "../accounts/security-events.ts";
import { holdPasswordSetAt } from "../credentials/passwords.ts";
import { recoveryCodeUsed } from "../credentials/recovery-codes.ts";
import { judgeFactor } from "../credentials/second-factors.ts";
import { Refused, refusable } from "../credentials/sign-up.ts";
import { tokenOf, writeSession, type PreparedSession, type SessionLifetimesMs } from "./open-session.ts";
import { endReplaced } from "./replaced.ts";
import { readToken, writeToken } from "./tokens.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
  readonly seen: SeenFloors;
  readonly logSignIn: LogSignIn;
}

/** How long a right password waits for its second factor. */
export const stepLifetimeMs = 10 * minuteMs;
/** Codes that one right password may try; the account's own count goes on besides. */
const stepTries = 5;
/** Codes that one network may try in ten minutes, at whatever steps. */
const triesOfNetwork = { purpose: "sign-in step", limit: 1_000, windowMs: 10 * minuteMs, perNetwork: true } as const;

export interface BegunStep {
  readonly kind: "second-factor";
  /** Kept by the browser or program; without it nobody completes the step. Written like a session's token, and opens nothing. */
  readonly step: Secret;
  readonly expiresAt: EpochMs;
}

/**
 * Keeps a proved password until its second factor comes: everything that the session will be, under the epoch and
 * generation read with the password. @returns `undefined` if those have fallen behind meanwhile; nothing is written.
 */
export async function beginStep(
  { db, random }: Pick<Needs, "db" | "random">,
  session: PreparedSession,
  proof: { readonly epoch: Epoch; readonly generation: number; readonly setAt: EpochMs },
  now: EpochMs,
): Promise<BegunStep | undefined> {
  const { accountId } = session;
  const stepId = newId<SessionId>(random, now);
  const secret = newSecret(random);
  const expiresAt = plus(now, stepLifetimeMs);
  const written = await db.run(
    `insert into sign_in_step (account_id, id, digest, class, sealed_label, sealed_network, sealed_event, epoch, generation,
                               password_set_at, created_at, expires_at)
     select $1, $2, $3, $4, $5, $6, $12, $7, $8, $9, $10, $11
      where $7::bigint >= (select max(epoch) from floor where kind in ('password', $4))
        and $8::bigint = (select generation from account where id = $1)`,
    [
      accountId,
      stepId,
      secret.digest(),
      session.class,
      session.sealedLabel,
      session.sealedNetwork,
      proof.epoch,
      proof.generation,
      toDate(proof.setAt),
      toDate(now),
      toDate(expiresAt),
      session.event.sealedDetail,
    ],
  );
  if (written === 0) return undefined;
  return { kind: "second-factor", step: writeToken({ accountId, sessionId: stepId, secret }), expiresAt };
}

/** Ends the sign-ins of an account that wait for a second factor, before the password that began them is replaced. */
export const endSteps = (tx: Tx, accountId: AccountId, now: EpochMs): Promise<number> =>
  tx.run(`update sign_in_step set used_at = $2 where account_id = $1 and used_at is null`, [accountId, toDate(now)]);

export type CompleteStepOutcome =
  | {
      readonly kind: "signed-in";
      readonly accountId: AccountId;
      readonly sessionId: SessionId;
      readonly role: "viewer" | "operator";
      readonly token: Secret;
      readonly expiresAt: EpochMs;
    }
  | { readonly kind: "refused" }
  | { readonly kind: "wait"; readonly seconds: number }
  /** Used, too old, out of tries, contained meanwhile, or never there: the password is asked for again. */
  | { readonly kind: "step-over" };

interface StepRow {
  class: SessionClass;
  sealedLabel: Buffer;
  sealedNetwork: Buffer;
  sealedEvent: Buffer | null;
  epoch: Epoch;
  generation: number;
  passwordSetAt: Date;
  role: "viewer" | "operator";
}

/**
 * Completes a sign-in with the second factor: a code of the app, or a recovery code in its place. The try is counted
 * before the code is judged; the step, the code and the session are claimed and written together or not at all. The
 * session has the epoch read with the password, so whatever an old password began is old.
 *
 * Source: NIST SP 800-63B-4 section 2.2, ASVS 5.0 6.5.1, 6.6.2 and 6.6.3.
 */
export async function completeStep(needs: Needs, order: StepOrder): Promise<CompleteStepOutcome> {
  return needs.logSignIn({ way: "second factor", network: order.network }, await judgeStep(needs, order));
}

interface StepOrder {
  readonly step: Secret;
  readonly typed: string;
  readonly network: string;
  readonly replaces: Viewer | null;
}

async function judgeStep(needs: Needs, { step, typed, network, replaces }: StepOrder): Promise<CompleteStepOutcome> {
  const { db, clock, random, lifetimesMs } = needs;
  const now = clock.now();
  if (!(await withinLimit(needs, network, triesOfNetwork))) return { kind: "wait", seconds: 600 };
  const token = readToken(step);
  if (token === undefined) return { kind: "step-over" };
  const { accountId, sessionId: stepId } = token;
  const good = `s.account_id = $1 and s.id = $2 and s.digest = $3 and s.used_at is null and s.expires_at > $4
                and s.epoch >= (select max(f.epoch) from floor f where f.kind in ('password', s.class))`;
  const found = [accountId, stepId, token.secret.digest(), toDate(now)];
  const row = await db.one<StepRow>(
    `update sign_in_step s set tries = tries + 1 from account a
      where ${good} and s.tries < $5 and a.id = s.account_id and a.generation = s.generation
      returning s.class, s.sealed_label as "sealedLabel", s.sealed_network as "sealedNetwork",
                s.sealed_event as "sealedEvent", s.epoch, s.generation,
                s.password_set_at as "passwordSetAt", ${roleThatCounts("a")} as role`,
    [...found, stepTries],
  );
  if (row === undefined) return { kind: "step-over" };
  const judged = await judgeFactor(needs, accountId, typed);
  if (judged.kind === "wait") {
    // Nothing was tried: the wait must not use the step up.
    await db.run(`update sign_in_step set tries = tries - 1 where account_id = $1 and id = $2 and tries > 0`, [
      accountId,
      stepId,
    ]);
    return judged;
  }
  if (judged.kind === "refused") return judged;

  const session: PreparedSession = {
    accountId,
    sessionId: newId<SessionId>(random, now),
    class: row.class,
    secret: newSecret(random),
    sealedLabel: row.sealedLabel,
    sealedNetwork: row.sealedNetwork,
    event: { ...bareEvent(random, accountId, "signed in", now), sealedDetail: row.sealedEvent },
    expiresAt: plus(now, lifetimesMs[row.class]),
  };
  const { factor } = judged;
  const used = factor.kind === "recovery" ? await recoveryCodeUsed(needs, accountId, row, now) : undefined;
  const signedIn = await refusable(() =>
    db.transaction(async (tx) => {
      if ((await tx.run(`update sign_in_step s set used_at = $4 where ${good}`, found)) === 0) throw new Refused();
      // A password that was changed since is not proved by the old one.
      if (!(await holdPasswordSetAt(tx, accountId, fromDate(row.passwordSetAt)))) throw new Refused();
      if (!(await factor.claim(tx))) throw new Refused();
      const { epoch, generation } = row;
      const proof = { epoch, generation, floors: ["password", factor.floor], by: "password+totp" as const };
      if (!(await writeSession(tx, session, proof, now))) throw new Refused();
      await endReplaced(tx, replaces, now, random);
      if (used !== undefined && !(await used(tx))) throw new Refused();
    }),
  );
  // A code that somebody was quicker with, or a containment: either way this one opens nothing.
  if (!signedIn) return { kind: "refused" };
  return {
    kind: "signed-in",
    accountId,
    sessionId: session.sessionId,
    role: row.role,
    token: tokenOf(session),
    expiresAt: session.expiresAt,
  };
}
