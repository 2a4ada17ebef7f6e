import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, expect, test } from "vitest";
import { openDb } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { migrate } from "../src/db/migrate.ts";
import { sleep } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { runningService, type RunningService } from "./running-service.ts";
import { startThrowAwayPostgres } from "./throw-away-postgres.ts";

/** Others have used up every connection that PostgreSQL takes: the command on the host that contains is let in all the same. */
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
}, 60_000);
const taken: pg.Client[] = [];
const giveBack = async (): Promise<void> => {
  await Promise.all(taken.splice(0).map((client) => client.end()));
};
afterEach(giveBack);

const withoutFilms = async (libraryDir: string): Promise<void> => {
  await mkdir(libraryDir);
  await writeFile(join(libraryDir, "readme.txt"), "not a film");
};

/** @returns whether PostgreSQL let one in. */
async function takeOne(connection: pg.PoolConfig): Promise<boolean> {
  const client = new pg.Client(connection);
  client.on("error", () => undefined);
  try {
    await client.connect();
    taken.push(client);
    return true;
  } catch (thrown) {
    await client.end().catch(() => undefined);
    expect(thrown).toMatchObject({ code: "53300" });
    return false;
  }
}

async function takeAll(connection: pg.PoolConfig): Promise<number> {
  const before = taken.length;
  while (await takeOne(connection));
  return taken.length - before;
}

const contains = (service: RunningService) => service.command("incident", "contain", "--yes", "--reason", "a test");

test("with the built-in PostgreSQL others leave room for commands, and commands for the one that contains", async () => {
  const service = await runningService({}, withoutFilms);
  closing.push(() => service.remove());
  const { connection } = await startPostgres({ dataDir: service.dataDir, log: silentLog, role: "command" });
  const cookie = await service.operatorCookie();
  const stranger = { ...connection, user: "houselights" };

  expect(await takeAll(stranger)).toBeGreaterThan(10);
  expect((await service.command("operator", "link")).out).toContain("/operate#");
  expect(await takeAll(connection)).toBeGreaterThan(10);
  expect(await takeOne(stranger)).toBe(false);
  expect(await service.command("incident", "status")).toMatchObject({
    code: 3,
    err: expect.stringContaining("takes no further connection") as unknown,
  });

  expect((await service.api("GET", "/api/session", { cookie })).status).toBe(200);
  const contained = await contains(service);
  expect([contained.code, contained.err]).toEqual([0, ""]);
  expect((await service.api("GET", "/api/session", { cookie })).status).toBe(401);
}, 120_000);

test("with a PostgreSQL elsewhere it is what the runbook has set there", async () => {
  const postgres = await startThrowAwayPostgres({ fsync: "off", max_connections: "60", reserved_connections: "25" });
  closing.push(() => postgres.stop());
  const admin = openDb({ connection: postgres.connection, log: silentLog, maxConnections: 1 });
  closing.push(() => admin.close());
  for (const sql of ["create role films login", "create role stranger login", "create database films owner films"])
    await admin.run(sql);
  const reserve = "grant pg_use_reserved_connections to films";
  await admin.run(reserve);
  const connection = { ...postgres.connection, user: "films", database: "films" };
  const db = openDb({ connection, log: silentLog });
  await migrate(db).finally(() => db.close());
  const address = `postgres://films@localhost/films?host=${encodeURIComponent(String(connection.host))}`;
  const service = await runningService({ DATABASE_URL: address }, withoutFilms);
  closing.push(() => service.remove());

  expect(await takeAll({ ...connection, user: "stranger" })).toBeGreaterThan(5);
  await admin.run("revoke pg_use_reserved_connections from films");
  let isDone = false;
  const containing = contains(service).finally(() => {
    isDone = true;
  });
  // It tries for a while: who is being refused has a place until they are told, and many at once have those that are kept too.
  await sleep(3_000);
  expect(isDone).toBe(false);
  await admin.run(reserve);
  const contained = await containing;
  expect([contained.code, contained.err]).toEqual([0, ""]);
}, 120_000);
