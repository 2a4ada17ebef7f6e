import type { KeyObject } from "node:crypto";
import type { Random } from "../kernel/random.ts";
import { decrypt, encrypt, nonceBytes, tagBytes } from "./aes-gcm.ts";

/** First byte of everything sealed here; another layout would get another byte. */
const layout = 1;
const headerBytes = 1 + 4 + nonceBytes;

/** How much longer a sealed value is than what was sealed. */
export const sealedOverheadBytes = headerBytes + tagBytes;

/** What a value is sealed for; a value sealed for one purpose never opens for another. */
export type SealPurpose = "data-key" | "value" | "password" | "mailer" | "totp";

/** The parts of a sealed value: `layout (1) | key version (4, big-endian) | nonce (12) | ciphertext | tag (16)`. */
export interface SealedParts {
  readonly keyVersion: number;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** Takes a sealed value apart without opening it; `null` for bytes that are none. */
export function parseSealed(sealed: Uint8Array): SealedParts | null {
  if (sealed.length < sealedOverheadBytes || sealed[0] !== layout) return null;
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  return {
    keyVersion: view.getUint32(1),
    nonce: sealed.subarray(5, headerBytes),
    ciphertext: sealed.subarray(headerBytes, sealed.length - tagBytes),
    tag: sealed.subarray(sealed.length - tagBytes),
  };
}

/**
 * One byte string for a list of parts such that two different lists never give the same one: each part follows its own
 * length (4 bytes, big-endian). Joining with a separator would let "a|b" and "a" + "b" meet.
 */
export function canonical(parts: readonly (string | Uint8Array)[]): Buffer {
  const lengths = parts.map((part) => (typeof part === "string" ? Buffer.byteLength(part, "utf8") : part.length));
  const all = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const [index, part] of parts.entries()) {
    at = all.writeUInt32BE(lengths[index] ?? 0, at);
    if (typeof part === "string") at += all.write(part, at, "utf8");
    else {
      all.set(part, at);
      at += part.length;
    }
  }
  return all;
}

const associatedData = (purpose: SealPurpose, context: readonly string[], keyVersion: number): Buffer =>
  canonical(["houselights sealed 1", purpose, String(keyVersion), ...context]);

/**
 * AES-256-GCM under a random 96-bit nonce; purpose, context and key version are authenticated with it. One key may seal
 * 2^32 values before two nonces are likelier than 2^-32 to meet (NIST SP 800-38D section 8.3).
 */
export const sealBytes = (
  { random }: { readonly random: Random },
  key: { readonly version: number; readonly key: KeyObject },
  purpose: SealPurpose,
  context: readonly string[],
  plaintext: Uint8Array,
): Buffer => sealWith(random.bytes(nonceBytes), key, purpose, context, plaintext);

/** The same with a given nonce, which must have been drawn for this value alone. */
export function sealWith(
  nonce: Uint8Array,
  key: { readonly version: number; readonly key: KeyObject },
  purpose: SealPurpose,
  context: readonly string[],
  plaintext: Uint8Array,
): Buffer {
  const header = Buffer.allocUnsafe(5);
  header[0] = layout;
  header.writeUInt32BE(key.version, 1);
  const associated = associatedData(purpose, context, key.version);
  return Buffer.concat([header, nonce, ...encrypt(key.key, nonce, associated, plaintext)]);
}

/** Opens a sealed value with the key of the version it names; `null` if anything about it is not as it was sealed. */
export function openBytes(
  keyOf: (version: number) => KeyObject | undefined,
  purpose: SealPurpose,
  context: readonly string[],
  sealed: Uint8Array,
): Buffer | null {
  const parts = parseSealed(sealed);
  const key = parts === null ? undefined : keyOf(parts.keyVersion);
  if (parts === null || key === undefined) return null;
  const associated = associatedData(purpose, context, parts.keyVersion);
  return decrypt(key, parts.nonce, associated, parts.ciphertext, parts.tag);
}
