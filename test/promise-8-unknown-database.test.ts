import { join } from "node:path";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { layGround, type Ground } from "../src/app.ts";
import { adoptDatabase } from "../src/credentials/adopt-database.ts";
import { readFloors } from "../src/credentials/floors.ts";
import { backupDatabase, restoreDatabase } from "../src/db/backup.ts";
import { openDb, type Db } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { emptyDatabase, testConnection } from "../src/db/test-database.ts";
import { contain } from "../src/incidents/contain.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { testKeyholder, type TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { sessionCheck } from "../src/sessions/check.ts";
import { integrate } from "../src/timeline/integrate.ts";
import { readTimeline } from "../src/timeline/read.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { runningService, type RunningService } from "./running-service.ts";
import { goodPassword, testService, type TestService } from "./service.ts";

/**
 * P8, the way around it: a copy whose identity was changed is none that the witness remembers. It is let in by an
 * operator's explicit word alone, and then without anything that it could revive.
 */
const unknown = { code: "DATABASE_UNKNOWN" };
const nameOf = (db: Db): string => String(db.pool.options.database);

async function over<Result>(
  { ground, clock }: TestService,
  database: Db,
  { socketPath, credentials }: Pick<TestKeyholder, "socketPath" | "credentials">,
  work: (ground: Ground) => Promise<Result>,
): Promise<Result> {
  const connection = testConnection(nameOf(database));
  const started = await layGround({
    config: ground.config,
    surroundings: { connection, keyholder: { socketPath, credentials } },
    log: silentLog,
    clock,
  });
  return work(started).finally(() => started.close());
}

const opens = ({ db, clock, seen, log }: Ground, token: string): Promise<boolean> =>
  sessionCheck({ db, clock, seen, log, refusedAsOld: () => undefined })
    .check({ kind: "cookie", token: Secret.fromText(token) })
    .then((viewer) => viewer !== null);

async function integrateNow({ ground }: TestService): Promise<void> {
  const instance = await ground.plainDb.one<{ id: string }>(`select id from instance`);
  const { plainDb: db, clock } = ground;
  await integrate({ db, keyholder: ground.keyholders.mailer, clock, databaseId: instance?.id ?? "" });
}

const containNow = ({ ground }: TestService) =>
  contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });

/** A database that holds what the service's held at that instant. */
async function copyOf(service: TestService, copy: Db): Promise<void> {
  const file = join(service.folder, "copy");
  await backupDatabase(service.ground.plainDb, file);
  expect(await restoreDatabase(copy, file)).toMatchObject({ kind: "restored" });
}

const renamed = (copy: Db): Promise<number> => copy.run(`update instance set id = gen_random_uuid()`);

test("P8: a copy under another identity serves nothing until an operator lets it in, and then nothing old", async () => {
  const service = await testService();
  const copy = await emptyDatabase();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  await integrateNow(service);
  await copyOf(service, copy);
  const started = <Result>(work: (ground: Ground) => Promise<Result>) => over(service, copy, service.keyholder, work);
  // As it is, it is the same database, and the session in it is good.
  expect(await started((ground) => opens(ground, token))).toBe(true);

  await renamed(copy);
  await containNow(service);
  const before = await readFloors(copy);
  await expect(started((ground) => opens(ground, token))).rejects.toMatchObject(unknown);
  expect(await readFloors(copy)).toEqual(before);

  const needs = { ...service.ground, db: copy, witness: service.ground.keyholders.operator.witness };
  // A containment lies between, in the database that it was copied from: the passwords are the stolen ones.
  expect(await adoptDatabase(needs, "test")).toMatchObject({ kind: "adopted", passwordsToo: true });
  expect(await adoptDatabase(needs, "test")).toEqual({ kind: "already-known" });
  expect(await started((ground) => opens(ground, token))).toBe(false);
  const [alarm] = await readTimeline(copy, { kinds: ["copy detected"], limit: 5 });
  expect(alarm?.detail).toMatchObject({ adopted: true, "passwords too": true, operator: "test" });
  // Nor does what was added meanwhile count, as after the containment itself.
  expect(await copy.one(`select count(*) as count from added_since`)).toEqual({ count: 1 });
  const [floors, contained] = [await readFloors(copy), await readFloors(service.ground.plainDb)];
  for (const kind of ["browser", "tv", "app", "tool", "ticket", "code", "link", "password"] as const) {
    expect([kind, floors[kind] > contained[kind]]).toEqual([kind, true]);
  }
});

test("P8: without a containment between, its passwords stay good and its sessions do not", async () => {
  const service = await testService();
  const copy = await emptyDatabase();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  await integrateNow(service);
  await copyOf(service, copy);
  await renamed(copy);
  const before = await readFloors(copy);
  const needs = { ...service.ground, db: copy, witness: service.ground.keyholders.operator.witness };
  expect(await adoptDatabase(needs, "test")).toMatchObject({ kind: "adopted", passwordsToo: false });
  expect((await readFloors(copy)).password).toBe(before.password);
  expect(await over(service, copy, service.keyholder, (ground) => opens(ground, token))).toBe(false);
});

/** As a database of a version that did not write down under which keys it is sealed. */
const forgetKeys = ({ ground }: TestService): Promise<number> =>
  ground.plainDb.run(`truncate key_version, key_file, key_rewrap`);

test("P8: new keys take no database that has a history, and one without is their first", async () => {
  const service = await testService();
  const start = (newer: TestKeyholder) =>
    over(service, service.ground.db, newer, (ground) => ground.db.one(`select 1 as here`));
  const keys = await testKeyholder();
  try {
    await forgetKeys(service);
    // Nothing has been integrated yet: this is what a first start looks like.
    await start(keys);
    await service.account("ada@example.org", goodPassword);
    await integrateNow(service);
  } finally {
    await keys.stop();
  }
  const newer = await testKeyholder();
  try {
    // Sealed under other keys is a refusal of its own, and comes first.
    await expect(start(newer)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await forgetKeys(service);
    await expect(start(newer)).rejects.toMatchObject(unknown);
  } finally {
    await newer.stop();
  }
});

const session = async (service: RunningService, cookie: string): Promise<number> =>
  (await service.api("GET", "/api/session", { cookie })).status;

test("P8: the real service refuses to start on such a database, says what to do, and starts once it is done", async () => {
  const service = await runningService({}, async (libraryDir) => {
    await mkdir(libraryDir);
    await writeFile(join(libraryDir, "readme.txt"), "not a film");
  });
  try {
    const secret = service.operatorLink();
    const { cookie = "" } = await service.api("POST", "/api/operator-sessions", { body: { secret } });
    expect(await session(service, cookie)).toBe(200);
    expect(await service.command("keys", "adopt-database", "--yes")).toMatchObject({ code: 1 });
    // As by a terminal that is closed: what was started from it does not stay behind.
    const { dataDir } = service;
    const postmaster = join(dataDir, "postgres", "cluster", "postmaster.pid");
    expect(existsSync(postmaster)).toBe(true);
    expect(await service.stop("SIGHUP")).toBe(0);
    expect(existsSync(postmaster)).toBe(false);

    const postgres = await startPostgres({ dataDir, log: silentLog, role: "command" });
    const db = openDb({ connection: postgres.connection, log: silentLog, maxConnections: 1 });
    await renamed(db);
    await db.close();
    await postgres.stop();

    await expect(service.start()).rejects.toThrow(/the witness remembers another database/);
    expect(service.output()).toMatch(/^hint: .*houselights keys adopt-database$/m);
    const asked = await service.command("keys", "adopt-database");
    expect([asked.code, asked.err]).toEqual([1, expect.stringContaining("nothing was touched")]);
    const adopted = await service.command("keys", "adopt-database", "--yes");
    expect([adopted.code, adopted.out]).toEqual([0, expect.stringMatching(/^adopted, epoch \d+$/m)]);
    await service.start();
    expect(await session(service, cookie)).toBe(401);
  } finally {
    await service.remove();
  }
}, 180_000);
