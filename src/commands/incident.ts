import { isDecoy } from "../canaries/decoy.ts";
import { parseId, type AccountId, type IncidentId } from "../kernel/brand.ts";
import { plus, readInstant, secondMs, sleep, toIso } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Ground } from "../app.ts";
import { closeIncident, recordReview, recordWayIn } from "../incidents/close.ts";
import { closeRefusal, reviewRefusal, wayInRefusal } from "../incidents/refusals.ts";
import { notifyIncident, type NotifyOutcome } from "../incidents/notify.ts";
import { pauseCampaign, resumeCampaign } from "../incidents/pause.ts";
import { dueText } from "../incidents/deadlines.ts";
import { readDeadlines } from "../incidents/read-deadlines.ts";
import { wayOutOf } from "../incidents/plan.ts";
import { askForSurvey, readSurvey } from "../incidents/survey.ts";
import { reportIncident } from "../incidents/report.ts";
import { reportHtml } from "../incidents/report-html.ts";
import { sharedCaseNumbers } from "../incidents/case-numbers.ts";
import { incidentStatus, listIncidents } from "../incidents/status.ts";
import type { IncidentStatus, LetterSum } from "../wire/incidents.ts";
import type { SignalSum } from "../wire/signals.ts";
import { containCommand } from "./contain.ts";
import { amendCommand, openCommand } from "./open-case.ts";
import { awayLines, caseOf, idHelp, idOption, isOutcome, onCase, onCaseRead, refuseTooLong } from "./case.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { diskLines } from "./disk-lines.ts";
import { withGround, withReadingGround } from "./ground.ts";
import { followLetters, progressLine } from "./follow-letters.ts";
import { lineScreenOf } from "./redrawn-line.ts";
import { showingProgress, stderr } from "./show-progress.ts";
import { writeNamed } from "./write-named.ts";

const operator = "host" as const;
const watchEveryMs = 2 * secondMs;

function sumLines(sum: LetterSum): string[] {
  const rows: readonly (readonly [string, number])[] = [
    ["scope", sum.scope],
    ["handed over", sum.handedOver],
    ["bounced", sum.bounced],
    ["refused", sum.refused],
    ["suppressed", sum.suppressed],
    ["no address", sum.noAddress],
    ["waiting", sum.waiting],
    ["possibly twice", sum.possiblyTwice],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(22)}${figure(value)}`);
}

const signalLine = ({ receiver, made, taken, waiting, refused, dropped, finished }: SignalSum): string =>
  `  told ${receiver.slice(0, 15)}`.padEnd(24) +
  `${figure(taken)} of ${numbered(made, "signal")} taken · ${figure(waiting)} waiting · ${figure(refused)} refused · ` +
  `${figure(dropped)} dropped${finished ? "" : " · under way"}`;

function containedText(status: IncidentStatus): string {
  const { containedAt, containment, containmentAt, keptTools, copiedSinceContained } = status;
  if (containedAt === null || containment === null || containmentAt === null) return "not yet";
  if (copiedSinceContained) return `${instant(containmentAt)}, BEFORE the copy was taken: contain again`;
  const later = containmentAt === containedAt ? "" : ` since ${instant(containmentAt)}`;
  return `${instant(containedAt)}, ${containment}${later}${keptTools ? ", tools kept" : ""}`;
}

function statusLines(status: IncidentStatus): string[] {
  return [
    `${status.reference}  ${status.state}`,
    `  reason                ${status.reason}`,
    `  found                 ${instant(status.foundAt)} by ${status.foundBy}`,
    `  contained             ${containedText(status)}`,
    ...(status.letters === null ? ["  letters               not started"] : sumLines(status.letters)),
    ...(status.letterPace === null ? [] : [`  going out             ${progressLine(status)}`]),
    `  renewed               ${figure(status.renewed)}`,
    ...status.signals.map(signalLine),
    ...status.refusedByKind.map(({ kind, refused }) => `  refused (${kind})`.padEnd(24) + figure(refused)),
    ...status.deadlines.map(({ title, dueAt, state }) => `  due ${dueText(dueAt)}  ${state.padEnd(8)}${title}`),
    ...(status.missing.length === 0 ? [] : ["  before it can close:", ...status.missing.map((line) => `    ${line}`)]),
  ];
}

async function runNotify(call: Call): Promise<Outcome> {
  const { config, log, values } = call;
  const asked = (["plan", "preview", "test"] as const).filter((action) => values[action] === true);
  if (asked.length > 1) return { kind: "usage", error: "--plan, --preview and --test exclude each other" };
  const action = asked[0] ?? "start";
  const to = parseId<AccountId>(textOf(values, "to"));
  // Without it the letter would go to everybody.
  if (action !== "test" && values["to"] !== undefined) {
    return { kind: "usage", error: "--to goes with --test: a letter to one operator alone" };
  }
  if (action === "test" && to === undefined) {
    return { kind: "usage", error: "--test needs --to ID, an operator's account", hint: "houselights operator list" };
  }
  return withGround(config, log, async (ground, signal) => {
    const id = await caseOf(ground, call);
    if (isOutcome(id)) return id;
    const { db, clock, random, keyholders } = ground;
    const needs = {
      db,
      clock,
      random,
      keyholder: keyholders.operator,
      log,
      wayOut: wayOutOf(config),
      deadlines: await readDeadlines(config.deadlines),
      service: { name: config.serviceName, origin: config.publicOrigin, contact: config.contactAddress },
    };
    const by = to ?? operator;
    if (action === "start" && values["yes"] !== true) {
      const plan = await finishedPlan(needs, id, signal);
      if (plan.kind !== "refused" && plan.text !== undefined) call.say(plan.text);
      // What cannot be started is refused by the start, in its words, and not asked about.
      const canStart = plan.kind === "refused" || plan.plan?.lacks.some(({ stops }) => stops) !== true;
      if (canStart && !(await confirmed(call, "send these letters now?"))) {
        return { kind: "refused", error: "no letter was sent", hint: "--yes sends without asking" };
      }
    }
    const outcome =
      action === "plan" ? await finishedPlan(needs, id, signal) : await notifyIncident(needs, id, action, by);
    if (outcome.kind === "refused") return { kind: "refused", error: outcome.reason };
    const lines = [
      ...(outcome.subject === undefined ? [] : [outcome.subject, ""]),
      ...(outcome.text === undefined ? [] : [outcome.text]),
      ...(outcome.sum === undefined ? [] : sumLines(outcome.sum)),
    ];
    const done = {
      started: "letters are going out; houselights incident status shows them",
      "already-started": "the campaign was started before; nothing was changed",
      "test-sent": "the test letter is on its way",
      preview: "",
      plan: "",
      paused: "",
      resumed: "",
    };
    return {
      kind: "done",
      json: outcome,
      lines: [...lines, done[outcome.kind]].filter((line, i, all) => line !== "" || i < all.length - 1),
    };
  });
}

/** How long a terminal waits for what the worker finds out, if nothing comes on. */
const surveyPatienceMs = 15 * secondMs;

/** The plan with everything that the worker finds out; without it when no worker goes on with it, as while the service is stopped. */
async function finishedPlan(
  needs: Parameters<typeof notifyIncident>[0],
  id: IncidentId,
  signal: AbortSignal,
): Promise<NotifyOutcome> {
  const { db, clock } = needs;
  await askForSurvey(needs, id);
  await showingProgress(stderr, { units: "accounts looked at", signal }, async (progress) => {
    let counted = 0;
    let movedAt = clock.now();
    for (;;) {
      const survey = await readSurvey(db, id);
      if (survey === undefined || survey.doneAt !== null) break;
      if (survey.counted > counted) {
        ({ counted } = survey);
        movedAt = clock.now();
      }
      progress(counted, null);
      if (clock.now() > plus(movedAt, surveyPatienceMs)) break;
      await sleep(300);
    }
  });
  return notifyIncident(needs, id, "plan", operator);
}

type CaseGround = Pick<Ground, "db" | "clock" | "config">;

async function showCase(ground: CaseGround, id: IncidentId): Promise<Outcome> {
  const status = await incidentStatus({ ...ground, deadlines: await readDeadlines(ground.config.deadlines) }, id);
  if (status === undefined) return { kind: "refused", error: "there is no such case" };
  return { kind: "done", json: status, lines: [...statusLines(status), ...(await diskLines(ground.config))] };
}

/** Follows the letters until nothing goes out any more; then the case as it stands. */
async function watchCase(ground: CaseGround, id: IncidentId, json: boolean, signal: AbortSignal): Promise<Outcome> {
  // With --json the figures are for a program: what is said meanwhile stays out of them.
  const { write, columns, isTTY } = lineScreenOf(json ? process.stderr : process.stdout);
  const deadlines = await readDeadlines(ground.config.deadlines);
  const numbersOf = sharedCaseNumbers({ ...ground, monotonicMs: () => performance.now() });
  await followLetters(() => incidentStatus({ ...ground, deadlines }, id, numbersOf), {
    write,
    columns,
    isTerminal: isTTY,
    pause: () => sleep(watchEveryMs),
    signal,
  });
  return showCase(ground, id);
}

/** `incident pause` and `incident resume`. */
const pausing = (action: "pause" | "resume", summary: string, done: string): Command => ({
  words: ["incident", action],
  summary,
  arguments: "[--incident ID]",
  options: idOption,
  optionHelp: [idHelp],
  examples: [`houselights incident ${action}`],
  run: (call) =>
    onCase(call, async ({ db, clock, random }, id) => {
      const outcome = await (action === "pause" ? pauseCampaign : resumeCampaign)({ db, clock, random }, id, operator);
      if (outcome === "not running") return { kind: "refused", error: "no letters of this case are going out" };
      return { kind: "done", json: { outcome }, lines: [outcome === "already" ? "it was so before" : done] };
    }),
});

export const incidentCommands: readonly Command[] = [
  openCommand,
  amendCommand,
  containCommand,
  {
    words: ["incident", "notify"],
    summary: "tell every account in scope; preview, plan and test first",
    arguments: "[--preview | --plan | --test --to ID] [--yes]",
    options: {
      ...idOption,
      preview: { type: "boolean" },
      plan: { type: "boolean" },
      test: { type: "boolean" },
      to: { type: "string" },
      yes: { type: "boolean" },
    },
    optionHelp: [
      idHelp,
      ["--preview", "print the letter"],
      ["--plan", "who would get it"],
      ["--test --to ID", "send it to one operator only"],
      ["--yes", "do not ask"],
    ],
    examples: ["houselights incident notify --plan", "houselights incident notify --yes"],
    run: runNotify,
  },
  pausing("pause", "hand no further letter over until it is resumed", "paused: houselights incident resume goes on"),
  pausing("resume", "let a paused campaign go on where it stopped", "letters are going out again"),
  {
    words: ["incident", "status"],
    summary: "the case as it stands, with the sum of the letters",
    arguments: "[--incident ID] [--watch]",
    options: { ...idOption, watch: { type: "boolean" } },
    optionHelp: [idHelp, ["--watch", "follow the letters, with rate and end, until nothing waits"]],
    examples: ["houselights incident status --json", "houselights incident status --watch"],
    run: (call) =>
      onCaseRead(call, (ground, id, signal) =>
        call.values["watch"] === true ? watchCase(ground, id, call.json, signal) : showCase(ground, id),
      ),
  },
  {
    words: ["incident", "list"],
    summary: "every case",
    examples: ["houselights incident list"],
    run: ({ config, log }) =>
      withReadingGround(config, log, async ({ db }, away) => {
        const { incidents } = await listIncidents(db);
        const lines = incidents.map(
          ({ reference, state, openedAt, reason }) =>
            `${reference}  ${state.padEnd(12)} ${instant(openedAt)}  ${reason}`,
        );
        return {
          kind: "done",
          json: incidents,
          lines: [...(lines.length === 0 ? ["no case so far"] : lines), ...(away === undefined ? [] : awayLines(away))],
        };
      }),
  },
  {
    words: ["incident", "way-in"],
    summary: "record how the thief got in, and that it is closed",
    arguments: "--what TEXT --closed-at INSTANT --evidence TEXT",
    options: { ...idOption, what: { type: "string" }, "closed-at": { type: "string" }, evidence: { type: "string" } },
    optionHelp: [idHelp],
    examples: [
      'houselights incident way-in --what "leaked key of the backup bucket" --closed-at 2026-11-22T22:00:00Z --evidence "ticket 4711"',
    ],
    run: (call) => {
      const [what, typed, evidence] = ["what", "closed-at", "evidence"].map((name) => textOf(call.values, name));
      const instant = readInstant(typed ?? "");
      if (what === undefined || instant === undefined || evidence === undefined) {
        return Promise.resolve({
          kind: "usage",
          error: "--what, --closed-at (ISO 8601) and --evidence are needed",
        } as const);
      }
      const tooLong = refuseTooLong(what, "what") ?? refuseTooLong(evidence, "evidence");
      if (tooLong !== undefined) return Promise.resolve(tooLong);
      // In UTC: it is signed as it is written, and compared by whoever checks the report elsewhere.
      const closedAt = toIso(instant);
      return onCase(call, async (ground, id) => {
        const written = await recordWayIn(ground, id, { what, closedAt, evidence }, operator);
        switch (written) {
          case "recorded":
            return { kind: "done", lines: ["recorded"] };
          case "not-open":
            return { kind: "refused", error: "the case is closed" };
          default:
            return { kind: "refused", error: wayInRefusal(written) };
        }
      });
    },
  },
  {
    words: ["incident", "review"],
    summary: "record one item of the review list as done or explained",
    arguments: "ITEM --state done|explained [--note TEXT]",
    positionals: 1,
    options: { ...idOption, state: { type: "string" }, note: { type: "string" } },
    optionHelp: [idHelp],
    examples: [
      "houselights incident review keys --state done",
      'houselights incident review authorities --state explained --note "no personal data readable"',
    ],
    run: (call) => {
      const item = call.positionals[0];
      const state = textOf(call.values, "state");
      if (item === undefined || (state !== "done" && state !== "explained")) {
        return Promise.resolve({
          kind: "usage",
          error: "an item and --state done or explained are needed",
          hint: "houselights incident status lists the items",
        } as const);
      }
      const note = textOf(call.values, "note") ?? "";
      const tooLong = refuseTooLong(note, "note");
      if (tooLong !== undefined) return Promise.resolve(tooLong);
      return onCase(call, async (ground, id) => {
        const outcome = await recordReview(ground, id, { item, state, note }, operator);
        return outcome === "recorded"
          ? { kind: "done", lines: ["recorded"] }
          : {
              kind: "refused",
              error: reviewRefusal(outcome),
              ...(outcome === "note-needed" && { hint: "--note TEXT" }),
            };
      });
    },
  },
  {
    words: ["incident", "close"],
    summary: "close the case, or say what is missing",
    arguments: "[--incident ID]",
    options: idOption,
    optionHelp: [idHelp],
    examples: ["houselights incident close"],
    run: (call) =>
      onCase(call, async (ground, id) => {
        const outcome = await closeIncident(ground, id, {}, operator);
        if (outcome.kind === "closed") return { kind: "done", lines: ["closed"], json: outcome };
        if (outcome.kind !== "missing") return { kind: "refused", error: closeRefusal(outcome) };
        return {
          kind: "refused",
          json: outcome,
          lines: ["before it can close:", ...outcome.missing.map((line) => `  ${line}`)],
          error: "the case stays open: something is missing",
          hint: "houselights incident way-in, review",
        };
      }),
  },
  {
    words: ["incident", "report"],
    summary: "write the report: HTML that prints well, or JSON",
    arguments: "[--output FILE] [--json]",
    options: { ...idOption, output: { type: "string" } },
    optionHelp: [idHelp, ["--output FILE", "write here; standard output unless given"]],
    examples: ["houselights incident report --output report.html", "houselights incident report --json"],
    run: (call) =>
      onCase(call, async (ground, id) => {
        const { db, clock, keyholders, log } = ground;
        const keyholder = keyholders.operator;
        const knowsDecoys = { isDecoy: (table: Parameters<typeof isDecoy>[1]) => isDecoy({ db, keyholder }, table) };
        const deadlines = await readDeadlines(ground.config.deadlines);
        const report = await reportIncident({ db, clock, keyholder, log, deadlines, ...knowsDecoys }, id);
        if (report === undefined) return { kind: "refused", error: "there is no such case" };
        const text = call.json ? JSON.stringify(report, undefined, 2) : reportHtml(report);
        const output = textOf(call.values, "output");
        if (output === undefined) return { kind: "done", lines: [text] };
        const refused = await writeNamed("--output", output, text);
        if (refused !== undefined) return refused;
        return { kind: "done", lines: [`written to ${output} at ${instant(toIso(clock.now()))}`] };
      }),
  },
];
