import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Db } from "../db/db.ts";
import { countAccounts } from "../accounts/accounts.ts";
import { inUse } from "../sessions/in-use.ts";
import { rareReading, type RareReadingNeeds } from "./rare-reading.ts";

/** Numbers that take a read of every account and every session, and when they were read. */
export interface LargeCounts {
  readonly accounts: number;
  readonly sessions: { readonly class: string; readonly live: number }[];
  readonly countedAt: EpochMs;
}

/** Nobody acts on these by the minute. */
const goodFor = 20;

/** Counts accounts and live sessions for everybody who looks. */
export function largeCounts(needs: RareReadingNeeds & { readonly db: Db }): () => Promise<LargeCounts> {
  const { db, clock } = needs;
  return rareReading(needs, goodFor, async () => {
    const [accounts, sessions] = await Promise.all([
      countAccounts(db),
      db.many<{ class: string; live: number }>(
        `select s.class, count(*) as live from session s
           join account a on a.id = s.account_id and a.generation = s.generation
           join floor f on f.kind = s.class and s.epoch >= f.epoch
          where s.ended_at is null and s.expires_at > $1 and ${inUse("$1")} group by s.class order by s.class`,
        [toDate(clock.now())],
      ),
    ]);
    return { accounts, sessions };
  });
}
