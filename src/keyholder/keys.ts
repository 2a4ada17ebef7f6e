import { createHmac, createPrivateKey, createPublicKey, createSecretKey, generateKeyPair } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { decodeChecked, encodeChecked, isRecord, readPrivateFile, writeDurably } from "./durable-file.ts";
import type { CodePurpose, IndexPurpose, SignPurpose } from "./keyholder.ts";

export const indexPurposes: readonly IndexPurpose[] = ["address", "user-code", "throttle", "canary"];
export const codePurposes: readonly CodePurpose[] = ["sign-up", "renewal"];
export const signPurposes: readonly SignPurpose[] = ["grant", "checkpoint", "letter"];

/** Purposes whose key is 256 random bits: sealing (the first three) and MACs. */
type SymmetricPurpose = "wrap" | "password" | "mailer" | `index.${IndexPurpose}` | `code.${CodePurpose}`;
const symmetricPurposes: readonly SymmetricPurpose[] = [
  "wrap",
  "password",
  "mailer",
  "index.address",
  "index.user-code",
  "index.throttle",
  "index.canary",
  "code.sign-up",
  "code.renewal",
];

/** Every purpose has a key of its own, so that what is made for one never answers for another. */
export type KeyPurpose = SymmetricPurpose | `sign.${SignPurpose}` | "dkim";
const keyPurposes: readonly KeyPurpose[] = [
  ...symmetricPurposes,
  "sign.grant",
  "sign.checkpoint",
  "sign.letter",
  "dkim",
];

/** The versions of one key, newest last made. Values name the version they were made with, so old ones stay usable. */
export interface KeyRing {
  /** 0 while there is none (DKIM, until it is first asked for). */
  readonly newest: number;
  readonly versions: ReadonlyMap<number, KeyObject>;
}

/** All keys, and whether a witness file has been made beside them: one that is gone afterwards was lost or taken away. */
export interface Keys {
  readonly rings: ReadonlyMap<KeyPurpose, KeyRing>;
  readonly witnessed: boolean;
}

const format = "houselights keys 1";
const limitBytes = 1024 * 1024;

/** The file in the folder of keys. */
export const keysPath = (folder: string): string => join(folder, "keys.json");

export const ringOf = (keys: Keys, purpose: KeyPurpose): KeyRing => {
  const ring = keys.rings.get(purpose);
  if (ring === undefined) throw new Fault("IMPOSSIBLE", `there is no key for ${purpose}`);
  return ring;
};

/** The newest version of a purpose's key, for making something new. */
export function newestKey(keys: Keys, purpose: KeyPurpose): { readonly version: number; readonly key: KeyObject } {
  const ring = ringOf(keys, purpose);
  const key = ring.versions.get(ring.newest);
  if (key === undefined) throw new Fault("IMPOSSIBLE", `there is no newest key for ${purpose}`);
  return { version: ring.newest, key };
}

/** For `openBytes`: the key of a version, if there is one. */
export const versionOf =
  (keys: Keys, purpose: KeyPurpose) =>
  (version: number): KeyObject | undefined =>
    ringOf(keys, purpose).versions.get(version);

/** HMAC-SHA-256 (RFC 2104, FIPS 180-4), all 32 bytes. */
export const macOf = (key: KeyObject, message: Uint8Array): Buffer =>
  createHmac("sha256", key).update(message).digest();

const oneKey = (key: KeyObject): KeyRing => ({ newest: 1, versions: new Map([[1, key]]) });

/** The fixed beginning of an Ed25519 private key in PKCS#8 (RFC 8410 section 7); the 32-byte seed follows. */
const ed25519Head = Buffer.from("302e020100300506032b657004220420", "hex");

/** Fresh keys at version 1 for every purpose but DKIM, which takes long to make and comes with `withDkim`. */
export function newKeys({ random }: { readonly random: Random }): Keys {
  const rings = new Map<KeyPurpose, KeyRing>();
  for (const purpose of symmetricPurposes) rings.set(purpose, oneKey(createSecretKey(random.bytes(32))));
  for (const purpose of signPurposes) {
    const der = Buffer.concat([ed25519Head, random.bytes(32)]);
    rings.set(`sign.${purpose}`, oneKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" })));
  }
  rings.set("dkim", { newest: 0, versions: new Map() });
  return { rings, witnessed: false };
}

/** The same keys with a fresh RSA-2048 one for DKIM (RFC 8301 section 3.2); 0.1 to 1 s on a thread of libuv's pool. */
export async function withDkim(keys: Keys): Promise<Keys> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return { ...keys, rings: new Map(keys.rings).set("dkim", oneKey(privateKey)) };
}

const isSymmetric = (purpose: KeyPurpose): boolean => symmetricPurposes.some((one) => one === purpose);

const materialOf = (key: KeyObject): string =>
  (key.type === "secret" ? key.export() : key.export({ type: "pkcs8", format: "der" })).toString("base64");

/** The keys as the body of a checked file. */
export function encodeKeys(keys: Keys): {
  readonly witnessed: boolean;
  readonly purposes: Readonly<Record<string, { newest: number; versions: Readonly<Record<string, string>> }>>;
} {
  const purposes = Object.fromEntries(
    [...keys.rings].map(([purpose, ring]) => {
      const versions = [...ring.versions].map(([version, key]): [string, string] => [`${version}`, materialOf(key)]);
      return [purpose, { newest: ring.newest, versions: Object.fromEntries(versions) }];
    }),
  );
  return { witnessed: keys.witnessed, purposes };
}

function parseKey(purpose: KeyPurpose, material: unknown): KeyObject | undefined {
  if (typeof material !== "string") return undefined;
  const bytes = Buffer.from(material, "base64");
  if (isSymmetric(purpose)) return bytes.length === 32 ? createSecretKey(bytes) : undefined;
  try {
    const key = createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
    return key.asymmetricKeyType === (purpose === "dkim" ? "rsa" : "ed25519") ? key : undefined;
  } catch {
    return undefined;
  }
}

function parseRing(purpose: KeyPurpose, value: unknown): KeyRing | undefined {
  if (!isRecord(value) || !isRecord(value["versions"])) return undefined;
  const newest = value["newest"];
  const versions = new Map<number, KeyObject>();
  for (const [name, material] of Object.entries(value["versions"])) {
    const key = parseKey(purpose, material);
    if (key === undefined || !/^[1-9]\d{0,8}$/.test(name)) return undefined;
    versions.set(Number(name), key);
  }
  const awaited = purpose === "dkim" && newest === 0 && versions.size === 0;
  if (typeof newest !== "number" || (!versions.has(newest) && !awaited)) return undefined;
  return { newest, versions };
}

/** Reads the body of a checked file; throws a Fault that names the purpose, never the key, that is not as it should be. */
export function parseKeys(body: unknown, path: string): Keys {
  const wrong = (what: string): Fault => new Fault("CONFIG_INVALID", `${path}: ${what}; nothing was changed`);
  if (!isRecord(body) || !isRecord(body["purposes"]) || typeof body["witnessed"] !== "boolean") {
    throw wrong("not the body of a file of keys");
  }
  const rings = new Map<KeyPurpose, KeyRing>();
  for (const [name, value] of Object.entries(body["purposes"])) {
    const purpose = keyPurposes.find((one) => one === name);
    // A key for a purpose unknown here was made by a newer version, whose values this one would not protect.
    if (purpose === undefined) throw wrong("holds a key for a purpose that this version does not know");
    const ring = parseRing(purpose, value);
    if (ring === undefined) throw wrong(`the key for ${purpose} is not usable`);
    rings.set(purpose, ring);
  }
  for (const purpose of keyPurposes) if (!rings.has(purpose)) throw wrong(`the key for ${purpose} is missing`);
  return { rings, witnessed: body["witnessed"] };
}

/** The keys in a folder; `undefined` if there is no such file. Anything else that is not a whole file is a Fault. */
export async function readKeys(folder: string): Promise<Keys | undefined> {
  const path = keysPath(folder);
  const text = await readPrivateFile(path, limitBytes);
  return text === undefined ? undefined : parseKeys(decodeChecked(format, text, path), path);
}

export const writeKeys = (folder: string, keys: Keys): Promise<void> =>
  writeDurably(keysPath(folder), encodeChecked(format, encodeKeys(keys)));

/** A raw 32-byte Ed25519 point (RFC 8032 section 5.1.2) of a private key. */
export function rawPublicKey(key: KeyObject): Buffer {
  // The point is the end of the SubjectPublicKeyInfo (RFC 8410 section 4).
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
}
