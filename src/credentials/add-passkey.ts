import type { PublicKeyCredentialCreationOptionsJSON } from "@simplewebauthn/server";
import type { AccountId, Epoch } from "../kernel/brand.ts";
import { toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newSecret, type Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import type { NoteProof, Viewer } from "../http/viewer.ts";
import { append } from "../timeline/append.ts";
import { openAccounts, readDataKey } from "../accounts/accounts.ts";
import type { NewPasskeyAnswer } from "../wire/passkeys.ts";
import { queueSignal } from "../signals/queue-signal.ts";
import { changed, prepareChange } from "./changed.ts";
import { challengeLifetimeMs, claimChallenge, makeChallenge } from "./passkey-challenge.ts";
import {
  credentialDigest,
  descriptorPlace,
  openDescriptors,
  passkeyNamePlace,
  passkeySignal,
  roams,
  type PasskeyDescriptor,
  type PasskeyId,
} from "./passkeys.ts";
import type { RelyingParty } from "./relying-party.ts";
import { Refused, unlessRefused } from "./sign-up.ts";
import { algorithms, challengeIn, verifyNewPasskey, webAuthentication } from "./verify-passkey.ts";

/** More than a person has devices. */
export const passkeysPerAccount = 20;
/** With those that were removed and can come back: all of an account's are opened at once. */
const passkeysKept = 5 * passkeysPerAccount;

const handlePlace = (accountId: AccountId): Place => ({
  table: "passkey_challenge",
  column: "sealed_handle",
  accountId,
});

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly party: RelyingParty;
}

export type BeginOutcome =
  | {
      readonly kind: "options";
      readonly options: PublicKeyCredentialCreationOptionsJSON;
      readonly expiresAt: EpochMs;
    }
  | { readonly kind: "too-many" }
  | { readonly kind: "session-ended" };

/**
 * What a browser needs to make a passkey for the viewer: discoverable, with user verification, without attestation
 * (Web Authentication sections 5.4.4 and 5.4.7). Authenticators know the account by 256 random bits that nothing else
 * uses; the account's other passkeys are named, so that no authenticator makes two.
 */
export async function beginAddingPasskey(
  { db, keyholder, clock, random, party }: Needs,
  { accountId }: Viewer,
  browser: Secret,
): Promise<BeginOutcome> {
  const now = clock.now();
  const [[account], dataKey, existing, isFull] = await Promise.all([
    openAccounts({ db, keyholder }, [accountId]),
    readDataKey(db, accountId),
    openDescriptors({ db, keyholder }, accountId, "all"),
    hasNoPlace(db, accountId),
  ]);
  if (account === undefined || dataKey === undefined) return { kind: "session-ended" };
  if (isFull) return { kind: "too-many" };
  const handle = existing[0]?.handle ?? Buffer.from(newSecret(random).reveal()).toString("base64url");
  const sealedHandle = await keyholder.seal(dataKey, handlePlace(accountId), handle);
  const made = await makeChallenge({ db, random }, { browser, purpose: "add", accountId, sealedHandle, now });
  const shownAs = account.addresses.find(({ address }) => address !== "")?.address ?? account.name;
  const { generateRegistrationOptions } = await webAuthentication();
  const options = await generateRegistrationOptions({
    rpName: party.name,
    rpID: party.id,
    userName: shownAs === "" ? party.name : shownAs,
    userDisplayName: account.name,
    userID: new Uint8Array(Buffer.from(handle, "base64url")),
    challenge: new Uint8Array(made.challenge.reveal()),
    timeout: challengeLifetimeMs,
    attestationType: "none",
    excludeCredentials: existing.map(({ id, transports }) => ({ id, transports: [...transports] })),
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
    supportedAlgorithmIDs: [...algorithms],
  });
  return { kind: "options", options, expiresAt: made.expiresAt };
}

/** Whether an account has as many passkeys as it can have. */
async function hasNoPlace(tx: Tx, accountId: AccountId): Promise<boolean> {
  const has = await tx.one<{ there: number; kept: number }>(
    `select count(*) filter (where removed_at is null) as there, count(*) as kept from passkey where account_id = $1`,
    [accountId],
  );
  return (has?.there ?? 0) >= passkeysPerAccount || (has?.kept ?? 0) >= passkeysKept;
}

export type AddOutcome =
  | { readonly kind: "added"; readonly token: Secret }
  /** A challenge that is used, too old or somebody else's, or an answer that does not hold: nobody is told which. */
  | { readonly kind: "refused" }
  /** Others have been added since the challenge was made. */
  | { readonly kind: "too-many" }
  /** The session was made before a containment that spared sessions. */
  | { readonly kind: "renew-first" }
  | { readonly kind: "session-ended" };

/**
 * Gives the viewer's account a passkey. It carries the lowest epoch of what proved its adding: the session and the
 * challenge. The write repeats the tests of floor and generation; letters say so to every address in the same transaction.
 * Making a passkey takes user verification, so the session counts as proved by it.
 *
 * Source: Web Authentication Level 3 section 7.1; ASVS 5.0 6.3.7 and 7.5.1.
 */
export async function addPasskey(
  needs: Needs & {
    readonly noteProof: NoteProof;
  },
  viewer: Viewer,
  order: { readonly answer: NewPasskeyAnswer; readonly name: string; readonly browser: Secret },
): Promise<AddOutcome> {
  const { db, keyholder, clock, random, party } = needs;
  const { accountId } = viewer;
  const { answer, name, browser } = order;
  const now = clock.now();
  const challenge = challengeIn(answer.response.clientDataJSON);
  if (challenge === undefined) return { kind: "refused" };
  const claimed = await claimChallenge(db, { challenge, browser, purpose: "add", accountId, now });
  if (claimed === undefined || claimed.sealedHandle === null) return { kind: "refused" };
  const made = await verifyNewPasskey(party, challenge, answer);
  if (made === undefined) return { kind: "refused" };

  const [[account], dataKey, floor] = await Promise.all([
    openAccounts({ db, keyholder }, [accountId]),
    readDataKey(db, accountId),
    db.one<{ epoch: Epoch }>(`select epoch from floor where kind = 'password'`),
  ]);
  if (account === undefined || dataKey === undefined) return { kind: "session-ended" };
  if (floor === undefined || viewer.epoch < floor.epoch) return { kind: "renew-first" };
  const [handle] = await keyholder.open([{ dataKey, place: handlePlace(accountId), sealed: claimed.sealedHandle }]);
  if (handle === undefined || handle === null) return { kind: "refused" };
  const descriptor: PasskeyDescriptor = { id: made.credentialId, transports: made.transports, handle };
  const passkeyId = newId<PasskeyId>(random, now);
  const epoch = Math.min(viewer.epoch, claimed.epoch) as Epoch;
  const { generation } = viewer;
  const [sealedDescriptor, sealedName, change] = await Promise.all([
    keyholder.seal(dataKey, descriptorPlace(accountId), JSON.stringify(descriptor)),
    keyholder.seal(dataKey, passkeyNamePlace(accountId), name),
    prepareChange(needs, account, {
      kind: "passkey added",
      subject: passkeyId,
      about: { credential: name },
      epoch,
      now,
      generation,
    }),
  ]);
  let why: "refused" | "too-many" | "session-ended" = "session-ended";
  const token = await unlessRefused(() =>
    db.transaction(async (tx) => {
      if (!(await changed(tx, change))) throw new Refused();
      // Counted while the account is held: two that are added at once take turns.
      if (await hasNoPlace(tx, accountId)) {
        why = "too-many";
        throw new Refused();
      }
      const written = await tx.run(
        `insert into passkey (account_id, id, public_key, counter, handle_digest, sealed_descriptor, sealed_name, epoch,
                              added_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9
          where $8::bigint >= (select max(epoch) from floor where kind in ('passkey', 'password'))`,
        [
          accountId,
          passkeyId,
          made.publicKey,
          made.counter,
          new Secret(Buffer.from(handle, "base64url")).digest(),
          sealedDescriptor,
          sealedName,
          epoch,
          toDate(now),
        ],
      );
      if (written === 0) throw new Refused();
      const way = await tx.run(
        `insert into passkey_way (credential_digest, account_id, passkey_id) values ($1, $2, $3)
         on conflict (credential_digest) do nothing`,
        [credentialDigest(made.credentialId), accountId, passkeyId],
      );
      // Section 7.1 step 26: a credential id that is known already is not taken.
      if (way === 0) {
        why = "refused";
        throw new Refused();
      }
      const next = await needs.noteProof(tx, viewer, { by: "passkey", generation, now, random });
      if (next === undefined) throw new Refused();
      const told = [passkeySignal("added", roams(made.transports))];
      await queueSignal(tx, random, accountId, told, "passkeys changed", now);
      await append(
        tx,
        now,
        { kind: "passkey added", detail: { account: accountId, passkey: passkeyId, epoch } },
        random,
      );
      return next;
    }),
  );
  return token === undefined ? { kind: why } : { kind: "added", token };
}
