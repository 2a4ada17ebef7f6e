import { dayMs, plus } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import { keyUseSurplus } from "../canaries/alarm-words.ts";
import { raiseAlarm } from "../canaries/raise-alarm.ts";
import { readDatabaseId } from "../credentials/standing.ts";
import { compareKeyUse } from "../key-use/compare.ts";
import { readKeyUse } from "../key-use/read.ts";
import type { KeyUse } from "../wire/key-use.ts";
import { figure, instant, textOf, type Command } from "./command.ts";
import { withGround } from "./ground.ts";

function lines(use: KeyUse): string[] {
  const row = (name: string, ...cells: readonly string[]): string =>
    `  ${name.padEnd(18)}${cells.map((each) => each.padStart(14)).join("")}`;
  const surplus = use.purposes.reduce((sum, one) => sum + one.surplus, 0);
  return [
    surplus === 0
      ? "every use of a key had been announced"
      : `${numbered(surplus, "use of a key was", "uses of keys were")} announced by nobody: houselights alarm list`,
    row("purpose", "announced", "served", "surplus"),
    ...use.purposes.map(({ purpose, ...one }) =>
      row(purpose, figure(one.announced), figure(one.served), figure(one.surplus)),
    ),
    `  since ${instant(use.since)}, compared at ${instant(use.comparedAt)}`,
  ];
}

export const keyUseCommand: Command = {
  words: ["keys", "accounting"],
  summary: "compare every use of a key with what was announced; it rings for what was not",
  arguments: "[--days N]",
  options: { days: { type: "string" } },
  optionHelp: [["--days N", "show uses of so many days, 1 to 90; of one unless given"]],
  examples: ["houselights keys accounting", "houselights keys accounting --days 30 --json"],
  run: async ({ config, log, values }) => {
    const days = Number(textOf(values, "days") ?? "1");
    if (!Number.isInteger(days) || days < 1 || days > 90) {
      return { kind: "usage", error: "--days must be a whole number from 1 to 90" };
    }
    return withGround(config, log, async ({ db, keyholders, clock, random }) => {
      const databaseId = await readDatabaseId(db);
      const { uses } = keyholders.operator;
      await compareKeyUse({
        db,
        uses,
        databaseId,
        clock,
        ring: async (tx, now, found) => {
          await raiseAlarm(tx, now, random, keyUseSurplus(found));
        },
      });
      const now = clock.now();
      const use = await readKeyUse(db, plus(now, -days * dayMs), now);
      if (use === null) return { kind: "refused", error: "nothing was compared" };
      return { kind: "done", json: use, lines: lines(use) };
    });
  },
};
