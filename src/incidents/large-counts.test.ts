import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { manualClock, systemClock } from "../kernel/clock.ts";
import { largeCounts } from "./large-counts.ts";

const db = await testDatabase();
const clock = manualClock(systemClock.now());

/** Each reading takes so long by its own watch; nothing waits for it. */
function counting(tookMs: number) {
  let now = 0;
  let isReading = false;
  const read = largeCounts({
    db,
    clock,
    monotonicMs: () => {
      if (isReading) now += tookMs;
      isReading = false;
      return now;
    },
  });
  return {
    ask: async () => {
      const before = db.statements();
      const asked = read();
      isReading = true;
      const counts = await asked;
      isReading = false;
      return { counts, statements: db.statements() - before };
    },
    pass: (ms: number): void => void (now += ms),
  };
}

test("a quick reading is made anew whenever it is asked for", async () => {
  const { ask } = counting(900);
  expect((await ask()).statements).toBe(2);
  expect((await ask()).statements).toBe(2);
});

test("a slow one is good for twenty times as long as it took, and says when it was made", async () => {
  const { ask, pass } = counting(3_000);
  const first = await ask();
  expect(first.statements).toBe(2);
  const countedAt = clock.now();
  clock.advance(59_000);
  pass(59_000);
  expect(await ask()).toEqual({ counts: { ...first.counts, countedAt }, statements: 0 });
  pass(1_000);
  expect((await ask()).statements).toBe(2);
});

test("who asks while it is under way shares it", async () => {
  const read = largeCounts({ db, clock, monotonicMs: () => 0 });
  const before = db.statements();
  await Promise.all([read(), read(), read()]);
  expect(db.statements() - before).toBe(2);
});
