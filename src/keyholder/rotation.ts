import { createHash, createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { KeyPurpose, KeyState } from "./keyholder.ts";
import { keyPurposes, macOf, newKey, rawPublicKey, ringOf } from "./keys.ts";
import type { Keys, KeyRing } from "./keys.ts";
import { canonical } from "./sealed.ts";

interface Needs {
  readonly random: Random;
  readonly clock: Clock;
}

/** Versions of one key that may live at once. Who rotates more often than rows are re-wrapped has something else to do. */
const mostVersions = 4;
/** An address row names the newest index and the one before it, and no third. */
const mostAddressIndexes = 2;

const refused = (what: string): Fault => new Fault("KEYHOLDER_REFUSED", what);

/**
 * Tells two keys of the same purpose and version apart without saying anything of either: what a database remembers to
 * notice that it was given other keys. 16 bytes of a MAC or of a hash of the public half.
 */
function fingerprintOf(purpose: KeyPurpose, version: number, key: KeyObject): Buffer {
  const message = canonical(["houselights key id 1", purpose, String(version)]);
  const whole =
    key.type === "secret"
      ? macOf(key, message)
      : createHash("sha256")
          .update(message)
          .update(createPublicKey(key).export({ type: "spki", format: "der" }))
          .digest();
  return whole.subarray(0, 16);
}

/** What every key's versions are, without the keys. */
export const keyStates = (keys: Keys): KeyState[] =>
  keyPurposes.map((purpose) => {
    const { newest, retiredUpTo, versions } = ringOf(keys, purpose);
    return {
      purpose,
      newest,
      retiredUpTo,
      versions: [...versions]
        .toSorted(([one], [other]) => one - other)
        .map(([version, { key, madeAt, closingSince }]) => ({
          version,
          madeAt,
          closingSince,
          fingerprintHex: fingerprintOf(purpose, version, key).toString("hex"),
        })),
    };
  });

const withRing = (keys: Keys, purpose: KeyPurpose, ring: KeyRing): Keys => ({
  ...keys,
  rings: new Map(keys.rings).set(purpose, ring),
});

/**
 * A new version of a purpose's key, with which everything new is made from now on. Those of DKIM and of signals are
 * prepared only: receivers look the public half up, which has to be published before anything is signed (`usePrepared`).
 *
 * `after` is the highest version that the caller knows of: if there is a higher one the call is a repetition, and
 * nothing changes.
 */
export async function rotated(needs: Needs, keys: Keys, purpose: KeyPurpose, after: number): Promise<Keys> {
  const ring = ringOf(keys, purpose);
  const highest = Math.max(0, ...ring.versions.keys());
  if (highest > after) return keys;
  const most = purpose === "index.address" ? mostAddressIndexes : mostVersions;
  if (ring.versions.size >= most) {
    throw refused(`${purpose} has ${ring.versions.size} live versions: retire the oldest before another is made`);
  }
  const key = await newKey(needs, purpose);
  const versions = new Map(ring.versions).set(highest + 1, { key, madeAt: needs.clock.now(), closingSince: null });
  const isPrepared = (purpose === "dkim" || purpose === "signal") && ring.newest > 0;
  return withRing(keys, purpose, { ...ring, versions, newest: isPrepared ? ring.newest : highest + 1 });
}

/** Takes a prepared version into use. A version that is in use already, or was, changes nothing. */
export function usePrepared(keys: Keys, purpose: KeyPurpose, version: number): Keys {
  const ring = ringOf(keys, purpose);
  if (version <= ring.newest) return keys;
  if (!ring.versions.has(version)) throw refused(`${purpose} has no version ${version}`);
  return withRing(keys, purpose, { ...ring, newest: version });
}

/**
 * The first half of retiring: the version is left out of lookups, and still opens and verifies. The newest one is
 * refused. A version that is closing or gone changes nothing.
 */
export function closed({ clock }: Pick<Needs, "clock">, keys: Keys, purpose: KeyPurpose, version: number): Keys {
  const ring = ringOf(keys, purpose);
  const found = ring.versions.get(version);
  if (version <= ring.retiredUpTo) return keys;
  if (found === undefined) throw refused(`${purpose} has no version ${version}`);
  if (version >= ring.newest) throw refused(`version ${version} of ${purpose} is in use: rotate first`);
  if (found.closingSince !== null) return keys;
  const versions = new Map(ring.versions).set(version, { ...found, closingSince: clock.now() });
  return withRing(keys, purpose, { ...ring, versions });
}

/**
 * The second half: the version is gone from the file, and what it made is refused from now on. Only the oldest one, and
 * only after it has been closing for `graceMs`, so that whatever was on its way when it was counted has arrived. Of a
 * checkpoint's key the public half stays.
 */
export function retired(
  { clock }: Pick<Needs, "clock">,
  keys: Keys,
  purpose: KeyPurpose,
  version: number,
  graceMs: number,
): Keys {
  const ring = ringOf(keys, purpose);
  if (version <= ring.retiredUpTo) return keys;
  const found = ring.versions.get(version);
  if (found === undefined) throw refused(`${purpose} has no version ${version}`);
  if (version >= ring.newest) throw refused(`version ${version} of ${purpose} is in use: rotate first`);
  if (version > Math.min(...ring.versions.keys())) throw refused(`${purpose} has an older version: retire that first`);
  const { key, closingSince } = found;
  if (closingSince === null || clock.now() - closingSince < graceMs) {
    throw refused(`version ${version} of ${purpose} has not been closing for ${graceMs} ms`);
  }
  const versions = new Map(ring.versions);
  versions.delete(version);
  const published =
    purpose === "sign.checkpoint" ? new Map(ring.published).set(version, rawPublicKey(key)) : ring.published;
  return withRing(keys, purpose, { ...ring, versions, published, retiredUpTo: version });
}
