import { expect, test } from "vitest";
import { populateSynthetic } from "../../test/population.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock, systemClock, toDate } from "../kernel/clock.ts";
import { unusedHours } from "../sessions/in-use.ts";
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

test("sessions count while they are good: not ended, not over, used lately, of their account's generation and not refused", async () => {
  await populateSynthetic(db, { accounts: 6, sessionsEach: 4, at: clock.now() });
  const { ask } = counting(1);
  const live = async () => {
    const { accounts, sessions } = (await ask()).counts;
    return { accounts, ...Object.fromEntries(sessions.map((one) => [one.class, one.live])) };
  };
  expect(await live()).toEqual({ accounts: 6, app: 6, browser: 6, tool: 6, tv: 6 });
  const browsers = await db.many<{ id: string }>(`select id from session where class = 'browser' order by id`);
  const change = async (place: number, what: string) => {
    const now = toDate(clock.now());
    expect(
      await db.run(`update session set ${what} where id = $2 and $1::timestamptz > 'epoch'`, [
        now,
        browsers[place]?.id ?? null,
      ]),
    ).toBe(1);
  };
  await change(0, `ended_at = $1`);
  await change(1, `expires_at = $1`);
  await change(2, `last_seen_at = $1::timestamptz - interval '${unusedHours.browser} hours'`);
  await change(3, `generation = generation + 1`);
  await change(4, `epoch = epoch - 1`);
  expect(await live()).toMatchObject({ browser: 1, tv: 6 });
  await db.run(`update floor set epoch = epoch + 1 where kind = 'tv'`);
  expect(await live()).toEqual({ accounts: 6, app: 6, browser: 1, tool: 6 });
});

test("who asks while it is under way shares it", async () => {
  const read = largeCounts({ db, clock, monotonicMs: () => 0 });
  const before = db.statements();
  await Promise.all([read(), read(), read()]);
  expect(db.statements() - before).toBe(2);
});
