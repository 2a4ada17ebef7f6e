import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, toIso, type Clock } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { signalSums } from "../signals/fan-out.ts";
import { refusedSince } from "../sessions/refusals.ts";
import { readActs } from "../timeline/read.ts";
import type { IncidentList, IncidentStatus } from "../wire/incidents.ts";
import { readCaseNumbers, type ReadCaseNumbers } from "./case-numbers.ts";
import { whatIsMissing } from "./close.ts";
import { deadlinesOf, type DeadlineRule } from "./deadlines.ts";
import { letterPace } from "./letter-pace.ts";
import { isCopiedSince, readContainment } from "./read-containment.ts";
import { reviewItems } from "./review.ts";

interface IncidentRow {
  id: IncidentId;
  reference: string;
  state: IncidentStatus["state"];
  reason: string;
  openedAt: Date;
  openedBy: string;
  foundAt: Date;
  foundBy: string;
  foundHow: string;
  copiedAt: Date | null;
  copiedAfter: Date | null;
  dataClasses: string[];
  keysReachable: string;
  containment: IncidentStatus["containment"];
  containedAt: Date | null;
  epoch: number | null;
  wayInWhat: string | null;
  wayInClosedAt: Date | null;
  wayInEvidence: string | null;
  notifiedAt: Date | null;
  finishedAt: Date | null;
  closedAt: Date | null;
  isCopiedSince: boolean;
}

const isoOrNull = (date: Date | null): string | null => (date === null ? null : toIso(fromDate(date)));

export interface StatusNeeds {
  readonly db: Tx;
  readonly clock: Clock;
  /** Those that are counted: see `readDeadlines`. */
  readonly deadlines: readonly DeadlineRule[];
}

/**
 * The whole case file as it stands; `undefined` for an id that is no case. `numbersOf` gives what takes a read of all
 * letters: where many look, `sharedCaseNumbers` does.
 */
export async function incidentStatus(
  { db, clock, deadlines }: StatusNeeds,
  id: IncidentId,
  numbersOf: ReadCaseNumbers = (marks) => readCaseNumbers(db, marks, clock.now()),
): Promise<IncidentStatus | undefined> {
  const row = await db.one<IncidentRow>(
    `select id, reference, state, reason, opened_at as "openedAt", opened_by as "openedBy", found_at as "foundAt",
            found_by as "foundBy", found_how as "foundHow", copied_at as "copiedAt", copied_after as "copiedAfter", data_classes as "dataClasses",
            keys_reachable as "keysReachable", containment, contained_at as "containedAt", epoch,
            way_in_what as "wayInWhat", way_in_closed_at as "wayInClosedAt",
            way_in_evidence as "wayInEvidence", notified_at as "notifiedAt",
            letters_finished_at as "finishedAt", closed_at as "closedAt", ${isCopiedSince("i")} as "isCopiedSince"
       from incident i where id = $1`,
    [id],
  );
  if (row === undefined) return undefined;
  const { containedAt, notifiedAt, finishedAt, closedAt } = row;
  const numbers = await numbersOf({ id, containedAt, notifiedAt, finishedAt, closedAt });
  const { letters, renewalsByHour: hours, countedAt } = numbers;
  const [inForce, review, missing, signals, refused, timeline, pace] = await Promise.all([
    readContainment(db, id, row),
    db.many<{ item: string; state: "todo" | "done" | "explained"; note: string }>(
      `select item, state, note from incident_review where incident_id = $1`,
      [id],
    ),
    row.state === "closed" ? [] : whatIsMissing(db, id, letters),
    signalSums(db, id),
    row.containedAt === null ? [] : refusedSince(db, row.containedAt),
    readActs(db, id, 200),
    letterPace(db, id, numbers, clock.now()),
  ]);
  const { wayInWhat, wayInClosedAt, wayInEvidence } = row;
  return {
    id: row.id,
    reference: row.reference,
    state: row.state,
    reason: row.reason,
    openedAt: toIso(fromDate(row.openedAt)),
    openedBy: row.openedBy,
    foundAt: toIso(fromDate(row.foundAt)),
    foundBy: row.foundBy,
    foundHow: row.foundHow,
    copiedAt: isoOrNull(row.copiedAt),
    copiedAfter: isoOrNull(row.copiedAfter),
    dataClasses: row.dataClasses,
    keysReachable: row.keysReachable,
    ...inForce,
    copiedSinceContained: row.isCopiedSince,
    containedAt: isoOrNull(row.containedAt),
    epoch: row.epoch,
    letters: letters ?? null,
    lettersFinishedAt: isoOrNull(row.finishedAt),
    letterPace: pace ?? null,
    lettersOut: numbers.lettersOut,
    countedAt: toIso(countedAt),
    renewed: hours.reduce((total, { renewed }) => total + renewed, 0),
    signals,
    renewalsByHour: hours,
    refusedByKind: [...refused],
    wayIn:
      wayInWhat === null || wayInClosedAt === null || wayInEvidence === null
        ? null
        : { what: wayInWhat, closedAt: toIso(fromDate(wayInClosedAt)), evidence: wayInEvidence },
    review: reviewItems.map(({ item, title }) => {
      const found = review.find((one) => one.item === item);
      return { item, title, state: found?.state ?? "todo", note: found?.note ?? "" };
    }),
    deadlines: deadlinesOf(row, clock.now(), deadlines).map(({ whom: _whom, ...deadline }) => deadline),
    missing,
    timeline: timeline.map(({ at, kind, detail }) => ({ at: toIso(at), kind, detail: { ...detail } })),
    closedAt: isoOrNull(row.closedAt),
  };
}

/** Every case, the newest first; at most 100. */
export async function listIncidents(tx: Tx): Promise<IncidentList> {
  const rows = await tx.many<{
    id: IncidentId;
    reference: string;
    state: string;
    reason: string;
    openedAt: Date;
    closedAt: Date | null;
  }>(
    `select id, reference, state, reason, opened_at as "openedAt", closed_at as "closedAt"
       from incident order by opened_at desc limit 100`,
  );
  return {
    incidents: rows.map(({ openedAt, closedAt, ...rest }) => ({
      ...rest,
      openedAt: toIso(fromDate(openedAt)),
      closedAt: isoOrNull(closedAt),
    })),
  };
}
