import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, parseInstant, toDate, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, TimelineHead } from "../keyholder/keyholder.ts";
import { readKeyUse } from "../key-use/read.ts";
import { doubtedFrom } from "../credentials/added-since.ts";
import { refusedEachHour } from "../sessions/refusals.ts";
import { readStanding } from "../credentials/standing.ts";
import { listWitnesses } from "../timeline/list-witnesses.ts";
import { detailOf } from "../timeline/read.ts";
import { verifyTimeline, type TimelineVerdict } from "../timeline/verify.ts";
import type { IncidentStatus, LetterSum } from "../wire/incidents.ts";
import type { Report } from "../wire/report.ts";
import type { DeadlineRule } from "./deadlines.ts";
import { addsUp } from "./letter-sum.ts";
import { readNotices } from "./notice.ts";
import { rareReadingOf, type RareReadingNeeds } from "./rare-reading.ts";
import { accountsInScope } from "./scope.ts";
import { draftsOf } from "./report-drafts.ts";
import { incidentStatus } from "./status.ts";
import { readStolenCopy, type IsDecoy } from "./stolen-copy/read-stolen-copy.ts";

export interface ReportNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly keyholder: Pick<Keyholder, "publicKeys"> & { readonly witness: Pick<Keyholder["witness"], "read"> };
  readonly log: Log;
  readonly isDecoy: IsDecoy;
  /** Those that are counted: see `readDeadlines`. */
  readonly deadlines: readonly DeadlineRule[];
}

/**
 * Everything that can be said of a case to an outsider, with what it rests on: the sum of the letters, compared with the
 * timeline's own count of them; what was refused; whether the timeline is what was signed. Reads the whole timeline and
 * every letter of the case: seconds at a million letters. `undefined` for an id that is no case.
 */
export async function reportIncident(needs: ReportNeeds, incidentId: IncidentId): Promise<Report | undefined> {
  const { db, clock } = needs;
  // What is said of the case and what is listed for it must agree, also while the case goes on.
  const read = await db.snapshot((tx) => readCase({ ...needs, db: tx }, incidentId));
  if (read === undefined) return undefined;
  const [verified, copy] = await Promise.all([verifyAgain(needs), readStolenCopy(db, needs.isDecoy)]);
  const { status, letters, notifiedAt, inScope } = read;
  const { timeline: _timeline, missing: _missing, ...incident } = status;
  return {
    format: "houselights report 1",
    madeAt: toIso(clock.now()),
    // One count of the letters, wherever it stands.
    incident: { ...incident, letters: letters?.sum ?? null },
    notifiedAt,
    letters,
    accountsRenewed: read.accountsRenewed,
    refused: {
      byHour: read.refusedByHour,
      byKind: status.refusedByKind.map(({ kind, refused }) => ({ kind, count: refused })),
      servedOld: read.servedOld,
      how:
        "Each request reads its session and the floor of its kind in one statement, and nothing is cached; a session " +
        "whose epoch is below the floor is refused and counted. As a check from the other side, sessions below their " +
        "floor were searched for one that was seen, or made, more than five seconds after the floor was raised.",
    },
    keyUse: read.keyUse,
    timeline: { ...read.timeline, ...verified },
    copy,
    limits: limitsOf(status),
    drafts: draftsOf({ ...incident, notifiedAt, inScope }),
  };
}

/**
 * The same for several who ask at once: whoever asks while a report of the case is being made gets that one. At millions of
 * accounts it takes minutes, and an impatient click must not have every hash computed twice.
 */
export function sharedReport(needs: ReportNeeds & RareReadingNeeds): (id: IncidentId) => Promise<Report | undefined> {
  const makeOf = rareReadingOf(needs, 0, async (id: IncidentId) => ({ report: await reportIncident(needs, id) }));
  return async (id) => (await makeOf(id)).report;
}

/** All that the report reads of one instant; `undefined` for an id that is no case. */
async function readCase(needs: Parameters<typeof incidentStatus>[0], incidentId: IncidentId) {
  const { db: tx, clock } = needs;
  const status = await incidentStatus(needs, incidentId);
  if (status === undefined) return undefined;
  const copiedSince = status.copiedAt ?? status.copiedAfter;
  const usedSince = doubtedFrom(parseInstant(status.foundAt), copiedSince === null ? null : parseInstant(copiedSince));
  const usedUntil = status.closedAt === null ? clock.now() : parseInstant(status.closedAt);
  const [notifiedAt, letters, accountsRenewed, servedOld, keyUse, refusedByHour, timeline] = await Promise.all([
    notifiedAtOf(tx, incidentId),
    lettersPart(tx, incidentId, status),
    status.containedAt === null ? null : countAccountsRenewed(tx, status.containedAt, status.closedAt),
    status.containedAt === null ? null : countServedOld(tx),
    readKeyUse(tx, usedSince, usedUntil),
    status.containedAt === null ? [] : refusedEachHour(tx, toDate(parseInstant(status.containedAt))),
    timelinePart(tx, incidentId),
  ]);
  const inScope = letters?.sum.scope ?? (await countInScope(tx, incidentId, clock.now()));
  return { status, notifiedAt, letters, accountsRenewed, servedOld, keyUse, refusedByHour, timeline, inScope };
}

/** The accounts that a campaign started now would be about. */
async function countInScope(tx: Tx, incidentId: IncidentId, now: EpochMs): Promise<number> {
  const accounts = await accountsInScope(tx, incidentId);
  const row = await tx.one<{ accounts: number }>(`select count(*) as accounts from ${accounts}`, [
    incidentId,
    toDate(now),
  ]);
  return row?.accounts ?? 0;
}

async function notifiedAtOf(tx: Tx, incidentId: IncidentId): Promise<string | null> {
  const row = await tx.one<{ at: Date | null }>(`select notified_at as at from incident where id = $1`, [incidentId]);
  return row?.at == null ? null : toIso(fromDate(row.at));
}

async function lettersPart(tx: Tx, incidentId: IncidentId, status: IncidentStatus): Promise<Report["letters"]> {
  if (status.letters === null) return null;
  type Source = "letter" | "bounce" | "table" | "hour" | "possibly twice" | "scope";
  const [counts, notices] = await Promise.all([
    // All from one snapshot: while letters are going out, two reads would disagree by themselves.
    tx.many<{ source: Source; outcome: string; count: number }>(
      `select kind as source, (${detailOf}) ->> 'outcome' as outcome, count(*) as count
         from timeline_entry where incident_id = $1 and kind in ('letter', 'bounce') group by 1, 2
       union all
       select 'table', state, count(*) from letter where incident_id = $1 group by 2
       union all
       select 'hour', to_char(settled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:00:00.000"Z"'), count(*)
         from letter where incident_id = $1 and state = 'handed over' group by 2
       union all
       select 'possibly twice', '', count(*) from letter where incident_id = $1 and possibly_twice
       union all
       select 'scope', '', coalesce(scope_count, (select count(*) from letter where incident_id = $1))
         from incident where id = $1
       order by 1, 2`,
      [incidentId],
    ),
    readNotices(tx, incidentId),
  ]);
  const count = (from: Source, ...outcomes: readonly string[]): number =>
    counts
      .filter(({ source, outcome }) => source === from && outcomes.includes(outcome))
      .reduce((total, one) => total + one.count, 0);
  const recorded = (kind: "letter" | "bounce") =>
    counts.filter(({ source }) => source === kind).map(({ outcome, count: entries }) => ({ outcome, count: entries }));
  const sum: LetterSum = {
    scope: count("scope", ""),
    handedOver: count("table", "handed over"),
    bounced: count("table", "bounced"),
    refused: count("table", "refused"),
    suppressed: count("table", "suppressed"),
    noAddress: count("table", "no address"),
    waiting: count("table", "unclaimed", "claimed", "deferred"),
    possiblyTwice: count("possibly twice", ""),
  };
  return {
    sum,
    addsUp: addsUp(sum),
    handedOverByHour: counts
      .filter(({ source }) => source === "hour")
      .map(({ outcome: hour, count: letters }) => ({ hour, count: letters })),
    inTimeline: recorded("letter"),
    bouncesInTimeline: recorded("bounce"),
    // A letter that came back was handed over first, and its entry says so; one that then went to another address has two.
    agrees:
      count("letter", "handed over") - count("bounce", "second address") === sum.handedOver + sum.bounced &&
      count("bounce", "bounced") === sum.bounced &&
      count("letter", "refused") === sum.refused,
    templates: notices.map(({ locale, subject, hash }) => ({ locale, subject, sha256Hex: hash.toString("hex") })),
  };
}

/** Whoever renewed, and had to again after a second containment, is one. */
async function countAccountsRenewed(tx: Tx, since: string, until: string | null): Promise<number> {
  const row = await tx.one<{ accounts: number }>(
    // An entry that says nobody's name, since somebody rewrote it, is somebody all the same.
    `select count(distinct coalesce((${detailOf}) ->> 'account', id::text)) as accounts
       from timeline_entry where kind = 'renewed' and at >= $1 and ($2::timestamptz is null or at <= $2)`,
    [toDate(parseInstant(since)), until === null ? null : toDate(parseInstant(until))],
  );
  return row?.accounts ?? 0;
}

/** Old sessions that were used or made after their floor was raised: none, unless something is broken. */
async function countServedOld(tx: Tx): Promise<{ seenAfter: number; madeAfter: number }> {
  const row = await tx.one<{ seenAfter: number; madeAfter: number }>(
    `select count(*) filter (where s.last_seen_at > f.raised_at + interval '5 seconds') as "seenAfter",
            count(*) filter (where s.created_at > f.raised_at + interval '5 seconds') as "madeAfter"
       from session s join floor f on f.kind = s.class
      where s.epoch < f.epoch`,
  );
  return row ?? { seenAfter: 0, madeAfter: 0 };
}

const shownEntries = 1_000;

/** Whether the timeline is what was signed, every hash computed again. */
async function verifyAgain(
  needs: ReportNeeds,
): Promise<Pick<Report["timeline"], "verdict" | "explanation" | "witness">> {
  const { db, keyholder } = needs;
  const instance = await db.one<{ id: string }>(`select id from instance`);
  if (instance === undefined) throw new Fault("IMPOSSIBLE", "the instance table is empty: run the migrations first");
  // The witness first: what it has seen was committed before, so the tables read afterwards must contain it.
  const witnessed = await readWitness(needs, instance.id);
  const publicKeys = (await keyholder.publicKeys("checkpoint")).map(({ publicKey }) => publicKey);
  const verdict = await verifyTimeline({
    db,
    databaseId: instance.id,
    publicKeys,
    ...(witnessed === undefined ? {} : { witnessed }),
  });
  return {
    verdict: verdict.kind,
    explanation: explain(verdict),
    witness: witnessed === undefined ? "not reached" : "compared",
  };
}

async function timelinePart(
  tx: Tx,
  incidentId: IncidentId,
): Promise<Omit<Report["timeline"], "verdict" | "explanation" | "witness">> {
  const checkpoint = await tx.one<{ size: number; root: Buffer; note: string }>(
    `select size, root, note from timeline_checkpoint where note is not null order by size desc limit 1`,
  );
  const size = checkpoint?.size ?? 0;
  const entries = await tx.many<{
    at: Date;
    kind: string;
    detail: Record<string, unknown>;
    leafIndex: number | null;
    leafHash: Buffer | null;
    all: number;
  }>(
    // Entries that no signature covers come first, and so are never left out: exported files do not have them.
    `select at, kind, ${detailOf} as detail, leaf_index as "leafIndex", leaf_hash as "leafHash", count(*) over () as all
       from timeline_entry where incident_id = $1 and kind not in ('letter', 'bounce')
      order by leaf_index is null or leaf_index >= $3 desc, at, leaf_index nulls last, id limit $2`,
    [incidentId, shownEntries, size],
  );
  const cosigners = await listWitnesses(tx, undefined);
  const unsigned = await tx.one<{ count: number }>(
    `select (select count(*) from timeline_entry where leaf_index >= $1)
          + (select count(*) from timeline_entry where leaf_index is null) as count`,
    [size],
  );
  return {
    size,
    unsigned: unsigned?.count ?? 0,
    rootHex: checkpoint?.root.toString("hex") ?? "",
    checkpoint: checkpoint?.note ?? null,
    cosigners: cosigners.witnesses.map((one) => ({ ...one })),
    entries: entries
      .toSorted((one, other) => one.at.getTime() - other.at.getTime())
      .map(({ at, kind, detail, leafIndex, leafHash }) => ({
        at: toIso(fromDate(at)),
        kind,
        detail,
        leafIndex,
        leafHashHex: leafHash?.toString("hex") ?? null,
      })),
    entriesLeftOut: (entries[0]?.all ?? 0) - entries.length,
  };
}

async function readWitness({ db, keyholder, log }: ReportNeeds, databaseId: string): Promise<TimelineHead | undefined> {
  try {
    return (await keyholder.witness.read(databaseId, await readStanding(db))).head;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || !thrown.code.startsWith("KEYHOLDER")) throw thrown;
    log.warn({ reason: messageOf(thrown) }, "a report is made without the witness");
    return undefined;
  }
}

function explain(verdict: TimelineVerdict): string {
  if (verdict.kind === "broken")
    return `From entry ${verdict.firstBadIndex} on it is not what was signed: ${verdict.reason}.`;
  const waiting =
    verdict.unsigned === 0
      ? ""
      : ` ${numbered(verdict.unsigned, "newer entry waits", "newer entries wait")} for a signature.`;
  return (
    `Every hash was computed again from the entries' bytes and agrees with every stored hash, root and signature ` +
    `(${numbered(verdict.size, "entry", "entries")}, ${numbered(verdict.checkpoints, "signed checkpoint")}).${waiting}`
  );
}

/** What this report does not know, said so that nobody reads it into the figures. */
function limitsOf({ keptTools, containment }: IncidentStatus): string[] {
  return [
    "Handed over means that the relay took the letter; it does not show that anybody read it.",
    "Refused requests are counted by each process and written every two seconds: a process that was killed may have taken the last of them with it.",
    "When a session was last seen is noted to five minutes.",
    "Uses of keys are compared with what the service's own processes announced: a captured process announces what it asks, and whoever has the keys themselves asks nobody.",
    ...(keptTools ? ["Tokens of scripts and other tools were kept on purpose when the theft was contained."] : []),
    ...(containment === "with-renewal"
      ? [
          "Sessions from before the theft stayed signed in until their account renewed: that way of containing was chosen.",
        ]
      : []),
  ];
}
