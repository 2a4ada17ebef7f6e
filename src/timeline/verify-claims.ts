import { fieldsOf, listOf, textOf, textOrNull, wholeOf, type Fields } from "./plain-fields.ts";
import { caseDifferences, type Act } from "./verify-case.ts";

/**
 * What a report says of the timeline, as far as the timeline can speak to it. Plain checks instead of a schema's: this
 * runs on an auditor's machine, where nothing is installed.
 */
export interface ReportClaims {
  readonly incidentId: string;
  readonly reference: string;
  readonly containedAt: string | null;
  readonly closedAt: string | null;
  /** How many entries the report's own checkpoint covers, and that checkpoint. */
  readonly size: number;
  readonly checkpoint: string | null;
  /** Entries that waited for a signature when it was made: what it says may be ahead by so many. */
  readonly unsigned: number;
  readonly entries: readonly ClaimedEntry[];
  readonly entriesLeftOut: number;
  readonly letters: ReadonlyMap<string, number>;
  readonly bounces: ReadonlyMap<string, number>;
  readonly renewalsByHour: ReadonlyMap<string, number>;
  /** The whole of it, for what its acts decide. */
  readonly report: Fields;
}

export interface ClaimedEntry {
  readonly at: string;
  readonly kind: string;
  readonly detail: unknown;
  readonly leafIndex: number | null;
  readonly leafHashHex: string | null;
}

/** Reads a report's JSON; `undefined` for anything else. */
export function readReportClaims(text: string): ReportClaims | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const report = fieldsOf(value);
  const incident = fieldsOf(report["incident"]);
  const timeline = fieldsOf(report["timeline"]);
  const letters = fieldsOf(report["letters"]);
  const outcomes = (list: unknown) =>
    new Map(listOf(list).map((one) => [textOf(one["outcome"]), wholeOf(one["count"])]));
  const claims: ReportClaims = {
    incidentId: textOf(incident["id"]),
    reference: textOf(incident["reference"]),
    containedAt: textOrNull(incident["containedAt"]),
    closedAt: textOrNull(incident["closedAt"]),
    size: wholeOf(timeline["size"]),
    checkpoint: textOrNull(timeline["checkpoint"]),
    unsigned: wholeOf(timeline["unsigned"]),
    entries: listOf(timeline["entries"]).map((entry) => ({
      at: textOf(entry["at"]),
      kind: textOf(entry["kind"]),
      detail: entry["detail"],
      leafIndex: entry["leafIndex"] === null ? null : wholeOf(entry["leafIndex"]),
      leafHashHex: textOrNull(entry["leafHashHex"]),
    })),
    entriesLeftOut: wholeOf(timeline["entriesLeftOut"]),
    letters: outcomes(letters["inTimeline"]),
    bounces: outcomes(letters["bouncesInTimeline"]),
    renewalsByHour: new Map(
      listOf(incident["renewalsByHour"]).map((one) => [textOf(one["hour"]), wholeOf(one["renewed"])]),
    ),
    report,
  };
  const isReport = textOf(report["format"]).startsWith("houselights report ") && claims.incidentId !== "";
  return isReport && claims.size >= 0 && claims.unsigned >= 0 ? claims : undefined;
}

/** Compares a report with the entries, which it is shown one after the other. */
export function compareReport(claims: ReportClaims) {
  const { incidentId, containedAt, closedAt, size, unsigned } = claims;
  const isAhead = ({ leafIndex }: ClaimedEntry): boolean => leafIndex === null || leafIndex >= size;
  const claimed = new Map(claims.entries.map((entry) => [entry.leafIndex, entry]));
  /** Acts that it lists and its own checkpoint does not cover; what has been signed since is taken off. */
  const ahead = claims.entries.filter(isAhead);
  const wrong: string[] = [];
  const placed = claims.entries.flatMap(({ leafIndex }) => leafIndex ?? []);
  if (new Set(placed).size < placed.length) wrong.push("it lists one entry twice");
  const letters = new Map<string, number>();
  const bounces = new Map<string, number>();
  const renewals = new Map<string, number>();
  /** What people and the service did in the case, without the single letters. */
  const acts: Act[] = [];

  const count = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

  return {
    see: (index: number, body: Buffer, leafHash: Buffer): void => {
      const said = parsed(body);
      const isOfCase = said["incidentId"] === incidentId;
      const isWhatStandsThere = ({ at, kind, detail }: ClaimedEntry): boolean =>
        isOfCase && at === said["at"] && kind === said["kind"] && isSame(detail, said["detail"]);
      if (index >= size) {
        const waited = ahead.findIndex(isWhatStandsThere);
        if (waited >= 0) ahead.splice(waited, 1);
        return;
      }
      const entry = claimed.get(index);
      if (entry !== undefined) {
        claimed.delete(index);
        if (entry.leafHashHex !== leafHash.toString("hex") || !isWhatStandsThere(entry)) {
          wrong.push(`its entry ${index} (${entry.kind}) is not what the timeline has there`);
        }
      }
      const at = textOf(said["at"]);
      const detail = fieldsOf(said["detail"]);
      if (isOfCase && said["kind"] === "letter") count(letters, textOf(detail["outcome"]));
      else if (isOfCase && said["kind"] === "bounce") count(bounces, textOf(detail["outcome"]));
      else if (isOfCase) acts.push({ at, kind: textOf(said["kind"]), detail });
      if (
        said["kind"] === "renewed" &&
        containedAt !== null &&
        at >= containedAt &&
        (closedAt === null || at <= closedAt)
      ) {
        count(renewals, `${at.slice(0, 13)}:00:00.000Z`);
      }
    },
    /**
     * What the report says and the timeline does not, in sentences; and the acts that it lists and that nobody has signed, which
     * have to be believed.
     */
    finish: (): { readonly wrong: readonly string[]; readonly unsigned: readonly ClaimedEntry[] } => {
      for (const [index, { kind }] of claimed) {
        if (index !== null && index < size) wrong.push(`its entry ${index} (${kind}) is not in the timeline`);
      }
      const listedAhead = claims.entries.filter(isAhead);
      if (listedAhead.length > unsigned) {
        wrong.push(
          `it lists ${listedAhead.length} entries that nobody had signed, and says that ${unsigned} waited for it`,
        );
      }
      const listed = claims.entries.length - listedAhead.length;
      const missing = acts.length - listed - claims.entriesLeftOut;
      if (missing > 0) wrong.push(`it leaves out ${missing} of the case's ${acts.length} entries and does not say so`);
      if (missing < 0) wrong.push(`it says that it leaves out ${claims.entriesLeftOut} entries, which are not there`);
      wrong.push(...differences("letters", claims.letters, letters, unsigned));
      wrong.push(...differences("letters that came back", claims.bounces, bounces, unsigned));
      wrong.push(...differences("renewals", claims.renewalsByHour, renewals, unsigned));
      const unsignedActs = listedAhead.map(({ at, kind, detail }) => ({ at, kind, detail: fieldsOf(detail) }));
      wrong.push(...caseDifferences(claims.report, [...acts, ...unsignedActs]));
      return { wrong, unsigned: ahead };
    },
  };
}

/** A report counts what was committed, and may be ahead of the signed tree by what waited for its signature. */
function* differences(
  what: string,
  stated: ReadonlyMap<string, number>,
  counted: ReadonlyMap<string, number>,
  unsigned: number,
): Generator<string> {
  for (const key of new Set([...stated.keys(), ...counted.keys()])) {
    const [said, found] = [stated.get(key) ?? 0, counted.get(key) ?? 0];
    if (said < found || said > found + unsigned) {
      yield `it says ${said} ${what} "${key}", and the timeline has ${found}`;
    }
  }
}

function parsed(body: Buffer): Fields {
  try {
    return fieldsOf(JSON.parse(body.toString("utf8")));
  } catch {
    return {};
  }
}

function isSame(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, i) => isSame(value, other[i]));
  }
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length && keys.every((key) => isSame(fieldsOf(one)[key], fieldsOf(other)[key]))
  );
}
