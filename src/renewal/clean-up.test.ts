import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { dayMs, minuteMs, plus, systemClock, toDate } from "../kernel/clock.ts";
import { forgetLines, forgetTickets } from "./clean-up.ts";
import { noCase } from "./lobby/line.ts";

const db = await testDatabase();
const now = systemClock.now();
const ago = (ms: number): Date => toDate(plus(now, -ms));
const count = async (table: string): Promise<number> => (await db.many(`select from ${table}`)).length;

test("a ticket goes when it has expired, used or not, and no earlier", async () => {
  for (const [expiresAt, usedAt] of [
    [ago(1), null],
    [ago(1), ago(dayMs)],
    [ago(0), null],
    [ago(0), ago(dayMs)],
  ] as const) {
    await db.run(
      `insert into ticket (browser_digest, address_index, code_mac, epoch, created_at, expires_at, used_at)
       values ($1, '\\x00', '\\x00', 1, $2, $3, $4)`,
      [randomBytes(32), ago(2 * dayMs), expiresAt, usedAt],
    );
  }
  expect(await forgetTickets(db, now)).toBe(2);
  expect(await count("ticket")).toBe(2);
  expect(await forgetTickets(db, now)).toBe(0);
});

test("of a line numbers that came in and shares of networks go after two days, its minutes after ninety", async () => {
  const tables = [
    ["lobby_entry", 2 * dayMs],
    ["lobby_network", 2 * dayMs],
    ["lobby_minute", 90 * dayMs],
  ] as const;
  let number = 0;
  for (const [table, keptMs] of tables) {
    for (const at of [ago(keptMs + minuteMs), ago(keptMs + 1), ago(keptMs), ago(0)]) {
      const row = {
        case_id: noCase,
        number: ++number,
        browser_digest: randomBytes(32),
        network: randomBytes(32),
        taken: 1,
      };
      const instant = { lobby_entry: "entered_at", lobby_network: "window_start", lobby_minute: "minute" }[table];
      const columns = {
        lobby_entry: ["case_id", "number", "browser_digest"] as const,
        lobby_network: ["case_id", "network", "taken"] as const,
        lobby_minute: ["case_id"] as const,
      }[table];
      await db.run(
        `insert into ${table} (${[...columns, instant].join(", ")})
         values (${[...columns, instant].map((_, place) => `$${place + 1}`).join(", ")})`,
        [...columns.map((column) => row[column]), at],
      );
    }
  }
  expect(await forgetLines(db, now)).toBe(2);
  for (const [table] of tables) expect([table, await count(table)]).toEqual([table, 2]);
  expect(await forgetLines(db, now)).toBe(0);
});
