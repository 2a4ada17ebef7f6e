import { Type } from "typebox";
import type { Static, TSchema } from "typebox";
import { Check } from "typebox/value";
import { toDate } from "../kernel/clock.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Tx } from "../db/db.ts";
import { Closed, Id } from "../wire/common.ts";

/** Letters that tell every address of an account what was changed in it. */
export const changeLetterKinds = [
  "renewed",
  "password changed",
  "address added",
  "address removed",
  "first address changed",
  "passkey added",
  "passkey removed",
  "passkey doubted",
  "second factor added",
  "second factor removed",
  "recovery codes made",
  "recovery code used",
  "recovery started",
  // The same, where the renewal will not ask for the second factor.
  "recovery without second factor",
  // To the address that a recovery names: when it can go on.
  "recovery waits",
  // To every address and to the one that it named, when an operator ends it.
  "recovery ended",
  "deletion asked",
  "change taken back",
  "account deleted",
] as const;
export type ChangeLetterKind = (typeof changeLetterKinds)[number];

/** Letters to one address that leave by a job. The notice of an incident does not: a campaign claims its own rows. */
export const letterKinds = [
  "sign-up code",
  "already registered",
  // To an address that was added since a copy was taken: it opens no renewal, and its owner is told why.
  "address doubted",
  "renewal code",
  // To an address that nobody has: queued like the others, so that asking costs the same, and never sent.
  "no letter",
  ...changeLetterKinds,
] as const;
export type LetterKind = (typeof letterKinds)[number];

/**
 * A letter on its way to the mailer: kind, address, code and whatever else it says are sealed to the mailer, so that a
 * stolen queue gives nothing away; `id` is the letter's own, and makes its Message-ID. Made by `mail/sealed-letter.ts`.
 */
const sealedLetter = Closed({
  id: Id,
  sealed: Type.String({ maxLength: 16_384, pattern: "^[A-Za-z0-9_-]+$" }),
});

/** Which of an alarm's times is told: tries of one telling carry one id, so that a receiver can drop what comes twice. */
const telling = Type.Integer({ minimum: 1 });
const alarmTelling = Closed({ alarmId: Id, telling });

interface TaskShape {
  readonly payload: TSchema;
  /** Smaller goes first. */
  readonly priority: number;
  /** Tries before a job is given up; the pauses between them grow (e^n seconds, at most 6.1 hours). */
  readonly maxAttempts: number;
  /** Jobs of one lane never wait behind jobs of another: each has workers of its own. Nobody waits for what is `idle`. */
  readonly lane: "letters" | "work" | "idle";
}

/** Every task there is. A payload carries ids, and what is sealed; it is a row that a copy of the database contains. */
export const tasks = {
  // 12 tries span about 16 hours, inside the 24 that a code lives.
  "send-code": { payload: sealedLetter, priority: -20, maxAttempts: 12, lane: "letters" },
  "send-letter": { payload: sealedLetter, priority: -10, maxAttempts: 16, lane: "letters" },
  // Alarms go before everything: they have to be out within seconds.
  "deliver-alarm": {
    payload: alarmTelling,
    priority: -40,
    maxAttempts: 16,
    lane: "letters",
  },
  "alarm-letter": {
    // The operator who is told; nobody means the address in the settings.
    payload: Closed({ alarmId: Id, telling, accountId: Type.Optional(Id) }),
    priority: -40,
    maxAttempts: 16,
    lane: "letters",
  },
  // One of an operator's several. A job of its own: a worker of an earlier version leaves it to those that know it.
  "alarm-letter-to": {
    payload: Closed({ alarmId: Id, telling, accountId: Id, addressId: Id }),
    priority: -40,
    maxAttempts: 16,
    lane: "letters",
  },
  "alarm-webhook": {
    payload: alarmTelling,
    priority: -40,
    maxAttempts: 16,
    lane: "letters",
  },
  campaign: {
    payload: Closed({
      incidentId: Id,
      shard: Type.Optional(Type.Integer({ minimum: 0 })),
      // The operator who asked for a test letter; nobody else gets one then.
      testFor: Type.Optional(Id),
    }),
    priority: 0,
    maxAttempts: 1_000,
    lane: "work",
  },
  bounces: {
    payload: Closed({
      bounces: Type.Array(
        Closed({
          token: Type.String({ maxLength: 64 }),
          status: Type.String({ pattern: "^[245]\\.\\d{1,3}\\.\\d{1,3}$" }),
        }),
        { maxItems: 100 },
      ),
    }),
    priority: 2,
    maxAttempts: 25,
    lane: "work",
  },
  "campaign-survey": {
    payload: Closed({ incidentId: Id }),
    priority: -5,
    maxAttempts: 10,
    lane: "work",
  },
  "scan-library": { payload: Closed({}), priority: 10, maxAttempts: 5, lane: "work" },
  "keep-keys": { payload: Closed({}), priority: 15, maxAttempts: 25, lane: "work" },
  "clean-up": { payload: Closed({}), priority: 20, maxAttempts: 3, lane: "work" },
  "scrub-pictures": { payload: Closed({}), priority: 30, maxAttempts: 25, lane: "idle" },
} as const satisfies Record<string, TaskShape>;

export type TaskName = keyof typeof tasks;
export type Payload<Name extends TaskName> = Static<(typeof tasks)[Name]["payload"]>;
export type SealedLetterPayload = Payload<"send-code">;

export interface EnqueueOptions {
  /** Not before this instant; otherwise as soon as a worker is free. */
  readonly runAt?: EpochMs;
  /** At most one waiting job has this key; a later one takes its place. */
  readonly key?: string;
  /** Jobs of one queue run one after another. */
  readonly queue?: string;
  /** 1 to 1,000. */
  readonly maxAttempts?: number;
  /** Smaller goes first; each task has its own by default. */
  readonly priority?: number;
}

/**
 * Queues a task in the caller's transaction: it runs, at least once, if and only if that transaction commits.
 * A payload that its schema refuses is Fault `IMPOSSIBLE`: the caller made it, not a person.
 */
export async function enqueue<Name extends TaskName>(
  tx: Tx,
  task: Name,
  payload: Payload<Name>,
  { runAt, key, queue, maxAttempts, priority }: EnqueueOptions = {},
): Promise<void> {
  const shape: TaskShape = tasks[task];
  if (!Check(shape.payload, payload)) throw new Fault("IMPOSSIBLE", `the payload of ${task} is not what it should be`);
  await tx.run(
    `select from graphile_worker.add_job(
       identifier => $1, payload => $2::json, queue_name => $3, run_at => $4::timestamptz, max_attempts => $5::int,
       job_key => $6, priority => $7::int)`,
    [
      task,
      JSON.stringify(payload),
      queue ?? null,
      runAt === undefined ? null : toDate(runAt),
      maxAttempts ?? shape.maxAttempts,
      key ?? null,
      priority ?? shape.priority,
    ],
  );
}

/** What a running task is told besides its payload. */
export interface JobContext {
  readonly log: Log;
  /** Aborts when the worker is asked to stop: hand back leased work and return. */
  readonly signal: AbortSignal;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly jobId: string;
}

/**
 * One task with its work. To be tried again later, the work throws; to be given up for good, it returns.
 * The work may run twice (a worker can die after the work and before saying so), so it must bear that.
 */
export interface TaskDefinition {
  readonly name: TaskName;
  readonly run: (payload: unknown, context: JobContext) => Promise<void>;
}

/** Ties a task's name to its work, with the payload parsed by the task's schema. `app.ts` passes the list on. */
export function defineTask<Name extends TaskName>(
  name: Name,
  work: (payload: Payload<Name>, context: JobContext) => Promise<void>,
): TaskDefinition {
  const shape: TaskShape = tasks[name];
  const isPayload = (payload: unknown): payload is Payload<Name> => Check(shape.payload, payload);
  return {
    name,
    run: async (payload, context) => {
      if (isPayload(payload)) return work(payload, context);
      // Another try would read the same bytes. The payload itself is not logged: it may hold what is sealed.
      context.log.error(
        { task: name, jobId: context.jobId },
        "a job's payload is not what its task takes; it is given up",
      );
    },
  };
}
