import { randomBytes, randomInt } from "node:crypto";
import { idOfBytes, type Brand } from "./brand.ts";
import type { EpochMs } from "./clock.ts";
import { Secret } from "./secret.ts";

/** Where an operation gets its randomness from; a test may pass a seeded one. */
export interface Random {
  bytes(count: number): Buffer;
  /** A whole number in [0, limit), without modulo bias. */
  below(limit: number): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  below: (limit) => randomInt(limit),
};

/** A secret of 256 random bits: sessions, device codes, browser bindings, one-time links. */
export const newSecret = (random: Random): Secret => new Secret(random.bytes(32));

/**
 * A time-ordered id for rows whose making is no secret. Not an authenticator: 74 of its bits are random, and only
 * secrets open doors (ASVS 5.0 11.5.1).
 *
 * Source: RFC 9562 section 5.7 (UUIDv7).
 */
export function newId<Id extends Brand<string, string>>(random: Random, now: EpochMs): Id {
  const bytes = random.bytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return idOfBytes<Id>(bytes);
}

/** Consonants that are hard to confuse and spell no words (RFC 8628 section 6.1). */
export const codeAlphabet = "BCDFGHJKLMNPQRSTVWXZ";
const codePattern = new RegExp(`^[${codeAlphabet}]+$`);

/** A code a person types: `length` letters of `codeAlphabet`, 4.32 bits each. */
export function newTypedCode(random: Random, length: number): Secret {
  let text = "";
  for (let i = 0; i < length; i++) text += codeAlphabet[random.below(codeAlphabet.length)];
  return Secret.fromText(text);
}

/** Upper-cases and drops what people put between the letters; `undefined` unless exactly `length` letters remain. */
export function readTypedCode(typed: string, length: number): Secret | undefined {
  const text = typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
  if (text.length !== length || !codePattern.test(text)) return undefined;
  return Secret.fromText(text);
}
