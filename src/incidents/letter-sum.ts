import type { IncidentId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import type { LetterSum } from "../wire/incidents.ts";

/**
 * What became of every account in scope, read in one statement and so from one snapshot; `undefined` before a campaign
 * starts. `scope` is the number that was frozen and not a sum of the others, so that a row that got lost would show;
 * while the scope is still being frozen it is the number of accounts so far.
 */
export async function letterSum(tx: Tx, incidentId: IncidentId): Promise<LetterSum | undefined> {
  return tx.one<LetterSum>(
    `select coalesce(i.scope_count, l.rows) as scope, l."handedOver", l.bounced, l.refused, l.suppressed, l."noAddress",
            l.waiting, l."possiblyTwice"
       from incident i
       join campaign c on c.incident_id = i.id
      cross join lateral (
        select count(*) as rows,
               count(*) filter (where state = 'handed over') as "handedOver",
               count(*) filter (where state = 'bounced') as bounced,
               count(*) filter (where state = 'refused') as refused,
               count(*) filter (where state = 'suppressed') as suppressed,
               count(*) filter (where state = 'no address') as "noAddress",
               count(*) filter (where state in ('unclaimed', 'claimed', 'deferred')) as waiting,
               count(*) filter (where possibly_twice) as "possiblyTwice"
          from letter where incident_id = i.id
      ) l
      where i.id = $1`,
    [incidentId],
  );
}

/** Whether every account in scope has exactly one outcome: the sum of P5. */
export const addsUp = (sum: LetterSum): boolean =>
  sum.scope === sum.handedOver + sum.bounced + sum.refused + sum.suppressed + sum.noAddress + sum.waiting;
