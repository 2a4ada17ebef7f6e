import type { AccountId } from "../kernel/brand.ts";
import { dayMs, hourMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import { countNoMore } from "./added-since.ts";
import { forgetChallenges } from "./passkey-challenge.ts";
import { forgetPasskeys } from "./passkeys.ts";

/**
 * Removes registrations, address claims and challenges that can no longer be used, and passkeys removed long ago.
 * @returns how many rows went.
 */
export async function forgetClaims(tx: Tx, now: EpochMs): Promise<number> {
  const signUps = await tx.run(
    `delete from sign_up where browser_digest in (
       select browser_digest from sign_up where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  const claims = await tx.run(
    `delete from address_claim where (account_id, id) in (
       select account_id, id from address_claim where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  return signUps + claims + (await forgetChallenges(tx, now)) + (await forgetPasskeys(tx, now));
}

/** How long a removed authenticator app can be brought back by "it was not me", and a day more. */
const removedKeptMs = 8 * dayMs;

/** Removes set-ups that were never finished, and apps removed long enough ago. @returns how many rows went. */
export async function forgetTotp(tx: Tx, now: EpochMs): Promise<number> {
  const unfinished = await tx.run(
    `delete from totp where (account_id, id) in (
       select account_id, id from totp where proved_at is null and added_at < $1 order by added_at limit $2)`,
    [toDate(plus(now, -hourMs)), batchRows],
  );
  const removed = await tx.run(
    `delete from totp where (account_id, id) in (
       select account_id, id from totp where removed_at < $1 order by removed_at limit $2)`,
    [toDate(plus(now, -removedKeptMs)), batchRows],
  );
  return unfinished + removed;
}

/**
 * Removes everything that proves an account, when it is deleted. A credential with a table of its own brings a line;
 * the deletion's test finds a table that was forgotten.
 */
export async function forgetCredentials(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from password where account_id = $1`, [accountId]);
  await tx.run(`delete from refused_password where account_id = $1`, [accountId]);
  await tx.run(`delete from address_claim where account_id = $1`, [accountId]);
  await tx.run(`delete from account_change where account_id = $1`, [accountId]);
  await tx.run(`delete from sign_up where account_id = $1`, [accountId]);
  await tx.run(`delete from passkey where account_id = $1`, [accountId]);
  await tx.run(`delete from passkey_way where account_id = $1`, [accountId]);
  await tx.run(`delete from passkey_challenge where account_id = $1`, [accountId]);
  await tx.run(`delete from totp where account_id = $1`, [accountId]);
  await tx.run(`delete from recovery_code where account_id = $1`, [accountId]);
  await countNoMore(tx, accountId);
}
