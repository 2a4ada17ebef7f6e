import type { Brand, IncidentId } from "../kernel/brand.ts";
import { toDate, toIso } from "../kernel/clock.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newId } from "../kernel/random.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { JsonScalar } from "./canonical-json.ts";

/** Kinds that can belong to a case, without those of single letters: the case file lists them, and the console names them in five languages. */
export const caseKinds = [
  "incident opened",
  "incident changed",
  "contained",
  "campaign planned",
  "campaign started",
  "campaign paused",
  "campaign resumed",
  "campaign finished",
  "way in recorded",
  "review recorded",
  "incident closed",
  "report made",
  "signals made",
  "witness owed",
  "witness paid",
] as const;

/** What can be recorded. A reader of an old timeline meets old kinds, so a kind is added here and never renamed. */
export const timelineKinds = [
  "service started",
  "database adopted by witness",
  "copy detected",
  "account created",
  "account deletion asked",
  "account deletion withdrawn",
  "account deleted",
  "account exported",
  "sign-in",
  "sign-out",
  "devices signed out",
  "password changed",
  "passkey added",
  "passkey removed",
  "passkey doubted",
  "passkey kept",
  "second factor kept",
  "second factor added",
  "second factor removed",
  "recovery codes made",
  "recovery code used",
  "address added",
  "address removed",
  "address kept",
  "first address changed",
  "link approved",
  "link denied",
  "link claimed",
  "renewal asked",
  "renewed",
  "renewal reverted",
  "account looked up",
  "recovery started",
  "recovery ended",
  "change taken back",
  "operator added",
  "operator kept",
  "operator removed",
  "operator link made",
  "operator link used",
  "alarm",
  "alarm acknowledged",
  "canaries planted",
  "letter",
  "bounce",
  "rotation begun",
  "key rotated",
  "key retired",
  "relying service added",
  "relying service changed",
  "relying service removed",
  "stream made",
  "stream changed",
  "stream removed",
  ...caseKinds,
] as const;
export type TimelineKind = (typeof timelineKinds)[number];

type OfCases = (typeof caseKinds)[number] | "letter" | "bounce";

export type TimelineEntryId = Brand<string, "TimelineEntryId">;

/**
 * One thing that happened. `detail` carries ids, counts and words of our own: never an address, a name or a secret,
 * since the timeline is handed to outsiders. Numbers are whole.
 */
export type TimelineEntry = {
  readonly detail: Readonly<Record<string, JsonScalar | readonly JsonScalar[]>>;
} & (
  | { readonly kind: OfCases; readonly incidentId?: IncidentId }
  | { readonly kind: Exclude<TimelineKind, OfCases>; readonly incidentId?: never }
);

/** The largest entry a tile-based reader takes (C2SP tlog-tiles: a 16-bit length stands before each entry). */
export const entryLimitBytes = 65_535;

/**
 * Records an entry in the caller's transaction: it is part of the timeline if and only if that transaction commits.
 * Exactly one insert. The integrator gives it its place and hash afterwards, within about a second.
 *
 * Throws `IMPOSSIBLE` for a detail that is not whole numbers, well-formed text, booleans or nulls, or is larger than
 * `entryLimitBytes`: both are mistakes of the caller, never of a person's input.
 */
export async function append(tx: Tx, now: EpochMs, entry: TimelineEntry, random: Random): Promise<void> {
  await appendAll(tx, now, [entry], random);
}

/** The same for a batch, in one insert and in the order given. An empty batch runs no statement. */
export async function appendAll(
  tx: Tx,
  now: EpochMs,
  entries: readonly TimelineEntry[],
  random: Random,
): Promise<void> {
  if (entries.length === 0) return;
  // Ids of one millisecond differ by chance: sorted first, so that the order of integration is the order given.
  const ids = entries.map(() => newId<TimelineEntryId>(random, now)).toSorted();
  const rows = entries.map((entry, index) => ({ entry, id: ids[index]! }));
  const at = toIso(now);
  await tx.run(
    `insert into timeline_entry (id, at, kind, incident_id, body)
     select id, $2, kind, incident_id, body
       from unnest($1::uuid[], $3::text[], $4::uuid[], $5::bytea[]) as entry (id, kind, incident_id, body)`,
    [
      rows.map(({ id }) => id),
      toDate(now),
      rows.map(({ entry }) => entry.kind),
      rows.map(({ entry }) => entry.incidentId ?? null),
      rows.map(({ id, entry }) => leafBody(id, at, entry)),
    ],
  );
}

/** The bytes that are hashed: canonical JSON of everything the row says (RFC 8785 for the values we allow). */
function leafBody(id: TimelineEntryId, at: string, { kind, incidentId, detail }: TimelineEntry): Buffer {
  const body = Buffer.from(
    canonicalJson({ id, at, kind, ...(incidentId === undefined ? {} : { incidentId }), detail }),
    "utf8",
  );
  if (body.length > entryLimitBytes) {
    throw new Fault("IMPOSSIBLE", `a timeline entry "${kind}" is larger than ${entryLimitBytes} bytes`);
  }
  return body;
}
