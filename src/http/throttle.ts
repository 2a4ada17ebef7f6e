import { hourMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { networkOf } from "./network.ts";

export interface Limit {
  readonly purpose: string;
  readonly limit: number;
  readonly windowMs: number;
  /** The subject is a peer's address, and the limit is its network's share. */
  readonly perNetwork?: true;
}

/** One use of something that is counted: by a peer's address (which stands for its network), a text, a blind index, an account. */
export interface Use {
  readonly subject: string | Uint8Array;
  readonly limit: Limit;
}

/**
 * Counts one use by a subject in the current window and says whether it is still within the limit. Counted before the
 * work, in one statement, so that racing callers cannot share a try; it slows down, and never locks anything for longer
 * than the window.
 *
 * The subject is stored as a keyed index: a plain hash of a network address is guessed in seconds.
 */
export const withinLimit = (needs: ThrottleNeeds, subject: string | Uint8Array, limit: Limit): Promise<boolean> =>
  withinLimits(needs, [{ subject, limit }]);

interface ThrottleNeeds {
  readonly db: Tx;
  readonly clock: Clock;
  readonly keyholder: Pick<Keyholder, "index">;
}

/**
 * The same for several uses at once, in one keyholder frame and one statement. All are counted, and all must be within
 * their limits. Rows are taken in one order by everybody, so that no two callers wait for each other.
 */
export async function withinLimits({ db, clock, keyholder }: ThrottleNeeds, uses: readonly Use[]): Promise<boolean> {
  // This machine itself is its operator, or a proxy that was not named: everybody would share one count.
  const counted = uses
    .filter(
      ({ subject, limit }) => !(limit.perNetwork === true && typeof subject === "string" && isThisMachine(subject)),
    )
    .toSorted((one, other) => (one.limit.purpose < other.limit.purpose ? -1 : 1));
  if (counted.length === 0) return true;
  const now = clock.now();
  const indexes = await Promise.all(
    counted.map(({ subject }) =>
      keyholder.index(
        "throttle",
        typeof subject === "string" ? networkOf(subject) : Buffer.from(subject).toString("hex"),
      ),
    ),
  );
  const rows = await db.many<{ purpose: string; used: number }>(
    `insert into throttle (subject, purpose, window_start, used)
     select subject, purpose, window_start, 1
       from unnest($1::bytea[], $2::text[], $3::timestamptz[]) as use (subject, purpose, window_start)
     on conflict (subject, purpose, window_start) do update set used = throttle.used + 1
     returning purpose, used`,
    [
      indexes,
      counted.map(({ limit }) => limit.purpose),
      counted.map(({ limit }) => toDate(plus(now, -(now % limit.windowMs)))),
    ],
  );
  return counted.every(({ limit }) =>
    rows.some(({ purpose, used }) => purpose === limit.purpose && used <= limit.limit),
  );
}

const isThisMachine = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);

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
