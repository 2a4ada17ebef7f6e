import { createPublicKey, hash, verify, type KeyObject } from "node:crypto";
import {
  idBytes,
  idOfBytes,
  parseId,
  type AccountId,
  type FileId,
  type SessionId,
  type TitleId,
} from "../kernel/brand.ts";
import { hourMs, secondMs, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";

/** The right of one session to play one file of one title until an instant. */
export interface GrantClaims {
  readonly accountId: AccountId;
  readonly sessionId: SessionId;
  readonly titleId: TitleId;
  readonly fileId: FileId;
  readonly expiresAt: EpochMs;
}

/** How long a grant lives; the player asks for a new one. Long enough for any film, pauses included. */
export const grantLifeMs = 6 * hourMs;

// version 1 | account 16 | session 16 | title 16 | file 16 | expires 6 (ms, big-endian) | Ed25519 signature 64
const version = 1;
const claimsBytes = 1 + 4 * 16 + 6;
const grantBytes = claimsBytes + 64;
/** A multiple of 3 bytes: base64url without a remainder, so that no two texts stand for the same bytes. */
export const grantLength = (grantBytes / 3) * 4;
const grantPattern = new RegExp(`^[A-Za-z0-9_-]{${grantLength}}$`);

function readUuid<Id extends AccountId | SessionId | TitleId | FileId>(bytes: Buffer, at: number): Id | undefined {
  return parseId<Id>(idOfBytes(bytes.subarray(at, at + 16)));
}

/** The bytes that are signed. */
export function encodeClaims(claims: GrantClaims): Buffer {
  const bytes = Buffer.alloc(claimsBytes);
  bytes[0] = version;
  [claims.accountId, claims.sessionId, claims.titleId, claims.fileId].forEach((id, index) => {
    idBytes(id).copy(bytes, 1 + 16 * index);
  });
  bytes.writeUIntBE(claims.expiresAt, 65, 6);
  return bytes;
}

/** Claims and signature of a grant's text, nothing verified; `undefined` for any other text. */
export function parseGrant(
  text: string,
): { readonly claims: GrantClaims; readonly signed: Buffer; readonly signature: Buffer } | undefined {
  if (!grantPattern.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length !== grantBytes || bytes[0] !== version) return undefined;
  const accountId = readUuid<AccountId>(bytes, 1);
  const sessionId = readUuid<SessionId>(bytes, 17);
  const titleId = readUuid<TitleId>(bytes, 33);
  const fileId = readUuid<FileId>(bytes, 49);
  if (accountId === undefined || sessionId === undefined || titleId === undefined || fileId === undefined) {
    return undefined;
  }
  return {
    claims: { accountId, sessionId, titleId, fileId, expiresAt: bytes.readUIntBE(65, 6) as EpochMs },
    signed: bytes.subarray(0, claimsBytes),
    signature: bytes.subarray(claimsBytes),
  };
}

export const grantText = (signed: Buffer, signature: Buffer): string =>
  Buffer.concat([signed, signature]).toString("base64url");

interface Needs {
  readonly keyholder: Pick<Keyholder, "sign" | "publicKeys">;
  readonly clock: Clock;
}

/** Makes and judges grants. A good signature says only who was given what: whether the session lives is the check's to say. */
export interface Grants {
  issue(claims: GrantClaims): Promise<string>;
  /** The claims of a grant that we signed and that has not expired, else `undefined`. Never throws for what a caller sent. */
  verify(text: string): Promise<GrantClaims | undefined>;
}

/** Public keys are asked for again after this long, so that one that was withdrawn stops counting. */
const keysLiveMs = 60 * secondMs;
/**
 * While the keyholder is away it is asked again only so often: each question to it takes its client 2 s to give up. After one in vain
 * a key that was withdrawn counts for so much longer.
 */
const awayPauseMs = 10 * secondMs;
/** A grant that no key verifies may be signed by a newer key: the keyholder is asked again, but forgeries cannot flood it. */
const refreshPauseMs = 1 * secondMs;

/** Grants whose signature was found good are remembered, by digest: a player brings the same one for each segment. */
const rememberedGrants = 20_000;

/**
 * Signing is the keyholder's; verifying needs its public keys only, which are kept here. Ed25519 (RFC 8032); a grant
 * names no key, since the keyholder has one or two at a time.
 */
export function newGrants({ keyholder, clock }: Needs): Grants {
  let keys: readonly KeyObject[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let keysText = "";
  /** Under the present keys; a tenth of a millisecond each that is not spent again. */
  const signed = new Set<string>();

  const read = (): Promise<void> =>
    (reading ??= keyholder
      .publicKeys("grant")
      .then((found) => {
        keys = found.map(({ publicKey }) =>
          createPublicKey({
            key: { kty: "OKP", crv: "Ed25519", x: publicKey.toString("base64url") },
            format: "jwk",
          }),
        );
        readAt = clock.now();
        const text = found.map(({ publicKey }) => publicKey.toString("base64url")).join(" ");
        if (text !== keysText) signed.clear();
        keysText = text;
        return undefined;
      })
      .catch((thrown: unknown) => {
        failedAt = clock.now();
        throw thrown;
      })
      .finally(() => {
        reading = undefined;
      }));

  /** Keys that may have been withdrawn since; what was asked in vain a moment ago is not asked again. */
  const isReadWanted = (now: EpochMs): boolean => {
    if (now >= readAt && now - readAt <= keysLiveMs) return false;
    return keys.length === 0 || now < failedAt || now - failedAt > awayPauseMs;
  };

  const isSigned = (claims: Buffer, signature: Buffer): boolean =>
    keys.some((key) => verify(null, claims, key, signature));
  const isGood = (text: string, claims: Buffer, signature: Buffer): boolean => {
    const digest = hash("sha256", text, "base64url");
    if (signed.has(digest)) return true;
    if (!isSigned(claims, signature)) return false;
    signed.add(digest);
    const oldest = signed.keys().next();
    if (signed.size > rememberedGrants && oldest.done !== true) signed.delete(oldest.value);
    return true;
  };

  return {
    issue: async (claims) => {
      const bytes = encodeClaims(claims);
      const signature = await keyholder.sign("grant", bytes);
      // After a rotation the first grant under the new key teaches this process that key.
      if (!isSigned(bytes, signature)) await read();
      return grantText(bytes, signature);
    },
    verify: async (text) => {
      const grant = parseGrant(text);
      if (grant === undefined) return undefined;
      const now = clock.now();
      if (grant.claims.expiresAt <= now) return undefined;
      // With the key process away, what was read before still counts: people who are watching notice nothing.
      if (isReadWanted(now)) {
        const asked = read().catch((thrown: unknown) => {
          if (keys.length === 0) throw thrown;
        });
        // After a question in vain nobody waits for the next one.
        if (keys.length === 0 || failedAt <= readAt) await asked;
      }
      if (isGood(text, grant.signed, grant.signature)) return grant.claims;
      if (now - readAt < refreshPauseMs) return undefined;
      await read();
      return isGood(text, grant.signed, grant.signature) ? grant.claims : undefined;
    },
  };
}
