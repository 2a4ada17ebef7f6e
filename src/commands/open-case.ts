import { withKeys } from "../canaries/alarm-letter.ts";
import { openCaseFromAlarm, readAlarm } from "../canaries/alarms.ts";
import type { AlarmId } from "../canaries/raise-alarm.ts";
import { parseId } from "../kernel/brand.ts";
import { readInstant, toIso } from "../kernel/clock.ts";
import { amendIncident } from "../incidents/amend.ts";
import { everyDataClass, openIncident } from "../incidents/open.ts";
import { noCase, toldRefusal } from "../incidents/refusals.ts";
import { longestTexts, type AmendIncident, type OpenIncident } from "../wire/incidents.ts";
import { idHelp, idOption, onCase } from "./case.ts";
import { textOf, type Call, type Command, type Outcome } from "./command.ts";
import { withGround } from "./ground.ts";

const operator = "host" as const;
const keyAnswers = ["no", "unknown", "yes"] as const;
const facts = ["reason", "copied-at", "found-at", "found-by", "found-how", "data", "keys"] as const;

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
      case "opened": {
        const alarm = await readAlarm(ground.db, id);
        const next = `houselights incident contain${alarm === undefined ? "" : withKeys(alarm.proposes)}`;
        return {
          kind: "done",
          json: outcome,
          lines: [`opened ${outcome.reference}`, `  next                  ${next}`],
        };
      }
    }
  });
}

/** What may be known of a theft, when its case is opened or later. */
type Known = Omit<OpenIncident, "reason">;

const usage = (error: string, hint?: string) => ({ kind: "usage", error, ...(hint && { hint }) }) as const;

/** What the options say of the theft, in the words of the wire; or what is wrong with them. */
function readFacts(values: Call["values"]): Known | Extract<Outcome, { kind: "usage" }> {
  const order: Known = {};
  for (const [name, field] of [
    ["found-by", "foundBy"],
    ["found-how", "foundHow"],
  ] as const) {
    const text = textOf(values, name)?.trim();
    if (text === undefined) continue;
    const longest = longestTexts[field];
    if (text === "" || text.length > longest) return usage(`--${name} is a text of at most ${longest} characters`);
    order[field] = text;
  }
  for (const [name, field] of [
    ["copied-at", "copiedAt"],
    ["found-at", "foundAt"],
  ] as const) {
    const text = textOf(values, name);
    if (text === undefined) continue;
    const instant = readInstant(text);
    if (instant === undefined) return usage("an instant is not ISO 8601", `--${name} 2026-11-22T20:00:00Z`);
    order[field] = toIso(instant);
  }
  const data = textOf(values, "data");
  if (data !== undefined) {
    const asked = data.split(",").map((one) => one.trim());
    if (asked.some((one) => !everyDataClass.some((known) => known === one))) {
      return usage("--data names something that is not kept", `--data "${everyDataClass.join(", ")}"`);
    }
    order.dataClasses = everyDataClass.filter((known) => asked.includes(known));
  }
  const keys = textOf(values, "keys");
  const answer = keyAnswers.find((one) => one === keys);
  if (keys !== undefined && answer === undefined) return usage("--keys is no, unknown or yes");
  return answer === undefined ? order : { ...order, keysReachable: answer };
}

function impossible({ field, rule }: { readonly field: "copiedAt" | "foundAt"; readonly rule: string }) {
  const name = field === "copiedAt" ? "--copied-at" : "--found-at";
  return usage(`${name} ${rule.replace(/^is not/, "must not be")}`);
}

async function runOpen(call: Call): Promise<Outcome> {
  const alarm = textOf(call.values, "alarm");
  if (alarm !== undefined) {
    const besides = facts.find((name) => call.values[name] !== undefined);
    if (besides === undefined) return runOpenFromAlarm(call, alarm);
    return usage(`--alarm and --${besides} exclude each other: the case says what the alarm says`);
  }
  const reason = textOf(call.values, "reason")?.trim() ?? "";
  if (reason === "" || reason.length > longestTexts.reason)
    return usage(`--reason is needed, at most ${longestTexts.reason} characters`);
  const known = readFacts(call.values);
  if ("kind" in known) return known;
  const order: OpenIncident = { reason, ...known };
  return withGround(call.config, call.log, async (ground): Promise<Outcome> => {
    const opened = await openIncident(ground, order, operator);
    if (opened.kind === "in-hand") {
      return { kind: "refused", error: "a case is already open", hint: "houselights incident status" };
    }
    if (opened.kind === "impossible") return impossible(opened);
    const next = `houselights incident contain${withKeys({ keysReachable: order.keysReachable ?? "unknown" })}`;
    return { kind: "done", json: opened, lines: [`opened ${opened.reference}`, `  next                  ${next}`] };
  });
}

export const openCommand: Command = {
  words: ["incident", "open"],
  summary: "open a case without touching anything yet",
  arguments:
    "--reason TEXT [--copied-at INSTANT] [--found-at INSTANT] [--found-by TEXT] [--found-how TEXT] [--data LIST] [--keys no|unknown|yes] | --alarm ID",
  options: {
    ...Object.fromEntries(facts.map((name) => [name, { type: "string" } as const])),
    alarm: { type: "string" },
  },
  optionHelp: [
    ["--alarm ID", "open the case that this alarm proposes, with its evidence"],
    ["--reason TEXT", "what is known, in a sentence"],
    ["--copied-at INSTANT", "when the copy was taken, if known (ISO 8601)"],
    ["--found-at INSTANT", "when it was found; now unless given"],
    ["--found-by TEXT", "who found it; the host unless given"],
    ["--found-how TEXT", "how; the reason unless given"],
    ["--data LIST", "what was taken, with commas between; everything unless given"],
    ["--keys no|unknown|yes", "whether keys were within reach; unknown unless given"],
  ],
  examples: [
    'houselights incident open --reason "database copy offered for sale"',
    'houselights incident open --reason "a backup was public" --data "addresses, password records" --keys no',
  ],
  run: runOpen,
};

/** Takes back when the copy was taken. */
const unknown = "unknown";

async function runAmend(call: Call): Promise<Outcome> {
  const { "copied-at": copiedAt, ...others } = call.values;
  const isTakenBack = copiedAt === unknown;
  const said = readFacts(isTakenBack ? others : call.values);
  if ("kind" in said) return said;
  const known: AmendIncident = isTakenBack ? { ...said, copiedAt: null } : said;
  if (Object.keys(known).length === 0) return usage("nothing was said that is known by now");
  return onCase(call, async (ground, id): Promise<Outcome> => {
    const outcome = await amendIncident(ground, id, known, operator);
    switch (outcome.kind) {
      case "amended": {
        const lines = ["recorded"];
        if (known.copiedAt !== undefined || known.keysReachable === "yes") {
          const again = `houselights incident contain${withKeys({ keysReachable: known.keysReachable ?? "unknown" })}`;
          lines.push(`  next                  ${again}, for what counts less by it`);
        }
        return { kind: "done", lines, json: outcome };
      }
      case "not-open":
        return { kind: "refused", error: noCase.detail };
      case "told":
        return { kind: "refused", error: toldRefusal };
      case "impossible":
        return impossible(outcome);
    }
  });
}

export const amendCommand: Command = {
  words: ["incident", "amend"],
  summary: "say what has become known of a case, until its letters are started",
  arguments:
    "[--copied-at INSTANT|unknown] [--found-at INSTANT] [--found-by TEXT] [--found-how TEXT] [--data LIST] [--keys no|unknown|yes] [--incident ID]",
  options: {
    ...Object.fromEntries(facts.filter((name) => name !== "reason").map((name) => [name, { type: "string" } as const])),
    ...idOption,
  },
  optionHelp: [
    ["--copied-at INSTANT", "when the copy was taken (ISO 8601); unknown takes it back"],
    ["--found-at INSTANT", "when it was found: deadlines count from then"],
    ["--found-by TEXT", "who found it"],
    ["--found-how TEXT", "how"],
    ["--data LIST", "what was taken, with commas between"],
    ["--keys no|unknown|yes", "whether keys were within reach"],
    idHelp,
  ],
  examples: [
    "houselights incident amend --copied-at 2026-11-20T03:00:00Z",
    'houselights incident amend --data "addresses, password records" --keys no',
  ],
  run: runAmend,
};
