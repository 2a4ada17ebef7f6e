import { afterAll, beforeEach, expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { dayMs, hourMs, manualClock, minuteMs, plus, systemClock } from "../kernel/clock.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { addressFrom, admit, forgetCounts, forgetKnown, noteKnown, withinLimit, type Limit } from "./throttle.ts";

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

test("a count holds until its window is over, whenever clean-up comes, and is forgotten afterwards", async () => {
  const { clock } = needs;
  // The longest window that there is, from its beginning.
  const hourly: Limit = { limit: 2, windowMs: hourMs, purpose: "test hourly" };
  clock.advance(hourMs - (clock.now() % hourMs));
  const tries = async (times: number): Promise<number> => {
    let within = 0;
    for (let n = 0; n < times; n++) if (await withinLimit(needs, "203.0.113.7", hourly)) within++;
    return within;
  };
  expect(await tries(3)).toBe(2);
  clock.advance(hourMs - 1);
  expect(await forgetCounts(db, clock.now())).toBe(0);
  expect(await tries(1)).toBe(0);
  clock.advance(1);
  expect(await tries(3)).toBe(2);
  clock.advance(3 * hourMs);
  expect(await forgetCounts(db, clock.now())).toBe(2);
});

test("a place is known for sixty days after it was noted last, and spares its people what strangers have used up", async () => {
  const { clock } = needs;
  const ada = "ada@example.org";
  const usedUp: Limit = { limit: 0, windowMs: hourMs, purpose: "test from all", sparesKnown: true };
  const here: Limit = { limit: 1_000, windowMs: hourMs, purpose: "test here" };
  const come = (network: string) =>
    admit(needs, [
      { subject: Buffer.from(ada), limit: usedUp },
      { subject: addressFrom(ada, network), limit: here, mayBeKnown: true },
    ]);
  const stranger = await come("203.0.113.7");
  expect(stranger).toMatchObject({ admitted: false, isKnown: false });
  const place = stranger.toNote ?? new Uint8Array();
  const noted = clock.now();
  await noteKnown(db, place, noted);
  expect(await come("203.0.113.7")).toEqual({ admitted: true, isKnown: true, toNote: null });
  expect(await come("203.0.113.8")).toMatchObject({ admitted: false, isKnown: false });
  // A node whose clock is behind takes nothing back.
  await noteKnown(db, place, plus(noted, -50 * dayMs));
  // A day later it is to be noted again.
  clock.advance(dayMs - 1);
  expect((await come("203.0.113.7")).toNote).toBeNull();
  clock.advance(1);
  expect((await come("203.0.113.7")).toNote).toEqual(place);

  clock.set(plus(noted, 60 * dayMs - 1));
  expect(await forgetKnown(db, clock.now())).toBe(0);
  expect(await come("203.0.113.7")).toMatchObject({ admitted: true, isKnown: true });
  clock.advance(2);
  expect(await come("203.0.113.7")).toMatchObject({ admitted: false, isKnown: false });
  expect(await forgetKnown(db, clock.now())).toBe(1);
});
