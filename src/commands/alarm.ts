import { parseId } from "../kernel/brand.ts";
import { testAlarm } from "../canaries/alarm-words.ts";
import { acknowledgeAlarm, listAlarms, readAlarm } from "../canaries/alarms.ts";
import { raiseAlarm, type AlarmId } from "../canaries/raise-alarm.ts";
import type { Alarm } from "../wire/alarms.ts";
import { withGround } from "./ground.ts";
import { figure, instant, type Command, type Outcome } from "./command.ts";

const host = "host";

const isInstant = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** A fact as people read it; texts were made showable when the alarm was raised. */
function factText(value: Alarm["facts"][string]): string {
  if (typeof value === "number") return figure(value);
  if (typeof value !== "string") return JSON.stringify(value);
  return isInstant.test(value) ? instant(value) : value;
}

export function alarmLines(alarm: Alarm): string[] {
  const { proposes } = alarm;
  const state =
    alarm.acknowledgedAt === null
      ? "nobody has acknowledged it"
      : `acknowledged ${instant(alarm.acknowledgedAt)} by ${alarm.acknowledgedBy ?? ""}`;
  return [
    `${alarm.id}  ${alarm.kind}${alarm.place === null ? "" : `  ${alarm.place}`}`,
    `  ${alarm.title}`,
    `  rang                  ${instant(alarm.at)}${alarm.times === 1 ? "" : `, ${figure(alarm.times)} times, last ${instant(alarm.lastAt)}`}`,
    `  evidence of           ${alarm.evidence}`,
    `  not evidence of       ${alarm.notEvidence}`,
    ...Object.entries(alarm.facts).map(([name, value]) => `  ${name.padEnd(20)}  ${factText(value)}`),
    ...(proposes.dataClasses.length === 0
      ? []
      : [
          `  proposes a case       copied ${proposes.copiedAfter === null ? "at an unknown time" : `at ${instant(proposes.copiedAfter)} or later`}; ${proposes.dataClasses.join(", ")}`,
        ]),
    `  state                 ${state}${alarm.incidentId === null ? "" : `, case ${alarm.incidentId}`}`,
  ];
}

export const alarmCommands: readonly Command[] = [
  {
    words: ["alarm", "list"],
    summary: "what has rung; those that nobody acknowledged first",
    examples: ["houselights alarm list", "houselights alarm list --json"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db }) => {
        const alarms = await listAlarms(db);
        const lines = alarms.length === 0 ? ["no alarm has rung"] : alarms.flatMap(alarmLines);
        return { kind: "done", json: alarms, lines };
      }),
  },
  {
    words: ["alarm", "acknowledge"],
    summary: "note that somebody has seen an alarm; the same thing rings anew from then on",
    arguments: "ID",
    positionals: 1,
    examples: ["houselights alarm acknowledge 0199c0de-0000-7000-8000-000000000000"],
    run: async ({ config, log, positionals: [text] }) => {
      const id = parseId<AlarmId>(text);
      if (id === undefined) return { kind: "usage", error: "an alarm's id is needed", hint: "houselights alarm list" };
      return withGround(config, log, async (ground): Promise<Outcome> => {
        const noted = await acknowledgeAlarm(ground, id, host);
        const alarm = await readAlarm(ground.db, id);
        if (alarm === undefined)
          return { kind: "refused", error: "there is no such alarm", hint: "houselights alarm list" };
        return { kind: "done", json: alarm, lines: [noted ? "acknowledged" : "somebody has acknowledged it before"] };
      });
    },
  },
  {
    words: ["alarm", "test"],
    summary: "ring every bell on purpose: mail, webhook, console",
    examples: ["houselights alarm test"],
    run: ({ config, log }) =>
      withGround(config, log, async ({ db, clock, random }) => {
        const told = await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, testAlarm()));
        return told
          ? { kind: "done", lines: ["rung: the running service delivers it within seconds"] }
          : { kind: "refused", error: "a test alarm is open already", hint: "houselights alarm acknowledge ID" };
      }),
  },
];
