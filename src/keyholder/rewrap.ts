import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { nonceBytes } from "./aes-gcm.ts";
import { nestRecord } from "./honeywords.ts";
import type { ExactKey } from "./honeywords.ts";
import { newestKey, versionOf } from "./keys.ts";
import type { Keys } from "./keys.ts";
import type { KeyPurpose, RewrapKind } from "./keyholder.ts";
import { openBytes, parseSealed, sealWith } from "./sealed.ts";
import type { SealPurpose } from "./sealed.ts";

/** Most values and bytes of one batch; a batch holds the event loop of the key process for some tens of milliseconds. */
export const maxRewrapped = 4_000;
export const maxRewrapBytes = 4 * 1024 * 1024;

export const rewrapKinds: readonly RewrapKind[] = ["data-key", "password", "mailer"];

const purposes: Readonly<Record<RewrapKind, { readonly key: KeyPurpose; readonly sealed: SealPurpose }>> = {
  "data-key": { key: "wrap", sealed: "data-key" },
  password: { key: "password", sealed: "password" },
  mailer: { key: "mailer", sealed: "mailer" },
};

/**
 * Values of any length one after another: each follows its own length (4 bytes, big-endian). One text for a whole batch
 * costs the JSON around it a hundredth of what one for each value does.
 */
export function packBytes(values: readonly Uint8Array[]): Buffer {
  const packed = Buffer.allocUnsafe(values.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const value of values) {
    at = packed.writeUInt32BE(value.length, at);
    packed.set(value, at);
    at += value.length;
  }
  return packed;
}

/** Takes a packed batch apart, without a copy; `undefined` for bytes that are none. */
export function unpackBytes(packed: Buffer): Buffer[] | undefined {
  const values: Buffer[] = [];
  for (let at = 0; at < packed.length;) {
    if (packed.length - at < 4) return undefined;
    const end = at + 4 + packed.readUInt32BE(at);
    if (end > packed.length) return undefined;
    values.push(packed.subarray(at + 4, end));
    at = end;
  }
  return values;
}

/**
 * Opens each value and seals it again under the newest key; what is inside leaves the key process at no time. One that
 * has the newest key is given back as it is, one that does not open as no bytes at all. The contexts are what the values
 * are bound to: account ids, or the mailer's contexts. The check of a password record is put under the newest exact key.
 */
export function rewrapped(
  { random, keys, exact }: { readonly random: Random; readonly keys: Keys; readonly exact: readonly ExactKey[] },
  kind: RewrapKind,
  contexts: readonly string[],
  packed: Buffer,
): Buffer {
  const values = unpackBytes(packed);
  if (values === undefined || values.length !== contexts.length) {
    throw new Fault("KEYHOLDER_REFUSED", "rewrap: the values must be as many as their contexts");
  }
  const { key, sealed: sealPurpose } = purposes[kind];
  const newest = newestKey(keys, key);
  // One draw for all nonces: each call to the system costs as much as what it is for.
  const nonces = random.bytes(nonceBytes * values.length);
  const keyOf = versionOf(keys, key);
  return packBytes(
    values.map((value, index) => {
      if (parseSealed(value)?.keyVersion === newest.version) return value;
      const context = [contexts[index] ?? ""];
      const opened = openBytes(keyOf, sealPurpose, context, value);
      if (opened === null) return Buffer.alloc(0);
      const nonce = nonces.subarray(nonceBytes * index, nonceBytes * (index + 1));
      const [newestExact] = exact;
      const inside = kind === "password" && newestExact !== undefined ? nestRecord(newestExact, opened) : opened;
      return sealWith(nonce, newest, sealPurpose, context, inside);
    }),
  );
}
