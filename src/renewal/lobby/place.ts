import { createHmac } from "node:crypto";
import { idBytes, idOfBytes, type IncidentId } from "../../kernel/brand.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { equalBytes, type Secret } from "../../kernel/secret.ts";

/**
 * A number in the line of one case (`place`), or the right of the browser that held it to renew now (`pass`). It opens no
 * account: it only says who is served before whom.
 */
export interface PlaceClaims {
  readonly kind: "place" | "pass";
  readonly caseId: IncidentId;
  readonly number: number;
  /** When the place was given, or when its holder came in. */
  readonly at: EpochMs;
}

// version 1 | kind 1 | case 16 | number 6 | instant 6 (ms) | HMAC-SHA-256 truncated to 30
const version = 1;
const claimsBytes = 1 + 1 + 16 + 6 + 6;
/** 240 bits (RFC 2104 section 5 asks for half of the output), so that the text is base64url without a remainder. */
const macBytes = 30;
const placeLength = ((claimsBytes + macBytes) / 3) * 4;
export const placePattern = `^[A-Za-z0-9_-]{${placeLength}}$`;
const isPlaceText = new RegExp(placePattern);

/**
 * Signed with the line's key over the claims and the digest of what the browser keeps in a cookie of its own: in another
 * browser, for another case or with another number the signature is another one.
 */
const macOf = (key: Secret, claims: Uint8Array, browser: Secret): Buffer =>
  createHmac("sha256", key.reveal()).update(claims).update(browser.digest()).digest().subarray(0, macBytes);

export function signPlace(key: Secret, { kind, caseId, number, at }: PlaceClaims, browser: Secret): string {
  const bytes = Buffer.alloc(claimsBytes);
  bytes[0] = version;
  bytes[1] = kind === "place" ? 1 : 2;
  idBytes(caseId).copy(bytes, 2);
  bytes.writeUIntBE(number, 18, 6);
  bytes.writeUIntBE(at, 24, 6);
  return Buffer.concat([bytes, macOf(key, bytes, browser)]).toString("base64url");
}

/** What a place says, if the key signed it for this case and this browser; `undefined` for anything else. */
export function readPlace(key: Secret, caseId: IncidentId, text: string, browser: Secret): PlaceClaims | undefined {
  if (!isPlaceText.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  const claims = bytes.subarray(0, claimsBytes);
  if (!equalBytes(bytes.subarray(claimsBytes), macOf(key, claims, browser))) return undefined;
  const kind = claims[1] === 1 ? "place" : claims[1] === 2 ? "pass" : undefined;
  if (claims[0] !== version || kind === undefined || idOfBytes<IncidentId>(claims.subarray(2, 18)) !== caseId) {
    return undefined;
  }
  return { kind, caseId, number: claims.readUIntBE(18, 6), at: claims.readUIntBE(24, 6) as EpochMs };
}
