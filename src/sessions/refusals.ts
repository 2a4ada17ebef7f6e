import type { SessionClass } from "../kernel/brand.ts";
import { every, fromDate, hourMs, plus, toDate, toIso, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Tx } from "../db/db.ts";

export interface RefusalCounter {
  count(kind: SessionClass): void;
  /** Writes what was counted since the last time; also done every two seconds. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Counts requests refused for being older than a floor, added to the database in small batches: what a report says of
 * them may lose the last two seconds of a killed process, and says so.
 */
export function refusalCounter({
  db,
  clock,
  log,
  node,
}: {
  readonly db: Tx;
  readonly clock: Clock;
  readonly log: Log;
  /** This process's id, so that nodes never wait for each other's row. */
  readonly node: string;
}): RefusalCounter {
  let counted = new Map<SessionClass, number>();
  const troubled = recurring(log, {
    says: "refusals are counted later: the database does not take them now",
    ends: "refusals are counted again",
  });

  async function flush(): Promise<void> {
    if (counted.size === 0) return;
    const batch = counted;
    counted = new Map();
    const now = clock.now();
    try {
      await db.run(
        `insert into refusal_count (kind, hour, node, refused)
         select kind, $3, $4, refused from unnest($1::text[], $2::bigint[]) as batch (kind, refused)
         on conflict (kind, hour, node) do update set refused = refusal_count.refused + excluded.refused`,
        [[...batch.keys()], [...batch.values()], toDate(plus(now, -(now % hourMs))), node],
      );
      troubled.over();
    } catch (thrown) {
      for (const [kind, refused] of batch) counted.set(kind, (counted.get(kind) ?? 0) + refused);
      troubled.found({ reason: messageOf(thrown) });
    }
  }

  const flusher = every(2_000, flush);
  return {
    count: (kind) => {
      counted.set(kind, (counted.get(kind) ?? 0) + 1);
    },
    flush,
    close: async () => {
      await flusher.stop();
      await flush();
    },
  };
}

/** How many were refused since an instant, by class. */
export async function refusedSince(
  tx: Tx,
  since: Date,
): Promise<readonly { readonly kind: string; readonly refused: number }[]> {
  return tx.many<{ kind: string; refused: number }>(
    `select kind, sum(refused)::bigint as refused from refusal_count
      where hour >= date_trunc('hour', $1::timestamptz, 'UTC') group by kind order by kind`,
    [since],
  );
}

/** The same hour by hour, all kinds together, the hours without any left out. */
export async function refusedEachHour(tx: Tx, since: Date): Promise<{ hour: string; count: number }[]> {
  const rows = await tx.many<{ hour: Date; count: number }>(
    `select hour, sum(refused)::bigint as count from refusal_count
      where hour >= date_trunc('hour', $1::timestamptz, 'UTC') group by hour order by hour`,
    [since],
  );
  return rows.map(({ hour, count }) => ({ hour: toIso(fromDate(hour)), count }));
}
