import type { AccountId, SessionClass, SessionId } from "../kernel/brand.ts";
import { hourMs, minuteMs, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import type { NoteSignIn, NoteTry } from "../http/tries.ts";
import { addressFrom, admit, noteKnown } from "../http/throttle.ts";
import type { Viewer } from "../http/viewer.ts";
import { lookUpForm } from "../mail/address.ts";
import { findAccount } from "../accounts/accounts.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import type { HashPool } from "../credentials/hash-pool.ts";
import { answersProof, hashForProof, passwordSetAt, readPasswordProof, type Decoy } from "../credentials/passwords.ts";
import { judgeFactor, type FactorOutcome } from "../credentials/second-factors.ts";
import { recoveryCodeUsed } from "../credentials/recovery-codes.ts";
import { Refused, unlessRefused } from "../credentials/sign-up.ts";
import { noteProof, prepareSession, tokenOf, writeSession, type SessionLifetimesMs } from "./open-session.ts";
import { endReplaced } from "./replaced.ts";
import { beginStep, type BegunStep } from "./second-factor.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly hashPool: HashPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly noteTry: NoteTry;
  readonly noteSignIn: NoteSignIn;
  readonly logSignIn: LogSignIn;
  readonly lifetimesMs: SessionLifetimesMs;
  readonly decoy: Decoy;
  readonly seen: SeenFloors;
}

export interface SignInOrder {
  readonly address: string;
  readonly password: Secret;
  readonly class: SessionClass;
  /** What the device list will show: "Firefox on Linux". */
  readonly label: string;
  readonly network: string;
  /** The session that the new one takes the place of; the same for every way in. */
  readonly replaces: Viewer | null;
}

export type SignInOutcome =
  | {
      readonly kind: "signed-in";
      readonly accountId: AccountId;
      readonly sessionId: SessionId;
      readonly role: "viewer" | "operator";
      readonly token: Secret;
      readonly expiresAt: EpochMs;
    }
  | BegunStep
  | { readonly kind: "refused" }
  /** Decided before anything that depends on an account's existence. */
  | { readonly kind: "too-many" };

/** Sign-ins a network may try in ten minutes, at whatever addresses. */
export const triesOfNetwork = { purpose: "sign-in", limit: 1_000, windowMs: 10 * minuteMs, perNetwork: true } as const;

/**
 * Tries at one address by one network in ten minutes. Per network, so that guessing never locks an owner out who is
 * somewhere else (ASVS 5.0 6.1.1 and 6.3.1; NIST SP 800-63B-4 section 3.2.2).
 */
const triesAtAddress = { purpose: "sign-in at address", limit: 30, windowMs: 10 * minuteMs } as const;

/**
 * Tries at one address by all networks together in an hour, but for those from which somebody has signed in to it lately:
 * they keep the share above. Guessing from many networks is slowed to what NIST SP 800-63B-4 section 3.2.2 lets one
 * account be asked; its owner's own network, passkeys, renewal and every device that is signed in are not. The
 * same for an address that nobody has.
 */
export const triesFromAll = {
  purpose: "sign-in at address from all",
  limit: 100,
  windowMs: hourMs,
  sparesKnown: true,
} as const;

/**
 * Signs in by address and password. An unknown address, a wrong password and a right one that is refused since a
 * containment cost the same calls, statements and one hash each, and answer the same. Only a right password learns that
 * a second factor is asked for; its step is answered then in place of a session.
 *
 * The session carries the epoch read in the statement that read the password, so whatever an old password proved is
 * old, even if this commits after a containment; the write repeats the test and fails clearly instead.
 *
 * Source: NIST SP 800-63B-4 section 3.1.1.2, ASVS 5.0 6.3.8.
 */
export async function signIn(needs: Needs, order: SignInOrder): Promise<SignInOutcome> {
  const form = lookUpForm(order.address);
  return needs.logSignIn({ way: "password", network: order.network, form }, await judgeSignIn(needs, order, form));
}

async function judgeSignIn(needs: Needs, order: SignInOrder, form: string): Promise<SignInOutcome> {
  const { db, keyholder, clock, decoy, seen } = needs;
  const { network } = order;
  needs.noteTry("sign-in", form);
  // Before anything that depends on whether the account exists.
  needs.hashPool.expectRoom("sign-in");
  // What needs no answer of one another travels together: each trip to another process costs more than what it asks.
  const [{ admitted, toNote }, { accountId }] = await Promise.all([
    admit(needs, [
      { subject: network, limit: triesOfNetwork },
      { subject: addressFrom(form, network), limit: triesAtAddress, mayBeKnown: true },
      { subject: Buffer.from(form), limit: triesFromAll },
    ]),
    // Read for everybody, and used only for those who are admitted.
    keyholder.index("address", form).then((addressIndex) => findAccount(db, addressIndex)),
  ]);
  if (!admitted) return { kind: "too-many" };
  const proof = await readPasswordProof(db, accountId, decoy, seen);
  const tag = await hashForProof(needs, "sign-in", order.password, proof);
  const now = clock.now();
  // The session is sealed in the same breath as the password is judged, whatever the verdict: one frame, the same for all.
  const [answers, session] = await Promise.all([
    answersProof(needs, tag, proof),
    prepareSession(needs, {
      accountId: proof.accountId,
      dataKey: proof.dataKey,
      class: order.class,
      label: order.label,
      network,
      now,
    }),
  ]);
  needs.noteSignIn({ failed: !answers, isKnown: accountId !== null, network });
  if (!answers) return { kind: "refused" };
  if (proof.asksFactor) {
    const begun = await beginStep(needs, session, proof, now);
    // A place is known from the right password on: whoever has that need not guess it, and the second factor has its own count.
    if (begun !== undefined && toNote !== null) await noteKnown(db, toNote, now);
    return begun ?? { kind: "refused" };
  }
  const proved = { ...proof, floors: ["password"], by: "password" } as const;
  const { replaces } = order;
  const written =
    replaces === null
      ? // One statement, which repeats the test of floors and generation: a transaction of its own.
        await writeSession(db, session, proved, now)
      : await db.transaction(async (tx) => {
          if (!(await writeSession(tx, session, proved, now))) return false;
          await endReplaced(tx, replaces, now, needs.random);
          return true;
        });
  if (!written) return { kind: "refused" };
  if (toNote !== null) await noteKnown(db, toNote, now);
  return {
    kind: "signed-in",
    accountId: session.accountId,
    sessionId: session.sessionId,
    role: proof.role,
    token: tokenOf(session),
    expiresAt: session.expiresAt,
  };
}

export type ProveOutcome =
  /** The token that takes the place of the one that was presented. */
  | { readonly kind: "proved"; readonly token: Secret }
  | { readonly kind: "wrong-password" }
  /** Or its token was replaced by another proof meanwhile. */
  | { readonly kind: "session-ended" }
  /** The password is right, and the account has a second factor: nothing is proved without it. */
  | { readonly kind: "second-factor-needed" }
  | Exclude<FactorOutcome, { kind: "proved" }>;

/**
 * Proves again what the viewer signs in with, without a new session, for what asks for a recent proof: the password, and
 * the second factor of an account that has one (ASVS 5.0 7.5.1). An account that has no password, an operator's first,
 * gives the second factor alone. The proof is in force from the next request, by the new token alone (7.2.4).
 */
export async function proveAgain(needs: Needs, viewer: Viewer, given: Given): Promise<ProveOutcome> {
  return needs.logSignIn({ way: "proof", sessionId: viewer.sessionId }, await judgeProof(needs, viewer, given));
}

interface Given {
  readonly password: Secret | undefined;
  readonly code: string | undefined;
}

async function judgeProof(needs: Needs, viewer: Viewer, { password, code }: Given): Promise<ProveOutcome> {
  const { db, clock, random, decoy, seen } = needs;
  const { accountId } = viewer;
  const proof = await readPasswordProof(db, accountId, decoy, seen);
  const lane = viewer.role === "operator" ? "operator" : "second factor";
  const isRight =
    password === undefined
      ? code !== undefined && (await passwordSetAt(db, accountId)) === null
      : await answersProof(needs, await hashForProof(needs, lane, password, proof), proof);
  if (!isRight) return { kind: "wrong-password" };
  const now = clock.now();
  const { generation } = proof;
  const read = { ...(password !== undefined && { password: proof }) };
  if (!proof.asksFactor) {
    if (password === undefined) return { kind: "wrong-password" };
    const token = await noteProof(db, viewer, { by: "password", generation, now, random, ...read });
    return token === undefined ? { kind: "session-ended" } : { kind: "proved", token };
  }
  if (code === undefined) return { kind: "second-factor-needed" };
  const judged = await judgeFactor(needs, accountId, code);
  if (judged.kind !== "proved") return judged;
  const { factor } = judged;
  const used = factor.kind === "recovery" ? await recoveryCodeUsed(needs, accountId, viewer, now) : undefined;
  const token = await unlessRefused(() =>
    db.transaction(async (tx) => {
      if (!(await factor.claim(tx))) throw new Refused();
      if (used !== undefined && !(await used(tx))) throw new Refused();
      const next = await noteProof(tx, viewer, { by: "password+totp", generation, now, random, ...read });
      if (next === undefined) throw new Refused();
      return next;
    }),
  );
  return token === undefined ? { kind: "refused" } : { kind: "proved", token };
}
