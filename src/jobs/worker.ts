import { EventEmitter } from "node:events";
import { Logger, parseCronItems, run } from "graphile-worker";
import type { Runner, TaskList, WorkerEvents } from "graphile-worker";
import { minuteMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Db } from "../db/db.ts";
import { tasks as knownTasks } from "./jobs.ts";
import type { TaskDefinition, TaskName } from "./jobs.ts";
import { keepAlive } from "./liveness.ts";
import { patientPool } from "./patient-pool.ts";

/** A task without payload at fixed times; several workers queue it once. */
export interface ScheduledTask {
  readonly task: Extract<TaskName, "clean-up" | "keep-keys">;
  /** Minute, hour, day, month, weekday in UTC, as in crontab. */
  readonly match: string;
}

export interface WorkerOptions {
  readonly db: Db;
  readonly tasks: readonly TaskDefinition[];
  readonly log: Log;
  /** Jobs at once, for each lane: letters, and what somebody waits for. What nobody waits for is done one after the other. */
  readonly concurrency: { readonly letters: number; readonly work: number };
  readonly schedule?: readonly ScheduledTask[];
  /**
   * How long a job may take to return after `stop` before it is handed back for another worker, where the process goes on. A minute by
   * default, longer than `serve` leaves a process that it stops: what a walk did not hear of the letters on their way is counted as
   * possibly sent twice.
   */
  readonly stopWithinMs?: number;
  /** How often jobs are looked for that were left behind; every 15 s by default. */
  readonly sweepMs?: number;
}

export interface Worker {
  /**
   * Takes no further job, tells the running ones to hand back (`JobContext.signal`), waits for them and resolves. A job
   * that does not return in time is given back to the queue.
   */
  stop(): Promise<void>;
}

/**
 * Runs jobs until stopped. Letters have a lane of their own, so that a code never waits behind a campaign or a scan; so has what
 * nobody waits for, which takes no place of either.
 * A job whose worker was killed is taken up by another within about half a minute. Holds up to four connections of the
 * pool besides those of the jobs.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { db, tasks, log, concurrency, schedule = [], stopWithinMs = minuteMs } = options;
  const placesOf: Readonly<Record<Lane, number>> = { ...concurrency, idle: 1 };
  const stopping = new AbortController();
  const liveness = await keepAlive(db, log, options.sweepMs);
  const runners = new Map<Lane, Runner>();

  async function startLane(lane: Lane): Promise<Runner | undefined> {
    const taskList: TaskList = {};
    for (const { name, run: work } of tasks) {
      if (knownTasks[name].lane === lane) taskList[name] = taskOf(name, work, log, stopping.signal);
    }
    if (Object.keys(taskList).length === 0) return undefined;
    const events: WorkerEvents = new EventEmitter();
    liveness.watch(events);
    const runner = await run({
      pgPool: patientPool(db.pool, stopping.signal),
      concurrency: placesOf[lane],
      taskList,
      parsedCronItems: cronItems(schedule.filter(({ task }) => task in taskList)),
      // The process handles its signals itself: first the requests, then the jobs, then the database.
      noHandleSignals: true,
      gracefulShutdownAbortTimeout: stopWithinMs,
      // Each of a lane's places asks by itself. New jobs are announced, so only retries wait for the next asking.
      pollInterval: lane === "idle" ? idlePollMs : Math.max(1_000, pollMsForEach * placesOf[lane]),
      logger: loggerOf(log.child({ lane })),
      events,
    });
    runners.set(lane, runner);
    // `stop` came while it was being started, and has not seen it.
    if (stopping.signal.aborted) {
      await runner.stop();
      return undefined;
    }
    endIfDeaf(runner, events, log.child({ lane }));
    return runner;
  }

  // A lane ends by itself when it could not write down a job's end for long (the database was away): it is started again.
  async function keepLane(lane: Lane, first: Runner | undefined): Promise<void> {
    let runner = first;
    if (runner === undefined) return;
    const halted = recurring(log, {
      says: "a lane of jobs cannot start yet; it is tried again",
      ends: "a lane of jobs has started again",
    });
    while (!stopping.signal.aborted) {
      await runner?.promise.catch((thrown: unknown) => {
        log.error({ reason: messageOf(thrown), lane }, "a lane of jobs ended; it is started again");
      });
      if (stopping.signal.aborted) return;
      await sleep(1_000, stopping.signal);
      if (stopping.signal.aborted) return;
      runner = await startLane(lane).catch((thrown: unknown) => {
        halted.found({ reason: messageOf(thrown), lane });
        return undefined;
      });
      if (runner !== undefined) halted.over();
    }
  }

  let keepers: readonly Promise<void>[] = [];

  async function stop(): Promise<void> {
    stopping.abort();
    await Promise.all([...runners.values()].map((runner) => runner.stop().catch(() => undefined)));
    await Promise.all(keepers);
    await liveness.stop();
  }

  try {
    const lanes = ["letters", "work", "idle"] as const;
    const started: (readonly [Lane, Runner | undefined])[] = [];
    for (const lane of lanes) started.push([lane, await startLane(lane)]);
    keepers = started.map(([lane, first]) => keepLane(lane, first));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { stop };
}

type Lane = (typeof knownTasks)[TaskName]["lane"];
const pollMsForEach = 250;
const idlePollMs = 10_000;

/**
 * Ends a lane that failed in its first question to the queue. graphile-worker asks once which tasks the database knows, and keeps
 * what became of that: if the database went away in this very moment, it repeats the error for ever, and no job of the lane
 * is ever fetched.
 */
function endIfDeaf(runner: Runner, events: WorkerEvents, log: Log): void {
  let hasAsked = false;
  const asks = (): void => {
    hasAsked = true;
  };
  events.on("job:start", asks);
  events.on("worker:getJob:empty", asks);
  events.on("worker:getJob:error", () => {
    if (hasAsked) return;
    asks();
    log.warn("a lane of jobs could not ask which tasks there are");
    runner.stop().catch((thrown: unknown) => log.warn({ reason: messageOf(thrown) }, "a lane of jobs ended uncleanly"));
  });
}

const cronItems = (schedule: readonly ScheduledTask[]): ReturnType<typeof parseCronItems> =>
  parseCronItems(
    schedule.map(({ task, match }) => ({
      task,
      match,
      identifier: `${task} ${match}`,
      options: {
        jobKey: `schedule ${task}`,
        priority: knownTasks[task].priority,
        maxAttempts: knownTasks[task].maxAttempts,
      },
    })),
  );

function taskOf(name: TaskName, work: TaskDefinition["run"], log: Log, signal: AbortSignal): TaskList[string] {
  return async (payload, helpers) => {
    const jobId = String(helpers.job.id);
    // Taken in the moment of stopping: it goes back to the queue unbegun, and counts as a try.
    if (signal.aborted) throw new Error("the worker is stopping");
    const done = work(withoutSchedule(payload), {
      log: log.child({ task: name, jobId }),
      signal,
      attempt: helpers.job.attempts,
      maxAttempts: helpers.job.max_attempts,
      jobId,
    });
    await unlessLate(done, helpers.abortSignal);
  };
}

/**
 * What a job's work comes to; a failure as soon as `late` aborts, so that the job goes back to the queue though its work has not
 * returned. graphile-worker waits for such work as long as it takes, and says by this signal alone that its time is over.
 */
async function unlessLate(work: Promise<void>, late: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveBack = (): void => reject(new Error("it did not return when the worker stopped"));
  late.addEventListener("abort", giveBack, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    // The signal lives as long as the lane: what stayed on it would pile up.
    late.removeEventListener("abort", giveBack);
  }
}

/** The scheduler adds when it was due, which no payload schema knows. */
function withoutSchedule(payload: unknown): unknown {
  if (typeof payload !== "object" || payload === null || !("_cron" in payload)) return payload;
  const { _cron: _, ...rest } = payload;
  return rest;
}

/** Its lines in our log. The `meta` object is left out: it may hold a whole job with its payload. */
function loggerOf(log: Log): Logger {
  return new Logger(() => (level, message) => {
    switch (level) {
      case "error":
        return log.error(message);
      case "warning":
        // More places than connections, on purpose: whoever waits for a relay holds none.
        return message.startsWith("WARNING: having maxPoolSize") ? log.debug(message) : log.warn(message);
      case "info":
      case "debug":
        return log.debug(message);
    }
  });
}
