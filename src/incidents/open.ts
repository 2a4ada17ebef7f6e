import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, minuteMs, parseInstant, plus, toDate, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { newId, newTypedCode, type Random } from "../kernel/random.ts";
import { sqlState, type Db, type Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import { DataClass, type IncidentStatus, type OpenIncident } from "../wire/incidents.ts";
import { reviewItems } from "./review.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

export type OpenOutcome =
  | { readonly kind: "opened"; readonly incidentId: IncidentId; readonly reference: string }
  | { readonly kind: "in-hand"; readonly incidentId: IncidentId }
  /** Instants that do not fit together; `field` and `rule` say which, and why. */
  | { readonly kind: "impossible"; readonly field: "copiedAt" | "foundAt"; readonly rule: string };

/** How far ahead of our clock the clock may be by which somebody states an instant. */
export const clocksApartMs = 10 * minuteMs;

/**
 * What does not fit in the order of a case's instants: a copy is taken before it is found, and found before its case is
 * opened. An instant with the wrong year would decide wrongly who is written to, and which credentials count.
 */
export function impossibleIn({ copiedAt, foundAt }: Pick<OpenIncident, "copiedAt" | "foundAt">, now: EpochMs) {
  const found = foundAt === undefined ? now : parseInstant(foundAt);
  if (found > plus(now, clocksApartMs)) return { field: "foundAt", rule: "is not in the future" } as const;
  if (copiedAt === undefined || parseInstant(copiedAt) <= found) return undefined;
  return { field: "copiedAt", rule: "is not later than when it was found" } as const;
}

/**
 * Opens a case. At most one is in hand at a time. What is not said is filled in with the worst it could be: everything
 * an account database holds was taken, keys unknown, found now.
 */
export async function openIncident(
  { db, clock, random }: Needs,
  order: OpenIncident,
  operator: string,
): Promise<OpenOutcome> {
  const impossible = impossibleIn(order, clock.now());
  if (impossible !== undefined) return { kind: "impossible", ...impossible };
  try {
    return await db.transaction(async (tx) => {
      const opened = await writeIncident(tx, clock.now(), random, order, operator);
      return { kind: "opened" as const, ...opened };
    });
  } catch (thrown) {
    if (!isCaseInHand(thrown)) throw thrown;
    const inHand = await incidentInHand(db);
    if (inHand === undefined) throw thrown;
    return { kind: "in-hand", incidentId: inHand };
  }
}

/** The case that is not closed, if there is one. */
export async function incidentInHand(tx: Tx): Promise<IncidentId | undefined> {
  const row = await tx.one<{ id: IncidentId }>(`select id from incident where state <> 'closed'`);
  return row?.id;
}

/**
 * The same, held until the transaction ends: nobody closes it meanwhile, and one that is being closed is waited for; who writes what
 * belongs to the case is not.
 */
export async function holdIncidentInHand(tx: Tx): Promise<IncidentId | undefined> {
  const row = await tx.one<{ id: IncidentId }>(`select id from incident where state <> 'closed' for no key update`);
  return row?.id;
}

/** Whether a transaction failed because another has opened a case, and only one is in hand at a time. */
export const isCaseInHand = (thrown: unknown): boolean => sqlState(thrown) === "23505";

/** Whether there is such a case, open or closed. Cases are never removed. */
export const isIncident = async (tx: Tx, id: IncidentId): Promise<boolean> =>
  (await tx.one(`select 1 as it from incident where id = $1`, [id])) !== undefined;

/** What a containment has to know of its case; `undefined` for one that is closed or unknown. */
export async function readOpenIncident(
  tx: Tx,
  id: IncidentId,
): Promise<{ readonly id: IncidentId; readonly reference: string; readonly reason: string } | undefined> {
  return tx.one(`select id, reference, reason from incident where id = $1 and state <> 'closed'`, [id]);
}

/** SQL: from when on the copy that a row of `incident` is about may have been taken; null if the case does not know. */
export const copiedSince = "coalesce(copied_at, copied_after)";
/** The same where the row has an alias. */
export const copiedSinceOf = (row: string): string => `coalesce(${row}.copied_at, ${row}.copied_after)`;

/** The same instant of one case; `null` if the case does not know it. */
export async function readCopiedSince(tx: Tx, incidentId: string): Promise<EpochMs | null> {
  const row = await tx.one<{ since: Date | null }>(`select ${copiedSince} as since from incident where id = $1`, [
    incidentId,
  ]);
  return row === undefined || row.since === null ? null : fromDate(row.since);
}

/**
 * Whether the case in hand says that keys were within reach, and what is sealed or keyed with them is accepted still: no
 * containment has refused it since the case was opened.
 */
export const keysCallForRefusal = async (tx: Tx): Promise<boolean> =>
  (await tx.one(
    `select 1 as it from incident i join floor f on f.kind = 'totp'
      where i.state <> 'closed' and i.keys_reachable = 'yes' and coalesce(f.raised_at, '-infinity') < i.opened_at`,
  )) !== undefined;

/** Everything that an account database holds. */
export const everyDataClass: readonly DataClass[] = DataClass.anyOf.map((one) => one.const);

/** An empty list comes from a form in which nothing was ticked. Taken literally, the letter would say that nothing was taken. */
export const takenOf = (said: readonly DataClass[]): readonly DataClass[] =>
  said.length === 0 ? everyDataClass : said;

/** What the timeline says of a case. Deadlines, scope and what counts follow from it, so that a report that states other facts is found out. */
export const factsOf = (facts: {
  readonly foundAt: EpochMs;
  readonly copiedAt: EpochMs | null;
  readonly copiedAfter: EpochMs | null;
  readonly dataClasses: readonly DataClass[];
  readonly keysReachable: IncidentStatus["keysReachable"];
}) => ({
  "found at": toIso(facts.foundAt),
  "copied at": facts.copiedAt === null ? null : toIso(facts.copiedAt),
  ...(facts.copiedAfter === null ? {} : { "copied after": toIso(facts.copiedAfter) }),
  data: facts.dataClasses,
  "keys reachable": facts.keysReachable,
});

/** What a case says when it is opened. */
export interface CaseFacts extends OpenIncident {
  /** A copy from before then cannot hold what was found. It does not say when the copy was made, so later accounts are in scope too. */
  readonly copiedAfter?: EpochMs | null;
}

/** Writes the case in the caller's transaction, so that containment can open one in its own commit. */
export async function writeIncident(
  tx: Tx,
  now: EpochMs,
  random: Random,
  order: CaseFacts,
  operator: string,
): Promise<{ readonly incidentId: IncidentId; readonly reference: string }> {
  const incidentId = newId<IncidentId>(random, now);
  const letters = newTypedCode(random, 8).revealText();
  const reference = `HL-${letters.slice(0, 4)}-${letters.slice(4)}`;
  const facts = {
    foundAt: order.foundAt === undefined ? now : parseInstant(order.foundAt),
    copiedAt: order.copiedAt === undefined ? null : parseInstant(order.copiedAt),
    copiedAfter: order.copiedAfter ?? null,
    dataClasses: takenOf(order.dataClasses ?? []),
    keysReachable: order.keysReachable ?? "unknown",
  };
  const { foundAt, copiedAt, copiedAfter } = facts;
  await tx.run(
    `insert into incident (id, reference, state, reason, opened_at, opened_by, found_at, found_by, found_how, copied_at,
                           data_classes, keys_reachable, copied_after)
     values ($1, $2, 'open', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      incidentId,
      reference,
      order.reason,
      toDate(now),
      operator,
      toDate(foundAt),
      order.foundBy ?? operator,
      order.foundHow ?? order.reason,
      copiedAt === null ? null : toDate(copiedAt),
      facts.dataClasses,
      facts.keysReachable,
      copiedAfter === null ? null : toDate(copiedAfter),
    ],
  );
  await tx.run(
    `insert into incident_review (incident_id, item, state, note) select $1, item, 'todo', '' from unnest($2::text[]) item`,
    [incidentId, reviewItems.map(({ item }) => item)],
  );
  const detail = { reference, reason: order.reason, operator, ...factsOf(facts) };
  await append(tx, now, { kind: "incident opened", incidentId, detail }, random);
  return { incidentId, reference };
}
