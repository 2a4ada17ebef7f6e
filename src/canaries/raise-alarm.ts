import type { Brand } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { enqueue } from "../jobs/jobs.ts";
import { append } from "../timeline/append.ts";
import type { JsonScalar } from "../timeline/canonical-json.ts";
import type { DataClass } from "../wire/incidents.ts";

export type AlarmId = Brand<string, "AlarmId">;

export type AlarmKind =
  "copy detected" | "timeline contradicted" | "canary" | "honeyword" | "key use" | "stuffing" | "test";

/** What was found, in the words that reach an operator. Never an address, a name or a secret: it is stored in clear. */
export interface AlarmFound {
  readonly kind: AlarmKind;
  /** What it is about, so that the same thing found again is counted on the alarm that is open; at most 300 bytes. */
  readonly about: string;
  /** Where the copy leaked, as the operator named it. */
  readonly place: string | null;
  readonly title: string;
  readonly evidence: string;
  readonly notEvidence: string;
  readonly facts: Readonly<Record<string, JsonScalar>>;
  /** The case that it proposes. */
  readonly proposes: {
    readonly foundHow: string;
    /** The copy was made then or later, if anything is known of it. */
    readonly copiedAfter: EpochMs | null;
    readonly dataClasses: readonly DataClass[];
    readonly keysReachable: "no" | "unknown" | "yes";
  };
}

/** How long an alarm that goes on ringing, and that nobody acknowledges, stays silent between two deliveries. */
const tellAgainMs = dayMs;

/**
 * Raises an alarm in the caller's transaction: row, timeline entry and the job that delivers it commit together, or not
 * at all. What is open already under the same `about` is counted instead, and told again after a day.
 *
 * @returns whether it will be told to people now.
 */
export async function raiseAlarm(tx: Tx, now: EpochMs, random: Random, found: AlarmFound): Promise<boolean> {
  const { proposes } = found;
  const row = await tx.one<{ id: AlarmId; times: number; isTold: boolean }>(
    `insert into alarm (id, kind, about, place, title, evidence, not_evidence, facts, found_how, copied_after, data_classes,
                        keys_reachable, at, last_at, told_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $13, $13)
     on conflict (about) where acknowledged_at is null do update
        set times = alarm.times + 1, last_at = greatest(alarm.last_at, excluded.last_at), facts = excluded.facts,
            told_at = case when alarm.told_at <= $14 then excluded.told_at else alarm.told_at end,
            told_times = case when alarm.told_at <= $14 then alarm.times + 1 else alarm.told_times end
     returning id, times, told_times = times as "isTold"`,
    [
      newId<AlarmId>(random, now),
      found.kind,
      found.about,
      found.place,
      found.title,
      found.evidence,
      found.notEvidence,
      JSON.stringify(found.facts),
      proposes.foundHow,
      proposes.copiedAfter === null ? null : toDate(proposes.copiedAfter),
      proposes.dataClasses,
      proposes.keysReachable,
      toDate(now),
      toDate(plus(now, -tellAgainMs)),
    ],
  );
  if (row === undefined) throw new Error("an insert that updates on conflict answers one row");
  if (!row.isTold) return false;
  if (row.times === 1) {
    const detail = { alarm: row.id, kind: found.kind, ...(found.place === null ? {} : { place: found.place }) };
    await append(tx, now, { kind: "alarm", detail }, random);
  }
  await enqueue(tx, "deliver-alarm", { alarmId: row.id, telling: row.times });
  return true;
}
