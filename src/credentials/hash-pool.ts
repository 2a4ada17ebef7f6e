import { Worker } from "node:worker_threads";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";

/**
 * Who waits for a hash, most urgent first. Each lane is bounded, and a full one refuses at once, so that a flood of
 * sign-ins can never starve the operator or the way back.
 */
export const lanes = ["operator", "renewal", "sign-in", "sign-up"] as const;
export type Lane = (typeof lanes)[number];

/** Argon2id parameters, as stored with each record: `m` in KiB, `t` passes, `p` lanes. */
export interface HashCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP Password Storage and ASVS 5.0 appendix C: 19 MiB, two passes, one lane. 6.7 to 9 ms a hash on 2 vCPU. */
export const ordinaryCost: HashCost = { memoryKib: 19_456, passes: 2, parallelism: 1 };

/** The parameters as in a PHC string, which is how rows keep them. */
export const costText = ({ memoryKib, passes, parallelism }: HashCost): string =>
  `m=${memoryKib},t=${passes},p=${parallelism}`;

/** Reads stored parameters; refuses ones that could not be ours, since a row from a thief could name 2 GiB. */
export function readCost(text: string): HashCost {
  const match = /^m=(\d{1,6}),t=(\d{1,2}),p=(\d)$/.exec(text);
  if (match === null) throw new Fault("IMPOSSIBLE", "stored hash parameters are unreadable");
  return { memoryKib: Number(match[1]), passes: Number(match[2]), parallelism: Number(match[3]) };
}

export interface HashOrder {
  readonly id: number;
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}
export type HashAnswer =
  { readonly id: number; readonly tag: Uint8Array } | { readonly id: number; readonly reason: string };

export interface HashPool {
  /** What new passwords are hashed at; stored ones name their own. */
  readonly cost: HashCost;
  /**
   * Argon2id (RFC 9106) of the password's NFC form, in a thread of its own. Fault `BUSY` when the lane is full.
   * The password's bytes are wiped in the thread after use.
   */
  hash(lane: Lane, password: Secret, salt: Uint8Array, cost: HashCost): Promise<Secret>;
  /** How many hashes have been made; tests compare the work of different refusals by it. */
  hashes(): number;
  waiting(): number;
  close(): Promise<void>;
}

/**
 * Orders that a thread holds at once: the one at work and the next, so that it does not stand still while this thread, which
 * shares the processors with it, hears of a finished hash. What is urgent waits for one hash more.
 */
const ordersHeld = 2;

interface Waiting {
  readonly order: HashOrder;
  readonly resolve: (tag: Secret) => void;
  readonly reject: (fault: Fault) => void;
}

/** Starts `threads` hashing threads, apart from libuv's pool, which also serves files and DNS. */
export function startHashPool({
  threads,
  laneLength = 256,
  cost: newCost = ordinaryCost,
  log,
}: {
  readonly threads: number;
  readonly laneLength?: number;
  /** A test that makes thousands of accounts passes a cheaper one; the service does not. */
  readonly cost?: HashCost | undefined;
  readonly log: Log;
}): HashPool {
  const queues = new Map<Lane, Waiting[]>(lanes.map((lane) => [lane, []]));
  /** Each thread with the orders that it holds, oldest first. */
  const held = new Map<Worker, Map<number, Waiting>>();
  let nextId = 0;
  let made = 0;
  let closed = false;

  const start = (): void => {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url));
    const orders = new Map<number, Waiting>();
    held.set(worker, orders);
    worker.on("message", (answer: HashAnswer) => {
      const done = orders.get(answer.id);
      orders.delete(answer.id);
      pump();
      if (done === undefined) return;
      if ("tag" in answer) {
        made++;
        done.resolve(new Secret(answer.tag));
      } else {
        done.reject(new Fault("IMPOSSIBLE", `hashing failed: ${answer.reason}`));
      }
    });
    worker.on("error", (error: unknown) => log.error({ reason: messageOf(error) }, "a hashing thread failed"));
    worker.on("exit", () => {
      held.delete(worker);
      for (const { reject } of orders.values()) {
        reject(new Fault("BUSY", "a hashing thread ended under the work"));
      }
      if (!closed) start();
    });
    pump();
  };

  const nextInLine = (): Waiting | undefined =>
    lanes
      .map((lane) => queues.get(lane))
      .find((queue) => queue !== undefined && queue.length > 0)
      ?.shift();

  const pump = (): void => {
    if (closed) return;
    for (let depth = 0; depth < ordersHeld; depth++) {
      for (const [worker, orders] of held) {
        if (orders.size !== depth) continue;
        const waiting = nextInLine();
        if (waiting === undefined) return;
        orders.set(waiting.order.id, waiting);
        worker.postMessage(waiting.order);
      }
    }
  };

  for (let i = 0; i < threads; i++) start();

  return {
    cost: newCost,
    hash: (lane, password, salt, cost) =>
      new Promise((resolve, reject) => {
        const queue = queues.get(lane);
        if (closed || queue === undefined || queue.length >= laneLength) {
          reject(new Fault("BUSY", `the ${lane} lane is full`));
          return;
        }
        const order: HashOrder = {
          id: nextId++,
          password: Buffer.from(password.revealText().normalize("NFC"), "utf8"),
          salt,
          memoryKib: cost.memoryKib,
          passes: cost.passes,
          lanes: cost.parallelism,
        };
        queue.push({ order, resolve, reject });
        pump();
      }),
    hashes: () => made,
    waiting: () => [...queues.values()].reduce((sum, queue) => sum + queue.length, 0),
    close: async () => {
      closed = true;
      for (const queue of queues.values()) {
        for (const { reject } of queue.splice(0)) reject(new Fault("BUSY", "the service is stopping"));
      }
      await Promise.all([...held.keys()].map((worker) => worker.terminate()));
    },
  };
}
