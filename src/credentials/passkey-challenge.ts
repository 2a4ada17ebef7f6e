import type { AccountId, Epoch } from "../kernel/brand.ts";
import { minuteMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { newSecret, type Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/** From the options to the signature. NIST SP 800-63B-4 section 3.1.7.1 wants a challenge fresh; a person needs a moment. */
export const challengeLifetimeMs = 5 * minuteMs;

export type ChallengePurpose = "sign-in" | "prove" | "add";

export interface MadeChallenge {
  readonly challenge: Secret;
  readonly expiresAt: EpochMs;
}

/**
 * Makes a challenge of 256 random bits for one browser, one purpose and, where somebody is signed in, one account. Its
 * epoch is the current one: what a challenge from before a containment proves is old.
 */
export async function makeChallenge(
  { db, random }: { readonly db: Tx; readonly random: Random },
  {
    browser,
    purpose,
    accountId,
    sealedHandle,
    now,
  }: {
    readonly browser: Secret;
    readonly purpose: ChallengePurpose;
    readonly accountId: AccountId | null;
    readonly sealedHandle: Uint8Array | null;
    readonly now: EpochMs;
  },
): Promise<MadeChallenge> {
  const challenge = newSecret(random);
  const expiresAt = plus(now, challengeLifetimeMs);
  await db.run(
    `insert into passkey_challenge (challenge_digest, browser_digest, purpose, account_id, sealed_handle, epoch,
                                    created_at, expires_at)
     select $1, $2, $3, $4, $5, max(epoch), $6, $7 from floor`,
    [challenge.digest(), browser.digest(), purpose, accountId, sealedHandle, toDate(now), toDate(expiresAt)],
  );
  return { challenge, expiresAt };
}

export interface ClaimedChallenge {
  readonly sealedHandle: Uint8Array | null;
  readonly epoch: Epoch;
}

/**
 * Claims a challenge, in one statement and before anything is judged: a signature is looked at once. `undefined` if it
 * was used, is too old, or was made for another browser, another purpose or another account.
 */
export const claimChallenge = (
  tx: Tx,
  {
    challenge,
    browser,
    purpose,
    accountId,
    now,
  }: {
    readonly challenge: Secret;
    readonly browser: Secret;
    readonly purpose: ChallengePurpose;
    readonly accountId: AccountId | null;
    readonly now: EpochMs;
  },
): Promise<ClaimedChallenge | undefined> =>
  tx.one<ClaimedChallenge>(
    `update passkey_challenge set used_at = $5
      where challenge_digest = $1 and browser_digest = $2 and purpose = $3 and account_id is not distinct from $4
        and used_at is null and expires_at > $5
      returning sealed_handle as "sealedHandle", epoch`,
    [challenge.digest(), browser.digest(), purpose, accountId, toDate(now)],
  );

/** Removes challenges that nobody can answer any more. @returns how many. */
export const forgetChallenges = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from passkey_challenge where challenge_digest in (
       select challenge_digest from passkey_challenge where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
