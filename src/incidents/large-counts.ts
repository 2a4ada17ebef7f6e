import { secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import { countAccounts } from "../accounts/accounts.ts";
import { inUse } from "../sessions/in-use.ts";

/** Numbers that take a read of every account and every session, and when they were read. */
export interface LargeCounts {
  readonly accounts: number;
  readonly sessions: { readonly class: string; readonly live: number }[];
  readonly countedAt: EpochMs;
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  /** Monotonic milliseconds: how long a reading took, and how old it is. */
  readonly monotonicMs: () => number;
}

/** A reading that takes no longer than this is made whenever it is asked for. */
const quickMs = secondMs;
/** A longer one is good for so many times as long as it took. */
const goodFor = 20;

/**
 * Counts accounts and live sessions for everybody who looks. A console asks every two seconds, and with millions of accounts
 * the answer takes longer than that: who asks while a reading is under way waits for the same one, and a slow one is not made
 * again at once, so that all consoles together take a twentieth of one connection.
 */
export function largeCounts({ db, clock, monotonicMs }: Needs): () => Promise<LargeCounts> {
  let last: LargeCounts | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<LargeCounts> | undefined;

  async function read(): Promise<LargeCounts> {
    const from = monotonicMs();
    const countedAt = clock.now();
    const [accounts, sessions] = await Promise.all([
      countAccounts(db),
      db.many<{ class: string; live: number }>(
        `select s.class, count(*) as live from session s
           join account a on a.id = s.account_id and a.generation = s.generation
           join floor f on f.kind = s.class and s.epoch >= f.epoch
          where s.ended_at is null and s.expires_at > $1 and ${inUse("$1")} group by s.class order by s.class`,
        [toDate(countedAt)],
      ),
    ]);
    const tookMs = monotonicMs() - from;
    last = { accounts, sessions, countedAt };
    goodUntilMs = tookMs <= quickMs ? Number.NEGATIVE_INFINITY : from + tookMs * (1 + goodFor);
    return last;
  }

  return async () => {
    if (last !== undefined && monotonicMs() < goodUntilMs) return last;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}
