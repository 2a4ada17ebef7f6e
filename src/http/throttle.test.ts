import { afterAll, beforeEach, expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { manualClock, minuteMs, systemClock } from "../kernel/clock.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { withinLimit, type Limit } from "./throttle.ts";

const db = await testDatabase();
const running = await testKeyholder();
afterAll(() => running.stop());
const needs = { db, clock: manualClock(systemClock.now()), keyholder: await running.connect("web") };
const limit: Limit = { limit: 2, windowMs: 10 * minuteMs, purpose: "test", perNetwork: true };

beforeEach(() => db.run(`truncate throttle`));

async function admitted(addresses: readonly string[]): Promise<number> {
  let count = 0;
  for (const address of addresses) if (await withinLimit(needs, address, limit)) count++;
  return count;
}

const eachTwice = (networks: number, site = 1): string[] =>
  Array.from({ length: networks }, (_, n) => [`2001:db8:${site}:${n}::1`, `2001:db8:${site}:${n}::2`]).flat();

test("a /48 has a hundred times the share of one of its networks, whatever their number", async () => {
  expect(await admitted(eachTwice(100))).toBe(200);
  expect(await admitted(eachTwice(105).slice(200))).toBe(0);
  expect(await admitted(eachTwice(1, 2))).toBe(2);
});

test("one of its networks has its own share and no more, and leaves the others theirs", async () => {
  expect(await admitted([...eachTwice(1), ...eachTwice(1), ...eachTwice(1)])).toBe(2);
  expect(await admitted(eachTwice(3).slice(2))).toBe(4);
});

test("the second count costs a row, and no statement; an IPv4 address has none", async () => {
  const rows = async () => (await db.many(`select 1 from throttle`)).length;
  const before = db.statements();
  expect(await admitted(["2001:db8:1:1::1"])).toBe(1);
  expect(db.statements() - before).toBe(1);
  expect(await rows()).toBe(2);
  expect(await admitted(["203.0.113.7", "::ffff:203.0.113.7"])).toBe(2);
  expect(await rows()).toBe(3);
});
