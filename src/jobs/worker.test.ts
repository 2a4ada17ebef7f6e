import type { PoolClient } from "pg";
import { afterEach, expect, test } from "vitest";
import { manualClock, sleep, systemClock, plus } from "../kernel/clock.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { stallablePostgres } from "../../test/stallable-postgres.ts";
import { openDb } from "../db/db.ts";
import { testConnection, testDatabase } from "../db/test-database.ts";
import { defineTask, enqueue } from "./jobs.ts";
import type { JobContext, TaskDefinition } from "./jobs.ts";
import { keepAlive, unlockDeadWorkers } from "./liveness.ts";
import { countJobs, forgetGivenUp } from "./queue.ts";
import { startWorker } from "./worker.ts";
import type { Worker } from "./worker.ts";

const db = await testDatabase({ maxConnections: 20 });
const id = "0198a9a0-0000-7000-8000-000000000001";

const workers: Worker[] = [];
async function work(tasks: readonly TaskDefinition[], stopWithinMs = 10_000): Promise<Worker> {
  const worker = await startWorker({ db, tasks, log: silentLog, concurrency: { letters: 1, work: 1 }, stopWithinMs });
  workers.push(worker);
  return worker;
}

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
  await db.run("delete from graphile_worker._private_jobs");
});

/** Waits until it is so; the test's own timeout ends it. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20);
}

/** A job that is at work until it is told to finish. */
function heldJob() {
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  let running = false;
  const task = defineTask("campaign", async () => {
    running = true;
    await held;
  });
  return { task, finish, isRunning: () => running };
}

test("a job runs if its transaction commits, and not if it rolls back", async () => {
  const seen: string[] = [];
  await expect(
    db.transaction(async (tx) => {
      await enqueue(tx, "campaign", { incidentId: "0198a9a0-0000-7000-8000-00000000dead" });
      throw new Error("changed my mind");
    }),
  ).rejects.toThrow("changed my mind");
  await db.transaction((tx) => enqueue(tx, "campaign", { incidentId: id }));
  await work([defineTask("campaign", async ({ incidentId }) => void seen.push(incidentId))]);
  await until(() => seen.length > 0);
  expect(seen).toEqual([id]);
  await until(async () => (await countJobs(db)).every(({ waiting }) => waiting === 0));
});

test("a payload that the schema refuses is not queued", async () => {
  const bad: unknown = { incidentId: "somebody@example.org" };
  await expect(enqueue(db, "campaign", bad as never)).rejects.toThrow(/payload of campaign/);
  expect(await countJobs(db)).toEqual([]);
});

test("a bad payload in the table is given up at once, and what stands behind it runs", async () => {
  const seen: string[] = [];
  await db.run(`select graphile_worker.add_job('campaign', '{"incidentId": 7}'::json, priority => -100)`);
  await enqueue(db, "campaign", { incidentId: id });
  await work([defineTask("campaign", async ({ incidentId }) => void seen.push(incidentId))]);
  await until(() => seen.length > 0);
  await until(async () => (await countJobs(db)).every(({ waiting, givenUp }) => waiting + givenUp === 0));
  expect(seen).toEqual([id]);
});

test("a job that throws is tried again with its attempt counted, and its payload is as it was", async () => {
  const attempts: number[] = [];
  await enqueue(db, "campaign", { incidentId: id, shard: 3 });
  await work([
    defineTask("campaign", async ({ shard }, { attempt }) => {
      attempts.push(attempt);
      expect(shard).toBe(3);
      if (attempt === 1) throw new Error("not yet");
    }),
  ]);
  await until(() => attempts.length === 2);
  expect(attempts).toEqual([1, 2]);
});

test("renewal letters run before what was queued earlier, and beside work that holds every worker of its lane", async () => {
  const order: string[] = [];
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  const letter = { id, sealed: "AAAA" };
  const tasks = [
    defineTask("campaign", async () => {
      order.push("campaign starts");
      await held;
    }),
    defineTask("send-letter", async () => void order.push("send-letter")),
    defineTask("send-code", async () => void order.push("send-code")),
  ];
  await enqueue(db, "campaign", { incidentId: id });
  await enqueue(db, "send-letter", letter);
  await enqueue(db, "send-code", letter);
  await work(tasks);
  await until(() => order.length === 3);
  finish();
  expect(order.filter((each) => each.startsWith("send"))).toEqual(["send-code", "send-letter"]);
  expect(order).toContain("campaign starts");
});

test("a worker whose database goes away in its first question asks again, and does its jobs", async () => {
  const seen: string[] = [];
  await db.run(`alter table graphile_worker._private_tasks rename to hidden`);
  let said = "";
  const worker = await startWorker({
    db,
    tasks: [defineTask("campaign", async ({ incidentId }) => void seen.push(incidentId))],
    log: newLog("worker", "warn", { write: (line) => (said += line) }),
    concurrency: { letters: 1, work: 1 },
  });
  workers.push(worker);
  await until(() => said.includes("could not ask which tasks there are"));
  await db.run(`alter table graphile_worker.hidden rename to _private_tasks`);
  await enqueue(db, "campaign", { incidentId: id });
  await until(() => seen.length > 0);
  expect(seen).toEqual([id]);
});

test("a lane that is being started again while its worker stops is not left at work", async () => {
  await db.run(`alter table graphile_worker._private_tasks rename to hidden`);
  /** Connections that wait for the gate, once there is one; and those on which a lane has begun to listen. */
  let [waiting, listening] = [0, 0];
  let gate: Promise<void> | undefined;
  let openGate = (): void => {};
  type Listens = Parameters<typeof db.pool.connect>[0];
  const connect = (listens?: Listens) => {
    if (listens !== undefined) {
      return db.pool.connect((...given) => {
        listening++;
        listens(...given);
      });
    }
    waiting++;
    return Promise.resolve(gate).then(() => db.pool.connect());
  };
  const pool = new Proxy(db.pool, {
    get: (target, name) => {
      if (name === "connect") return connect;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
  let said = "";
  const worker = await startWorker({
    db: { ...db, pool },
    tasks: [defineTask("campaign", async () => undefined)],
    log: newLog("worker", "warn", { write: (line) => (said += line) }),
    concurrency: { letters: 1, work: 1 },
  });
  workers.push(worker);
  await until(() => said.includes("could not ask which tasks there are"));
  gate = new Promise((resolve) => (openGate = resolve));
  waiting = 0;
  await until(() => waiting > 0);
  const stopped = worker.stop();
  await db.run(`alter table graphile_worker.hidden rename to _private_tasks`);
  openGate();
  await stopped;
  // The lane was started, and listens no more; one that was left would keep its connection.
  await until(() => listening === 2);
  await expect.poll(() => db.pool.totalCount - db.pool.idleCount).toBe(0);
});

test("a connection that breaks after its worker has given it back is nobody's any more", async () => {
  const lent: PoolClient[] = [];
  const own = openDb({ connection: testConnection(String(db.pool.options.database)), log: silentLog });
  own.pool.on("acquire", (client) => lent.push(client));
  const liveness = await keepAlive(own, silentLog);
  await liveness.stop();
  expect(lent.length).toBeGreaterThan(0);
  for (const client of lent) expect(() => client.emit("error", new Error("it broke"))).not.toThrow();
  await own.close();
});

test("a job that ends while the database is away ends no process: that it has is written when it is back, and once", async () => {
  const { host, ...connection } = testConnection(String(db.pool.options.database));
  const way = await stallablePostgres(String(host));
  const through = openDb({ connection: { ...connection, host: way.folder }, log: silentLog });
  let runs = 0;
  const task = defineTask("campaign", async () => {
    runs++;
    way.cut();
  });
  const concurrency = { letters: 1, work: 1 };
  const worker = await startWorker({ db: through, tasks: [task], log: silentLog, concurrency });
  await enqueue(db, "campaign", { incidentId: id });
  await until(() => runs > 0);
  // Nobody waits for that statement: its failure would be an unhandled one, which fails this run.
  await sleep(300);
  expect((await countJobs(db))[0]?.waiting).toBe(1);
  way.restore();
  await until(async () => (await countJobs(db)).every(({ waiting, givenUp }) => waiting + givenUp === 0));
  expect(runs).toBe(1);
  await worker.stop();
  await through.close();
  await way.close();
});

test("stopping tells a running job, waits for it, and leaves the rest for the next worker", async () => {
  const events: string[] = [];
  const handBack = defineTask("campaign", async (_, { signal }: JobContext) => {
    events.push("running");
    await until(() => signal.aborted);
    events.push("handed back");
  });
  await enqueue(db, "campaign", { incidentId: id });
  await enqueue(db, "campaign", { incidentId: id });
  const worker = await work([handBack]);
  await until(() => events.includes("running"));
  await worker.stop();
  expect(events).toEqual(["running", "handed back"]);
  // That the first is done is written on a connection that a stopping runner does not wait for.
  await expect.poll(() => countJobs(db)).toEqual([{ task: "campaign", waiting: 1, givenUp: 0 }]);
});

test("a job that does not return when its worker stops is given back to the queue, and the worker ends", async () => {
  const { task, isRunning, finish } = heldJob();
  await enqueue(db, "campaign", { incidentId: id });
  const worker = await work([task], 50);
  await until(isRunning);
  await worker.stop();
  const job = () => db.one(`select locked_by as "lockedBy", attempts from graphile_worker._private_jobs`);
  await expect.poll(job).toEqual({ lockedBy: null, attempts: 1 });
  finish();
});

test("what has its fixed times is put down for them, in the lane that does it", async () => {
  const schedule = [
    { task: "clean-up", match: "17 * * * *" },
    { task: "keep-keys", match: "*/5 * * * *" },
  ] as const;
  const concurrency = { letters: 1, work: 1 };
  const tasks = [defineTask("clean-up", async () => undefined), defineTask("keep-keys", async () => undefined)];
  workers.push(await startWorker({ db, tasks, log: silentLog, concurrency, schedule }));
  const known = () => db.many(`select identifier from graphile_worker._private_known_crontabs order by identifier`);
  await expect.poll(known).toEqual([{ identifier: "clean-up 17 * * * *" }, { identifier: "keep-keys */5 * * * *" }]);
});

test("a worker whose announcing connection is lost announces itself anew: its jobs are not taken for those of a dead one", async () => {
  const { task, isRunning, finish } = heldJob();
  await enqueue(db, "campaign", { incidentId: id });
  workers.push(
    await startWorker({ db, tasks: [task], log: silentLog, concurrency: { letters: 1, work: 1 }, sweepMs: 50 }),
  );
  await until(isRunning);
  const announcing = async (): Promise<number[]> =>
    (
      await db.many<{ pid: number }>(
        `select distinct pid from pg_locks where locktype = 'advisory' and granted and objsubid = 2
            and database = (select oid from pg_database where datname = current_database())`,
      )
    ).map(({ pid }) => pid);
  const before = await announcing();
  expect(before).toHaveLength(1);
  await db.one(`select pg_terminate_backend($1, 5000)`, [before[0] ?? 0]);
  await until(async () => (await announcing()).some((pid) => !before.includes(pid)));
  expect(await unlockDeadWorkers(db, -1)).toBe(0);
  finish();
});

test("what nobody waits for runs while every place is taken, and takes none itself", async () => {
  const seen: string[] = [];
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  const holding = (name: "campaign" | "scrub-pictures") =>
    defineTask(name, async () => {
      seen.push(name);
      await held;
    });
  await work([
    holding("campaign"),
    holding("scrub-pictures"),
    defineTask("scan-library", async () => void seen.push("scan-library")),
  ]);
  await enqueue(db, "scrub-pictures", {});
  await until(() => seen.length === 1);
  await enqueue(db, "scrub-pictures", {});
  await enqueue(db, "scan-library", {});
  await until(() => seen.length === 2);
  await enqueue(db, "campaign", { incidentId: id });
  await until(() => seen.length === 3);
  finish();
  await until(() => seen.length === 4);
  expect(seen).toEqual(["scrub-pictures", "scan-library", "campaign", "scrub-pictures"]);
});

test("a job of a killed worker is unlocked; one of a living worker is not", async () => {
  const { task, isRunning, finish } = heldJob();
  await enqueue(db, "campaign", { incidentId: id });
  await work([task]);
  await until(isRunning);
  await enqueue(db, "scan-library", {});
  // What a worker leaves behind that was killed in the middle of a job: the lock, and no connection.
  await db.run(
    `update graphile_worker._private_jobs set locked_by = 'pool-that-was-killed', locked_at = now() where locked_by is null`,
  );
  const lockedBy = async () =>
    (
      await db.many<{ lockedBy: string | null }>(
        `select locked_by as "lockedBy" from graphile_worker._private_jobs order by id`,
      )
    ).map((row) => row.lockedBy);
  expect(await unlockDeadWorkers(db, 3_600)).toBe(0);
  expect(await unlockDeadWorkers(db, -1)).toBe(1);
  const [living, freed] = await lockedBy();
  expect(living).toMatch(/^pool-/);
  expect(freed).toBeNull();
  finish();
});

test("a job that a living worker locked and never got, since its connection broke, runs; one that it works on is left", async () => {
  const runs: string[] = [];
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const tasks = [
    defineTask("campaign", async () => {
      runs.push("campaign");
      await held;
    }),
    defineTask("keep-keys", async (_, { attempt }: JobContext) => {
      runs.push("keep-keys");
      attempts.push(attempt);
    }),
  ];
  const poolsAtWork = async (): Promise<string[]> =>
    (
      await db.many<{ pool: string }>(
        `select locked_by as pool from graphile_worker._private_jobs where locked_by is not null order by id`,
      )
    ).map(({ pool }) => pool);
  // Another worker lives, and looks after its own jobs once in a quarter of a minute.
  await enqueue(db, "campaign", { incidentId: id });
  await work([defineTask("campaign", () => held)]);
  await until(async () => (await poolsAtWork()).length === 1);
  await enqueue(db, "campaign", { incidentId: id });
  workers.push(await startWorker({ db, tasks, log: silentLog, concurrency: { letters: 1, work: 2 }, sweepMs: 50 }));
  await until(() => runs.length === 1);
  const [another, own] = await poolsAtWork();
  await db.run(`update graphile_worker._private_jobs set locked_at = now() - interval '1 minute'`);
  // The lock is committed; the answer never came.
  const lock = (pool: string | undefined, secondsAgo: number) =>
    db.transaction(async (tx) => {
      await enqueue(tx, "keep-keys", {});
      await tx.run(
        `update graphile_worker._private_jobs
            set locked_by = $1, locked_at = now() - $2 * interval '1 second', attempts = 1 where locked_by is null`,
        [pool ?? null, secondsAgo],
      );
    });
  // Fetched just now, which may still come; another's to look for; and one that never will.
  await lock(own, 1);
  await lock(another, 60);
  await lock(own, 60);
  await until(() => runs.includes("keep-keys"));
  await until(async () => (await countJobs(db)).find(({ task }) => task === "keep-keys")?.waiting === 2);
  expect(runs).toEqual(["campaign", "keep-keys"]);
  // Fetching it a first time was no try.
  expect(attempts).toEqual([1]);
  finish();
});

test("a key keeps one waiting job, and a later instant holds it back", async () => {
  let runs = 0;
  const later = plus(systemClock.now(), 3_600_000);
  // Before all others, if it were its time.
  const first = { key: "one", runAt: later, priority: -100 };
  await enqueue(db, "clean-up", {}, first);
  await enqueue(db, "clean-up", {}, first);
  expect(await countJobs(db)).toEqual([{ task: "clean-up", waiting: 1, givenUp: 0 }]);
  await enqueue(db, "keep-keys", {});
  let kept = false;
  await work([
    defineTask("clean-up", async () => void runs++),
    defineTask("keep-keys", async () => void (kept = true)),
  ]);
  await until(() => kept);
  expect(runs).toBe(0);
});

test("jobs given up more than a week ago are forgotten, others stay", async () => {
  await enqueue(db, "campaign", { incidentId: id }, { maxAttempts: 1 });
  await work([
    defineTask("campaign", async () => {
      throw new Error("for good");
    }),
  ]);
  await until(async () => (await countJobs(db)).some(({ givenUp }) => givenUp === 1));
  const clock = manualClock(systemClock.now());
  expect(await forgetGivenUp(db, clock.now())).toBe(0);
  clock.advance(8 * 86_400_000);
  expect(await forgetGivenUp(db, clock.now())).toBe(1);
});

test("the scheduler's own field does not spoil a payload", async () => {
  let ran = false;
  await db.run(
    `select graphile_worker.add_job('clean-up', '{"_cron": {"ts": "2026-01-01T00:00:00Z", "backfilled": false}}'::json)`,
  );
  await work([defineTask("clean-up", async () => void (ran = true))]);
  await until(() => ran);
});
