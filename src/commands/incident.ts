import { isDecoy } from "../canaries/decoy.ts";
import { parseId, type AccountId, type IncidentId } from "../kernel/brand.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import { parseInstant, plus, secondMs, sleep, toIso } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import type { Ground } from "../app.ts";
import { openCaseFromAlarm } from "../canaries/alarms.ts";
import type { AlarmId } from "../canaries/raise-alarm.ts";
import { closeIncident, recordReview, recordWayIn } from "../incidents/close.ts";
import { contain, containAccount, countWithinMs } from "../incidents/contain.ts";
import { closeRefusal, reviewRefusal } from "../incidents/refusals.ts";
import { containedReply, wouldContain } from "../incidents/would-contain.ts";
import { openIncident } from "../incidents/open.ts";
import { notifyIncident, type NotifyOutcome } from "../incidents/notify.ts";
import { pauseCampaign, resumeCampaign } from "../incidents/pause.ts";
import { deadlineRules, dueText } from "../incidents/deadlines.ts";
import { readDeadlines } from "../incidents/read-deadlines.ts";
import { wayOutOf } from "../incidents/plan.ts";
import { askForSurvey, readSurvey } from "../incidents/survey.ts";
import { reportIncident } from "../incidents/report.ts";
import { reportHtml } from "../incidents/report-html.ts";
import { keyPurposes } from "../keyholder/keys.ts";
import { rotateKeys } from "../rotation/rotate.ts";
import { sharedCaseNumbers } from "../incidents/case-numbers.ts";
import { incidentStatus, listIncidents } from "../incidents/status.ts";
import type { Plan } from "../wire/campaign.ts";
import type { Contained, IncidentStatus, LetterSum } from "../wire/incidents.ts";
import type { SignalSum } from "../wire/signals.ts";
import { awayLines, caseOf, idHelp, idOption, isOutcome, onCase, onCaseRead } from "./case.ts";
import { confirmed, figure, instant, textOf, type Call, type Command, type Outcome } from "./command.ts";
import { withContainmentGround, withGround, withReadingGround } from "./ground.ts";
import { followLetters, progressLine } from "./follow-letters.ts";
import { writeNamed } from "./write-named.ts";

const operator = "host" as const;
const watchEveryMs = 2 * secondMs;

function containedLines(contained: Contained, isTelling = false): string[] {
  const head =
    contained.kind === "would-contain"
      ? `would contain, epoch ${contained.epoch}; nothing was touched`
      : `contained at ${instant(contained.at)} (${Math.max(1, Math.round(contained.commitMs))} ms), epoch ${contained.epoch}`;
  const after = isTelling ? "houselights incident status" : "houselights incident notify --plan";
  const next = contained.kind === "would-contain" ? "houselights incident contain" : after;
  return [
    head,
    `  case                  ${contained.reference}`,
    `  next                  ${next}`,
    ...countedLines(contained),
    ...(contained.witness === "owed"
      ? ["  witness               owed: the keyholder did not answer; nothing else starts until it has been told"]
      : []),
    ...(contained.letters === undefined ? [] : dryRunLines(contained.letters)),
  ];
}

function countedLines({ counted, countedMs }: Contained): string[] {
  if (counted === null) {
    return [
      "  counted               not here: that takes longer than containing waits for; " +
        "`incident contain --dry-run` counts to the end",
    ];
  }
  const { passwords, sessions, links, tickets, totps, recoveryCodes, passkeysStillGood } = counted;
  const factors =
    totps + recoveryCodes === 0
      ? ""
      : ` · ${numbered(totps, "authenticator app")} · ${numbered(recoveryCodes, "recovery code")}`;
  return [
    `  counted (${(countedMs / 1_000).toFixed(1)} s)       refused from now on: ${numbered(passwords, "password")} · ` +
      `${numbered(sessions, "session")} · ${numbered(links, "link")} · ${numbered(tickets, "ticket")}${factors}`,
    `                        still good: ${numbered(passkeysStillGood, "passkey")}`,
  ];
}

/** What telling everybody would take, before anything is done. */
function dryRunLines({ inScope, withAddress, withoutAddress, terms, end, cost, deadlines }: Plan): string[] {
  return [
    `  to tell               ${numbered(inScope, "account")}: ${figure(withAddress)} by letter, ${figure(withoutAddress)} without an address`,
    `  letters cost          ${cost.says}`,
    ...terms.map(({ term, reason }) => `  ${term.padEnd(22)}${reason}`),
    `  letters end           ${end.says}`,
    ...deadlines.map(({ title, outlook, says }) => `  ${outlook.padEnd(22)}${title} (${says})`),
  ];
}

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

function statusLines(status: IncidentStatus): string[] {
  return [
    `${status.reference}  ${status.state}`,
    `  reason                ${status.reason}`,
    `  found                 ${instant(status.foundAt)} by ${status.foundBy}`,
    `  contained             ${status.containedAt === null ? "not yet" : `${instant(status.containedAt)}, ${status.containment ?? ""}`}`,
    ...(status.letters === null ? ["  letters               not started"] : sumLines(status.letters)),
    ...(status.letterPace === null ? [] : [`  going out             ${progressLine(status)}`]),
    `  renewed               ${figure(status.renewed)}`,
    ...status.signals.map(signalLine),
    ...status.refusedByKind.map(({ kind, refused }) => `  refused (${kind})`.padEnd(24) + figure(refused)),
    ...status.deadlines.map(({ title, dueAt, state }) => `  due ${dueText(dueAt)}  ${state.padEnd(8)}${title}`),
    ...(status.missing.length === 0 ? [] : ["  before it can close:", ...status.missing.map((line) => `    ${line}`)]),
  ];
}

async function runContain(call: Call): Promise<Outcome> {
  const { config, log, values } = call;
  // A blank one is none: it stands in the record for good, and in the letter's draft.
  const given = textOf(values, "reason")?.trim();
  const reason = given === "" ? undefined : given;
  const accountText = textOf(values, "account");
  const account = parseId<AccountId>(accountText);
  if (accountText !== undefined && account === undefined)
    return { kind: "usage", error: "--account must be an account id" };
  const mode = values["with-renewal"] === true ? "with-renewal" : "everyone-out";
  const keepTools = values["keep-tools"] === true;
  const keysReachable = values["keys"] === true;
  if (keysReachable && account !== undefined) {
    return { kind: "usage", error: "--keys and --account exclude each other: keys are everybody's" };
  }
  const contained = await withContainmentGround(config, log, async (ground): Promise<Outcome> => {
    const { incidents } = await listIncidents(ground.db);
    const inHand = incidents.find(({ state }) => state !== "closed");
    if (inHand === undefined && reason === undefined) {
      return {
        kind: "usage",
        error: "--reason is needed to open a case",
        hint: 'houselights incident contain --reason "database copy offered for sale"',
      };
    }
    if (values["dry-run"] === true || values["yes"] !== true) {
      // Nobody is kept from containing by a file of deadlines.
      const deadlines = await readDeadlines(config.deadlines).catch((thrown: unknown) => {
        log.warn({ reason: messageOf(thrown) }, "deadlines of your own are left out");
        return deadlineRules;
      });
      const needs = { ...ground, wayOut: wayOutOf(config), deadlines };
      const isDryRun = values["dry-run"] === true;
      // Who is asked whether to contain is not kept from it by counting.
      const withinMs = isDryRun ? null : countWithinMs;
      const would = await wouldContain(needs, inHand ?? null, { mode, keepTools, account, keysReachable, withinMs });
      if (would === undefined) return { kind: "refused", error: "there is no such account" };
      if (isDryRun) return { kind: "done", json: would, lines: containedLines(would) };
      for (const line of containedLines(would)) call.say(line);
      if (!(await confirmed(call, "refuse all of this now? there is no undo"))) {
        return { kind: "refused", error: "nothing was touched", hint: "--yes contains without asking" };
      }
    }
    const order = { mode, keepTools, keysReachable, reason: reason ?? inHand?.reason ?? "", operator } as const;
    const outcome = account === undefined ? await contain(ground, order) : await containAccount(ground, account, order);
    if (outcome.kind === "no-such-account") return { kind: "refused", error: "there is no such account" };
    const contained = containedReply(outcome);
    const isTelling = inHand?.state === "notifying" || inHand?.state === "readmitting";
    return { kind: "done", json: contained, lines: containedLines(contained, isTelling) };
  });
  if (!keysReachable || values["dry-run"] === true || contained.kind !== "done") return contained;
  // After the commit: containing waits for nothing, the keys included.
  const rotated = await withGround(config, log, ({ db, keyholders, clock, random }) =>
    rotateKeys({ db, keys: keyholders.keeper.keys, clock, random }),
  ).catch((thrown: unknown) => {
    if (thrown instanceof Fault) return { kind: "refused" as const, reason: thrown.message, left: keyPurposes };
    throw thrown;
  });
  const said =
    rotated.kind === "rotated"
      ? "new ones are in use; old rows are sealed again: houselights keys status, then keys retire"
      : rotated.left.length === keyPurposes.length
        ? `NOT changed: ${rotated.reason}; houselights keys rotate`
        : `NOT changed for ${rotated.left.join(", ")}: ${rotated.reason}; houselights keys rotate --purpose NAME for each`;
  return { ...contained, lines: [...(contained.lines ?? []), `  keys                  ${said}`] };
}

async function runNotify(call: Call): Promise<Outcome> {
  const { config, log, values } = call;
  const asked = (["plan", "preview", "test"] as const).filter((action) => values[action] === true);
  if (asked.length > 1) return { kind: "usage", error: "--plan, --preview and --test exclude each other" };
  const action = asked[0] ?? "start";
  const to = parseId<AccountId>(textOf(values, "to"));
  if (action === "test" && to === undefined) {
    return { kind: "usage", error: "--test needs --to ID, an operator's account", hint: "houselights operator list" };
  }
  return withGround(config, log, async (ground) => {
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
      const plan = await finishedPlan(needs, id, call);
      if (plan.kind !== "refused" && plan.text !== undefined) call.say(plan.text);
      if (!(await confirmed(call, "send these letters now?"))) {
        return { kind: "refused", error: "no letter was sent", hint: "--yes sends without asking" };
      }
    }
    const outcome =
      action === "plan" ? await finishedPlan(needs, id, call) : await notifyIncident(needs, id, action, by);
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
  { say }: Pick<Call, "say">,
): Promise<NotifyOutcome> {
  const { db, clock } = needs;
  await askForSurvey(needs, id);
  let counted = 0;
  let movedAt = clock.now();
  for (;;) {
    const survey = await readSurvey(db, id);
    if (survey === undefined || survey.doneAt !== null) break;
    if (survey.counted > counted) {
      ({ counted } = survey);
      say(`looking at addresses: ${numbered(counted, "account")} counted`);
      movedAt = clock.now();
    }
    if (clock.now() > plus(movedAt, surveyPatienceMs)) break;
    await sleep(300);
  }
  return notifyIncident(needs, id, "plan", operator);
}

async function runOpenFromAlarm(call: Call, text: string): Promise<Outcome> {
  const id = parseId<AlarmId>(text);
  if (id === undefined)
    return { kind: "usage", error: "--alarm must be an alarm's id", hint: "houselights alarm list" };
  return withGround(call.config, call.log, async (ground) => {
    const outcome = await openCaseFromAlarm(ground, id, operator);
    switch (outcome.kind) {
      case "no-such-alarm":
        return { kind: "refused", error: "there is no such alarm", hint: "houselights alarm list" };
      case "in-hand":
        return { kind: "refused", error: "a case is already open", hint: "houselights incident status" };
      case "opened":
        return {
          kind: "done",
          json: outcome,
          lines: [`opened ${outcome.reference}`, "  next                  houselights incident contain"],
        };
    }
  });
}

type CaseGround = Pick<Ground, "db" | "clock" | "config">;

async function showCase(ground: CaseGround, id: IncidentId): Promise<Outcome> {
  const status = await incidentStatus({ ...ground, deadlines: await readDeadlines(ground.config.deadlines) }, id);
  if (status === undefined) return { kind: "refused", error: "there is no such case" };
  return { kind: "done", json: status, lines: statusLines(status) };
}

/** Follows the letters until nothing goes out any more; then the case as it stands. */
async function watchCase(ground: CaseGround, id: IncidentId, json: boolean): Promise<Outcome> {
  const { stdout, stderr } = process;
  // With --json the figures are for a program: what is said meanwhile stays out of them.
  const screen = json ? stderr : stdout;
  const deadlines = await readDeadlines(ground.config.deadlines);
  const numbersOf = sharedCaseNumbers({ ...ground, monotonicMs: () => performance.now() });
  await followLetters(() => incidentStatus({ ...ground, deadlines }, id, numbersOf), {
    write: (text) => void screen.write(text),
    isTerminal: screen.isTTY,
    pause: () => sleep(watchEveryMs),
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
  {
    words: ["incident", "open"],
    summary: "open a case without touching anything yet",
    arguments: "--reason TEXT [--copied-at INSTANT] [--found-at INSTANT] | --alarm ID",
    options: {
      reason: { type: "string" },
      "copied-at": { type: "string" },
      "found-at": { type: "string" },
      alarm: { type: "string" },
    },
    optionHelp: [
      ["--alarm ID", "open the case that this alarm proposes, with its evidence"],
      ["--reason TEXT", "what is known, in a sentence"],
      ["--copied-at INSTANT", "when the copy was taken, if known (ISO 8601)"],
      ["--found-at INSTANT", "when it was found; now unless given"],
    ],
    examples: ['houselights incident open --reason "database copy offered for sale"'],
    run: async (call) => {
      const alarm = textOf(call.values, "alarm");
      if (alarm !== undefined) return runOpenFromAlarm(call, alarm);
      const reason = textOf(call.values, "reason");
      if (reason === undefined || reason.trim() === "" || reason.length > 500)
        return { kind: "usage", error: "--reason is needed, at most 500 characters" };
      const instants = (["copied-at", "found-at"] as const).map((name) => textOf(call.values, name));
      if (instants.some((text) => text !== undefined && Number.isNaN(parseInstant(text)))) {
        return { kind: "usage", error: "an instant is not ISO 8601", hint: "--copied-at 2026-11-22T20:00:00Z" };
      }
      const [copiedAt, foundAt] = instants;
      return withGround(call.config, call.log, async (ground) => {
        const order = {
          reason,
          ...(copiedAt === undefined ? {} : { copiedAt }),
          ...(foundAt === undefined ? {} : { foundAt }),
        };
        const opened = await openIncident(ground, order, operator);
        if (opened.kind === "in-hand") {
          return { kind: "refused", error: "a case is already open", hint: "houselights incident status" };
        }
        if (opened.kind === "impossible") {
          const name = opened.field === "copiedAt" ? "--copied-at" : "--found-at";
          return { kind: "usage", error: `${name} ${opened.rule.replace(/^is not/, "must not be")}` };
        }
        return {
          kind: "done",
          json: opened,
          lines: [`opened ${opened.reference}`, "  next                  houselights incident contain"],
        };
      });
    },
  },
  {
    words: ["incident", "contain"],
    summary: "refuse everything made before now: the one command",
    arguments: "[--reason TEXT] [--with-renewal] [--keep-tools] [--keys] [--account ID] [--dry-run] [--yes]",
    options: {
      reason: { type: "string" },
      "with-renewal": { type: "boolean" },
      "keep-tools": { type: "boolean" },
      keys: { type: "boolean" },
      account: { type: "string" },
      "dry-run": { type: "boolean" },
      yes: { type: "boolean" },
    },
    optionHelp: [
      ["--reason TEXT", "opens the case if none is open"],
      ["--with-renewal", "spare sessions until their account renews"],
      ["--keep-tools", "spare tool tokens"],
      ["--keys", "the keys could be read: refuse TOTP and recovery codes too, and make new keys"],
      ["--account ID", "this account only"],
      ["--dry-run", "count, touch nothing"],
      ["--yes", "do not ask"],
    ],
    examples: [
      'houselights incident contain --reason "database copy offered for sale"',
      "houselights incident contain --dry-run --json",
    ],
    run: runContain,
  },
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
      onCaseRead(call, (ground, id) =>
        call.values["watch"] === true ? watchCase(ground, id, call.json) : showCase(ground, id),
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
      const [what, closedAt, evidence] = ["what", "closed-at", "evidence"].map((name) => textOf(call.values, name));
      if (
        what === undefined ||
        closedAt === undefined ||
        evidence === undefined ||
        Number.isNaN(parseInstant(closedAt))
      ) {
        return Promise.resolve({
          kind: "usage",
          error: "--what, --closed-at (ISO 8601) and --evidence are needed",
        } as const);
      }
      return onCase(call, async (ground, id) => {
        const written = await recordWayIn(ground, id, { what, closedAt, evidence }, operator);
        return written ? { kind: "done", lines: ["recorded"] } : { kind: "refused", error: "the case is closed" };
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
      return onCase(call, async (ground, id) => {
        const outcome = await recordReview(
          ground,
          id,
          { item, state, note: textOf(call.values, "note") ?? "" },
          operator,
        );
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
