import { join } from "node:path";
import { expect, test } from "vitest";
import { layGround, type Ground } from "../src/app.ts";
import { listAlarms } from "../src/canaries/alarms.ts";
import { findAccount } from "../src/accounts/accounts.ts";
import { doubtedAddresses } from "../src/credentials/added-since.ts";
import { dayMs } from "../src/kernel/clock.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { floorKinds, type AccountId } from "../src/kernel/brand.ts";
import { backupDatabase, restoreDatabase } from "../src/db/backup.ts";
import { openDb } from "../src/db/db.ts";
import { restoreOver } from "../src/commands/restore-over.ts";
import { append } from "../src/timeline/append.ts";
import { currentHead, integrate, startIntegrator } from "../src/timeline/integrate.ts";
import { readTimeline } from "../src/timeline/read.ts";
import { highest, readFloors } from "../src/credentials/floors.ts";
import { turnKey } from "../src/credentials/reconcile.ts";
import { Fault } from "../src/kernel/fault.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { silentLog } from "../src/kernel/log.ts";
import { testConnection } from "../src/db/test-database.ts";
import { sessionCheck } from "../src/sessions/check.ts";
import { Secret } from "../src/kernel/secret.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { eventually } from "./running-service.ts";
import { asCookie, goodPassword, testService, type TestService } from "./service.ts";

/**
 * P8: restoring an old copy of the database, under a stopped or a running service, revives nothing that containment
 * ended, nor any session, ticket, code or link.
 */
const witnessOf = ({ ground }: TestService) => ground.keyholders.operator.witness;

const containNow = (service: TestService, witness = witnessOf(service)) =>
  contain(containNeedsOf(service.ground, witness), {
    mode: "everyone-out",
    keepTools: false,
    reason: "test",
    operator: "test",
  });

const databaseOf = ({ ground }: TestService): string => String(ground.db.pool.options.database);

async function backup(service: TestService, name: string): Promise<string> {
  const file = join(service.folder, name);
  await backupDatabase(service.ground.plainDb, file);
  return file;
}

async function restore(service: TestService, file: string): Promise<void> {
  const db = openDb({ connection: testConnection(databaseOf(service)), log: silentLog, maxConnections: 2 });
  const outcome = await restoreDatabase(db, file);
  await db.close();
  expect(outcome).toMatchObject({ kind: "restored" });
}

/** As the command does. */
async function restoreByCommand(service: TestService, file: string): Promise<void> {
  const db = openDb({ connection: testConnection(databaseOf(service)), log: silentLog, maxConnections: 2 });
  const outcome = await restoreOver(db, file, service.ground).finally(() => db.close());
  expect(outcome).toMatchObject({ kind: "restored" });
}

/** The epochs of the account's password, and below which one none is accepted. */
const passwordOf = async ({ ground: { plainDb } }: TestService, accountId: AccountId) => ({
  epoch: (await plainDb.one<{ epoch: number }>(`select epoch from password where account_id = $1`, [accountId]))?.epoch,
  floor: (await readFloors(plainDb)).password,
});

/** What the worker does each second. */
async function integrateNow({ ground }: TestService): Promise<void> {
  const instance = await ground.plainDb.one<{ id: string }>(`select id from instance`);
  const { plainDb: db, clock } = ground;
  await integrate({ db, keyholder: ground.keyholders.mailer, clock, databaseId: instance?.id ?? "" });
}

/** A service that is started afresh over the same database and keyholder: nothing in memory survives. */
async function startAfresh<Result>(service: TestService, work: (ground: Ground) => Promise<Result>): Promise<Result> {
  const { credentials, socketPath } = service.keyholder;
  const ground = await layGround({
    config: service.ground.config,
    surroundings: { connection: testConnection(databaseOf(service)), keyholder: { socketPath, credentials } },
    log: silentLog,
    clock: service.clock,
  });
  try {
    return await work(ground);
  } finally {
    await ground.close();
  }
}

async function opensAfresh(service: TestService, token: string): Promise<boolean> {
  return startAfresh(service, async ({ db, clock, seen, log }) => {
    const { check } = sessionCheck({ db, clock, seen, log, refusedAsOld: () => undefined });
    return (await check({ kind: "cookie", token: Secret.fromText(token) })) !== null;
  });
}

const opens = async (service: TestService, token: string): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(token) })).status === 200;

const signsIn = async (service: TestService): Promise<boolean> =>
  (await service.call("POST", "/api/sessions", { body: { address: "ada@example.org", password: goodPassword } }))
    .status === 201;

test("P8: a backup from before a containment, restored under the running service, revives nothing", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect(await opens(service, token)).toBe(true);
  await integrateNow(service);
  const file = await backup(service, "before");
  await containNow(service);
  expect(await opens(service, token)).toBe(false);

  await restore(service, file);
  // The database itself has the old floors again, or had them until the first connection came.
  expect(await opens(service, token)).toBe(false);
  expect(await signsIn(service)).toBe(false);
  expect(await opensAfresh(service, token)).toBe(false);
  const alarms = await readTimeline(service.ground.plainDb, { kinds: ["copy detected"], limit: 5 });
  expect(alarms.length).toBeGreaterThan(0);
  const rung = await service.ground.plainDb.many<{ title: string }>(
    `select title from alarm where kind = 'copy detected' and acknowledged_at is null`,
  );
  expect(rung).toEqual([{ title: "This database is an older copy" }]);
  expect(alarms.at(-1)?.detail).toMatchObject({ "passwords too": true });
  // The service goes on: who signs up now gets in.
  await service.account("bob@example.org", goodPassword);
  expect(await opens(service, await service.signIn("bob@example.org", goodPassword))).toBe(true);
  await integrateNow(service);
});

test("P8: with several containments between, the floors rise above them all, and what was added before is doubted", async () => {
  const service = await testService();
  const { plainDb, clock } = service.ground;
  await service.account("ada@example.org", goodPassword);
  const session = await service.signIn("ada@example.org", goodPassword);
  await service.call("POST", "/api/account/addresses", {
    body: { address: "other@example.org" },
    cookies: asCookie(session),
  });
  const code = (await service.letters()).find(({ to }) => to === "other@example.org")?.code;
  const added = await service.call("POST", "/api/account/addresses/confirm", {
    body: { code },
    cookies: asCookie(session),
  });
  expect(added.status, added.text).toBeLessThan(300);
  const mailed = async (address: string) => {
    await service.call("POST", "/api/renewals", { body: { address } });
    return (await service.letters()).find(({ to }) => to === address)?.letter;
  };
  expect(await mailed("other@example.org")).toBe("renewal code");
  await integrateNow(service);
  const file = await backup(service, "before");
  for (let times = 0; times < 3; times++) await containNow(service);
  const above = await readFloors(plainDb);
  await service.ground.db.close();
  await restore(service, file);
  expect((await readFloors(plainDb)).password).toBeLessThan(above.password);
  const seen = await startAfresh(service, async (ground) => {
    await ground.db.one(`select 1`);
    // Whose turn it was to repair keeps it no longer than that, though its connection stays open.
    const turns = `select count(*) as count from pg_locks where locktype = 'advisory' and objid = $1 and granted
                      and database = (select oid from pg_database where datname = current_database())`;
    expect(await plainDb.one(turns, [turnKey])).toEqual({ count: 0 });
    return Object.fromEntries(floorKinds.map((kind) => [kind, ground.seen.of(kind)]));
  });
  expect(await opensAfresh(service, session)).toBe(false);
  const floors = await readFloors(plainDb);
  // What the process has seen is what stands now: a database that is put under it later revives nothing either.
  expect(seen).toEqual(floors);
  expect(await startAfresh(service, async (ground) => ground.db.one(`select 1`).then(() => ground.seen.of("tv")))).toBe(
    floors.tv,
  );
  for (const kind of ["password", "browser", "code"] as const) expect(floors[kind]).toBeGreaterThan(above[kind]);
  // Nobody remembers when the copy was taken that those containments were about.
  const doubted = await plainDb.many(`select epoch, since from added_since`);
  expect(doubted).toEqual([{ epoch: floors.password, since: new Date(clock.now() - 90 * dayMs) }]);
  const addresses = await doubtedAddresses(plainDb, [(await accountOf(service, "other@example.org"))!]);
  expect(addresses.size).toBe(1);
});

const accountOf = async ({ ground }: TestService, address: string) =>
  (await findAccount(ground.plainDb, await ground.keyholders.web.index("address", address))).accountId;

test("P8: a process that was cut off while it repaired a copy keeps no other from repairing it", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect(await opensAfresh(service, token)).toBe(true);
  await integrateNow(service);
  const file = await backup(service, "before");
  await containNow(service);
  await service.ground.db.close();
  await restore(service, file);
  const cutOff = openDb({ connection: testConnection(databaseOf(service)), log: silentLog, maxConnections: 1 });
  await cutOff.one(`select pg_advisory_lock($1)`, [turnKey]);
  expect(await opensAfresh(service, token)).toBe(false);
  expect(await readTimeline(cutOff, { kinds: ["copy detected"], limit: 5 })).toHaveLength(1);
  await cutOff.close();
}, 60_000);

test("P8: the same restored under a stopped service", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect(await opensAfresh(service, token)).toBe(true);
  await integrateNow(service);
  const file = await backup(service, "before");
  await containNow(service);
  await service.web.close();
  await service.ground.db.close();
  await restore(service, file);
  // Several at once: one repairs it, and the others wait for that.
  expect(await Promise.all([1, 2, 3].map(() => opensAfresh(service, token)))).toEqual([false, false, false]);
  expect(await readTimeline(service.ground.plainDb, { kinds: ["copy detected"], limit: 5 })).toHaveLength(1);
  // And the second start finds nothing more to repair.
  const floors = await readFloors(service.ground.plainDb);
  expect(await opensAfresh(service, token)).toBe(false);
  expect(await readFloors(service.ground.plainDb)).toEqual(floors);
});

test("P8: without any containment between, a session that was signed out stays signed out", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  const other = await service.signIn("ada@example.org", goodPassword);
  await integrateNow(service);
  const file = await backup(service, "before");
  expect(await opens(service, token)).toBe(true);
  await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(other) });
  expect(await opens(service, token)).toBe(false);
  await integrateNow(service);

  await restore(service, file);
  expect(await opens(service, token)).toBe(false);
  expect(await opensAfresh(service, token)).toBe(false);
  // No containment lies between: passwords are not refused, and the operator is told what that means, and offered to contain.
  expect(await signsIn(service)).toBe(true);
  const [alarm] = await listAlarms(service.ground.plainDb);
  expect(alarm).toMatchObject({ kind: "copy detected", facts: { "passwords too": false } });
  expect(alarm?.evidence).toContain(
    "those that were changed since are the old ones again, and containing refuses them",
  );
  expect(alarm?.proposes.dataClasses).not.toEqual([]);
});

test.each(["as long", "longer"])(
  "P8: a copy whose timeline has gone another way, and is %s by now, revives nothing",
  async (length) => {
    const service = await testService();
    const { ground } = service;
    await service.account("ada@example.org", goodPassword);
    const token = await service.signIn("ada@example.org", goodPassword);
    await integrateNow(service);
    const file = await backup(service, "before");
    const note = (account: string) =>
      ground.plainDb.transaction((tx) =>
        append(tx, ground.clock.now(), { kind: "sign-out", detail: { account } }, ground.random),
      );
    await note("here");
    await integrateNow(service);
    // The same line, and the database behind no floor: nothing is refused.
    expect(await opensAfresh(service, token)).toBe(true);
    const instance = await ground.plainDb.one<{ id: string }>(`select id from instance`);
    const databaseId = instance?.id ?? "";
    const head = () => currentHead(ground.plainDb);
    // The witness has been told of it by the integration.
    const before = await head();

    await restore(service, file);
    // Elsewhere, with another keyholder, it was served and grew.
    await note("elsewhere");
    if (length === "longer") await note("elsewhere too");
    const elsewhere = await testKeyholder();
    const [operator, mailer] = [await elsewhere.connect("operator"), await elsewhere.connect("mailer")];
    await operator.witness.enrol(databaseId, { floors: await readFloors(ground.plainDb), head: await head() });
    await integrate({ db: ground.plainDb, keyholder: mailer, clock: ground.clock, databaseId });
    await elsewhere.stop();
    const size = (await head()).size;
    expect(length === "longer" ? size > before.size : size === before.size).toBe(true);
    expect(await opensAfresh(service, token)).toBe(false);
    expect((await readTimeline(ground.plainDb, { kinds: ["copy detected"], limit: 5 })).length).toBe(1);
  },
);

test("P8: killed between the commit and the witness's confirmation, restored or not, nothing old opens", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  await integrateNow(service);
  expect(await opensAfresh(service, token)).toBe(true);
  const dies = { ...witnessOf(service), confirm: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed")) };
  const contained = await containNow(service, dies);
  expect(contained.witness).toBe("owed");
  expect(await opensAfresh(service, token)).toBe(false);

  const again = await testService();
  await again.account("ada@example.org", goodPassword);
  const old = await again.signIn("ada@example.org", goodPassword);
  const before = await backup(again, "before");
  expect([await opens(again, old), await signsIn(again)]).toEqual([true, true]);
  const diesAgain = {
    ...witnessOf(again),
    confirm: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed")),
  };
  await containNow(again, diesAgain);
  await restore(again, before);
  expect(await opensAfresh(again, old)).toBe(false);
  expect(await signsIn(again)).toBe(false);
}, 60_000);

test("P8: killed between the announcement and the commit, the next start carries the containment out", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  const { plainDb } = service.ground;
  const instance = await plainDb.one<{ id: string }>(`select id from instance`);
  const floors = await readFloors(plainDb);
  expect(await opens(service, token)).toBe(true);
  const head = { size: 0, rootHex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
  const epoch = (Math.max(...Object.values(floors)) + 1) as typeof floors.password;
  await witnessOf(service).intend(instance?.id ?? "", { epoch, kinds: ["password", "browser"], head });
  expect(await opensAfresh(service, token)).toBe(false);
  expect((await readFloors(plainDb)).browser).toBeGreaterThanOrEqual(epoch);
}, 30_000);

test("P8: the integrator goes on after a restore under it, so that a second restore is noticed too", async () => {
  const service = await testService();
  const { ground } = service;
  const instance = await ground.plainDb.one<{ id: string }>(`select id from instance`);
  const databaseId = instance?.id ?? "";
  const integrator = startIntegrator(
    {
      db: ground.db,
      keyholder: ground.keyholders.mailer,
      clock: ground.clock,
      databaseId,
      log: silentLog,
      witnessed: async () => {
        const first = { floors: await readFloors(ground.plainDb), head: await currentHead(ground.plainDb) };
        return (await witnessOf(service).read(databaseId, first)).head;
      },
    },
    50,
  );
  const integrated = () =>
    eventually("the timeline to be integrated and witnessed", async () => {
      const first = { floors: await readFloors(ground.plainDb), head: await currentHead(ground.plainDb) };
      const { head } = await witnessOf(service).read(databaseId, first);
      const waiting = await ground.db.one<{ count: number }>(
        `select count(*) as count from timeline_entry where leaf_index is null`,
      );
      return waiting?.count === 0 && head.size === first.head.size && head.size > 0 ? true : undefined;
    });
  try {
    await service.account("ada@example.org", goodPassword);
    await integrated();
    const file = await backup(service, "first");
    await service.account("bob@example.org", goodPassword);
    await integrated();
    await restore(service, file);
    // Ada again: the copy is noticed, repaired and followed.
    const token = await service.signIn("ada@example.org", goodPassword);
    expect(await opens(service, token)).toBe(true);
    await integrated();
    const second = await backup(service, "second");
    const other = await service.signIn("ada@example.org", goodPassword);
    await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(other) });
    expect(await opens(service, token)).toBe(false);
    await integrated();
    await restore(service, second);
    expect(await opens(service, token)).toBe(false);
  } finally {
    await integrator.stop();
  }
}, 60_000);

test.each(["told", "owed"])(
  "P8: a backup from before one account was contained, with the witness %s, revives neither its password nor its sessions",
  async (witness) => {
    const service = await testService();
    const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
    const token = await service.signIn("ada@example.org", goodPassword);
    await integrateNow(service);
    const file = await backup(service, "before");
    expect(await signsIn(service)).toBe(true);
    const dies = { ...witnessOf(service), confirm: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed")) };
    const needs = containNeedsOf(service.ground, witness === "told" ? witnessOf(service) : dies);
    const contained = await containAccount(needs, accountId, { reason: "test", operator: "test" });
    expect(contained).toMatchObject({ kind: "contained", witness });
    expect([await signsIn(service), await opens(service, token)]).toEqual([false, false]);
    // Any new connection pays what is owed. Nothing is integrated: the timeline does not give the copy away yet.
    expect(await opensAfresh(service, token)).toBe(false);

    await restore(service, file);
    expect(await opensAfresh(service, token)).toBe(false);
    expect([await signsIn(service), await opens(service, token)]).toEqual([false, false]);
    const [alarm] = await listAlarms(service.ground.plainDb);
    expect(alarm).toMatchObject({ kind: "copy detected", facts: { "passwords too": true } });
  },
);

test.each(["started afresh", "everybody contained first"])(
  "P8: killed right after one account was contained, and a backup of a moment before put back at once: its password is not good again (%s)",
  async (next) => {
    const service = await testService();
    const { ground } = service;
    const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
    await service.account("bob@example.org", goodPassword);
    const token = await service.signIn("ada@example.org", goodPassword);
    await integrateNow(service);
    const file = await backup(service, "before");
    expect(await signsIn(service)).toBe(true);
    const dies = { ...witnessOf(service), confirm: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed")) };
    await containAccount(containNeedsOf(ground, dies), accountId, { reason: "test", operator: "test" });
    expect([await signsIn(service), await opens(service, token)]).toEqual([false, false]);

    // The record has not grown since: nothing in it tells the backup from what was there.
    await restore(service, file);
    if (next !== "started afresh") {
      await contain(containNeedsOf(ground, witnessOf(service)), {
        mode: "with-renewal",
        keepTools: false,
        reason: "test",
        operator: "test",
      });
    }
    expect(await opensAfresh(service, token)).toBe(false);
    expect(await signsIn(service)).toBe(false);
    if (next !== "started afresh") return;
    // Nobody else's is refused by it.
    const bob = { address: "bob@example.org", password: goodPassword };
    expect((await service.call("POST", "/api/sessions", { body: bob })).status).toBe(201);
  },
  30_000,
);

test.each(["started afresh", "another account contained first"])(
  "P8: a crash while one account was contained, and a backup from before it put back: its password is not good again (%s)",
  async (next) => {
    const service = await testService();
    const { ground } = service;
    const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
    const bob = (await service.account("bob@example.org", goodPassword)) as AccountId;
    const order = { reason: "test", operator: "test" };
    await integrateNow(service);
    const file = await backup(service, "before");
    expect(await signsIn(service)).toBe(true);
    // As the witness stands once a process was killed after its commit; the worker goes on with the timeline.
    const dies = { ...witnessOf(service), confirm: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "killed")) };
    await containAccount(containNeedsOf(ground, dies), accountId, order);
    expect(await signsIn(service)).toBe(false);
    await integrateNow(service);

    await ground.db.close();
    await restore(service, file);
    if (next !== "started afresh") await containAccount(containNeedsOf(ground, witnessOf(service)), bob, order);
    await startAfresh(service, async ({ db }) => void (await db.one(`select 1`)));
    const floors = await readFloors(ground.plainDb);
    const password = await ground.plainDb.one<{ epoch: number }>(`select epoch from password where account_id = $1`, [
      accountId,
    ]);
    expect(password!.epoch).toBeLessThan(floors.password);
    if (next !== "started afresh") return;
    const [alarm] = await listAlarms(ground.plainDb);
    expect(alarm).toMatchObject({ kind: "copy detected", facts: { "passwords too": true } });
  },
);

test.each(["everybody", "one account"])(
  "P8: restored by the command, a backup from before a containment of %s that the witness was never told of revives no password",
  async (whom) => {
    const service = await testService();
    const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
    const token = await service.signIn("ada@example.org", goodPassword);
    await integrateNow(service);
    const file = await backup(service, "before");
    expect([await opens(service, token), await signsIn(service)]).toEqual([true, true]);
    // No connection of the service's pays what is owed meanwhile.
    await service.ground.db.close();
    const away = () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "away"));
    const absent = { ...witnessOf(service), read: away };
    const contained =
      whom === "everybody"
        ? await containNow(service, absent)
        : await containAccount(containNeedsOf(service.ground, absent), accountId, { reason: "test", operator: "test" });
    expect(contained).toMatchObject({ witness: "owed" });
    const replaced = await readFloors(service.ground.plainDb);

    await restoreByCommand(service, file);
    const { epoch, floor } = await passwordOf(service, accountId);
    expect(epoch).toBeLessThan(floor);
    // Above all that a process which runs on has seen: what is made from now on is good there too.
    expect(floor).toBeGreaterThan(highest(replaced));
    expect(await service.ground.plainDb.one(`select count(*) as count from added_since`)).toEqual({ count: 1 });
    expect(await opensAfresh(service, token)).toBe(false);
    expect(await passwordOf(service, accountId)).toEqual({ epoch, floor });
  },
);

test("P8: restored by the command, no session of the backup is good, though the record has not grown since", async () => {
  const service = await testService();
  const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
  const token = await service.signIn("ada@example.org", goodPassword);
  const other = await service.signIn("ada@example.org", goodPassword);
  await integrateNow(service);
  const file = await backup(service, "before");
  await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(other) });
  expect(await opens(service, token)).toBe(false);
  await service.ground.db.close();
  // As a copy by other means: nothing tells it from what was there, and the session is good again.
  await restore(service, file);
  expect(await opensAfresh(service, token)).toBe(true);
  await restoreByCommand(service, file);
  expect(await opensAfresh(service, token)).toBe(false);
  const [alarm] = await listAlarms(service.ground.plainDb);
  expect(alarm).toMatchObject({ kind: "copy detected", facts: { "restored by": "host", "passwords too": false } });
  // Nothing was contained: passwords are good.
  const { epoch, floor } = await passwordOf(service, accountId);
  expect(epoch).toBeGreaterThanOrEqual(floor);
});

test.each([
  ["link", "9007199254740991"],
  ["password", "9223372036854775807"],
  ["account", "9007199254740991"],
])(
  "P8: a database with a floor for %s of %s, which nobody can have raised, is served no more, and a backup put back by the command is",
  async (kind, epoch) => {
    const service = await testService();
    const accountId = (await service.account("ada@example.org", goodPassword)) as AccountId;
    await integrateNow(service);
    const file = await backup(service, "before");
    const starts = () => startAfresh(service, ({ db }) => db.one(`select 1 as here`));
    expect(await starts()).toEqual({ here: 1 });
    await service.ground.db.close();
    // One that was raised by containing counts beside it.
    await service.ground.plainDb.run(`update floor set epoch = 7 where kind = 'tv'`);
    await service.ground.plainDb.run(`update floor set epoch = $1 where kind = $2`, [epoch, kind]);
    await expect(starts()).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
    await restoreByCommand(service, file);
    expect(await starts()).toEqual({ here: 1 });
    expect((await readFloors(service.ground.plainDb)).tv).toBeGreaterThan(7);
    const { epoch: made, floor } = await passwordOf(service, accountId);
    expect(made).toBeGreaterThanOrEqual(floor);
  },
);
