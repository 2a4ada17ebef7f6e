import { expect, test } from "vitest";
import { testDatabase } from "../../db/test-database.ts";
import { dayMs, manualClock, minuteMs, plus, secondMs, toDate } from "../../kernel/clock.ts";
import { readLobbyFullness, readLobbyMinutes } from "./fullness.ts";
import { callNumbers, noCase, noteMinute } from "./line.ts";

/** A line's counters and its minutes, as every node moves them. */
const db = await testDatabase();
const noon = manualClock(Date.UTC(2026, 10, 22, 12)).now();
const at = (minutes: number) => plus(noon, minutes * minuteMs);

async function line(given: number, called: number): Promise<void> {
  await db.run(`delete from lobby`);
  await db.run(`delete from lobby_minute`);
  await db.run(
    `insert into lobby (case_id, data_key, sealed_key, opened_at, given, called) values ($1, '', '', $2, $3, $4)`,
    [noCase, toDate(noon), given, called],
  );
}
const calledIn = (minutes: number, called: number) =>
  noteMinute(db, noCase, at(minutes), { given: 0, called, entered: 0, walkedIn: 0 });

test("nodes that call at one moment call nobody twice, and nobody who has not come yet", async () => {
  await line(10, 0);
  expect(await callNumbers(db, noCase, 4)).toEqual({ given: 10, called: 4 });
  expect(await callNumbers(db, noCase, 0)).toEqual({ given: 10, called: 4 });
  const called = await Promise.all([callNumbers(db, noCase, 5), callNumbers(db, noCase, 5)]);
  expect(called.map((one) => one.called).toSorted((one, other) => one - other)).toEqual([9, 10]);
  expect(await callNumbers(db, noCase, 1)).toEqual({ given: 10, called: 10 });
});

test("what nodes note of one minute is added up, and the next minute is another", async () => {
  await line(0, 0);
  await noteMinute(db, noCase, at(0), { given: 1, called: 20, entered: 300, walkedIn: 4_000 });
  const later = plus(at(1), -1);
  await noteMinute(db, noCase, later, { given: 2, called: 10, entered: 200, walkedIn: 1_000 });
  await noteMinute(db, noCase, at(1), { given: 5, called: 5, entered: 5, walkedIn: 5 });
  const [first, second] = [
    { at: at(0), given: 3, called: 30, entered: 500, walkedIn: 5_000 },
    { at: at(1), given: 5, called: 5, entered: 5, walkedIn: 5 },
  ];
  expect(await readLobbyMinutes(db, noCase, at(0))).toEqual([first, second]);
  expect(await readLobbyMinutes(db, noCase, plus(at(0), 1))).toEqual([second]);
});

test("the rate is what was called since the first of the last five minutes in which anybody was", async () => {
  await line(100, 40);
  const full = () => readLobbyFullness(db, null, at(6));
  expect(await full()).toEqual({ fullness: 1, waiting: 60, calledPerSecond: 0, expectedSeconds: null });
  // Five minutes ago, and so no more; and a minute in which nobody was called.
  await calledIn(1, 100_000);
  await noteMinute(db, noCase, at(2), { given: 100, called: 0, entered: 0, walkedIn: 0 });
  expect((await full()).calledPerSecond).toBe(0);
  await calledIn(4, 50);
  await calledIn(5, 10);
  expect(await full()).toEqual({ fullness: 0.2, waiting: 60, calledPerSecond: 0.5, expectedSeconds: 120 });
});

test("a line that has just begun to move is given ten seconds, and one that is empty or unknown is not full", async () => {
  await line(100, 40);
  await calledIn(0, 20);
  expect((await readLobbyFullness(db, null, plus(noon, secondMs))).calledPerSecond).toBe(2);
  expect((await readLobbyFullness(db, null, plus(noon, 20 * secondMs))).calledPerSecond).toBe(1);
  await line(100, 100);
  expect((await readLobbyFullness(db, null, noon)).fullness).toBe(0);
  await db.run(`delete from lobby`);
  expect(await readLobbyFullness(db, null, plus(noon, dayMs))).toMatchObject({ fullness: 0, waiting: 0 });
});
