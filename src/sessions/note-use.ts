import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { inUse } from "./in-use.ts";

/**
 * Notes that the account's latest session was used, if it has one that the check would let in. @returns how many were noted, 0 or 1;
 * with `only: "whether"` none is, and it is said how many would be.
 */
export async function noteUse(
  tx: Tx,
  accountId: AccountId,
  now: EpochMs,
  { only }: { readonly only?: "whether" } = {},
): Promise<number> {
  const good = `select s.id from session s join account a on a.id = s.account_id join floor f on f.kind = s.class
                 where s.account_id = $1 and s.ended_at is null and s.expires_at > $2 and ${inUse("$2")}
                   and s.epoch >= f.epoch and s.generation = a.generation
                 order by s.last_seen_at desc limit 1`;
  const parameters = [accountId, toDate(now)];
  if (only === "whether") return (await tx.many(good, parameters)).length;
  return tx.run(`update session set last_seen_at = $2 where account_id = $1 and id = (${good})`, parameters);
}
