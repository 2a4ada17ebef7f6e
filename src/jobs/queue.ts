import { toDate, plus, dayMs } from "../kernel/clock.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import type { TaskName } from "./jobs.ts";

/** How many jobs of a task wait (running ones included), and how many were given up and run no more. */
export interface QueueCount {
  readonly task: string;
  readonly waiting: number;
  readonly givenUp: number;
}

/** Every task that has jobs, for the console. A job in its last try counts as waiting: it may still succeed. */
export async function countJobs(tx: Tx): Promise<QueueCount[]> {
  return tx.many<QueueCount>(
    `select task.identifier as task,
            count(*) filter (where job.attempts < job.max_attempts or job.locked_at is not null) as waiting,
            count(*) filter (where job.attempts >= job.max_attempts and job.locked_at is null) as "givenUp"
       from graphile_worker._private_jobs job join graphile_worker._private_tasks task on task.id = job.task_id
      group by 1 order by 1`,
  );
}

/**
 * Whether a job of a task that has a queue and a key of its own name runs, or could run now. One that waits for its time, or
 * was given up, does not count. A job that runs while another is asked for has no key any more; its queue is locked.
 */
export async function isUnderWay(tx: Tx, task: TaskName): Promise<boolean> {
  const found = await tx.one(
    `select 1 as found from graphile_worker._private_job_queues where queue_name = $1 and locked_at is not null
     union all
     select 1 from graphile_worker._private_jobs where key = $1 and run_at <= now() and attempts < max_attempts
      limit 1`,
    [task],
  );
  return found !== undefined;
}

/** How long a job that was given up stays readable, with its last error. */
const keepGivenUpMs = 7 * dayMs;

/** Removes jobs that were given up more than a week ago, at most `batchRows` a call. @returns how many. */
export const forgetGivenUp = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from graphile_worker._private_jobs where id in (
       select id from graphile_worker._private_jobs
        where attempts >= max_attempts and locked_at is null and updated_at < $1 order by updated_at limit $2)`,
    [toDate(plus(now, -keepGivenUpMs)), batchRows],
  );
