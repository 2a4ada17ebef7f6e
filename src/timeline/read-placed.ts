import { fromDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { TimelineKind } from "./append.ts";
import { detailOf } from "./read.ts";

/** An entry, and how old its place in the record lets it be. */
export interface PlacedEntry {
  readonly kind: TimelineKind;
  readonly at: EpochMs;
  /** When it was there at the earliest, whatever it says; `null`: it waits for its place, and may be of this moment. */
  readonly notBefore: EpochMs | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Far more than operators and relying services are. Who fills the record with such entries hides others, and holds nobody up. */
const mostEntries = 5_000;
/** How many checkpoints before an entry it is held against. */
const heldAgainst = 10_000;

/**
 * Entries of some kinds in the order of the record, with the first of all of the kind `firstOf`.
 *
 * Who can write to the database can write an entry that says a day of last year. The record gives it a place among those of today:
 * it is no older than the checkpoint that first has it, nor than those before. That places are not changed later is the tree's to show.
 */
export async function readPlaced(
  tx: Tx,
  kinds: readonly TimelineKind[],
  firstOf: TimelineKind | null = null,
): Promise<PlacedEntry[]> {
  const rows = await tx.many<Omit<PlacedEntry, "at" | "notBefore"> & { at: Date; notBefore: Date | null }>(
    `with wanted as (
       select id, at, kind, leaf_index, body from timeline_entry where kind = any($1) order by at desc limit ${mostEntries}
     ), first_ids as materialized (
       select id, leaf_index from timeline_entry where kind = $2
     ), acts as materialized (
       select id, at, kind, leaf_index, ${detailOf} as detail from wanted
       union all
       select id, at, kind, leaf_index, ${detailOf} from timeline_entry
        where id = (select f.id from first_ids f order by f.leaf_index nulls last, f.id limit 1)
     )
     select kind, coalesce(detail, '{}') as detail, at,
            (select greatest(acts.at, c.at, (select max(b.at) from (
               select at from timeline_checkpoint where size <= acts.leaf_index order by size desc limit ${heldAgainst}) b))
               from timeline_checkpoint c
              where c.size > acts.leaf_index and c.note is not null order by c.size limit 1) as "notBefore"
       from acts order by leaf_index nulls last, id`,
    [kinds, firstOf],
  );
  return rows.map((row) => ({
    ...row,
    at: fromDate(row.at),
    notBefore: row.notBefore === null ? null : fromDate(row.notBefore),
  }));
}
