import { randomBytes } from "node:crypto";
import { afterAll, expect, onTestFinished, test, type TestContext } from "vitest";
import { stallablePostgres } from "../../test/stallable-postgres.ts";
import { sleep } from "../kernel/clock.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { openDb, type Db, type DbOptions } from "./db.ts";
import { testConnection, testDatabase } from "./test-database.ts";

/**
 * A PostgreSQL that answers nothing at all, on no connection and on no new one: nothing that waits for it waits for ever. Most of these
 * wait for one limit or another, and do so side by side.
 */
const plain = await testDatabase();
const { host, ...connection } = testConnection(String(plain.pool.options.database));
const role = `limited_${randomBytes(6).toString("hex")}`;
await plain.run(`create role ${role} login`);
afterAll(async () => {
  await plain.run(`drop role ${role}`);
});

let opened = 0;
/** A pool over a way of its own, closed with it when the test has ended. `atWork`: its connections that are not idle. */
async function openOver(options: Partial<DbOptions> = {}, over: TestContext["onTestFinished"] = onTestFinished) {
  const way = await stallablePostgres(String(host));
  const name = `stalled test ${++opened}`;
  const own = { ...connection, host: way.folder, application_name: name, ...options.connection };
  const db = openDb({ log: silentLog, maxConnections: 4, lookEveryMs: 100, ...options, connection: own });
  over(async () => {
    way.restore();
    if (!db.pool.ended) await db.close();
    await way.close();
  });
  const atWork = () =>
    plain.many<{ state: string }>(
      `select state from pg_stat_activity where application_name = $1 and state <> 'idle'`,
      [name],
    );
  return { way, db, atWork };
}

const unavailable = { status: "rejected", reason: expect.objectContaining({ code: "DB_UNAVAILABLE" }) as unknown };
const say = (db: Db, text: string) => db.one<{ said: string }>(`select $1::text as said`, [text]);
/** A table of the test's own, to be written to. */
async function newTable(): Promise<string> {
  const name = `written_${randomBytes(6).toString("hex")}`;
  await plain.run(`create table ${name} (id int primary key)`);
  return name;
}

/** @returns what gives the lock back. Until then its transaction says something now and then, or it would be ended. */
async function lock(table: string): Promise<() => Promise<void>> {
  const over = new AbortController();
  const locked = Promise.withResolvers<void>();
  const holding = plain.transaction(async (tx) => {
    await tx.run(`lock table ${table} in access exclusive mode`);
    locked.resolve();
    while (!over.signal.aborted) {
      await tx.one(`select 1 as one`);
      await sleep(500, over.signal);
    }
  });
  await locked.promise;
  return async () => {
    over.abort();
    await holding;
  };
}

test.concurrent(
  "whatever waits for it is given up, in a transaction and out of one; afterwards nothing is left open, and each answer is its own",
  async (context) => {
    const { way, db, atWork } = await openOver({}, context.onTestFinished);
    const table = await newTable();
    const began = Promise.withResolvers<void>();
    const stalled = Promise.withResolvers<void>();
    const transaction = db.transaction(async (tx) => {
      await tx.run(`insert into ${table} values (1)`);
      began.resolve();
      await stalled.promise;
      await tx.run(`insert into ${table} values (2)`);
    });
    await began.promise;
    const reading = db.together();
    await Promise.all([reading.one(`select 1 as one`), say(db, "before")]);
    way.stall();
    stalled.resolve();
    const asked = [
      transaction,
      say(db, "a"),
      db.snapshot((tx) => tx.one(`select 1 as one`)),
      reading.one(`select 1 as one`),
      reading.one(`select 2 as two`),
      // These wait for a place first.
      ...Array.from({ length: 8 }, (_none, n) => say(db, String(n))),
    ];
    expect(await Promise.allSettled(asked)).toEqual(asked.map(() => unavailable));

    way.restore();
    const texts = Array.from({ length: 12 }, (_none, n) => `after ${n}`);
    expect(await Promise.all(texts.map((text) => say(db, text)))).toEqual(texts.map((said) => ({ said })));
    // Nobody was told that it was written, and its lock is gone.
    await context.expect.poll(atWork, { timeout: 15_000 }).toEqual([]);
    expect(await plain.many(`select id from ${table}`)).toEqual([]);
  },
  40_000,
);

test.concurrent(
  "a connection that goes silent before it could say who it is leaves its place in the pool",
  async (context) => {
    let made = 0;
    const onConnect: DbOptions["onConnect"] = async (tx) => {
      if (made++ === 0) way.stall();
      await tx.one(`select 1 as one`);
    };
    const { way, db } = await openOver({ maxConnections: 1, onConnect }, context.onTestFinished);
    expect(await Promise.allSettled([say(db, "a")])).toEqual([unavailable]);
    way.restore();
    expect(await say(db, "b")).toEqual({ said: "b" });
  },
  30_000,
);

test.concurrent(
  "it is said once that it does not answer, and once that it answers again",
  async (context) => {
    const lines: string[] = [];
    const log = newLog("web", "info", { write: (line) => void lines.push(line) });
    const { way, db } = await openOver({ log }, context.onTestFinished);
    const saying = (text: string) => lines.filter((line) => line.includes(text)).length;
    await say(db, "before");
    way.stall();
    expect(await Promise.allSettled([say(db, "a")])).toEqual([unavailable]);
    expect(await Promise.allSettled([say(db, "b"), say(db, "c")])).toEqual([unavailable, unavailable]);
    way.restore();
    expect(await say(db, "d")).toEqual({ said: "d" });
    await context.expect.poll(() => saying("answers again")).toBe(1);
    expect(saying("does not answer")).toBe(1);
  },
  30_000,
);

test.concurrent(
  "a connection ends when it is told to, though nobody says goodbye",
  async (context) => {
    const { way, db } = await openOver({}, context.onTestFinished);
    const copying = await db.connectForCopy();
    const listening = await db.listen(
      "nowhere",
      () => undefined,
      () => undefined,
    );
    await Promise.all([say(db, "a"), say(db, "b")]);
    const { totalCount } = db.pool;
    expect(totalCount).toBe(2);
    let ended = 0;
    db.pool.on("remove", () => ended++);
    way.stall();
    await Promise.all([copying.end(), listening.close(), db.close()]);
    await context.expect.poll(() => ended, { timeout: 10_000 }).toBe(totalCount);
  },
  30_000,
);

test.concurrent(
  "whoever asked has gone: PostgreSQL ends what it was asked, instead of writing it once the lock is free",
  async (context) => {
    const { way, db, atWork } = await openOver({}, context.onTestFinished);
    const table = await newTable();
    const release = await lock(table);
    const writing = db.run(`insert into ${table} values (3)`);
    await context.expect.poll(async () => (await atWork()).length).toBe(1);
    way.stall();
    expect(await Promise.allSettled([writing])).toEqual([unavailable]);
    way.restore();
    await context.expect.poll(atWork, { timeout: 15_000 }).toEqual([]);
    await release();
    expect(await plain.many(`select id from ${table}`)).toEqual([]);
  },
  40_000,
);

test("connections that were forgotten on the way are ended also while PostgreSQL takes no further one", async () => {
  await plain.run(`alter role ${role} connection limit 2`);
  const { way, db } = await openOver({ connection: { user: role }, maxConnections: 2 });
  expect(await Promise.all([say(db, "a"), say(db, "b")])).toHaveLength(2);
  way.lose();
  expect(await Promise.allSettled([say(db, "a"), say(db, "b")])).toEqual([unavailable, unavailable]);
  // PostgreSQL hears of none of this, and has room for others.
  await plain.run(`alter role ${role} connection limit 4`);
  expect(await say(db, "c")).toEqual({ said: "c" });
}, 30_000);

test("what takes long is waited for while PostgreSQL takes no further connection", async () => {
  // Those of the test before may not have ended yet.
  const left = () => plain.many(`select pid from pg_stat_activity where usename = $1`, [role]);
  await expect.poll(left, { timeout: 10_000 }).toEqual([]);
  await plain.run(`alter role ${role} connection limit 2`);
  const { db } = await openOver({ connection: { user: role }, maxConnections: 2 });
  const reading = db.one(`select pg_sleep(2) as slept`);
  await say(db, "beside");
  expect(await reading).toEqual({ slept: "" });
}, 30_000);

test("who waits for no lock longer than they may is told that somebody keeps it, and others are served beside", async () => {
  const { db } = await openOver({ lockWaitMs: 200 });
  const table = await newTable();
  const release = await lock(table);
  const kept = { code: "DB_UNAVAILABLE", message: expect.stringContaining("keeps locked") as unknown };
  await expect(db.run(`insert into ${table} values (4)`)).rejects.toMatchObject(kept);
  await expect(db.transaction((tx) => tx.run(`insert into ${table} values (4)`))).rejects.toMatchObject(kept);
  expect(await say(db, "beside")).toEqual({ said: "beside" });
  await release();
  expect(await db.run(`insert into ${table} values (4)`)).toBe(1);
});
