import { Type } from "typebox";
import { Check } from "typebox/value";
import { equalBytes, Secret } from "../kernel/secret.ts";
import type { NewPasskeyAnswer, PasskeyAnswer } from "../wire/passkeys.ts";
import { isEcdsaSignature } from "./ecdsa-signature.ts";
import type { RelyingParty } from "./relying-party.ts";

/**
 * What is asked for and taken: Ed25519, P-256 and RSA with SHA-256 (EdDSA, ES256 and RS256 in the registry of COSE algorithms),
 * which every authenticator in use has one of (Web Authentication section 5.8.5 recommends these three).
 */
export const algorithms: readonly number[] = [-8, -7, -257];

/** Loaded when the first passkey is asked for: it is a seventh of what a web process loads. */
export const webAuthentication = () => import("@simplewebauthn/server");

const webAuthenticationParts = () => import("@simplewebauthn/server/helpers");

/** Whether a signature by this key is spelled as it must be. That of Ed25519 or RSA is bytes of one length, and has no spellings. */
async function isSpelled(signature: Uint8Array, publicKey: Uint8Array): Promise<boolean> {
  const { cose, decodeCredentialPublicKey } = await webAuthenticationParts();
  const key = decodeCredentialPublicKey(new Uint8Array(publicKey));
  return !cose.isCOSEPublicKeyEC2(key) || isEcdsaSignature(signature);
}

const clientData = Type.Object({ challenge: Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" }) });

/** The challenge that an answer claims to answer; `undefined` if it names none of ours. Proves nothing by itself. */
export function challengeIn(clientDataJSON: string): Secret | undefined {
  try {
    const data: unknown = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString("utf8"));
    return Check(clientData, data) ? new Secret(Buffer.from(data.challenge, "base64url")) : undefined;
  } catch {
    return undefined;
  }
}

const challengeText = (challenge: Secret): string => Buffer.from(challenge.reveal()).toString("base64url");

export interface NewPasskey {
  readonly credentialId: string;
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly transports: readonly string[];
}

/**
 * Judges the answer to a registration: type, challenge, origin, RP ID, user presence and user verification, algorithm.
 * @returns `undefined` for anything that does not hold, whatever it was.
 *
 * No attestation is asked for, and only what "none" leaves is taken: a statement with certificates would be checked
 * against lists that its sender names by address.
 *
 * Source: Web Authentication Level 3 section 7.1.
 */
export async function verifyNewPasskey(
  party: RelyingParty,
  challenge: Secret,
  answer: NewPasskeyAnswer,
): Promise<NewPasskey | undefined> {
  const { verifyRegistrationResponse } = await webAuthentication();
  const { decodeAttestationObject } = await webAuthenticationParts();
  try {
    const attestation = decodeAttestationObject(
      new Uint8Array(Buffer.from(answer.response.attestationObject, "base64url")),
    );
    const format = attestation.get("fmt");
    // Self attestation survives "none" (section 5.1.3); it names no maker.
    const statement = attestation.get("attStmt");
    const isSelf = format === "packed" && statement.get("x5c") === undefined;
    if (format !== "none" && !isSelf) return undefined;
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        id: answer.id,
        rawId: answer.rawId,
        type: "public-key",
        clientExtensionResults: {},
        response: {
          clientDataJSON: answer.response.clientDataJSON,
          attestationObject: answer.response.attestationObject,
        },
      },
      expectedChallenge: challengeText(challenge),
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...algorithms],
    });
    if (!verified) return undefined;
    const { id, publicKey, counter } = registrationInfo.credential;
    // The id that the authenticator signed into its data, not the one that was sent beside it.
    if (id !== answer.id || publicKey.length > 1_024) return undefined;
    if (isSelf && !(await isSpelled(statement.get("sig") ?? new Uint8Array(), publicKey))) return undefined;
    return { credentialId: id, publicKey, counter, transports: answer.response.transports ?? [] };
  } catch {
    // What the library throws quotes what was sent; every reason is one refusal.
    return undefined;
  }
}

/**
 * Judges a signature: type, challenge, origin, RP ID, user presence and user verification, the account's user handle,
 * and the signature itself. The counter is the caller's to judge, who can tell the owner.
 *
 * @returns the signature's counter, or `undefined` for anything that does not hold.
 *
 * Source: Web Authentication Level 3 section 7.2.
 */
export async function verifySignature(
  party: RelyingParty,
  challenge: Secret,
  answer: PasskeyAnswer,
  passkey: { readonly publicKey: Uint8Array; readonly handleDigest: Uint8Array },
): Promise<number | undefined> {
  // Section 7.2 step 6: the user handle names the owner of the credential. It may be absent where we named the credential.
  const { userHandle } = answer.response;
  if (userHandle !== undefined) {
    const handle = new Secret(Buffer.from(userHandle, "base64url"));
    if (!equalBytes(handle.digest(), passkey.handleDigest)) return undefined;
  }
  const { verifyAuthenticationResponse } = await webAuthentication();
  try {
    if (!(await isSpelled(Buffer.from(answer.response.signature, "base64url"), passkey.publicKey))) return undefined;
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: {
        id: answer.id,
        rawId: answer.rawId,
        type: "public-key",
        clientExtensionResults: {},
        response: {
          clientDataJSON: answer.response.clientDataJSON,
          authenticatorData: answer.response.authenticatorData,
          signature: answer.response.signature,
          ...(userHandle === undefined ? {} : { userHandle }),
        },
      },
      expectedChallenge: challengeText(challenge),
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      // A counter of 0 here is above none: the caller compares with the one that is stored.
      credential: { id: answer.id, publicKey: new Uint8Array(passkey.publicKey), counter: 0 },
      requireUserVerification: true,
    });
    return verified ? authenticationInfo.newCounter : undefined;
  } catch {
    return undefined;
  }
}
