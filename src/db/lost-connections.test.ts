import { afterAll, expect, test } from "vitest";
import { stallablePostgres } from "../../test/stallable-postgres.ts";
import { silentLog } from "../kernel/log.ts";
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
