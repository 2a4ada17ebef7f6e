import type { IncidentId } from "../kernel/brand.ts";
import { parseInstant, plus, toDate, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Db, Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import type { CloseIncident, LetterSum } from "../wire/incidents.ts";
import { clocksApartMs } from "./open.ts";
import { isCopiedSince } from "./read-containment.ts";
import { reviewItems } from "./review.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

type WayIn = NonNullable<CloseIncident["wayIn"]>;
type Review = NonNullable<CloseIncident["review"]>[number];

export type WayInOutcome = "recorded" | "not-open" | WayInRefusal;
/** What was said does not show that the way in is closed: a text is blank, or the instant lies in the future. */
export type WayInRefusal = "evidence-needed" | "in-the-future";

/** Records how the thief got in and the evidence that this is closed; the same again writes nothing. */
export async function recordWayIn(needs: Needs, id: IncidentId, wayIn: WayIn, operator: string): Promise<WayInOutcome> {
  if (wayIn.what.trim() === "" || wayIn.evidence.trim() === "") return "evidence-needed";
  if (parseInstant(wayIn.closedAt) > plus(needs.clock.now(), clocksApartMs)) return "in-the-future";
  return needs.db.transaction((tx) => writeWayIn(needs, tx, id, wayIn, operator));
}

async function writeWayIn(
  { clock, random }: Needs,
  tx: Tx,
  id: IncidentId,
  wayIn: WayIn,
  operator: string,
): Promise<"recorded" | "not-open"> {
  if (!(await holdOpenCase(tx, id))) return "not-open";
  const written = await tx.run(
    `update incident set way_in_what = $2, way_in_closed_at = $3, way_in_evidence = $4
      where id = $1 and (way_in_what, way_in_closed_at, way_in_evidence) is distinct from ($2, $3::timestamptz, $4)`,
    [id, wayIn.what, toDate(parseInstant(wayIn.closedAt)), wayIn.evidence],
  );
  if (written === 0) return "recorded";
  const detail = { what: wayIn.what, "closed at": wayIn.closedAt, operator };
  await append(tx, clock.now(), { kind: "way in recorded", incidentId: id, detail }, random);
  return "recorded";
}

/** Holds an open case, so that what is sent twice at once is recorded once. @returns false if it is closed or unknown. */
const holdOpenCase = async (tx: Tx, id: IncidentId): Promise<boolean> =>
  (await tx.one(`select 1 as open from incident where id = $1 and state <> 'closed' for update`, [id])) !== undefined;

export type ReviewOutcome = "recorded" | "unknown-item" | "note-needed" | "not-open";

/** Records one item of the review list. `explained` needs a note that says why it is not done. */
export async function recordReview(
  needs: Needs,
  id: IncidentId,
  review: Review,
  operator: string,
): Promise<ReviewOutcome> {
  return needs.db.transaction((tx) => writeReview(needs, tx, id, review, operator));
}

async function writeReview(
  { clock, random }: Needs,
  tx: Tx,
  id: IncidentId,
  { item, state, note = "" }: Review,
  operator: string,
): Promise<ReviewOutcome> {
  if (!reviewItems.some((one) => one.item === item)) return "unknown-item";
  if (state === "explained" && note.trim() === "") return "note-needed";
  const now = clock.now();
  if (!(await holdOpenCase(tx, id))) return "not-open";
  const written = await tx.run(
    `update incident_review set state = $3, note = $4, at = $5
      where incident_id = $1 and item = $2 and (state, note) is distinct from ($3, $4)`,
    [id, item, state, note, toDate(now)],
  );
  if (written === 0) return "recorded";
  await append(tx, now, { kind: "review recorded", incidentId: id, detail: { item, state, operator } }, random);
  return "recorded";
}

/** What may be missing besides letters that wait and items of the review; the console has each in its reader's language. */
export const missingSays = {
  contained: "the theft is not contained",
  containedSince: "the copy was taken after the last containment: contain again",
  told: "nobody has been told: the campaign was not started",
  finished: "the campaign is not finished",
  wayIn: "the way in: what it was, when it was closed, and the evidence",
} as const;

export type CloseOutcome =
  | { readonly kind: "closed" }
  | { readonly kind: "missing"; readonly missing: readonly string[] }
  | { readonly kind: "review-refused"; readonly item: string; readonly reason: ReviewOutcome }
  | { readonly kind: "way-in-refused"; readonly reason: WayInRefusal }
  | { readonly kind: "not-open" };

/**
 * Closes a case, with whatever evidence comes along recorded first. Refused, saying what is missing, unless everybody
 * was contained, every letter has its outcome, the way in is closed with evidence, and each review item is done or
 * explained. What came along stays recorded even when the close is refused.
 */
export async function closeIncident(
  needs: Needs,
  id: IncidentId,
  order: CloseIncident,
  operator: string,
): Promise<CloseOutcome> {
  const { db, clock, random } = needs;
  for (const review of order.review ?? []) {
    const reason = await recordReview(needs, id, review, operator);
    if (reason !== "recorded") return { kind: "review-refused", item: review.item, reason };
  }
  const wayIn = order.wayIn === undefined ? "recorded" : await recordWayIn(needs, id, order.wayIn, operator);
  if (wayIn === "not-open") return { kind: "not-open" };
  if (wayIn !== "recorded") return { kind: "way-in-refused", reason: wayIn };
  return db.transaction(async (tx): Promise<CloseOutcome> => {
    const row = await tx.one<{ state: string }>(`select state from incident where id = $1 for update`, [id]);
    if (row === undefined || row.state === "closed") return { kind: "not-open" };
    const missing = await whatIsMissing(tx, id);
    if (missing.length > 0) return { kind: "missing", missing };
    const now = clock.now();
    await tx.run(`update incident set state = 'closed', closed_at = $2 where id = $1`, [id, toDate(now)]);
    await append(tx, now, { kind: "incident closed", incidentId: id, detail: { operator } }, random);
    return { kind: "closed" };
  });
}

/**
 * What stands between this case and `closed`, in an operator's words; empty when nothing does. `counted` is the sum of the letters,
 * from a caller who has it, and gives the number that wait. Without it they are not counted: that reads every letter, and no close
 * waits for it.
 */
export async function whatIsMissing(tx: Tx, id: IncidentId, counted?: LetterSum): Promise<string[]> {
  const incident = await tx.one<{
    containedAt: Date | null;
    notifiedAt: Date | null;
    finishedAt: Date | null;
    what: string | null;
    evidence: string | null;
    isCopiedSince: boolean;
  }>(
    `select contained_at as "containedAt", notified_at as "notifiedAt", letters_finished_at as "finishedAt",
            way_in_what as what, way_in_evidence as evidence, ${isCopiedSince("i")} as "isCopiedSince"
       from incident i where id = $1`,
    [id],
  );
  if (incident === undefined) return ["there is no such case"];
  const waiting = await waitingLetters(tx, id, counted);
  const open = await tx.many<{ item: string }>(
    `select item from incident_review where incident_id = $1 and state = 'todo' order by item`,
    [id],
  );
  const missing: string[] = [];
  if (incident.containedAt === null) missing.push(missingSays.contained);
  if (incident.isCopiedSince) missing.push(missingSays.containedSince);
  if (incident.notifiedAt === null) missing.push(missingSays.told);
  if (waiting !== undefined) missing.push(waiting);
  if (incident.notifiedAt !== null && incident.finishedAt === null) missing.push(missingSays.finished);
  if (incident.what === null || incident.evidence === null) missing.push(missingSays.wayIn);
  for (const { item } of open) {
    const title = reviewItems.find((one) => one.item === item)?.title ?? item;
    missing.push(`review (${item}): ${title}`);
  }
  return missing;
}

/** `3 letters are waiting`, without the number where nobody has counted them; `undefined` if none is. */
async function waitingLetters(tx: Tx, id: IncidentId, counted: LetterSum | undefined): Promise<string | undefined> {
  if (counted !== undefined) {
    return counted.waiting === 0 ? undefined : `${numbered(counted.waiting, "letter is", "letters are")} waiting`;
  }
  const one = await tx.one(
    `select 1 as waits from letter where incident_id = $1 and state in ('unclaimed', 'claimed', 'deferred') limit 1`,
    [id],
  );
  return one === undefined ? undefined : "letters are waiting";
}
