import type { PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/server";
import type { AccountId, Epoch, SessionClass } from "../kernel/brand.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { LogSignIn } from "../http/sign-in-log.ts";
import type { Viewer } from "../http/viewer.ts";
import type { PasskeyAnswer } from "../wire/passkeys.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import {
  challengeLifetimeMs,
  claimChallenge,
  makeChallenge,
  type ChallengePurpose,
} from "../credentials/passkey-challenge.ts";
import {
  countsUp,
  doubtPasskey,
  openDescriptors,
  readPasskeyProof,
  noteUse,
  type PasskeyProof,
} from "../credentials/passkeys.ts";
import type { RelyingParty } from "../credentials/relying-party.ts";
import { Refused, refusable, unlessRefused } from "../credentials/sign-up.ts";
import { challengeIn, verifySignature, webAuthentication } from "../credentials/verify-passkey.ts";
import { noteProof, prepareSession, tokenOf, writeSession, type SessionLifetimesMs } from "./open-session.ts";
import { endReplaced } from "./replaced.ts";
import type { SignInOutcome } from "./sign-in.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimesMs: SessionLifetimesMs;
  readonly seen: SeenFloors;
  readonly party: RelyingParty;
  readonly logSignIn: LogSignIn;
}

export interface AskedOptions {
  readonly options: PublicKeyCredentialRequestOptionsJSON;
  readonly expiresAt: EpochMs;
}

/**
 * What a browser needs to ask for a passkey. To sign in none is named: the authenticator offers what it has, so nobody
 * learns from the options who has an account. To prove again, the account's own are named.
 */
export async function askForPasskey(
  { db, keyholder, clock, random, party }: Pick<Needs, "db" | "keyholder" | "clock" | "random" | "party">,
  browser: Secret,
  viewer: Viewer | null,
): Promise<AskedOptions> {
  const now = clock.now();
  const accountId = viewer?.accountId ?? null;
  const named = accountId === null ? [] : await openDescriptors({ db, keyholder }, accountId, "counting");
  const purpose = accountId === null ? "sign-in" : "prove";
  const made = await makeChallenge({ db, random }, { browser, purpose, accountId, sealedHandle: null, now });
  const { generateAuthenticationOptions } = await webAuthentication();
  const options = await generateAuthenticationOptions({
    rpID: party.id,
    challenge: new Uint8Array(made.challenge.reveal()),
    timeout: challengeLifetimeMs,
    userVerification: "required",
    allowCredentials: named.map(({ id, transports }) => ({ id, transports: [...transports] })),
  });
  return { options, expiresAt: made.expiresAt };
}

interface Judged {
  readonly proof: PasskeyProof;
  readonly counter: number;
  /** The lowest epoch of what proved it: the challenge, and the passkey as it was read. */
  readonly epoch: Epoch;
}

/**
 * Claims the challenge, reads the passkey and judges the signature. A counter that went back is told to the owner, and
 * refused like everything else.
 */
async function judge(
  needs: Needs,
  {
    answer,
    browser,
    purpose,
    accountId,
  }: {
    readonly answer: PasskeyAnswer;
    readonly browser: Secret;
    readonly purpose: ChallengePurpose;
    readonly accountId: AccountId | null;
  },
): Promise<Judged | undefined> {
  const { db, clock, seen, party } = needs;
  const challenge = challengeIn(answer.response.clientDataJSON);
  if (challenge === undefined) return undefined;
  const claimed = await claimChallenge(db, { challenge, browser, purpose, accountId, now: clock.now() });
  if (claimed === undefined) return undefined;
  const proof = await readPasskeyProof(db, answer.id, seen.of("passkey"));
  if (proof === undefined || (accountId !== null && proof.accountId !== accountId)) return undefined;
  // Web Authentication section 7.2 step 6: where nobody has said who they are, the user handle must.
  if (accountId === null && answer.response.userHandle === undefined) return undefined;
  const counter = await verifySignature(party, challenge, answer, proof);
  if (counter === undefined) return undefined;
  if (!countsUp(proof.counter, counter)) {
    await doubtPasskey(needs, proof);
    return undefined;
  }
  return { proof, counter, epoch: Math.min(claimed.epoch, proof.epoch) as Epoch };
}

/**
 * Signs in by passkey, with nothing else and without a renewal: a stolen copy has only public keys. The session carries
 * the epoch read in the statement that read the passkey, or the challenge's if that is older, and the write repeats the
 * tests of floor, generation and doubt; so what was proved before a containment opens nothing after it, and a passkey that
 * was added since the copy was taken opens nothing at all.
 *
 * An unknown passkey, a removed one, a challenge that was used and a signature that does not hold answer the same.
 *
 * Source: Web Authentication Level 3 section 7.2; NIST SP 800-63B-4 sections 2.2 and 3.1.7.
 */
export async function signInByPasskey(needs: Needs, order: PasskeyOrder): Promise<PasskeyOutcome> {
  return needs.logSignIn({ way: "passkey", network: order.network }, await judgeSignIn(needs, order));
}

type PasskeyOutcome = Exclude<SignInOutcome, { kind: "too-many" | "second-factor" }>;

interface PasskeyOrder {
  readonly answer: PasskeyAnswer;
  readonly browser: Secret;
  readonly class: SessionClass;
  readonly label: string;
  readonly network: string;
  readonly replaces: Viewer | null;
}

async function judgeSignIn(needs: Needs, order: PasskeyOrder): Promise<PasskeyOutcome> {
  const { db, clock, random } = needs;
  const { answer, browser } = order;
  const judged = await judge(needs, { answer, browser, purpose: "sign-in", accountId: null });
  if (judged === undefined) return { kind: "refused" };
  const { proof, counter, epoch } = judged;
  const { accountId, dataKey, generation, role } = proof;
  const now = clock.now();
  const { class: sessionClass, label, network } = order;
  const session = await prepareSession(needs, { accountId, dataKey, class: sessionClass, label, network, now });
  const signedIn = await refusable(() =>
    db.transaction(async (tx) => {
      if (!(await noteUse(tx, proof, counter, now))) throw new Refused();
      const by = { epoch, generation, floors: ["passkey"], by: "passkey" } as const;
      if (!(await writeSession(tx, session, by, now))) throw new Refused();
      await endReplaced(tx, order.replaces, now, random);
    }),
  );
  if (!signedIn) return { kind: "refused" };
  const { sessionId, expiresAt } = session;
  return { kind: "signed-in", accountId, sessionId, role, token: tokenOf(session), expiresAt };
}

/**
 * Proves the viewer again by one of their passkeys, for what asks for a recent or a strong proof (ASVS 5.0 7.5.1).
 * @returns the token that takes the place of the one that was presented; `undefined` if nothing was proved.
 */
export async function proveAgainByPasskey(
  needs: Needs,
  viewer: Viewer,
  order: Pick<PasskeyOrder, "answer" | "browser">,
): Promise<Secret | undefined> {
  const token = await judgeProof(needs, viewer, order);
  needs.logSignIn(
    { way: "passkey proof", sessionId: viewer.sessionId },
    { kind: token === undefined ? "refused" : "proved" },
  );
  return token;
}

async function judgeProof(
  needs: Needs,
  viewer: Viewer,
  { answer, browser }: Pick<PasskeyOrder, "answer" | "browser">,
): Promise<Secret | undefined> {
  const { db, clock, random } = needs;
  const judged = await judge(needs, { answer, browser, purpose: "prove", accountId: viewer.accountId });
  if (judged === undefined) return undefined;
  const { proof, counter } = judged;
  const now = clock.now();
  return unlessRefused(() =>
    db.transaction(async (tx) => {
      if (!(await noteUse(tx, proof, counter, now))) throw new Refused();
      const token = await noteProof(tx, viewer, { by: "passkey", generation: proof.generation, now, random });
      if (token === undefined) throw new Refused();
      return token;
    }),
  );
}
