import { createHash, createHmac } from "node:crypto";
import type { AccountId } from "../kernel/brand.ts";
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

/** First byte of a record of this form; 1 is the older one, which holds the hash itself. */
export const honeywordLayout = 2;
const saltBytes = 16;
const filterBytes = filterBits / 8;
const idBytes = 8;
const checkBytes = 32;
const recordBytes = 1 + saltBytes + filterBytes + idBytes + checkBytes;

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
  return Buffer.concat([
    Buffer.from([honeywordLayout]),
    salt,
    filter,
    exact.id,
    exactMac(exact.key, salt, accountId, tag),
  ]);
}

export type Judged = "right" | "wrong" | "honeyword" | "unreadable";

/**
 * Judges a hash by a record of this form. A record whose exact key is gone (it is in no backup) is judged by its filter
 * alone, which a wrong word fits once in 10^9: then nobody is locked out, and nothing of it rings.
 */
export function judgeRecord(exact: ExactKey, record: Uint8Array, accountId: AccountId, tag: Uint8Array): Judged {
  if (record.length !== recordBytes || record[0] !== honeywordLayout) return "unreadable";
  const salt = record.subarray(1, 1 + saltBytes);
  const filter = record.subarray(1 + saltBytes, 1 + saltBytes + filterBytes);
  const id = record.subarray(recordBytes - checkBytes - idBytes, recordBytes - checkBytes);
  // Both always, so that a word that fits takes no longer than one that does not.
  const fits =
    placesOf(salt, accountId, tag)
      .map((place) => isSet(filter, place))
      .filter(Boolean).length === indexCount;
  const answers = equalBytes(exactMac(exact.key, salt, accountId, tag), record.subarray(recordBytes - checkBytes));
  if (!equalBytes(id, exact.id)) return fits ? "right" : "wrong";
  if (answers) return "right";
  return fits ? "honeyword" : "wrong";
}

export interface HoneywordHit {
  readonly number: number;
  readonly accountId: AccountId;
}

/** What hit and has not been fetched: kept until whoever fetched it says that it is written down. */
export interface HoneywordHits {
  add(accountId: AccountId): void;
  /** Forgets those up to `fetched`, and gives the oldest of the rest. Numbers begin anew with the process. */
  after(fetched: number): HoneywordHit[];
}

const mostHits = 10_000;
const mostFetched = 500;

export function honeywordHits(): HoneywordHits {
  let hits: HoneywordHit[] = [];
  let last = 0;
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
