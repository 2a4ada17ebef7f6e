import { fromDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { TimelineKind } from "./append.ts";
import { detailOf } from "./read.ts";

/** An entry that is taken to be no older than its place in the record. */
export interface PlacedEntry {
  readonly kind: TimelineKind;
  /** Its own instant, or the latest before it in the record, if that is later. */
  readonly at: EpochMs;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Far more than operators and relying services are. Who fills the record with such entries hides others, and holds nobody up. */
const mostEntries = 5_000;
/** How many entries before one it is held against. */
const heldAgainst = 1_000;

/**
 * Entries of some kinds in the order of the record, with the first of all of the kind `firstOf`.
 *
 * Who can write to the database can write an entry that says a day of last year; the record gives it a place among those of today, and
 * its tree shows whether a place was changed later. So an entry is taken to be no older than the thousand before it.
 */
export async function readPlaced(
  tx: Tx,
  kinds: readonly TimelineKind[],
  firstOf: TimelineKind | null = null,
): Promise<PlacedEntry[]> {
  const rows = await tx.many<Omit<PlacedEntry, "at"> & { at: Date }>(
    `with wanted as (
       select id, at, kind, leaf_index, body from timeline_entry where kind = any($1) order by at desc limit ${mostEntries}
     ), oldest as (
       select id, at, kind, leaf_index, body from timeline_entry where kind = $2 order by at, id limit ${mostEntries}
     ), acts as materialized (
       select id, at, kind, leaf_index, ${detailOf} as detail from wanted
       union all
       (select id, at, kind, leaf_index, ${detailOf} from oldest order by leaf_index nulls last, id limit 1)
     )
     select kind, coalesce(detail, '{}') as detail,
            greatest(at, (select max(e.at) from (
              select b.at from timeline_entry b where b.leaf_index < coalesce(acts.leaf_index, 9223372036854775807)
               order by b.leaf_index desc limit ${heldAgainst}) e)) as at
       from acts order by leaf_index nulls last, id`,
    [kinds, firstOf],
  );
  return rows.map((row) => ({ ...row, at: fromDate(row.at) }));
}
