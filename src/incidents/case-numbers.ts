import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, hourMs, minuteMs, plus, toDate, toIso, type EpochMs } from "../kernel/clock.ts";
import type { Db, Tx } from "../db/db.ts";
import type { LettersOut } from "../wire/campaign.ts";
import type { LetterSum } from "../wire/incidents.ts";
import { letterSum } from "./letter-sum.ts";
import { rareReadingOf, type RareReadingNeeds } from "./rare-reading.ts";

const chartMs = 30 * minuteMs;
/** A rate is taken over so long. */
export const rateMs = 5 * minuteMs;

/** Letters handed over in one minute, and how many of them in the last five. */
export interface LettersOfMinute {
  readonly minute: Date;
  readonly handedOver: number;
  readonly recent: number;
}

/** The instants of a case on which its numbers depend: when one of them changes, they are read anew. */
export interface CaseMarks {
  readonly id: IncidentId;
  readonly containedAt: Date | null;
  readonly notifiedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly closedAt: Date | null;
}

/** The numbers of a case that take a read of all its letters and renewals, and when they were read. */
export interface CaseNumbers {
  /** `undefined` before a campaign starts. */
  readonly letters: LetterSum | undefined;
  /** Empty while no letters go out. */
  readonly byMinute: readonly LettersOfMinute[];
  /** Null while they go out, and where none has gone. */
  readonly lettersOut: LettersOut | null;
  readonly renewalsByHour: { readonly hour: string; readonly renewed: number }[];
  readonly countedAt: EpochMs;
}

export type ReadCaseNumbers = (marks: CaseMarks) => Promise<CaseNumbers>;

/** Reads them now. */
export async function readCaseNumbers(
  tx: Tx,
  { id, containedAt, notifiedAt, finishedAt, closedAt }: CaseMarks,
  now: EpochMs,
): Promise<CaseNumbers> {
  const goesOut = notifiedAt !== null && finishedAt === null && closedAt === null;
  const wentOut = notifiedAt !== null && !goesOut;
  const [letters, byMinute, out, renewals] = await Promise.all([
    notifiedAt === null ? undefined : letterSum(tx, id),
    goesOut ? lettersByMinute(tx, id, now) : [],
    wentOut ? lettersOut(tx, id) : null,
    renewalsByHour(tx, containedAt, closedAt),
  ]);
  return { letters, byMinute, lettersOut: out, renewalsByHour: renewals, countedAt: now };
}

/** A campaign of millions is watched for hours: reading its numbers may take a sixth of one connection's time. */
const goodFor = 5;

/** The same for everybody who looks, as old as `rareReading` lets them be. */
export const sharedCaseNumbers = (needs: RareReadingNeeds & { readonly db: Db }): ReadCaseNumbers =>
  rareReadingOf(needs, goodFor, (marks: CaseMarks) => readCaseNumbers(needs.db, marks, needs.clock.now()));

/** The last half hour, by minute. */
async function lettersByMinute(tx: Tx, incidentId: IncidentId, now: EpochMs): Promise<LettersOfMinute[]> {
  return tx.many<LettersOfMinute>(
    `select date_trunc('minute', settled_at, 'UTC') as minute, count(*) as "handedOver",
            count(*) filter (where settled_at > $3) as recent
       from letter where incident_id = $1 and state = 'handed over' and settled_at > $2
      group by 1 order by 1`,
    [incidentId, toDate(plus(now, -chartMs)), toDate(plus(now, -rateMs))],
  );
}

/** Campaigns no longer than this are charted by minute: by hour, one of minutes would be a single bar. */
const byMinuteUpToMs = 2 * hourMs;

/** When all letters of a case were handed over. */
async function lettersOut(tx: Tx, incidentId: IncidentId): Promise<LettersOut | null> {
  const span = await tx.one<{ first: Date | null; last: Date | null }>(
    `select min(settled_at) as first, max(settled_at) as last from letter where incident_id = $1 and state = 'handed over'`,
    [incidentId],
  );
  if (span === undefined || span.first === null || span.last === null) return null;
  const step = span.last.getTime() - span.first.getTime() <= byMinuteUpToMs ? "minute" : "hour";
  const rows = await tx.many<{ at: Date; handedOver: number }>(
    `select date_trunc($2, settled_at, 'UTC') as at, count(*) as "handedOver"
       from letter where incident_id = $1 and state = 'handed over' group by 1 order by 1`,
    [incidentId, step],
  );
  return { step, counts: rows.map(({ at, handedOver }) => ({ at: toIso(fromDate(at)), handedOver })) };
}

/** Renewals since an instant, by hour, from the timeline. An account that renews twice counts twice. */
async function renewalsByHour(
  tx: Tx,
  since: Date | null,
  until: Date | null,
): Promise<{ hour: string; renewed: number }[]> {
  if (since === null) return [];
  const rows = await tx.many<{ hour: Date; renewed: number }>(
    `select date_trunc('hour', at, 'UTC') as hour, count(*) as renewed
       from timeline_entry where kind = 'renewed' and at >= $1 and ($2::timestamptz is null or at <= $2)
      group by 1 order by 1`,
    [since, until],
  );
  return rows.map(({ hour, renewed }) => ({ hour: toIso(fromDate(hour)), renewed }));
}
