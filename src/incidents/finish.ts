import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import { isPaused } from "./pause.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

/** A walk looks again after this at the latest, so that it notices a relay that came back. */
const longestWaitMs = 5 * minuteMs;
const shortestWaitMs = secondMs / 10;
/** How soon it looks again while another walk has letters that nobody has claimed. */
const elsewhereMs = secondMs;

export type Finish =
  { readonly kind: "finished" } | { readonly kind: "paused" } | { readonly kind: "waiting"; readonly until: EpochMs };

/**
 * Says that the campaign is finished if nothing waits. @returns when to look again otherwise.
 */
export async function finish({ db, clock, random }: Needs, incidentId: IncidentId): Promise<Finish> {
  const now = clock.now();
  const isFinished = await db.transaction(async (tx) => {
    const isOpen = await tx.one(
      `select 1 as open from incident
        where id = $1 and scope_count is not null and letters_finished_at is null for update`,
      [incidentId],
    );
    if (isOpen === undefined) return false;
    // After the lock and not with it: a statement that waited for a bounce would look with the eyes of before, when the
    // letter that goes to a second address had its outcome.
    const ended = await tx.one<{ scope: number }>(
      `update incident set letters_finished_at = $2, state = case when state = 'notifying' then 'readmitting' else state end
        where id = $1 and not exists (
          select from letter where incident_id = $1 and state in ('unclaimed', 'claimed', 'deferred'))
        returning scope_count as scope`,
      [incidentId, toDate(now)],
    );
    if (ended === undefined) return false;
    const counts = await tx.many<{ state: string; count: number }>(
      `select state, count(*) as count from letter where incident_id = $1 group by state order by state`,
      [incidentId],
    );
    const detail = { scope: ended.scope, ...Object.fromEntries(counts.map(({ state, count }) => [state, count])) };
    await append(tx, now, { kind: "campaign finished", incidentId, detail }, random);
    return true;
  });
  if (isFinished) return { kind: "finished" };
  if (await isPaused(db, incidentId)) return { kind: "paused" };
  const left = await db.one<{
    isUnclaimed: boolean;
    dueAt: Date | null;
    leaseUntil: Date | null;
    isFinished: boolean;
    isTold: boolean;
  }>(
    `select exists (select from letter where incident_id = $1 and state = 'unclaimed') as "isUnclaimed",
            (select min(due_at) from letter where incident_id = $1 and state = 'deferred') as "dueAt",
            (select min(lease_until) from letter where incident_id = $1 and state = 'claimed') as "leaseUntil",
            letters_finished_at is not null as "isFinished", notified_at is not null as "isTold"
       from incident where id = $1`,
    [incidentId],
  );
  if (left === undefined || left.isFinished) return { kind: "finished" };
  const next = [left.dueAt, left.leaseUntil].filter((date) => date !== null).map(fromDate);
  // The case has become about more accounts: starting the letters once more queues the walks again.
  if (!left.isTold && next.length === 0) return { kind: "paused" };
  // Another walk holds the ranges with the letters that nobody has claimed, and no row says when it gives one back.
  if (left.isUnclaimed || next.length === 0) next.push(plus(now, elsewhereMs));
  return { kind: "waiting", until: soonest(Math.min(...next) as EpochMs, now) };
}

/** When to look again for what is wanted then: neither at once nor hours later. */
export const soonest = (wanted: EpochMs, now: EpochMs): EpochMs =>
  plus(now, Math.min(Math.max(wanted - now, shortestWaitMs), longestWaitMs));
