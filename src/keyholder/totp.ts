import { createHmac } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { equalBytes } from "../kernel/secret.ts";

/** What every authenticator app takes without being told: HMAC-SHA-1, six digits, 30 seconds (RFC 6238 section 4). */
export const totpDigits = 6;

/**
 * The code of one time step: HMAC-SHA-1 of the step as eight bytes, dynamically truncated (RFC 4226 section 5.3).
 * SHA-1 is what the apps have; its collisions do not touch HMAC (RFC 4226 appendix B.2, RFC 6151).
 */
export function totpCode(seed: KeyObject, step: number, digits: number = totpDigits): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", seed).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const truncated = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(truncated % 10 ** digits).padStart(digits, "0");
}

/**
 * The newest of `step` and its two neighbours whose code this is; `null` for none. One step of delay either way is what
 * RFC 6238 section 5.2 recommends. All three are always compared.
 */
export function matchingStep(seed: KeyObject, code: Uint8Array, step: number): number | null {
  const matches = [step - 1, step, step + 1].filter(
    (one) => one >= 0 && equalBytes(Buffer.from(totpCode(seed, one)), code),
  );
  return matches.at(-1) ?? null;
}
