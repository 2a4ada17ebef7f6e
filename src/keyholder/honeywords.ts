import { createHash, createHmac } from "node:crypto";
import type { AccountId } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { equalBytes } from "../kernel/secret.ts";
import { canonical } from "./sealed.ts";

/**
 * What a password record holds inside its seal: a Bernoulli filter that the password fits, and by chance other words too
 * (honeywords), and a check that only the true one answers, under a key that is not kept with the others.
 *
 * Who has the database and the key that seals records can try words against the filter, and cannot tell which of those
 * that fit is the password. One that fits and is not it, tried here, shows that somebody did. The numbers are derived in
 * docs/decisions/2026-11-26-honeywords.md.
 *
 * Source: the Bernoulli honeywords of Wang and Reiter (NDSS 2024), with the filter keyed for each record.
 */
export const filterBits = 128;
/** Places that a password must find set. */
export const indexCount = 20;
/** Places that are set, the password's own among them. */
export const onesInFilter = 45;

/**
 * First byte of a record: `3 | salt (16) | filter (16) | how many ids (1) | eight ids (8 each) | check (32)`. The check is
 * nested: the first id names the key of the innermost MAC, and each further one the key of a MAC over the one before. Ids
 * that are not used yet are zeros, so that a record's length tells nothing. 2 is the same
 * with one id and no number, and 1 the oldest, which holds the hash itself; both are read and no longer made.
 */
export const honeywordLayout = 3;
const singleLayout = 2;
const saltBytes = 16;
const filterBytes = filterBits / 8;
const idBytes = 8;
const checkBytes = 32;
const idsAt = 1 + saltBytes + filterBytes;
/** A record that has been through so many rotations is not nested further. */
const mostIds = 8;

/** The key of the exact check, and what names it in a record. */
export interface ExactKey {
  readonly key: Uint8Array;
  readonly id: Uint8Array;
}

export const exactKeyOf = (key: Uint8Array): ExactKey => ({
  key,
  id: createHash("sha256").update("houselights exact id 1\0").update(key).digest().subarray(0, idBytes),
});

/** The 20 places of a hash: 7 bits each of an HMAC-SHA-256 under the record's own salt. Places may repeat. */
function placesOf(salt: Uint8Array, accountId: AccountId, tag: Uint8Array): number[] {
  const mac = createHmac("sha256", salt)
    .update(canonical(["houselights filter 1", accountId, tag]))
    .digest();
  return Array.from({ length: indexCount }, (_, n) => {
    const bit = n * 7;
    return (mac.readUInt16BE(bit >> 3) >> (9 - (bit & 7))) & 0x7f;
  });
}

const isSet = (filter: Uint8Array, place: number): boolean => ((filter[place >> 3] ?? 0) & (1 << (place & 7))) !== 0;
const set = (filter: Uint8Array, place: number): void => {
  filter[place >> 3] = (filter[place >> 3] ?? 0) | (1 << (place & 7));
};

const exactMac = (key: Uint8Array, salt: Uint8Array, accountId: AccountId, tag: Uint8Array): Buffer =>
  createHmac("sha256", key)
    .update(canonical(["houselights exact 1", accountId, salt, tag]))
    .digest();

const nestedMac = (key: Uint8Array, inner: Uint8Array): Buffer =>
  createHmac("sha256", key)
    .update(canonical(["houselights nested exact 1", inner]))
    .digest();

/** What stands around the ids and the check. */
interface RecordParts {
  readonly salt: Uint8Array;
  readonly filter: Uint8Array;
  readonly ids: readonly Uint8Array[];
  readonly check: Uint8Array;
}

function parseRecord(record: Uint8Array): RecordParts | undefined {
  const [layout] = record;
  if (layout !== honeywordLayout && layout !== singleLayout) return undefined;
  const [count, from, room] = layout === singleLayout ? [1, idsAt, 1] : [record[idsAt] ?? 0, idsAt + 1, mostIds];
  const checkAt = from + room * idBytes;
  if (count === 0 || count > room || record.length !== checkAt + checkBytes) return undefined;
  return {
    salt: record.subarray(1, 1 + saltBytes),
    filter: record.subarray(1 + saltBytes, idsAt),
    ids: Array.from({ length: count }, (_, n) => record.subarray(from + n * idBytes, from + (n + 1) * idBytes)),
    check: record.subarray(checkAt),
  };
}

function encodeRecord({ salt, filter, ids, check }: RecordParts): Buffer {
  const unused = Buffer.alloc((mostIds - ids.length) * idBytes);
  return Buffer.concat([
    Buffer.from([honeywordLayout]),
    salt,
    filter,
    Buffer.from([ids.length]),
    ...ids,
    unused,
    check,
  ]);
}

/** Makes the record of a hash. `ones` is the product's own number unless a test wants honeywords that it can find. */
export function makeRecord(
  { random, exact }: { readonly random: Random; readonly exact: ExactKey },
  accountId: AccountId,
  tag: Uint8Array,
  ones: number = onesInFilter,
): Buffer {
  const salt = random.bytes(saltBytes);
  const filter = new Uint8Array(filterBytes);
  for (const place of placesOf(salt, accountId, tag)) set(filter, place);
  let count = Array.from({ length: filterBits }, (_, place) => isSet(filter, place)).filter(Boolean).length;
  while (count < ones) {
    const place = random.below(filterBits);
    if (isSet(filter, place)) continue;
    set(filter, place);
    count += 1;
  }
  return encodeRecord({ salt, filter, ids: [exact.id], check: exactMac(exact.key, salt, accountId, tag) });
}

/**
 * Puts the check of a record under the newest exact key as well, without the password: from then on whoever has only the
 * keys before cannot tell the password from a honeyword. The older keys are still needed to judge it. A record that is
 * under the newest already, and one of the oldest form, are given back as they are.
 */
export function nestRecord(newest: ExactKey, record: Uint8Array): Uint8Array {
  const parts = parseRecord(record);
  const outermost = parts?.ids.at(-1);
  if (parts === undefined || outermost === undefined || equalBytes(outermost, newest.id)) return record;
  if (parts.ids.length >= mostIds) return record;
  return encodeRecord({ ...parts, ids: [...parts.ids, newest.id], check: nestedMac(newest.key, parts.check) });
}

/** The check as it would stand for this hash; `undefined` when one of its keys is gone. */
function checkOf(
  keys: readonly ExactKey[],
  { salt, ids }: RecordParts,
  accountId: AccountId,
  tag: Uint8Array,
): Buffer | undefined {
  const chain = ids.map((id) => keys.find((key) => equalBytes(key.id, id)));
  let check: Buffer | undefined;
  for (const exact of chain) {
    if (exact === undefined) return undefined;
    check = check === undefined ? exactMac(exact.key, salt, accountId, tag) : nestedMac(exact.key, check);
  }
  return check;
}

export type Judged = "right" | "wrong" | "honeyword" | "unreadable";

/**
 * Judges a hash by a record of this form. A record one of whose exact keys is gone is judged by its filter alone, which a
 * wrong word fits once in 10^9: then nobody is locked out, and nothing of it rings.
 */
export function judgeRecord(
  keys: readonly ExactKey[],
  record: Uint8Array,
  accountId: AccountId,
  tag: Uint8Array,
): Judged {
  const parts = parseRecord(record);
  if (parts === undefined) return "unreadable";
  // Both always, so that a word that fits takes no longer than one that does not.
  const fits =
    placesOf(parts.salt, accountId, tag)
      .map((place) => isSet(parts.filter, place))
      .filter(Boolean).length === indexCount;
  const check = checkOf(keys, parts, accountId, tag);
  if (check === undefined) return fits ? "right" : "wrong";
  if (equalBytes(check, parts.check)) return "right";
  return fits ? "honeyword" : "wrong";
}

export interface HoneywordHit {
  readonly number: number;
  readonly accountId: AccountId;
}

/** What hit and has not been fetched: kept until whoever fetched it says that it is written down. */
export interface HoneywordHits {
  add(accountId: AccountId): void;
  /** Forgets those up to `fetched`, and gives the oldest of the rest. */
  after(fetched: number): HoneywordHit[];
}

const mostHits = 10_000;
const mostFetched = 500;

/** Numbers go on from the instant: above all of the process before, whose last ones may still be said to be written down. */
export function honeywordHits(startedAt: EpochMs): HoneywordHits {
  let hits: HoneywordHit[] = [];
  let last: number = startedAt;
  return {
    add: (accountId) => {
      last += 1;
      // One is an alarm; ten thousand that nobody fetched say nothing more.
      if (hits.length < mostHits) hits.push({ number: last, accountId });
    },
    after: (fetched) => {
      hits = hits.filter(({ number }) => number > fetched);
      return hits.slice(0, mostFetched);
    },
  };
}
