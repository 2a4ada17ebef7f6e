import { fromDate, toDate, toIso } from "../kernel/clock.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { IncidentId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import type { ContainedAct } from "./containment-in-force.ts";
import type { TimelineEntryId, TimelineKind } from "./append.ts";

/** An entry as reports and the console show it. */
export interface RecordedEntry {
  readonly id: TimelineEntryId;
  readonly at: EpochMs;
  readonly kind: string;
  readonly incidentId: IncidentId | null;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Null until it is integrated. */
  readonly leafIndex: number | null;
}

export interface TimelineQuery {
  readonly incidentId?: IncidentId;
  readonly kinds?: readonly TimelineKind[];
  /** Entries before this one, for the next page. */
  readonly before?: TimelineEntryId;
  /** 1 to 1,000. */
  readonly limit: number;
}

/**
 * An entry's detail, in SQL; null where its body is no JSON any more. That it was rewritten is for the verifier to say, which
 * it can only if the rest is still read.
 */
export const detailOf = `case when body is json then convert_from(body, 'UTF8')::jsonb -> 'detail' end`;

type Row = Omit<RecordedEntry, "at"> & { readonly at: Date };
const columns = `id, at, kind, incident_id as "incidentId", ${detailOf} as detail, leaf_index as "leafIndex"`;
const entryOf = (row: Row): RecordedEntry => ({ ...row, at: fromDate(row.at) });

/** The newest entries first: ids are ordered by time. */
export async function readTimeline(
  tx: Tx,
  { incidentId, kinds, before, limit }: TimelineQuery,
): Promise<RecordedEntry[]> {
  const rows = await tx.many<Row>(
    `select ${columns}
       from timeline_entry
      where ($1::uuid is null or incident_id = $1)
        and ($2::text[] is null or kind = any($2))
        and ($3::uuid is null or id < $3)
      order by id desc limit $4`,
    [incidentId ?? null, kinds ?? null, before ?? null, Math.min(Math.max(1, limit), 1_000)],
  );
  return rows.map(entryOf);
}

/**
 * What people did in an incident, the newest first: its entries without those of single letters, of which there is one for each
 * account, and of those that came back. At most `limit`.
 */
export async function readActs(tx: Tx, incidentId: IncidentId, limit: number): Promise<RecordedEntry[]> {
  const rows = await tx.many<Row>(
    `select ${columns}
       from timeline_entry where incident_id = $1 and kind not in ('letter', 'bounce') order by id desc limit $2`,
    [incidentId, limit],
  );
  return rows.map(entryOf);
}

/** The containments of everybody in an incident, in the order of their instants. */
export async function readContainments(tx: Tx, incidentId: IncidentId): Promise<ContainedAct[]> {
  const rows = await tx.many<{ at: Date; detail: ContainedAct["detail"] }>(
    `with acts as materialized (
       select id, at, kind, ${detailOf} as detail
         from timeline_entry where incident_id = $1 and kind not in ('letter', 'bounce')
     )
     select at, detail from acts where kind = 'contained' and detail ->> 'mode' <> 'account' order by at, id`,
    [incidentId],
  );
  return rows.map(({ at, detail }) => ({ at: toIso(fromDate(at)), detail }));
}

/** The entries of one kind since an instant, the oldest first. */
export async function readSince(tx: Tx, kind: TimelineKind, since: EpochMs): Promise<RecordedEntry[]> {
  const rows = await tx.many<Row>(
    `select ${columns} from timeline_entry where kind = $1 and at >= $2 order by at, id`,
    [kind, toDate(since)],
  );
  return rows.map(entryOf);
}

/** How many entries of each kind, of one incident or of all. */
export async function countByKind(tx: Tx, incidentId?: IncidentId): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.many<{ kind: string; count: number }>(
    `select kind, count(*) as count from timeline_entry where $1::uuid is null or incident_id = $1 group by kind`,
    [incidentId ?? null],
  );
  return new Map(rows.map(({ kind, count }) => [kind, count]));
}
