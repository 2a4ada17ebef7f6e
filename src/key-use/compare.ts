import { dayMs, every, fromDate, hourMs, minuteMs, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Db, Tx } from "../db/db.ts";
import type { CallerUses, KeyUses, Role, UseSnapshot } from "../keyholder/keyholder.ts";
import { namelessCaller } from "../keyholder/use-ledger.ts";
import { usePurposes, type UseCounts, type UsePurpose } from "../keyholder/key-uses.ts";
import { readTimeline } from "../timeline/read.ts";

/** What nobody announced, and was not there at the comparison before. */
export interface SurplusFound {
  readonly roles: readonly Role[];
  /** Of all callers that have a surplus, this comparison's and earlier ones'. */
  readonly byPurpose: UseCounts;
  readonly callers: number;
  /** How many came since the comparison before. */
  readonly added: number;
  readonly firstAt: EpochMs;
}

/** How the log says that it rang. */
export const unannouncedUse = "keys were used that no process had announced";

interface Needs {
  readonly db: Db;
  /** The keeper's, or the operator's: whoever uses keys for people cannot compare. */
  readonly uses: KeyUses;
  readonly databaseId: string;
  readonly clock: Clock;
  /** Alarms stand after this room. */
  readonly ring: (tx: Tx, now: EpochMs, found: SurplusFound) => Promise<void>;
}

interface Announced {
  readonly caller: Buffer;
  readonly role: Role;
  readonly announcedTo: number;
  readonly renewedAt: Date;
  readonly closedAt: Date | null;
}

/** A caller that has announced nothing for so long is taken to have ended; one that has not announces itself before its next use. */
const overAfterMs = 2 * dayMs;
/** A process that went on running when another database was put in place announces itself to that one within an hour. */
const settledAfterRestoreMs = hourMs + 5 * minuteMs;
/** How far the clocks of two machines may differ. */
const clocksDifferMs = minuteMs;
/** A caller with a surplus is forgotten after so much silence: before the row of its surplus is (`forgetKeyUse`). */
const suspectAfterMs = 80 * dayMs;
/** How long calls of a caller that has closed may still be on their way. */
const closedGraceMs = 5 * minuteMs;

interface Surplus {
  readonly of: CallerUses;
  readonly counts: UseCounts;
}

/**
 * Compares what the keyholder served with what was announced, and rings for what was not. The keyholder is read first:
 * whatever it has served by then was announced, and committed, before. Runs beside others of its kind, and twice is once.
 *
 * @returns how many uses nobody announced were found that were not known before.
 */
export async function compareKeyUse(needs: Needs): Promise<number> {
  const { db, uses, databaseId, clock } = needs;
  const snapshot = await uses.callers(databaseId);
  const [announced, restoredAt] = [await readAnnounced(db), await readRestoredAt(db)];
  const surplus: Surplus[] = [];
  for (const of of snapshot.callers) {
    const counts = await surplusOf(uses, of, announced.get(`${of.id} ${of.role}`)?.announcedTo, restoredAt);
    if (Object.keys(counts).length > 0) surplus.push({ of, counts });
  }
  const added = await db.transaction(async (tx) => {
    const now = clock.now();
    await noteServed(tx, now, snapshot);
    return noteSurplus(needs, tx, now, surplus);
  });
  await clearAway(needs, snapshot, announced, surplus, restoredAt);
  return added;
}

async function readAnnounced(tx: Tx): Promise<ReadonlyMap<string, Announced>> {
  const rows = await tx.many<Announced>(
    `select caller, role, announced_to as "announcedTo", renewed_at as "renewedAt", closed_at as "closedAt" from key_caller`,
  );
  return new Map(rows.map((row) => [`${row.caller.toString("hex")} ${row.role}`, row]));
}

/** When an older copy was last found in the database's place: it lacks what was announced to the database before it. */
async function readRestoredAt(tx: Tx): Promise<EpochMs | null> {
  const [found] = await readTimeline(tx, { kinds: ["copy detected"], limit: 1 });
  return found?.at ?? null;
}

async function surplusOf(
  uses: KeyUses,
  of: CallerUses,
  announcedTo: number | undefined,
  restoredAt: EpochMs | null,
): Promise<UseCounts> {
  // Callers without a name were announced to neither database.
  const isFromBefore =
    restoredAt !== null &&
    of.id !== namelessCaller &&
    of.firstAt <= plus(restoredAt, clocksDifferMs) &&
    of.lastAt <= plus(restoredAt, settledAfterRestoreMs);
  if (isFromBefore) return of.contradicted;
  if (announcedTo === undefined) return sum(of.served, of.contradicted);
  if (announcedTo >= of.highest) return of.contradicted;
  return sum(await uses.beyond(of.id, of.role, announcedTo), of.contradicted);
}

function sum(one: UseCounts, other: UseCounts): UseCounts {
  const both: Partial<Record<UsePurpose, number>> = { ...one };
  for (const purpose of usePurposes) {
    const count = other[purpose];
    if (count !== undefined) both[purpose] = (both[purpose] ?? 0) + count;
  }
  return both;
}

/** Adds what was served since the comparison before to the present hour. One comparison after another. */
async function noteServed(tx: Tx, now: EpochMs, { ledger, totals }: UseSnapshot): Promise<void> {
  await tx.run(
    `insert into key_ledger (ledger, totals, compared_at) values ($1, '{}', $2) on conflict (only_row) do nothing`,
    [ledger, toDate(now)],
  );
  const before = await tx.one<{ ledger: string; totals: UseCounts }>(
    `select ledger, totals from key_ledger for no key update`,
  );
  const known = before?.ledger === ledger ? before.totals : {};
  // A process that was killed has forgotten up to a second, and another comparison may have been faster.
  const kept: Partial<Record<UsePurpose, number>> = {};
  const added: { readonly purpose: UsePurpose; readonly served: number }[] = [];
  for (const purpose of usePurposes) {
    const [total, earlier] = [totals[purpose] ?? 0, known[purpose] ?? 0];
    if (Math.max(total, earlier) > 0) kept[purpose] = Math.max(total, earlier);
    if (total > earlier) added.push({ purpose, served: total - earlier });
  }
  await tx.run(
    `insert into key_use (purpose, hour, served)
     select purpose, date_trunc('hour', $3::timestamptz, 'UTC'), served from unnest($1::text[], $2::bigint[]) as u (purpose, served)
     on conflict (purpose, hour) do update set served = key_use.served + excluded.served`,
    [added.map(({ purpose }) => purpose), added.map(({ served }) => served), toDate(now)],
  );
  await tx.run(`update key_ledger set ledger = $1, totals = $2::jsonb, compared_at = greatest(compared_at, $3)`, [
    ledger,
    JSON.stringify(kept),
    toDate(now),
  ]);
}

/** Writes down what is more than was known, and rings for it in the same transaction. The lock on the ledger is held. */
async function noteSurplus({ ring }: Needs, tx: Tx, now: EpochMs, surplus: readonly Surplus[]): Promise<number> {
  if (surplus.length === 0) return 0;
  const found = surplus.flatMap(({ of, counts }) =>
    usePurposes.flatMap((purpose) => {
      const count = counts[purpose];
      return count === undefined || count === 0 ? [] : [{ of, purpose, count }];
    }),
  );
  const known = await tx.one<{ known: number }>(`select coalesce(sum(surplus), 0)::bigint as known from key_surplus`);
  const columns = [
    found.map(({ of }) => of.id),
    found.map(({ of }) => of.role),
    found.map(({ purpose }) => purpose),
    found.map(({ of }) => toDate(of.firstAt)),
  ];
  // Callers without a name share one, and may be counted from zero again: by another ledger, or once they were forgotten. What was
  // known of them before is kept under an id of its own, or as much again would be no news.
  await tx.run(
    `update key_surplus k set caller = substring(sha256(k.caller || timestamptz_send(k.first_at)) for 16)
       from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as f (caller, role, purpose, first_at)
      where k.caller = decode(f.caller, 'hex') and k.role = f.role and k.purpose = f.purpose and k.first_at < f.first_at`,
    columns,
  );
  await tx.run(
    `insert into key_surplus (caller, role, purpose, surplus, first_at, last_at)
     select decode(f.caller, 'hex'), f.role, f.purpose, f.surplus, f.first_at, f.last_at
       from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[])
            as f (caller, role, purpose, first_at, surplus, last_at)
     on conflict (caller, role, purpose) do update
        set surplus = greatest(key_surplus.surplus, excluded.surplus), last_at = excluded.last_at`,
    [...columns, found.map(({ count }) => count), found.map(({ of }) => toDate(of.lastAt))],
  );
  const after = await tx.one<{ known: number }>(`select sum(surplus)::bigint as known from key_surplus`);
  const added = (after?.known ?? 0) - (known?.known ?? 0);
  if (added > 0) {
    await ring(tx, now, {
      roles: [...new Set(surplus.map(({ of }) => of.role))].toSorted(),
      byPurpose: surplus.reduce<UseCounts>((all, { counts }) => sum(all, counts), {}),
      callers: surplus.length,
      added,
      firstAt: Math.min(...surplus.map(({ of }) => of.firstAt)) as EpochMs,
    });
  }
  return added;
}

/**
 * Forgets callers that are over: in the keyholder first, so that none is there without its announcement. Those that have a
 * surplus stay, as what they are evidence of.
 */
async function clearAway(
  { db, uses, clock }: Needs,
  { callers }: UseSnapshot,
  announced: ReadonlyMap<string, Announced>,
  surplus: readonly Surplus[],
  restoredAt: EpochMs | null,
): Promise<void> {
  const now = clock.now();
  const isOver = ({ closedAt, renewedAt }: Announced): boolean =>
    (closedAt !== null && fromDate(closedAt) < plus(now, -closedGraceMs)) ||
    fromDate(renewedAt) < plus(now, -overAfterMs);
  const suspects = new Set(surplus.map(({ of }) => `${of.id} ${of.role}`));
  const over = callers.filter((of) => {
    const key = `${of.id} ${of.role}`;
    const row = announced.get(key);
    if (suspects.has(key)) return of.lastAt < plus(now, -suspectAfterMs);
    return row === undefined ? restoredAt !== null && of.lastAt < plus(now, -overAfterMs) : isOver(row);
  });
  await uses.settle(over);
  const present = new Set(callers.filter((of) => !over.includes(of)).map(({ id, role }) => `${id} ${role}`));
  const done = [...announced].filter(([key, row]) => isOver(row) && !present.has(key)).map(([, { caller }]) => caller);
  if (done.length === 0) return;
  // Whoever has announced itself anew meanwhile stays.
  await db.run(
    `delete from key_caller where caller = any($1::bytea[])
        and ((closed_at is not null and closed_at < $2) or renewed_at < $3)`,
    [done, toDate(plus(now, -closedGraceMs)), toDate(plus(now, -overAfterMs))],
  );
}

/** Compares every minute, and once more when it stops. A comparison that fails is made with the next. */
export function watchKeyUse(
  needs: Needs & { readonly log: Log },
  everyMs: number = minuteMs,
): { stop(): Promise<void> } {
  const { log } = needs;
  const troubled = recurring(log, {
    says: "uses of keys could not be compared; the next comparison is in a minute",
    ends: "uses of keys are compared again",
  });
  const compare = async (): Promise<void> => {
    try {
      const added = await compareKeyUse(needs);
      if (added > 0) log.error({ added }, unannouncedUse);
      troubled.over();
    } catch (thrown) {
      troubled.found({ reason: messageOf(thrown) });
    }
  };
  const watch = every(everyMs, compare);
  return {
    stop: async () => {
      await watch.stop();
      // What came within the last minute rings today, and not with the next start.
      await compare();
    },
  };
}
