import { createCipheriv, createDecipheriv } from "node:crypto";
import type { KeyObject } from "node:crypto";

const algorithm = "aes-256-gcm";
export const nonceBytes = 12;
export const tagBytes = 16;

/**
 * AES-256-GCM (NIST SP 800-38D) under a nonce of 96 bits that is used once, with a tag of 128 bits.
 * @returns what stands one after another in what is kept: the ciphertext, and then the tag.
 */
export function encrypt(
  key: KeyObject,
  nonce: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
): readonly [Buffer, Buffer, Buffer] {
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(associated);
  return [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
}

/** @returns the plaintext; `null` if anything is not as it was encrypted, nonce or tag of another length among it. */
export function decrypt(
  key: KeyObject,
  nonce: Uint8Array,
  associated: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Buffer | null {
  if (nonce.length !== nonceBytes || tag.length !== tagBytes) return null;
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(associated);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    // The tag did not match: what `update` gave is not authentic and goes nowhere.
    return null;
  }
  return plaintext;
}
