import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb } from "./db.ts";
import { migrate, migrationsFolder, readMigrations } from "./migrate.ts";
import type { Migration } from "./migrate.ts";
import { dumpSchema } from "./schema-dump.ts";
import { emptyDatabase, testDatabase } from "./test-database.ts";

const made = (number: number, sql: string): Migration => ({
  number,
  name: `000${number}_made.sql`,
  sql,
  hash: createHash("sha256").update(sql).digest(),
});

test("schema.sql is what the migrations make", async () => {
  const db = await testDatabase();
  expect(await readFile(`${migrationsFolder}schema.sql`, "utf8")).toBe(await dumpSchema(db));
});

test("migrating twice changes nothing, and eight at once make each migration once", async () => {
  const db = await emptyDatabase({ maxConnections: 20 });
  await Promise.all(Array.from({ length: 8 }, () => migrate(db)));
  await migrate(db);
  const rows = await db.many<{ number: number }>("select number from migration order by number");
  expect(rows.map((row) => row.number)).toEqual((await readMigrations()).map((each) => each.number));
  expect(await db.one("select to_regclass('graphile_worker.jobs')::text as jobs")).toEqual({
    jobs: "graphile_worker.jobs",
  });
});

test("a database that is away is said to be that, as for every other statement", async () => {
  const away = openDb({ connection: { host: "127.0.0.1", port: 1, database: "none" }, log: silentLog });
  await expect(migrate(away)).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
  await away.close();
});

test("a database that is up to date is only read", async () => {
  const db = await emptyDatabase({ maxConnections: 1 });
  await migrate(db);
  await db.run("set session characteristics as transaction read only");
  await migrate(db);
  // graphile-worker's own are asked for as well.
  await db.run("set session characteristics as transaction read write");
  await db.run("drop schema graphile_worker cascade");
  await migrate(db);
  expect(await db.one("select to_regclass('graphile_worker.jobs')::text as jobs")).toEqual({
    jobs: "graphile_worker.jobs",
  });
});

test("a file changed after it was applied is refused by its name", async () => {
  const db = await emptyDatabase();
  await migrate(db, [made(1, "create table one (a integer)")]);
  await expect(migrate(db, [made(1, "create table one (a bigint)")])).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringContaining("0001_made.sql was changed"),
  });
});

test("a database from a newer program is refused", async () => {
  const db = await emptyDatabase();
  const first = made(1, "create table one (a integer)");
  await migrate(db, [first, made(2, "create table two (a integer)")]);
  await expect(migrate(db, [first])).rejects.toMatchObject({ code: "DB_NEWER" });
});

test("a migration that fails leaves nothing of itself, and runs again once mended", async () => {
  const db = await emptyDatabase();
  await expect(migrate(db, [made(1, "create table one (a integer); select 1 / 0")])).rejects.toThrow(
    "division by zero",
  );
  expect(await db.one("select to_regclass('one')::text as name")).toEqual({ name: null });
  await migrate(db, [made(1, "create table one (a integer)")]);
  expect(await db.one("select to_regclass('one')::text as name")).toEqual({ name: "one" });
});

test("migrations are read wherever the program is installed, whatever its folder is called", async () => {
  const folder = await mkdtemp(join(tmpdir(), "houselights 50%25 #1? "));
  try {
    await cp(migrationsFolder, folder, { recursive: true });
    expect(await readMigrations(folder)).toEqual(await readMigrations());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a number that is missing or there twice is noticed, as when two branches that both added a file meet", async () => {
  const folder = await mkdtemp(join(tmpdir(), "houselights-gap-"));
  try {
    await cp(migrationsFolder, folder, { recursive: true });
    const names = (await readMigrations(folder)).map(({ name }) => name);
    const last = names.at(-1) ?? "";
    const number = String(names.length - 1).padStart(4, "0");
    await rename(join(folder, last), join(folder, `${number}_as_well.sql`));
    await expect(readMigrations(folder)).rejects.toMatchObject({ code: "DB_START_FAILED" });
    await rename(
      join(folder, `${number}_as_well.sql`),
      join(folder, `${String(names.length + 1).padStart(4, "0")}_later.sql`),
    );
    await expect(readMigrations(folder)).rejects.toThrow(`_later.sql should be ${names.length}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("each test database is a copy of its own", async () => {
  const [one, other] = await Promise.all([testDatabase(), testDatabase()]);
  await one.run("update floor set epoch = 7 where kind = 'tv'");
  expect(await one.one("select epoch from floor where kind = 'tv'")).toEqual({ epoch: 7 });
  expect(await other.one("select epoch from floor where kind = 'tv'")).toEqual({ epoch: 1 });
});
