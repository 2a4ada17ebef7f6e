import { randomBytes } from "node:crypto";
import { afterAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb, type Db } from "./db.ts";
import { testConnection, testDatabase } from "./test-database.ts";

/** A role that PostgreSQL refuses further connections as it refuses everybody's when all are taken: with SQLSTATE 53300. */
const db = await testDatabase();
const role = `limited_${randomBytes(6).toString("hex")}`;
const limit = async (connections: number): Promise<void> => {
  await db.run(`alter role ${role} connection limit ${connections}`);
};
await db.run(`create role ${role} login`);
afterAll(async () => {
  await db.run(`drop role ${role}`);
});
// PostgreSQL counts a connection until its process has ended, which is after whoever closed it has been told.
beforeEach(() => expect.poll(() => db.many(`select pid from pg_stat_activity where usename = $1`, [role])).toEqual([]));
const openLimited = (maxConnections: number): Db =>
  openDb({
    connection: { ...testConnection(db.pool.options.database ?? ""), user: role },
    log: silentLog,
    maxConnections,
  });

test("while PostgreSQL takes no further connection, whoever comes waits for those that are there, and more are made later", async () => {
  await limit(2);
  const limited = openLimited(10);
  try {
    const ask = () => limited.one<{ pid: number }>(`select pg_backend_pid() as pid, pg_sleep(0.02)`);
    const askInTransaction = () =>
      limited.transaction((tx) => tx.one<{ pid: number }>(`select pg_backend_pid() as pid`));
    const pidsOf = async (times: number) => {
      const rows = await Promise.all(
        Array.from({ length: times }, (_none, n) => (n % 2 === 0 ? ask() : askInTransaction())),
      );
      return new Set(rows.map((row) => row?.pid)).size;
    };
    await ask();
    expect(await pidsOf(40)).toBeLessThanOrEqual(2);
    await limit(-1);
    await expect.poll(() => pidsOf(40), { timeout: 20_000 }).toBeGreaterThan(2);
  } finally {
    await limited.close();
  }
});

test("connections that are to be kept are there when PostgreSQL takes no other any more; others are closed when nobody uses them", async () => {
  await limit(3);
  const limited = openDb({
    connection: { ...testConnection(db.pool.options.database ?? ""), user: role },
    log: silentLog,
    maxConnections: 3,
    keptConnections: 2,
    idleMs: 50,
  });
  try {
    const ask = () => limited.one(`select pg_sleep(0.1) as slept`);
    await Promise.all([ask(), ask(), ask()]);
    await expect.poll(() => limited.pool.totalCount).toBe(2);
    await limit(0);
    expect(await Promise.all([ask(), ask(), ask()])).toHaveLength(3);
  } finally {
    await limited.close();
  }
});

test("whoever takes a turn and finds no second connection for its work does it without the turn", async () => {
  await limit(1);
  const limited = openLimited(2);
  const holds = () =>
    limited.one<{ held: number }>(
      `select count(*)::int as held from pg_locks where locktype = 'advisory' and objid = 77`,
    );
  try {
    expect(await limited.takingTurns(77, 1_000, holds)).toEqual({ held: 0 });
    await limit(2);
    await expect.poll(() => limited.takingTurns(77, 1_000, holds), { timeout: 20_000 }).toEqual({ held: 1 });
    expect(await holds()).toEqual({ held: 0 });
  } finally {
    await limited.close();
  }
});

test("without any connection of its own everybody is told so, and the next who comes when there is room is served", async () => {
  await limit(0);
  const limited = openLimited(4);
  try {
    const refused = { code: "DB_UNAVAILABLE", message: expect.stringContaining("takes no further connection") };
    const asked = Array.from({ length: 20 }, () =>
      expect(limited.one("select 1 as here")).rejects.toMatchObject(refused),
    );
    await Promise.all(asked);
    await limit(1);
    expect(await limited.one("select 1 as here")).toEqual({ here: 1 });
  } finally {
    await limited.close();
  }
});

test.each([
  ["a role that is not there", { user: "nobody-of-that-name" }, "DB_UNAVAILABLE", "look at DATABASE_URL"],
  ["a database that is not there", { database: "none-of-that-name" }, "DB_UNAVAILABLE", "look at DATABASE_URL"],
  ["a role without a right", { user: role }, "DB_REFUSED", "must own the database"],
])("%s is said in words, with what to do", async (_what, other, code, hint) => {
  await limit(-1);
  const refused = openDb({
    connection: { ...testConnection(db.pool.options.database ?? ""), ...other },
    log: silentLog,
  });
  try {
    const said = { code, message: expect.stringContaining(hint) };
    await expect(refused.one("select id from account")).rejects.toMatchObject(said);
  } finally {
    await refused.close();
  }
});

test("a database that takes no writes, as a standby, is read, and says what it is and what to do when it is written to", async () => {
  await limit(-1);
  const own = { connection: testConnection(db.pool.options.database ?? ""), log: silentLog };
  const write = "insert into alarm (id) values (gen_random_uuid())";
  // The same is refused for another reason where writes are taken.
  const primary = openDb(own);
  await expect(primary.run(write)).rejects.toMatchObject({ code: "23502" });
  await primary.close();
  const standby = openDb({
    ...own,
    connection: { ...own.connection, options: "-c default_transaction_read_only=on" },
  });
  try {
    expect(await standby.one("select 1 as here")).toEqual({ here: 1 });
    const said = { code: "DB_UNAVAILABLE", message: expect.stringMatching(/it is a standby[^]*\n.*name the primary/) };
    await expect(standby.run(write)).rejects.toMatchObject(said);
    await expect(standby.transaction((tx) => tx.run(write))).rejects.toMatchObject(said);
  } finally {
    await standby.close();
  }
});
