import { hourMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
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

/**
 * Counts one use by a subject (a peer's address, which stands for its network; a blind index; an account) in the
 * current window and says whether it is still within the limit. Counted before the work, in one statement, so that
 * racing callers cannot share a try; it slows down, and never locks anything for longer than the window.
 *
 * The subject is stored as a keyed index: a plain hash of a network address is guessed in seconds.
 */
export async function withinLimit(
  { db, clock, keyholder }: { readonly db: Tx; readonly clock: Clock; readonly keyholder: Pick<Keyholder, "index"> },
  subject: string | Uint8Array,
  { purpose, limit, windowMs, perNetwork }: Limit,
): Promise<boolean> {
  // This machine itself is its operator, or a proxy that was not named: everybody would share one count.
  if (perNetwork === true && typeof subject === "string" && isThisMachine(subject)) return true;
  const now = clock.now();
  const subjectText = typeof subject === "string" ? networkOf(subject) : Buffer.from(subject).toString("hex");
  const windowStart = toDate(plus(now, -(now % windowMs)));
  const row = await db.one<{ used: number }>(
    `insert into throttle (subject, purpose, window_start, used) values ($1, $2, $3, 1)
     on conflict (subject, purpose, window_start) do update set used = throttle.used + 1
     returning used`,
    [await keyholder.index("throttle", subjectText), purpose, windowStart],
  );
  return row !== undefined && row.used <= limit;
}

const isThisMachine = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);

/** What one network asks of one address: others who ask the same of it have a count of their own. */
export const addressFrom = (addressIndex: Uint8Array, network: string): string =>
  `${Buffer.from(addressIndex).toString("hex")} from ${networkOf(network)}`;

/** Removes counts of windows that are over. @returns how many rows went. */
export const forgetCounts = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(`delete from throttle where window_start < $1`, [toDate(plus(now, -2 * hourMs))]);
