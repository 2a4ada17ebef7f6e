import { afterAll, expect, test } from "vitest";
import { stallablePostgres } from "../../test/stallable-postgres.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { openDb } from "./db.ts";
import { testConnection, testDatabase } from "./test-database.ts";

/** A connection that nobody closes and that nothing comes over any more is noticed, and a statement that takes long is none. */
const plain = await testDatabase();
const { host, ...connection } = testConnection(String(plain.pool.options.database));
const way = await stallablePostgres(String(host));
const db = openDb({
  connection: { ...connection, host: way.folder },
  log: silentLog,
  maxConnections: 3,
  lookEveryMs: 100,
});
afterAll(async () => {
  await db.close();
  await way.close();
});
const say = (text: string) => db.one<{ said: string }>(`select $1 as said`, [text]);

test("connections that were forgotten on the way fail what waits for them, and the pool is whole again", async () => {
  expect(await Promise.all([say("a"), say("b"), say("c")])).toEqual([{ said: "a" }, { said: "b" }, { said: "c" }]);
  way.lose();
  // Every connection of the pool is one of those.
  const asked = [say("a"), say("b"), db.transaction((tx) => tx.one(`select 1 as one`)), say("d")];
  const answers = await Promise.allSettled(asked);
  expect(answers.slice(0, 3)).toEqual(
    Array<unknown>(3).fill({
      status: "rejected",
      reason: expect.objectContaining({ code: "DB_UNAVAILABLE" }) as unknown,
    }),
  );
  // Who waited for a place got a new connection.
  expect(answers[3]).toEqual({ status: "fulfilled", value: { said: "d" } });
  expect(await Promise.all([say("a"), say("b"), say("c")])).toHaveLength(3);
}, 20_000);

test("a statement that takes long, or waits for a lock, is waited for; and a connection that asks nothing is left alone", async () => {
  const lent = await db.pool.connect();
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = plain.transaction(async (tx) => {
    await tx.one(`select pg_advisory_xact_lock(7)`);
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const waiting = db.one(`select pg_advisory_xact_lock(7) as got`);
  expect(await db.one(`select pg_sleep(2) as slept`)).toEqual({ slept: "" });
  held.resolve();
  await holding;
  expect(await waiting).toEqual({ got: "" });
  expect((await lent.query<{ one: number }>(`select 1 as one`)).rows).toEqual([{ one: 1 }]);
  lent.release();
});

test("a connection that has ended, though in the middle of a statement, is not looked after any more", async () => {
  const lines: { readonly msg: string; readonly process?: number }[] = [];
  const log = newLog("test", "warn", { write: (line) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
  const own = openDb({ connection: { ...connection, host: way.folder }, log, maxConnections: 2, lookEveryMs: 20 });
  try {
    const ids = await Promise.all(
      [1, 2].map(() => own.one<{ pid: number }>(`select pg_backend_pid() as pid, pg_sleep(0.1)`)),
    );
    const fails = expect(own.one(`select pg_sleep(60)`)).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
    const pids = ids.map((row) => row?.pid ?? 0);
    const busy = async () =>
      (
        await plain.many<{ pid: number }>(`select pid from pg_stat_activity where pid = any($1) and state = 'active'`, [
          pids,
        ])
      )[0]?.pid;
    await expect.poll(busy).toBeDefined();
    const ended = await busy();
    await plain.one(`select pg_terminate_backend($1, 5000)`, [ended ?? 0]);
    await fails;
    // The other is lost, which is found by several looks; each of them would have found the first one too.
    way.lose();
    await expect(own.one(`select 1 as one`)).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
    expect(lines.filter(({ msg }) => msg.includes("went silent")).map((line) => line.process)).toEqual(
      pids.filter((pid) => pid !== ended),
    );
  } finally {
    await own.close();
  }
});
