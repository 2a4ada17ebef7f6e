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

interface Waiting {
  readonly order: HashOrder;
  readonly resolve: (tag: Secret) => void;
  readonly reject: (fault: Fault) => void;
}

/** Starts `threads` hashing threads, apart from libuv's pool, which also serves files and DNS. */
export function startHashPool({
  threads,
  laneLength = 256,
  log,
}: {
  readonly threads: number;
  readonly laneLength?: number;
  readonly log: Log;
}): HashPool {
  const queues = new Map<Lane, Waiting[]>(lanes.map((lane) => [lane, []]));
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const all = new Set<Worker>();
  let nextId = 0;
  let made = 0;
  let closed = false;

  const start = (): void => {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url));
    all.add(worker);
    worker.on("message", (answer: HashAnswer) => {
      const done = busy.get(worker);
      busy.delete(worker);
      if (!closed) idle.push(worker);
      if (done !== undefined) {
        if ("tag" in answer) {
          made++;
          done.resolve(new Secret(answer.tag));
        } else {
          done.reject(new Fault("IMPOSSIBLE", `hashing failed: ${answer.reason}`));
        }
      }
      pump();
    });
    worker.on("error", (error: unknown) => log.error({ reason: messageOf(error) }, "a hashing thread failed"));
    worker.on("exit", () => {
      all.delete(worker);
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      busy.get(worker)?.reject(new Fault("BUSY", "a hashing thread ended under the work"));
      busy.delete(worker);
      if (!closed) start();
    });
    idle.push(worker);
    pump();
  };

  const pump = (): void => {
    while (idle.length > 0) {
      const next = lanes.map((lane) => queues.get(lane)).find((queue) => queue !== undefined && queue.length > 0);
      const waiting = next?.shift();
      if (waiting === undefined) return;
      const worker = idle.pop();
      if (worker === undefined) return;
      busy.set(worker, waiting);
      worker.postMessage(waiting.order);
    }
  };

  for (let i = 0; i < threads; i++) start();

  return {
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
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}
