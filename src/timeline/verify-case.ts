import { containmentInForce } from "./containment-in-force.ts";
import { fieldsOf, listOf, textOf, wholeOf, type Fields } from "./plain-fields.ts";

/** An act of a case as the timeline has it, in the order in which they were signed. */
export interface Act {
  readonly at: string;
  readonly kind: string;
  readonly detail: Fields;
}

type Claim = readonly [what: string, said: unknown, found: unknown];

/**
 * What a report says of a case at its head (when it was found, contained and closed, whom the letters reached, how the
 * intruder got in, what was reviewed) against the acts of the case: whoever makes a table say something else has not
 * changed what was signed. Yields a sentence for each difference. What no entry holds (who found it and how, evidence,
 * notes) is not compared.
 */
export function* caseDifferences(report: Fields, acts: readonly Act[]): Generator<string> {
  for (const [what, said, found] of [...courseOf(report, acts), ...reviewOf(report, acts), ...sumsOf(report, acts)]) {
    if (JSON.stringify(said ?? null) === JSON.stringify(found ?? null)) continue;
    yield `it says ${what} ${shown(said)}, and the timeline ${shown(found)}`;
  }
}

const shown = (value: unknown): string => (value == null ? "none" : (JSON.stringify(value) ?? "none").slice(0, 200));

const lastOf = (acts: readonly Act[], ...kinds: readonly string[]): Act | undefined =>
  acts.findLast(({ kind }) => kinds.includes(kind));
/** Those that say what is known of a case. */
const isFacts = (kind: string): boolean => kind === "incident opened" || kind === "incident changed";
const allAccounts = "everybody";
const firstOf = (acts: readonly Act[], kind: string): Act | undefined => acts.find((act) => act.kind === kind);

/** The start of the letters; none once the case has become about more accounts than they were for, until they are started once more. */
function plannedFor(acts: readonly Act[]): Act | undefined {
  const accounts = new Set<unknown>();
  let planned: Act | undefined;
  for (const act of acts) {
    if (act.kind === "campaign planned") planned ??= act;
    if (act.kind !== "contained") continue;
    const whom = act.detail["mode"] === "account" ? act.detail["account"] : allAccounts;
    const isWider = !accounts.has(whom) && !accounts.has(allAccounts);
    accounts.add(whom);
    // Of one instant the order is chance: what was contained then was contained before anybody was told.
    if (isWider && planned !== undefined && act.at > planned.at) planned = undefined;
  }
  return planned;
}

function courseOf(report: Fields, acts: readonly Act[]): Claim[] {
  const incident = fieldsOf(report["incident"]);
  const opened = firstOf(acts, "incident opened");
  // What was learnt later replaces what the case was opened with.
  const known = acts.findLast(({ kind }) => isFacts(kind));
  const contained = acts.filter(({ kind }) => kind === "contained");
  // A case about single accounts is everybody's from the first containment of everybody on.
  const everybody = contained.filter(({ detail }) => detail["mode"] !== "account");
  const counted = everybody.length > 0 ? everybody : contained;
  const last = counted.at(-1);
  const copiedAt = textOf(known?.detail["copied at"]);
  const inForce = containmentInForce(everybody, copiedAt === "" ? null : copiedAt);
  const closed = lastOf(acts, "incident closed");
  const finished = lastOf(acts, "campaign finished");
  // A containment says so only where they were; what it says counts until the case is told something else.
  const keysReachable = acts.findLast(
    ({ kind, detail }) => (kind === "contained" && detail["keys reachable"] === "yes") || isFacts(kind),
  )?.detail["keys reachable"];
  return [
    ["its reference is", incident["reference"], opened?.detail["reference"]],
    ["its reason is", incident["reason"], opened?.detail["reason"]],
    ["opened at", incident["openedAt"], opened?.at],
    // An entry that was signed before these were written into it says nothing of them.
    ...(known !== undefined && !("found at" in known.detail)
      ? []
      : ([
          ["found at", incident["foundAt"], known?.detail["found at"]],
          ["copied at", incident["copiedAt"], known?.detail["copied at"]],
          ["copied after", incident["copiedAfter"], known?.detail["copied after"]],
          ["taken:", incident["dataClasses"], known?.detail["data"]],
          ["keys reachable:", incident["keysReachable"], keysReachable],
        ] as const)),
    ["contained at", incident["containedAt"], counted[0]?.at],
    ["contained:", incident["containment"], inForce?.mode ?? last?.detail["mode"]],
    ["that is in force since", incident["containmentAt"], inForce?.at ?? counted[0]?.at],
    ["the epoch is", incident["epoch"], last?.detail["epoch"] ?? null],
    ["tools were kept:", incident["keptTools"], inForce?.keptTools ?? false],
    // A report from before this was said says nothing of it.
    ...(incident["copiedSinceContained"] === undefined
      ? []
      : [["the copy is newer than it:", incident["copiedSinceContained"], isCopiedSince(known, contained)] as const]),
    ["letters started at", report["notifiedAt"], plannedFor(acts)?.at],
    // A letter that came back may set a finished campaign going again.
    ...(incident["lettersFinishedAt"] === null
      ? []
      : [["letters finished at", incident["lettersFinishedAt"], finished?.at] as const]),
    ["closed at", incident["closedAt"], closed?.at],
    ["it is closed:", incident["state"] === "closed", closed !== undefined],
  ];
}

/** Whether the copy was taken after every containment. */
function isCopiedSince(known: Act | undefined, contained: readonly Act[]): boolean {
  const since = textOf(known?.detail["copied at"] ?? known?.detail["copied after"]);
  return since !== "" && contained.length > 0 && contained.every(({ at }) => at < since);
}

function reviewOf(report: Fields, acts: readonly Act[]): Claim[] {
  const incident = fieldsOf(report["incident"]);
  const wayIn = lastOf(acts, "way in recorded");
  const said = incident["wayIn"] === null ? undefined : fieldsOf(incident["wayIn"]);
  const recorded = acts.filter(({ kind }) => kind === "review recorded");
  return [
    ["the way in was", said?.["what"], wayIn?.detail["what"]],
    ["the way in was closed at", instantOf(said?.["closedAt"]), instantOf(wayIn?.detail["closed at"])],
    ...listOf(incident["review"]).map(({ item, state }): Claim => [
      `the review of ${textOf(item)} is`,
      state,
      recorded.findLast(({ detail }) => detail["item"] === item)?.detail["state"] ?? "todo",
    ]),
  ];
}

/** One instant may be written in several ways. */
const instantOf = (value: unknown): number | undefined => {
  // oxlint-disable-next-line no-restricted-globals -- it reads what is written, and asks no clock
  const ms = Date.parse(textOf(value));
  return Number.isNaN(ms) ? undefined : ms;
};

/** The sums follow from the single entries, whose numbers the report states too and which are compared by themselves. */
function sumsOf(report: Fields, acts: readonly Act[]): Claim[] {
  const incident = fieldsOf(report["incident"]);
  const renewals = listOf(incident["renewalsByHour"]).reduce((sum, { renewed }) => sum + wholeOf(renewed), 0);
  const renewed: Claim = ["passwords have been renewed:", incident["renewed"], renewals];
  if (report["letters"] === null) {
    return [renewed, ["letters were planned:", false, plannedFor(acts) !== undefined]];
  }
  const letters = fieldsOf(report["letters"]);
  const sum = fieldsOf(letters["sum"]);
  const entries = (list: unknown, outcome: string): number =>
    wholeOf(listOf(list).find((one) => one["outcome"] === outcome)?.["count"] ?? 0);
  const bounced = entries(letters["bouncesInTimeline"], "bounced");
  const elsewhere = entries(letters["bouncesInTimeline"], "second address");
  const handedOver = entries(letters["inTimeline"], "handed over") - elsewhere - bounced;
  const last = acts.findLastIndex(({ kind }) => kind === "campaign planned");
  const started = firstOf(acts.slice(Math.max(0, last)), "campaign started");
  const templates = listOf(letters["templates"]).map((one) => `${textOf(one["locale"])} ${textOf(one["sha256Hex"])}`);
  const planned = acts[last]?.detail["templates"];
  return [
    renewed,
    ["letters handed over:", sum["handedOver"], handedOver],
    ["letters bounced:", sum["bounced"], bounced],
    ["letters refused:", sum["refused"], entries(letters["inTimeline"], "refused")],
    // Before the scope is frozen nothing states it.
    ...(started === undefined ? [] : [["accounts in scope:", sum["scope"], started.detail["scope"]] as const]),
    ["its letters' texts are", templates.toSorted(), Array.isArray(planned) ? planned.map(String).toSorted() : []],
    ["the outcomes add up to the scope:", letters["addsUp"], adds(sum)],
    ["rows and timeline agree:", letters["agrees"], true],
    ["the case's letters are", JSON.stringify(incident["letters"]), JSON.stringify(letters["sum"])],
    ["the times of the letters come to", handedOverIn(letters), sum["handedOver"]],
  ];
}

const adds = (sum: Fields): boolean =>
  wholeOf(sum["scope"]) ===
  ["handedOver", "bounced", "refused", "suppressed", "noAddress", "waiting"].reduce(
    (total, name) => total + wholeOf(sum[name]),
    0,
  );

const handedOverIn = (letters: Fields): number =>
  listOf(letters["handedOverByHour"]).reduce((total, { count }) => total + wholeOf(count), 0);
