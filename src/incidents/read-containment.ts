import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, toIso } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { containmentInForce } from "../timeline/containment-in-force.ts";
import { readContainments } from "../timeline/read.ts";
import type { IncidentStatus } from "../wire/incidents.ts";
import { copiedSinceOf } from "./open.ts";

/**
 * SQL: whether the copy that `row` of `incident` is about was taken after its last containment, which then has refused nothing
 * that is in the copy.
 */
export const isCopiedSince = (row: string): string =>
  `coalesce(${copiedSinceOf(row)} > greatest(${row}.contained_at, (
     select max(e.at) from timeline_entry e
      where e.incident_id = ${row}.id and e.kind not in ('letter', 'bounce') and e.kind = 'contained')), false)`;

interface CaseRow {
  readonly containment: IncidentStatus["containment"];
  /** The first one's instant. */
  readonly containedAt: Date | null;
  readonly copiedAt: Date | null;
}

const isoOrNull = (date: Date | null): string | null => (date === null ? null : toIso(fromDate(date)));

/**
 * How a case is contained and since when: what all its containments in the timeline together come to for what was copied. The
 * row has only the last one.
 */
export async function readContainment(
  tx: Tx,
  incidentId: IncidentId,
  { containment, containedAt, copiedAt }: CaseRow,
): Promise<Pick<IncidentStatus, "containment" | "containmentAt" | "keptTools">> {
  const acts = containment === null || containment === "account" ? [] : await readContainments(tx, incidentId);
  const inForce = containmentInForce(acts, isoOrNull(copiedAt));
  return inForce === undefined
    ? { containment, containmentAt: isoOrNull(containedAt), keptTools: false }
    : { containment: inForce.mode, containmentAt: inForce.at, keptTools: inForce.keptTools };
}
