import { dayMs, fromDate, plus, toDate, toIso, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import { usePurposes } from "../keyholder/key-uses.ts";
import type { KeyUse } from "../wire/key-use.ts";

/** How long hours and surpluses are kept: as long as a copy is taken to be old when nobody knows. */
const keptMs = 90 * dayMs;

/**
 * Uses of keys by purpose from an instant on (whole hours): how many were served, how many of those nobody had announced; and
 * when that was last compared. `null` before the first comparison.
 */
export async function readKeyUse(tx: Tx, since: EpochMs, until: EpochMs): Promise<KeyUse | null> {
  const ledger = await tx.one<{ comparedAt: Date }>(`select compared_at as "comparedAt" from key_ledger`);
  if (ledger === undefined) return null;
  const rows = await tx.many<{ purpose: string; served: number; surplus: number }>(
    `select purpose, sum(served)::bigint as served, sum(surplus)::bigint as surplus
       from (select purpose, served, 0::bigint as surplus from key_use
              where hour >= date_trunc('hour', $1::timestamptz, 'UTC') and hour <= $2
             union all
             select purpose, 0, surplus from key_surplus where last_at >= date_trunc('hour', $1::timestamptz, 'UTC') and first_at <= $2) counted
      group by purpose`,
    [toDate(since), toDate(until)],
  );
  const purposes = usePurposes.flatMap((purpose) => {
    const row = rows.find((each) => each.purpose === purpose);
    if (row === undefined) return [];
    return [{ purpose, announced: Math.max(0, row.served - row.surplus), served: row.served, surplus: row.surplus }];
  });
  return { since: toIso(since), comparedAt: toIso(fromDate(ledger.comparedAt)), purposes };
}

/** Removes hours and surpluses that are over; at most one batch. */
export async function forgetKeyUse(tx: Tx, now: EpochMs): Promise<number> {
  const before = toDate(plus(now, -keptMs));
  const hours = await tx.run(
    `delete from key_use where (purpose, hour) in (select purpose, hour from key_use where hour < $1 limit $2)`,
    [before, batchRows],
  );
  const surpluses = await tx.run(
    `delete from key_surplus where (caller, role, purpose) in
       (select caller, role, purpose from key_surplus where last_at < $1 limit $2)`,
    [before, batchRows],
  );
  return Math.max(hours, surpluses);
}
