import type { Duplex } from "node:stream";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sleep } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { openDb, type Db } from "./db.ts";
import { testDatabase } from "./test-database.ts";

let target: Db;
let db: Db;
/** How often the service's connection was written to. */
let writes = 0;

beforeAll(async () => {
  target = await testDatabase();
  const { host, port, database, user } = target.pool.options;
  db = openDb({ connection: { host, port, database, user }, log: silentLog, maxConnections: 1 });
  db.pool.on("connect", ({ connection: { stream } }) => countWrites(stream));
});
afterAll(async () => {
  await db.close();
  await target.close();
});

function countWrites(stream: Duplex): void {
  const [one, many] = [stream._write.bind(stream), stream._writev?.bind(stream)];
  stream._write = (...given) => (writes++, one(...given));
  stream._writev = (...given) => (writes++, many?.(...given));
}

beforeEach(async () => {
  await target.run("drop table if exists said");
  await target.run("create table said (at serial, word text unique)");
  // The statements below are prepared once, so that each costs the same from then on.
  await db.transaction((tx) => say(tx, "warm"));
  await target.run("truncate said");
  writes = 0;
});

const say = (tx: Pick<Db, "run">, word: string): Promise<number> =>
  tx.run("insert into said (word) values ($1)", [word]);
const said = async (): Promise<string[]> =>
  (await target.many<{ word: string }>("select word from said order by at")).map(({ word }) => word);
const words = ["one", "two", "three", "four", "five"];

test("what a transaction asks in one moment leaves in one write and runs in its order; what is awaited leaves by itself", async () => {
  await db.transaction((tx) => Promise.all(words.map((word) => say(tx, word))));
  expect([writes, await said()]).toEqual([3, words]);
  await target.run("truncate said");
  writes = 0;
  await db.transaction(async (tx) => {
    for (const word of words) await say(tx, word);
  });
  expect([writes, await said()]).toEqual([7, words]);
});

test("one that fails takes back what was sent with it, before and after it, and says why itself", async () => {
  await expect(
    db.transaction((tx) => Promise.all(["one", "two", "two", "three"].map((word) => say(tx, word)))),
  ).rejects.toMatchObject({ code: "23505" });
  expect(await said()).toEqual([]);
  await db.transaction((tx) => say(tx, "after"));
  expect(await said()).toEqual(["after"]);
});

test("a transaction that goes on after a failure is not taken for one that was committed", async () => {
  const swallows = db.transaction(async (tx) => {
    await say(tx, "one");
    await tx.run("select 1 / 0").catch(() => undefined);
    return "done";
  });
  await expect(swallows).rejects.toMatchObject({ code: "IMPOSSIBLE" });
  expect(await said()).toEqual([]);
  await db.transaction((tx) => say(tx, "after"));
  expect(await said()).toEqual(["after"]);
});

test("statements together share a connection and a write, and give it back before the work goes on", async () => {
  const reading = db.together();
  const ask = (n: number): Promise<{ n: number } | undefined> => reading.one<{ n: number }>("select $1::int as n", [n]);
  expect(await Promise.all([ask(1), ask(2), ask(3)])).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(writes).toBe(1);
  // The pool has one connection: another piece of work gets it between two moments of this one.
  expect(await db.one("select 4 as n")).toEqual({ n: 4 });
  expect(await ask(5)).toEqual({ n: 5 });
  const [failed, fine] = await Promise.allSettled([reading.one("select 1 / 0"), ask(6)]);
  expect([failed.status, fine.status]).toEqual(["rejected", "fulfilled"]);
});

test("of two that wait for each other's rows the one that is ended is begun again: both are done", async () => {
  await Promise.all(["one", "two"].map((word) => say(target, word)));
  let begun = 0;
  let arrived = 0;
  let open = (): void => undefined;
  const both = new Promise<void>((resolve) => (open = resolve));
  const change = (first: string, second: string): Promise<void> =>
    target.transaction(async (tx) => {
      begun++;
      await tx.run("update said set at = at + 10 where word = $1", [first]);
      if (++arrived >= 2) open();
      await both;
      await tx.run("update said set at = at + 10 where word = $1", [second]);
    });
  await Promise.all([change("one", "two"), change("two", "one")]);
  // More than once again where the one begun anew takes its first row before the other has woken up.
  expect(begun).toBeGreaterThan(2);
  expect(begun).toBeLessThanOrEqual(6);
  const rows = await target.many<{ at: number }>("select at from said");
  expect(rows.map(({ at }) => at).toSorted((one, other) => one - other)).toEqual([22, 23]);
});

test("what is asked after the end of its transaction is not done", async () => {
  let late: Promise<unknown> = Promise.resolve();
  const asked = db.transaction(async (tx) => {
    await say(tx, "one");
    late = sleep(20).then(() => say(tx, "late"));
    throw new Error("refused");
  });
  await expect(asked).rejects.toThrow("refused");
  await expect(late).rejects.toMatchObject({ code: "IMPOSSIBLE" });
  expect(await said()).toEqual([]);
});

test("what a snapshot reads stands at one instant, and it writes nothing", async () => {
  const looks = await db.snapshot(async (tx) => {
    const before = await tx.many("select word from said");
    await say(target, "meanwhile");
    return [before, await tx.many("select word from said")];
  });
  expect(looks).toEqual([[], []]);
  expect(await said()).toEqual(["meanwhile"]);
  await expect(db.snapshot((tx) => say(tx, "written"))).rejects.toMatchObject({ cause: { code: "25006" } });
});

test("a reading that takes longer than it may is given up, and its connection is good again", async () => {
  const asked = db.snapshotWithin(20, async (tx) => [
    await tx.one("select 1 as one"),
    await tx.one("select pg_sleep(60)"),
  ]);
  expect(await asked).toBeUndefined();
  expect(db.pool.totalCount - db.pool.idleCount).toBe(0);
  const limits = await Promise.all(
    Array.from({ length: db.pool.totalCount }, () =>
      db.one<{ limit: string }>(`select current_setting('statement_timeout') as limit`),
    ),
  );
  expect(new Set(limits.map((row) => row?.limit))).toEqual(new Set(["0"]));
  expect(await db.snapshotWithin(60_000, (tx) => tx.one("select 1 as one"))).toEqual({ one: 1 });
  expect(await db.snapshotWithin(null, (tx) => tx.one("select 1 as one"))).toEqual({ one: 1 });
});

test("a turn that could not be asked for gives its connection back", async () => {
  // No advisory lock has a number as large as this: the question fails.
  await expect(db.takingTurns(2 ** 70, 0, async () => undefined)).rejects.toThrow();
  expect(db.pool.totalCount - db.pool.idleCount).toBe(0);
  expect(await db.takingTurns(7, 0, async () => "in turn").catch(() => "refused")).toBe("in turn");
});

test("a connection that may not listen is closed", async () => {
  // No channel has an empty name.
  await expect(
    db.listen(
      "",
      () => undefined,
      () => undefined,
    ),
  ).rejects.toThrow();
  const open = async () =>
    (await target.many(`select 1 from pg_stat_activity where application_name = 'houselights listen '`)).length;
  await expect.poll(open, { timeout: 5_000 }).toBe(0);
});

test("who listens hears what is sent on that channel, is told when something may have been missed, and hears again", async () => {
  const heard: string[] = [];
  let gaps = 0;
  const listening = await db.listen(
    "here",
    (payload) => heard.push(payload),
    () => gaps++,
  );
  const send = (channel: string, payload: string) => target.run("select pg_notify($1, $2)", [channel, payload]);
  await send("elsewhere", "not for here");
  await send("here", "first");
  await expect.poll(() => heard).toEqual(["first"]);
  expect(gaps).toBe(0);
  const listeners = () =>
    target.many<{ pid: number }>(`select pid from pg_stat_activity where application_name = 'houselights listen here'`);
  for (const { pid } of await listeners()) await target.one("select pg_terminate_backend($1, 5000)", [pid]);
  await send("here", "missed");
  await expect.poll(() => gaps).toBe(1);
  await send("here", "second");
  // It may have listened again before the other was sent.
  await expect.poll(() => heard.filter((payload) => payload !== "missed")).toEqual(["first", "second"]);
  await listening.close();
  await expect.poll(listeners).toEqual([]);
  expect(gaps).toBe(1);
});

test("whoever waits for a connection has theirs before the pool is closed", async () => {
  const { host, port, database, user } = target.pool.options;
  const one = openDb({ connection: { host, port, database, user }, log: silentLog, maxConnections: 1 });
  const held = Promise.withResolvers<void>();
  const holding = one.transaction(async (tx) => {
    await say(tx, "first");
    await held.promise;
  });
  await sleep(20);
  const waiting = say(one, "second");
  const closed = one.close();
  held.resolve();
  await Promise.all([holding, waiting, closed]);
  expect(await target.many("select word from said order by word")).toEqual([{ word: "first" }, { word: "second" }]);
});
