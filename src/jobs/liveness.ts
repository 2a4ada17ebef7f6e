import type { WorkerEvents } from "graphile-worker";
import type { PoolClient } from "pg";
import { every } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Db } from "../db/db.ts";

/** First key of our advisory locks, "HLwk"; the second is the id of the pool of workers, hashed. */
const lockClass = 0x484c_776b;

/** A job younger than this may belong to a worker whose lock is only being taken. */
const graceSeconds = 10;

const sweepIntervalMs = 15_000;

export interface Liveness {
  /** Announces the pools of workers that graphile-worker tells of by these events, and follows their jobs. */
  watch(events: WorkerEvents): void;
  stop(): Promise<void>;
}

/**
 * Gives back the jobs of workers that were killed. graphile-worker alone waits four hours, since it cannot tell a dead
 * worker from a slow one. Here each pool of workers holds an advisory lock for as long as its process is connected; PostgreSQL
 * frees it when the process dies, and whoever sweeps next unlocks the jobs of ids that nobody holds.
 */
export async function keepAlive(db: Db, log: Log, sweepMs = sweepIntervalMs): Promise<Liveness> {
  /** Jobs that this process works on. */
  const running = new Set<string>();
  const poolIds = new Set<string>();
  let client: PoolClient | undefined;

  // One connection takes all the locks, one statement after another: node-postgres queues them.
  function hold(poolId: string): void {
    client
      ?.query("select pg_advisory_lock_shared($1, hashtext($2))", [lockClass, poolId])
      .catch((thrown: unknown) => log.warn({ reason: messageOf(thrown) }, "a worker could not announce itself"));
  }

  async function connect(): Promise<void> {
    const next = await db.pool.connect();
    next.on("error", (error) => {
      // One that was given back already: the pool throws when it is given back twice, and here nobody would catch it.
      if (client !== next) return;
      log.warn({ reason: messageOf(error) }, "the connection that shows this worker to be alive was lost");
      client = undefined;
      next.release(error);
    });
    client = next;
    for (const poolId of poolIds) hold(poolId);
  }

  const blind = recurring(log, {
    says: "the jobs of dead workers could not be looked for; it is tried again",
    ends: "the jobs of dead workers are looked for again",
  });

  async function sweep(): Promise<void> {
    try {
      if (client === undefined) await connect();
      const unlocked = await unlockDeadWorkers(db);
      if (unlocked > 0) log.warn({ workers: unlocked }, "workers died; their jobs are given to others");
      const lost = await unlockLostJobs(db, [...poolIds], running);
      if (lost > 0) log.warn({ jobs: lost }, "jobs were fetched and never came; they are fetched again");
      blind.over();
    } catch (thrown) {
      blind.found({ reason: messageOf(thrown) });
    }
  }

  function watch(events: WorkerEvents): void {
    // Jobs are locked in the name of the pool of workers.
    events.on("pool:create", ({ workerPool }) => {
      poolIds.add(workerPool.id);
      hold(workerPool.id);
    });
    events.on("job:start", ({ job }) => running.add(String(job.id)));
    events.on("job:complete", ({ job }) => running.delete(String(job.id)));
  }

  await connect();
  await sweep();
  const sweeper = every(sweepMs, sweep);
  return {
    watch,
    stop: async () => {
      await sweeper.stop();
      const held = client;
      client = undefined;
      // Destroyed, not handed back: the locks belong to the connection.
      held?.release(true);
    },
  };
}

/**
 * Unlocks the jobs of every worker that no connection vouches for.
 *
 * @returns how many such workers there were. Times are PostgreSQL's own on both sides: graphile-worker writes `locked_at`.
 */
export async function unlockDeadWorkers(db: Db, graceS = graceSeconds): Promise<number> {
  return db.run(
    `with dead as (
       select distinct locked_by
         from graphile_worker._private_jobs job
        where locked_by is not null and locked_at < now() - $2 * interval '1 second'
          and not exists (
            select from pg_locks
             where locktype = 'advisory' and granted and objsubid = 2 and classid = $1
               and objid = hashtext(job.locked_by)::oid
               and database = (select oid from pg_database where datname = current_database()))
     )
     select graphile_worker.force_unlock_workers(array[locked_by]) from dead`,
    [lockClass, graceS],
  );
}

/**
 * Unlocks the jobs that a living pool of workers has locked and does not work on: fetched in the moment in which the
 * connection broke, so that the lock was committed and the answer lost. Nobody else would, since the pool lives.
 *
 * @returns how many.
 */
const unlockLostJobs = (db: Db, poolIds: readonly string[], running: ReadonlySet<string>): Promise<number> =>
  db.run(
    `update graphile_worker._private_jobs set locked_by = null, locked_at = null, attempts = greatest(attempts - 1, 0)
      where locked_by = any($1) and id <> all($2::bigint[]) and locked_at < now() - $3 * interval '1 second'`,
    [poolIds, [...running], graceSeconds],
  );
