import { expect, test } from "vitest";
import { listAlarms } from "../src/canaries/alarms.ts";
import {
  countSignIns,
  judgeSignIns,
  judgeWindow,
  sameTimeOfDay,
  usualOf,
  windowMs,
  type SignInWindow,
} from "../src/canaries/stuffing.ts";
import { dayMs, hourMs, minuteMs, plus, type EpochMs } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { testDatabase } from "../src/db/test-database.ts";
import { goodPassword, testService } from "./service.ts";

/** P10: passwords from elsewhere, tried here, ring; a busy evening, a quiet night and the day of a containment do not. */
const service = await testService();
const { ground, clock, web } = service;
const { db, random } = ground;

/** Mulberry32: the same chance every time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** An ordinary ten minutes: evenings ten times as busy as nights, one in eight fails, one in five of those at a mistyped address. */
function ordinary(start: number, scale: number, next: () => number): SignInWindow {
  const hour = (start % dayMs) / hourMs;
  const busy = 0.1 + 0.9 * Math.max(0, Math.sin(((hour - 10) / 14) * Math.PI)) ** 2;
  // Sums of chances are near enough to a normal distribution.
  const around = (mean: number): number => {
    const noise = Array.from({ length: 12 }, next).reduce((sum, one) => sum + one, 0) - 6;
    return Math.max(0, Math.round(mean + noise * Math.sqrt(mean) * 1.5));
  };
  const tried = around(scale * busy);
  const failed = Math.min(tried, around(tried / 8));
  const unknown = Math.min(failed, around(failed / 5));
  return { start: start as EpochMs, tried, failed, unknown, networks: Math.min(failed, around(failed * 0.8)) };
}

const begin = Date.UTC(2026, 9, 1);
const month = (scale: number, seed: number): SignInWindow[] => {
  const next = chance(seed);
  return Array.from({ length: (35 * dayMs) / windowMs }, (_, n) => ordinary(begin + n * windowMs, scale, next));
};
const judge = (window: SignInWindow, all: readonly SignInWindow[]) =>
  judgeWindow(
    window,
    sameTimeOfDay(
      all.filter(({ start }) => start < window.start),
      window.start,
    ),
  );

test.each([30, 800, 20_000])("no ordinary window of a week rings, with %i sign-ins in a busy one", (scale) => {
  for (const seed of [1, 2, 3]) {
    const all = month(scale, seed);
    const last = all.slice(-(7 * dayMs) / windowMs);
    expect(last.filter((window, n) => n % 3 === 0 && judge(window, all).isStuffing)).toEqual([]);
  }
});

test("a list from elsewhere rings, also when it is tried slowly from many networks; what only looks like it does not", () => {
  const all = month(800, 4);
  const evening = all.findLast(({ start }) => (start % dayMs) / hourMs === 19)!;
  const night = all.findLast(({ start }) => (start % dayMs) / hourMs === 4)!;
  const plus_ = (window: SignInWindow, failed: number, unknown: number, networks: number) => ({
    ...window,
    tried: window.tried + failed,
    failed: window.failed + failed,
    unknown: window.unknown + unknown,
    networks: window.networks + networks,
  });
  expect(judge(evening, all).isStuffing).toBe(false);
  expect(judge(plus_(evening, 2_000, 1_900, 40), all).isStuffing).toBe(true);
  expect(judge(plus_(night, 200, 190, 180), all).isStuffing).toBe(true);
  // Everybody's password is refused after a containment: many fail, from everywhere, at addresses that exist.
  expect(judge(plus_(evening, 5_000, 250, 4_000), all).isStuffing).toBe(false);
  // Somebody's script with one wrong address.
  expect(judge(plus_(night, 30, 30, 1), all).isStuffing).toBe(false);
});

test("a service that knows no usual yet rings only for what nobody could miss", () => {
  const window = { start: begin as EpochMs, tried: 500, failed: 450, unknown: 400, networks: 300 };
  expect(judgeWindow(window, []).isStuffing).toBe(false);
  expect(judgeWindow({ ...window, tried: 900, failed: 800, unknown: 700 }, []).isStuffing).toBe(true);
});

test("a month with an attack in it does not make the next attack usual", () => {
  const { median, spread } = usualOf([
    ...Array.from({ length: 95 }, (_, n) => 10 + (n % 3)),
    9_000,
    9_000,
    9_000,
    9_000,
    9_000,
  ]);
  expect(median).toBe(11);
  expect(spread).toBeLessThan(3);
});

test("sign-ins of the service are counted as sums, judged once when their ten minutes are over, and ring", async () => {
  await service.account("ada@example.org", goodPassword);
  const start = clock.now() - (clock.now() % windowMs);
  await service.signIn("ada@example.org", goodPassword);
  for (const [address, from] of [
    ["ada@example.org", "192.0.2.1"],
    ["nobody@example.org", "192.0.2.1"],
    ["nobody@example.org", "198.51.100.7"],
  ] as const) {
    await service.call("POST", "/api/sessions", { body: { address, password: "wrong words by far" }, from });
  }
  await web.writeSignInCounts();
  const counted = await db.many(`select tried, failed, unknown, networks from sign_in_window`);
  expect(counted).toEqual([{ tried: 4, failed: 3, unknown: 2, networks: 2 }]);

  // As three thousand more would have left it.
  await db.run(
    `update sign_in_window set tried = tried + 3000, failed = failed + 3000, unknown = unknown + 2900, networks = networks + 800`,
  );
  expect(await judgeSignIns({ db, clock, random })).toBe(0);
  clock.set(plus(start as EpochMs, 2 * windowMs + minuteMs));
  // Two workers at once: one of them claims it.
  const rang = await Promise.all([judgeSignIns({ db, clock, random }), judgeSignIns({ db, clock, random })]);
  expect(rang.toSorted((one, other) => one - other)).toEqual([0, 1]);
  expect(await judgeSignIns({ db, clock, random })).toBe(0);
  expect(await listAlarms(db)).toMatchObject([
    { kind: "stuffing", times: 1, facts: { failed: 3_003, "at unknown addresses": 2_902 } },
  ]);
});

test("what the database does not take meanwhile is one sum of its ten minutes, however often it is tried", async () => {
  const own = await testDatabase();
  const counter = countSignIns({ db: own, clock, log: silentLog, everyMs: hourMs });
  await own.run("alter table sign_in_window rename to away");
  for (let n = 0; n < 5; n++) {
    counter.note({ failed: true, isKnown: n % 2 === 0, network: `192.0.2.${n}` });
    await counter.flush();
  }
  await own.run("alter table away rename to sign_in_window");
  const before = own.statements();
  await counter.flush();
  expect(own.statements() - before).toBe(1);
  expect(await own.many("select tried, failed, unknown, networks from sign_in_window")).toEqual([
    { tried: 5, failed: 5, unknown: 2, networks: 5 },
  ]);
  await counter.close();
});
