import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  hkdfSync,
  sign,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import {
  decodeChecked,
  encodeChecked,
  isCount,
  isOfFormat,
  isRecord,
  readPrivateFile,
  writeDurably,
} from "./durable-file.ts";
import { parseSealedText } from "./key-seal.ts";
import type { KeySeal, SealedText } from "./key-seal.ts";
import type { CodePurpose, IndexPurpose, KeyPurpose, RsaPurpose, SignPurpose, SymmetricPurpose } from "./keyholder.ts";

export const indexPurposes: readonly IndexPurpose[] = ["address", "user-code", "throttle", "canary", "bounce"];
export const codePurposes: readonly CodePurpose[] = ["sign-up", "renewal"];
export const signPurposes: readonly SignPurpose[] = ["grant", "checkpoint", "letter"];

/** Purposes whose key is 256 random bits: sealing (the first three) and MACs. */
const symmetricPurposes: readonly SymmetricPurpose[] = [
  "wrap",
  "password",
  "mailer",
  "index.address",
  "index.user-code",
  "index.throttle",
  "index.canary",
  "index.bounce",
  "code.sign-up",
  "code.renewal",
];

export const keyPurposes: readonly KeyPurpose[] = [
  ...symmetricPurposes,
  "sign.grant",
  "sign.checkpoint",
  "sign.letter",
  "dkim",
  "signal",
];

/**
 * RSA-2048 for DKIM (RFC 8301 section 3.2); 3072 bits for SETs, whose receivers ask for RS256 (CAEP Interop 1.0 section 2.6,
 * ASVS 5.0 11.2.3).
 */
const rsaBits: Readonly<Record<RsaPurpose, number>> = { dkim: 2048, signal: 3072 };
const isRsa = (purpose: KeyPurpose): purpose is RsaPurpose => purpose in rsaBits;

/** Reads a purpose's name from outside; `undefined` for anything else. */
export const parsePurpose = (name: unknown): KeyPurpose | undefined => keyPurposes.find((one) => one === name);

/** One version of a key. */
export interface KeyVersion {
  readonly key: KeyObject;
  /** When it was made; 0 for one from before this was written down. */
  readonly madeAt: EpochMs;
  /** Since when it is on its way out: it still opens and verifies, and lookups leave it out. `null`: it is not. */
  readonly closingSince: EpochMs | null;
}

/** The versions of one key. Values name the version they were made with, so old ones stay usable until they are retired. */
export interface KeyRing {
  /** What is made new is made with this one. 0 while there is none (RSA, until it is first asked for). */
  readonly newest: number;
  /** Ones above `newest` are prepared (an RSA key that those who check are still to learn of). */
  readonly versions: ReadonlyMap<number, KeyVersion>;
  /** Every version up to this one is gone for good, and its number is not given again. */
  readonly retiredUpTo: number;
  /** Public halves of retired checkpoint keys: what they signed stays verifiable. Raw Ed25519 points. */
  readonly published: ReadonlyMap<number, Buffer>;
}

/** All keys. */
export interface Keys {
  readonly rings: ReadonlyMap<KeyPurpose, KeyRing>;
  /** Whether a witness file has been made beside them: one that is gone afterwards was lost or taken away. */
  readonly witnessed: boolean;
  /** Raised with each change of the file, so that an older file put back is noticed. */
  readonly generation: number;
}

const format = "houselights keys 2";
/** Before keys had ages: a version was its material alone. Read, and written as 2 with the next change. */
const firstFormat = "houselights keys 1";
const sealedFormat = "houselights sealed keys 1";
export const keysLimitBytes = 1024 * 1024;

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
  const version = ring.versions.get(ring.newest);
  if (version === undefined) throw new Fault("IMPOSSIBLE", `there is no newest key for ${purpose}`);
  return { version: ring.newest, key: version.key };
}

/** For `openBytes`: the key of a version, if there is one. */
export const versionOf =
  (keys: Keys, purpose: KeyPurpose) =>
  (version: number): KeyObject | undefined =>
    ringOf(keys, purpose).versions.get(version)?.key;

/** HMAC-SHA-256 (RFC 2104, FIPS 180-4), all 32 bytes. */
export const macOf = (key: KeyObject, message: Uint8Array): Buffer =>
  createHmac("sha256", key).update(message).digest();

/** 256 bits derived from a key for another use that `info` names: HKDF-SHA-256 without salt (RFC 5869). */
export const derived = (from: KeyObject | Uint8Array, info: string | Uint8Array): Buffer =>
  Buffer.from(hkdfSync("sha256", from, Buffer.alloc(0), info, 32));

/**
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), on a thread of libuv's pool: it is slow, and nobody else's call
 * waits for it.
 */
export const signRsa = (key: KeyObject, message: Uint8Array): Promise<Buffer> =>
  promisify(sign)("sha256", message, key);

const onlyVersion = (key: KeyObject, madeAt: EpochMs): KeyRing => ({
  newest: 1,
  versions: new Map([[1, { key, madeAt, closingSince: null }]]),
  retiredUpTo: 0,
  published: new Map(),
});

const noVersion: KeyRing = { newest: 0, versions: new Map(), retiredUpTo: 0, published: new Map() };

/** The fixed beginning of an Ed25519 private key in PKCS#8 (RFC 8410 section 7); the 32-byte seed follows. */
const ed25519Head = Buffer.from("302e020100300506032b657004220420", "hex");

/** A fresh key for a purpose. An RSA key takes 0.1 to some seconds on a thread of libuv's pool. */
export async function newKey({ random }: { readonly random: Random }, purpose: KeyPurpose): Promise<KeyObject> {
  return isRsa(purpose)
    ? (await promisify(generateKeyPair)("rsa", { modulusLength: rsaBits[purpose] })).privateKey
    : freshKey({ random }, purpose);
}

function freshKey({ random }: { readonly random: Random }, purpose: Exclude<KeyPurpose, RsaPurpose>): KeyObject {
  return isSymmetric(purpose) ? createSecretKey(random.bytes(32)) : ed25519KeyOf(random.bytes(32));
}

/** The private key of a seed of 32 bytes (RFC 8032 section 5.1.5). */
export const ed25519KeyOf = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([ed25519Head, seed]), format: "der", type: "pkcs8" });

/**
 * The same keys, with version 1 for each purpose that has none: all of them at first, later those that a newer program
 * brings. An RSA key takes long to make and waits until it is asked for. Nothing missing: the very same object.
 */
export function withMissing(
  needs: { readonly random: Random; readonly clock: Clock },
  keys: Keys = { rings: new Map(), witnessed: false, generation: 0 },
): Keys {
  const missing = keyPurposes.filter((purpose) => !keys.rings.has(purpose));
  if (missing.length === 0) return keys;
  const rings = new Map(keys.rings);
  for (const purpose of missing) {
    rings.set(purpose, isRsa(purpose) ? noVersion : onlyVersion(freshKey(needs, purpose), needs.clock.now()));
  }
  return { ...keys, rings };
}

/** Version 1 of an RSA key, for keys that have none. */
export async function withRsa(
  needs: { readonly random: Random; readonly clock: Clock },
  keys: Keys,
  purpose: RsaPurpose,
): Promise<Keys> {
  if (ringOf(keys, purpose).newest > 0) return keys;
  const key = await newKey(needs, purpose);
  return { ...keys, rings: new Map(keys.rings).set(purpose, onlyVersion(key, needs.clock.now())) };
}

const isSymmetric = (purpose: KeyPurpose): boolean => symmetricPurposes.some((one) => one === purpose);

const materialOf = (key: KeyObject): string =>
  (key.type === "secret" ? key.export() : key.export({ type: "pkcs8", format: "der" })).toString("base64");

const encodeRing = ({ newest, versions, retiredUpTo, published }: KeyRing): object => ({
  newest,
  retiredUpTo,
  published: Object.fromEntries([...published].map(([version, point]) => [version, point.toString("base64")])),
  versions: Object.fromEntries(
    [...versions].map(([version, { key, madeAt, closingSince }]) => [
      version,
      { material: materialOf(key), madeAt, closingSince },
    ]),
  ),
});

/** The keys as the body of a checked file. */
export const encodeKeys = ({ rings, witnessed, generation }: Keys): object => ({
  witnessed,
  generation,
  purposes: Object.fromEntries([...rings].map(([purpose, ring]) => [purpose, encodeRing(ring)])),
});

function parseKey(purpose: KeyPurpose, material: unknown): KeyObject | undefined {
  if (typeof material !== "string") return undefined;
  const bytes = Buffer.from(material, "base64");
  if (isSymmetric(purpose)) return bytes.length === 32 ? createSecretKey(bytes) : undefined;
  try {
    const key = createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
    return key.asymmetricKeyType === (isRsa(purpose) ? "rsa" : "ed25519") ? key : undefined;
  } catch {
    return undefined;
  }
}

function parseVersion(purpose: KeyPurpose, value: unknown): KeyVersion | undefined {
  // In the first format a version is its material.
  const { material, madeAt, closingSince } = isRecord(value)
    ? value
    : { material: value, madeAt: 0, closingSince: null };
  const key = parseKey(purpose, material);
  const isClosing = isCount(closingSince);
  if (key === undefined || !isCount(madeAt) || (closingSince !== null && !isClosing)) return undefined;
  return { key, madeAt: madeAt as EpochMs, closingSince: isClosing ? (closingSince as EpochMs) : null };
}

/** `undefined` for a name that is no version's number. */
const parseNumber = (name: string): number | undefined => (/^[1-9]\d{0,8}$/.test(name) ? Number(name) : undefined);

function parseRing(purpose: KeyPurpose, value: unknown): KeyRing | undefined {
  if (!isRecord(value) || !isRecord(value["versions"])) return undefined;
  const { newest, retiredUpTo = 0, published: publishedText = {} } = value;
  if (!isCount(newest) || !isCount(retiredUpTo) || !isRecord(publishedText)) return undefined;
  const versions = new Map<number, KeyVersion>();
  for (const [name, each] of Object.entries(value["versions"])) {
    const [number, version] = [parseNumber(name), parseVersion(purpose, each)];
    if (number === undefined || version === undefined || number <= retiredUpTo) return undefined;
    versions.set(number, version);
  }
  const published = new Map<number, Buffer>();
  for (const [name, text] of Object.entries(publishedText)) {
    const number = parseNumber(name);
    const point = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
    if (number === undefined || number > retiredUpTo || point?.length !== 32) return undefined;
    published.set(number, point);
  }
  const awaited = isRsa(purpose) && newest === 0 && versions.size === 0;
  return versions.has(newest) || awaited ? { newest, versions, retiredUpTo, published } : undefined;
}

/**
 * Reads the body of a checked file; throws a Fault that names the purpose, never the key, that is not as it should be.
 * A purpose that is missing is one that the program which wrote the file did not know: `withMissing` gives it a key.
 */
export function parseKeys(body: unknown, path: string): Keys {
  const wrong = (what: string): Fault => new Fault("CONFIG_INVALID", `${path}: ${what}; nothing was changed`);
  if (!isRecord(body) || !isRecord(body["purposes"]) || typeof body["witnessed"] !== "boolean") {
    throw wrong("not the body of a file of keys");
  }
  const generation = body["generation"] ?? 0;
  if (!isCount(generation)) throw wrong("its generation is not a number");
  const rings = new Map<KeyPurpose, KeyRing>();
  for (const [name, value] of Object.entries(body["purposes"])) {
    const purpose = parsePurpose(name);
    // A key for a purpose unknown here was made by a newer version, whose values this one would not protect.
    if (purpose === undefined) throw wrong("holds a key for a purpose that this version does not know");
    const ring = parseRing(purpose, value);
    if (ring === undefined) throw wrong(`the key for ${purpose} is not usable`);
    rings.set(purpose, ring);
  }
  return { rings, witnessed: body["witnessed"], generation };
}

const decodePlain = (text: string, path: string): Keys =>
  parseKeys(decodeChecked(isOfFormat(firstFormat, text) ? firstFormat : format, text, path), path);

/** How a file's text is sealed; `undefined` for one that is not. */
export function sealOf(text: string, path: string): SealedText["by"] | undefined {
  if (!isOfFormat(sealedFormat, text)) return undefined;
  return parseSealedText(decodeChecked(sealedFormat, text, path))?.by;
}

/**
 * The keys in a file's text. One that is sealed needs the seal it was sealed with. Throws CONFIG_INVALID that says what is
 * missing or wrong, and nothing of what is inside.
 */
export async function decodeKeys(text: string, path: string, seal?: KeySeal): Promise<Keys> {
  if (!isOfFormat(sealedFormat, text)) return decodePlain(text, path);
  const sealed = parseSealedText(decodeChecked(sealedFormat, text, path));
  if (sealed === undefined) throw new Fault("CONFIG_INVALID", `${path} is not the body of a sealed file of keys`);
  if (seal?.by !== sealed.by) {
    throw new Fault(
      "CONFIG_INVALID",
      sealed.by === "passphrase"
        ? `${path} is sealed by a passphrase: set KEYS_PASSPHRASE_FILE, or start on a terminal`
        : `${path} is sealed by a hardware module: set KEYS_MODULE`,
    );
  }
  return decodePlain(await seal.open(sealed), path);
}

/** The text of a file of keys, sealed if there is a seal. */
export async function encodeKeysText(keys: Keys, seal?: KeySeal): Promise<string> {
  const plain = encodeChecked(format, encodeKeys(keys));
  return seal === undefined ? plain : encodeChecked(sealedFormat, await seal.seal(plain));
}

/** The text of the file in a folder; `undefined` if there is no such file. */
export const readKeysText = (folder: string): Promise<string | undefined> =>
  readPrivateFile(keysPath(folder), keysLimitBytes);

/** Writes the keys, sealed if there is a seal; what a seal needs is asked before anything is written. */
export const writeKeys = async (folder: string, keys: Keys, seal?: KeySeal): Promise<void> =>
  writeDurably(keysPath(folder), await encodeKeysText(keys, seal));

/** A raw 32-byte Ed25519 point (RFC 8032 section 5.1.2) of a private key. */
export function rawPublicKey(key: KeyObject): Buffer {
  // The point is the end of the SubjectPublicKeyInfo (RFC 8410 section 4).
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
}
