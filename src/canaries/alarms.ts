import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, toDate, toIso, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { sqlState, type Db, type Tx } from "../db/db.ts";
import { incidentInHand, writeIncident, type CaseFacts } from "../incidents/open.ts";
import { append } from "../timeline/append.ts";
import type { Alarm } from "../wire/alarms.ts";
import type { DataClass } from "../wire/incidents.ts";
import type { AlarmId } from "./raise-alarm.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

interface AlarmRow {
  id: string;
  kind: string;
  place: string | null;
  title: string;
  evidence: string;
  notEvidence: string;
  facts: Record<string, unknown>;
  at: Date;
  lastAt: Date;
  times: number;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  incidentId: string | null;
  foundHow: string;
  copiedAfter: Date | null;
  dataClasses: string[];
  keysReachable: "no" | "unknown" | "yes";
}

const columns = `id, kind, place, title, evidence, not_evidence as "notEvidence", facts, at, last_at as "lastAt", times,
  acknowledged_at as "acknowledgedAt", acknowledged_by as "acknowledgedBy", incident_id as "incidentId",
  found_how as "foundHow", copied_after as "copiedAfter", data_classes as "dataClasses", keys_reachable as "keysReachable"`;

const isoOrNull = (date: Date | null): string | null => (date === null ? null : toIso(fromDate(date)));

function shown({ foundHow, copiedAfter, dataClasses, keysReachable, ...row }: AlarmRow): Alarm {
  return {
    ...row,
    language: "en",
    at: toIso(fromDate(row.at)),
    lastAt: toIso(fromDate(row.lastAt)),
    acknowledgedAt: isoOrNull(row.acknowledgedAt),
    proposes: { foundHow, copiedAfter: isoOrNull(copiedAfter), dataClasses, keysReachable },
  };
}

/** Alarms that nobody has acknowledged first, then the newest; at most `limit`. In the words of the record. */
export async function listAlarms(tx: Tx, limit = 100): Promise<Alarm[]> {
  const rows = await tx.many<AlarmRow>(
    `select ${columns} from alarm order by acknowledged_at is not null, last_at desc, id desc limit $1`,
    [limit],
  );
  return rows.map(shown);
}

/** One alarm in the words of the record; `undefined` for an id that is none. */
export async function readAlarm(tx: Tx, id: AlarmId): Promise<Alarm | undefined> {
  const row = await tx.one<AlarmRow>(`select ${columns} from alarm where id = $1`, [id]);
  return row === undefined ? undefined : shown(row);
}

/**
 * Notes that somebody has seen the alarm; the same thing rings anew from now on.
 * @returns false if somebody had, or there is no such alarm.
 */
export async function acknowledgeAlarm({ db, clock, random }: Needs, id: AlarmId, by: string): Promise<boolean> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const noted = await tx.run(
      `update alarm set acknowledged_at = $2, acknowledged_by = $3 where id = $1 and acknowledged_at is null`,
      [id, toDate(now), by],
    );
    if (noted === 1) await append(tx, now, { kind: "alarm acknowledged", detail: { alarm: id, by } }, random);
    return noted === 1;
  });
}

export type CaseOutcome =
  | { readonly kind: "opened"; readonly incidentId: IncidentId; readonly reference: string }
  | { readonly kind: "in-hand"; readonly incidentId: IncidentId }
  | { readonly kind: "no-such-alarm" };

/**
 * Opens the case that an alarm proposes, with its evidence filled in, and acknowledges the alarm, in one commit. A case
 * in hand stays the only one: then nothing is changed.
 */
export async function openCaseFromAlarm(needs: Needs, id: AlarmId, by: string): Promise<CaseOutcome> {
  const { db, clock, random } = needs;
  const now = clock.now();
  try {
    return await db.transaction(async (tx): Promise<CaseOutcome> => {
      const alarm = await tx.one<AlarmRow>(`select ${columns} from alarm where id = $1 for update`, [id]);
      if (alarm === undefined) return { kind: "no-such-alarm" };
      const order: CaseFacts = {
        reason: alarm.place === null ? alarm.title : `${alarm.title} (${alarm.place})`,
        foundAt: toIso(fromDate(alarm.at)),
        foundBy: "alarm",
        foundHow: alarm.foundHow,
        dataClasses: alarm.dataClasses as DataClass[],
        keysReachable: alarm.keysReachable,
        copiedAfter: alarm.copiedAfter === null ? null : fromDate(alarm.copiedAfter),
      };
      const { incidentId, reference } = await writeIncident(tx, now, random, order, by);
      await tx.run(
        `update alarm set incident_id = $2, acknowledged_at = coalesce(acknowledged_at, $3),
                          acknowledged_by = coalesce(acknowledged_by, $4) where id = $1`,
        [id, incidentId, toDate(now), by],
      );
      return { kind: "opened", incidentId, reference };
    });
  } catch (thrown) {
    if (sqlState(thrown) !== "23505") throw thrown;
    const inHand = await incidentInHand(db);
    if (inHand === undefined) throw thrown;
    return { kind: "in-hand", incidentId: inHand };
  }
}
