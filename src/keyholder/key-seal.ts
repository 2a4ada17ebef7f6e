import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { hashRaw } from "@node-rs/argon2";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Secret } from "../kernel/secret.ts";
import { decrypt, encrypt, nonceBytes, tagBytes } from "./aes-gcm.ts";
import { isRecord } from "./durable-file.ts";
import { canonical } from "./sealed.ts";

/** A sealed text as it is written: how its key is derived, and what is sealed under that key. `by` and `key` are authenticated with it. */
export interface SealedText {
  readonly by: "passphrase" | "module";
  /** What the key is derived with, besides the secret: the function's name and a salt, and the costs of a passphrase. */
  readonly key: Readonly<Record<string, string | number>>;
  readonly nonce: string;
  readonly sealed: string;
}

/** Seals and opens the file of keys. What it needs for that is outside the folder. */
export interface KeySeal {
  readonly by: SealedText["by"];
  /** Throws a Fault before anything is written if what it needs is away. */
  seal(plaintext: string): Promise<SealedText>;
  /** Throws CONFIG_INVALID for what does not open: another passphrase or module, or a text that was changed. */
  open(text: SealedText): Promise<string>;
}

/** `Algorithm.Argon2id`, whose declaration is a const enum. */
const argon2id = 2;

/**
 * A passphrase's cost, paid once for each start: the memory and passes of RFC 9106 section 4's second recommended option,
 * in one lane. Far above a sign-in's, because whoever has the file can guess for years.
 */
const passphraseCost = { memoryKib: 64 * 1024, passes: 3, parallelism: 1 } as const;
/** What a file may ask for: a changed one must not make us run out of memory. */
const most = { memoryKib: 1024 * 1024, passes: 16 } as const;

/** NIST SP 800-63B-4 asks for 15 characters of a password that stands alone; this one guards everybody's. */
export const passphraseLength = { least: 15, most: 1024 } as const;

const authenticated = (by: string, key: SealedText["key"]): Buffer =>
  canonical([
    "houselights sealed keys 1",
    by,
    ...Object.entries(key)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([name, value]) => [name, String(value)]),
  ]);

/** AES-256-GCM with a fresh nonce, under a key that this file alone has; how the key is derived is authenticated. */
export function sealText(
  { random }: { readonly random: Random },
  by: SealedText["by"],
  key: KeyObject,
  how: SealedText["key"],
  plaintext: string,
): SealedText {
  const nonce = random.bytes(nonceBytes);
  const sealed = Buffer.concat(encrypt(key, nonce, authenticated(by, how), Buffer.from(plaintext, "utf8")));
  return { by, key: how, nonce: nonce.toString("base64"), sealed: sealed.toString("base64") };
}

/** @returns `null` if anything about it is not as it was sealed. */
export function openText(text: SealedText, key: KeyObject): string | null {
  const [nonce, sealed] = [Buffer.from(text.nonce, "base64"), Buffer.from(text.sealed, "base64")];
  const tagAt = Math.max(0, sealed.length - tagBytes);
  const [ciphertext, tag] = [sealed.subarray(0, tagAt), sealed.subarray(tagAt)];
  return decrypt(key, nonce, authenticated(text.by, text.key), ciphertext, tag)?.toString("utf8") ?? null;
}

/** Reads the body of a sealed file; `undefined` for anything else. Nothing is opened. */
export function parseSealedText(body: unknown): SealedText | undefined {
  if (!isRecord(body) || !isRecord(body["key"])) return undefined;
  const { by, nonce, sealed } = body;
  if ((by !== "passphrase" && by !== "module") || typeof nonce !== "string" || typeof sealed !== "string") {
    return undefined;
  }
  const key: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(body["key"])) {
    if (typeof value !== "string" && typeof value !== "number") return undefined;
    key[name] = value;
  }
  return { by, key, nonce, sealed };
}

const isCost = (value: unknown, limit: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= limit;

/**
 * A seal by passphrase: Argon2id (RFC 9106) to an AES-256 key. The key that a file was opened with is kept, so that a
 * change of keys costs no second hash.
 */
export function passphraseSeal({ random }: { readonly random: Random }, passphrase: Secret): KeySeal {
  let kept: { readonly how: SealedText["key"]; readonly key: KeyObject } | undefined;

  async function derive(how: SealedText["key"]): Promise<KeyObject> {
    const { salt, memoryKib, passes } = how;
    const saltBytes = typeof salt === "string" ? Buffer.from(salt, "base64") : Buffer.alloc(0);
    if (saltBytes.length !== 16 || !isCost(memoryKib, most.memoryKib) || !isCost(passes, most.passes)) {
      throw new Fault("CONFIG_INVALID", "the file of keys is sealed in a way that this version does not know");
    }
    const options = {
      algorithm: argon2id,
      memoryCost: memoryKib,
      timeCost: passes,
      parallelism: passphraseCost.parallelism,
      outputLen: 32,
      salt: saltBytes,
    };
    const hashed = await hashRaw(Buffer.from(passphrase.revealText().normalize("NFC"), "utf8"), options);
    return createSecretKey(hashed);
  }

  return {
    by: "passphrase",
    seal: async (plaintext) => {
      if (kept === undefined) {
        const how = { kdf: "argon2id", salt: random.bytes(16).toString("base64"), ...passphraseCost };
        kept = { how, key: await derive(how) };
      }
      return sealText({ random }, "passphrase", kept.key, kept.how, plaintext);
    },
    open: async (text) => {
      const key = await derive(text.key);
      const opened = text.by === "passphrase" ? openText(text, key) : null;
      if (opened === null)
        throw new Fault(
          "CONFIG_INVALID",
          "the keys do not open: another passphrase, or a file that was changed; nothing was changed",
        );
      kept = { how: text.key, key };
      return opened;
    },
  };
}
