import { createHash } from "node:crypto";
import { dayMs, fromDate, hourMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { isThisMachine, networkOf, siteOf } from "./network.ts";

export interface Limit {
  readonly purpose: string;
  readonly limit: number;
  readonly windowMs: number;
  /** The subject is a peer's address, and the limit is its network's share; a whole IPv6 /48 has a hundred such shares. */
  readonly perNetwork?: true;
  /** Does not hold if the use that `mayBeKnown`, in the same call, is from a known place. */
  readonly sparesKnown?: true;
}

/** One use of something that is counted: by a peer's address (which stands for its network), a text, a blind index, an account. */
export interface Use {
  readonly subject: string | Uint8Array;
  readonly limit: Limit;
  /** The subject is a place that may be known: see `noteKnown`. */
  readonly mayBeKnown?: true;
}

export interface Admission {
  readonly admitted: boolean;
  /** Whether the use that may be from somewhere known is: somebody has proved themselves there lately. */
  readonly isKnown: boolean;
  /** The place that may be known, as `noteKnown` takes it; `null` when that was noted within a day. */
  readonly toNote: Uint8Array | null;
}

/**
 * Counts one use by a subject in the current window and says whether it is still within the limit. Counted before the
 * work, in one statement, so that racing callers cannot share a try; it slows down, and never locks anything for longer
 * than the window.
 *
 * The subject is stored as a keyed index: a plain hash of a network address is guessed in seconds.
 */
export const withinLimit = async (needs: ThrottleNeeds, subject: string | Uint8Array, limit: Limit): Promise<boolean> =>
  (await admit(needs, [{ subject, limit }])).admitted;

interface ThrottleNeeds {
  /** Not a transaction: whatever else that writes would be committed without waiting for the disk, as the counts are. */
  readonly db: Db;
  readonly clock: Clock;
  readonly keyholder: Pick<Keyholder, "index">;
}

/**
 * The same for several uses at once, in one keyholder frame and one statement. All are counted, and all must be within
 * their limits. Rows are taken in one order by everybody, so that no two callers wait for each other. A limit over all
 * networks may spare the places that are known; whether one is, is read in the statement that counts, for everybody.
 */
export async function admit({ db, clock, keyholder }: ThrottleNeeds, uses: readonly Use[]): Promise<Admission> {
  // This machine itself is its operator, or a proxy that was not named: everybody would share one count.
  const counted = uses
    .filter(
      ({ subject, limit }) => !(limit.perNetwork === true && typeof subject === "string" && isThisMachine(subject)),
    )
    .flatMap((use) => [use, ...ofSite(use)])
    .toSorted((one, other) => (one.limit.purpose < other.limit.purpose ? -1 : 1));
  if (counted.length === 0) return { admitted: true, isKnown: false, toNote: null };
  const now = clock.now();
  const indexes = await Promise.all(
    counted.map(({ subject }) =>
      keyholder.index("throttle", typeof subject === "string" ? networkOf(subject) : shortened(subject)),
    ),
  );
  const place = counted.findIndex(({ mayBeKnown }) => mayBeKnown === true);
  // Not waited for until it is on the disk: a crash of the machine forgives what was tried in its last half second.
  const rows = await db.many<{ purpose: string; used: number; seenAt: Date | null }>(
    `with hasty as materialized (select set_config('synchronous_commit', 'off', true))
     insert into throttle (subject, purpose, window_start, used)
     select subject, purpose, window_start, 1
       from hasty, unnest($1::bytea[], $2::text[], $3::timestamptz[]) as use (subject, purpose, window_start)
     on conflict (subject, purpose, window_start) do update set used = throttle.used + 1
     returning purpose, used,
               case when purpose = $4
                    then (select seen_at from known_network known where known.subject = throttle.subject) end as "seenAt"`,
    [
      indexes,
      counted.map(({ limit }) => limit.purpose),
      counted.map(({ limit }) => toDate(plus(now, -(now % limit.windowMs)))),
      counted[place]?.limit.purpose ?? null,
    ],
  );
  const seenAt = rows.find((row) => row.seenAt !== null)?.seenAt ?? null;
  const isKnown = seenAt !== null && fromDate(seenAt) > plus(now, -knownForMs);
  return {
    admitted: counted.every(
      ({ limit }) =>
        (isKnown && limit.sparesKnown === true) ||
        rows.some(({ purpose, used }) => purpose === limit.purpose && used <= limit.limit),
    ),
    isKnown,
    toNote: seenAt !== null && fromDate(seenAt) > plus(now, -dayMs) ? null : (indexes[place] ?? null),
  };
}

/**
 * How many times as much as one of its networks a whole IPv6 /48 may do. Somebody who has one has 65,536 networks; but it may
 * also be a mobile carrier's, which gives each telephone one of them.
 */
const siteShares = 100;

/** A use that is counted for a peer's network counts for the /48 around it too. */
function ofSite({ subject, limit: { purpose, limit, windowMs, perNetwork } }: Use): Use[] {
  const site = perNetwork === true && typeof subject === "string" ? siteOf(subject) : undefined;
  if (site === undefined) return [];
  return [{ subject: site, limit: { purpose: `${purpose} of a site`, limit: limit * siteShares, windowMs } }];
}

/** How long a place stays known after it was noted last. */
const knownForMs = 60 * dayMs;

/** Notes a place that has proved itself, by the keyed index that `admit` gave: limits that spare known places do not hold there. */
export async function noteKnown(tx: Tx, place: Uint8Array, now: EpochMs): Promise<void> {
  await tx.run(
    `insert into known_network (subject, seen_at) values ($1, $2)
     on conflict (subject) do update set seen_at = greatest(known_network.seen_at, excluded.seen_at)`,
    [place, toDate(now)],
  );
}

/** Forgets places that are known no more. @returns how many rows went. */
export const forgetKnown = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from known_network where subject in (
       select subject from known_network where seen_at < $1 order by seen_at limit $2)`,
    [toDate(plus(now, -knownForMs)), batchRows],
  );

/**
 * What one network asks of one address (its look-up form, or its blind index): others who ask the same of it have a
 * count of their own.
 */
export const addressFrom = (address: string | Uint8Array, network: string): Uint8Array =>
  // Bytes, so that an address spelled like a network is not taken for one.
  Buffer.concat([Buffer.from(address), Buffer.from(` from ${networkOf(network)}`)]);

/** Removes counts of windows that are over. @returns how many rows went. */
export const forgetCounts = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from throttle where (subject, purpose, window_start) in (
       select subject, purpose, window_start from throttle where window_start < $1 order by window_start limit $2)`,
    [toDate(plus(now, -2 * hourMs)), batchRows],
  );

/** What the keyholder indexes has an end; what is typed as an address may be longer, and is counted like any other. */
const shortened = (subject: Uint8Array): string =>
  (subject.length > 256 ? createHash("sha256").update(subject).digest() : Buffer.from(subject)).toString("hex");
