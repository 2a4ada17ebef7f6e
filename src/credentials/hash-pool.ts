import { Worker } from "node:worker_threads";
import { Crowded, Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { laneQueues, lanes, longestWaitMs, type Lane } from "./lanes.ts";

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
  | { readonly id: number; readonly tag: Uint8Array; readonly tookMs: number }
  | { readonly id: number; readonly reason: string };

export interface HashPool {
  /** What new passwords are hashed at; stored ones name their own. */
  readonly cost: HashCost;
  /**
   * Argon2id (RFC 9106) of the password's NFC form, in a thread of its own. `Crowded` when the lane is full, whatever the
   * wait: that bounds the memory. The password's bytes are wiped in the thread after use.
   */
  hash(lane: Lane, password: Secret, salt: Uint8Array, cost: HashCost): Promise<Secret>;
  /**
   * Whether somebody who comes to the lane now with so many orders, one unless said, would wait no more than `longestWaitMs` and
   * none of the orders would be refused. The lane's length comes first where hashes are made fast.
   */
  hasRoom(lane: Lane, orders?: number): boolean;
  /**
   * Throws `Crowded` when there is no room in the lane. Asked before anything else is done for a request, and before anything
   * that depends on whether an account exists.
   */
  expectRoom(lane: Lane): void;
  /** What an order in this lane would wait for its turn, by what waits now and the measured rate. */
  waitMs(lane: Lane): number;
  /** Hashes a second of all threads together, measured while all of them were busy; the newest weigh most. */
  perSecond(): number;
  /** How many hashes have been made; tests compare the work of different refusals by it. */
  hashes(): number;
  /** Of one lane: what waits, what was made, and what was told to come back, since the start. */
  lane(lane: Lane): { readonly waiting: number; readonly made: number; readonly turnedAway: number };
  waiting(): number;
  close(): Promise<void>;
}

/**
 * Orders that a thread holds at once: the one at work and the next, so that it does not stand still while this thread, which
 * shares the processors with it, hears of a finished hash. What is urgent waits for one hash more.
 */
const ordersHeld = 2;

interface Waiting {
  readonly lane: Lane;
  readonly order: HashOrder;
  readonly resolve: (tag: Secret) => void;
  readonly reject: (fault: Fault) => void;
}

/** The weight of the newest hash in the measured rate: some forty hashes, a quarter of a second, make it new. */
const newestWeighs = 1 / 40;

/** Starts `threads` hashing threads, apart from libuv's pool, which also serves files and DNS. */
export function startHashPool({
  threads,
  laneLength = 256 * threads,
  cost: newCost = ordinaryCost,
  log,
}: {
  readonly threads: number;
  /** Orders that wait in each lane: what `threads` make in some two seconds, unless said. */
  readonly laneLength?: number;
  /** A test that makes thousands of accounts passes a cheaper one; the service does not. */
  readonly cost?: HashCost | undefined;
  readonly log: Log;
}): HashPool {
  const queues = laneQueues<Waiting>();
  /** Each thread with the orders that it holds, oldest first. */
  const held = new Map<Worker, Map<number, Waiting>>();
  const madeBy = new Map<Lane, number>(lanes.map((lane) => [lane, 0]));
  const turnedAway = new Map<Lane, number>(lanes.map((lane) => [lane, 0]));
  let nextId = 0;
  let made = 0;
  let closed = false;
  /** What a hash takes while every thread is at work: threads that share a core are slower together than alone. */
  let busyMs = expectedMs(newCost);

  const start = (): void => {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url));
    const orders = new Map<number, Waiting>();
    held.set(worker, orders);
    worker.on("message", (answer: HashAnswer) => {
      const done = orders.get(answer.id);
      const wereAllBusy = held.size === threads && [...held.values()].every((one) => one.size > 0);
      orders.delete(answer.id);
      pump();
      if (done === undefined) return;
      if ("tag" in answer) {
        made++;
        madeBy.set(done.lane, (madeBy.get(done.lane) ?? 0) + 1);
        if (wereAllBusy) busyMs += (answer.tookMs - busyMs) * newestWeighs;
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

  const pump = (): void => {
    if (closed) return;
    for (let depth = 0; depth < ordersHeld; depth++) {
      for (const [worker, orders] of held) {
        if (orders.size !== depth) continue;
        const next = queues.shift();
        if (next === undefined) return;
        orders.set(next.order.order.id, next.order);
        worker.postMessage(next.order.order);
      }
    }
  };

  const perSecond = (): number => (threads * 1_000) / busyMs;
  const waitMs = (lane: Lane): number => {
    // Of what the threads hold, the half that is at work is half done.
    const inHand = [...held.values()].reduce((sum, orders) => sum + orders.size, 0);
    return ((queues.ahead(lane) + inHand) * 1_000) / perSecond();
  };
  const hasRoom = (lane: Lane, orders = 1): boolean =>
    waitMs(lane) <= longestWaitMs && queues.waiting(lane) + orders <= laneLength;
  const turnAway = (lane: Lane): Crowded => {
    turnedAway.set(lane, (turnedAway.get(lane) ?? 0) + 1);
    return new Crowded(`the ${lane} lane is full`, Math.ceil(waitMs(lane) / 1_000) + 1);
  };

  for (let i = 0; i < threads; i++) start();

  return {
    cost: newCost,
    hash: (lane, password, salt, cost) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new Fault("BUSY", "the service is stopping"));
          return;
        }
        if (queues.waiting(lane) >= laneLength) {
          reject(turnAway(lane));
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
        queues.push(lane, { lane, order, resolve, reject });
        pump();
      }),
    hasRoom,
    expectRoom: (lane) => {
      if (!hasRoom(lane)) throw turnAway(lane);
    },
    waitMs,
    perSecond,
    hashes: () => made,
    lane: (lane) => ({
      waiting: queues.waiting(lane),
      made: madeBy.get(lane) ?? 0,
      turnedAway: turnedAway.get(lane) ?? 0,
    }),
    waiting: () => lanes.reduce((sum, lane) => sum + queues.waiting(lane), 0),
    close: async () => {
      closed = true;
      for (const { reject } of queues.drain()) reject(new Fault("BUSY", "the service is stopping"));
      await Promise.all([...held.keys()].map((worker) => worker.terminate()));
    },
  };
}

/**
 * What a hash takes until one has been measured: memory passed over at 4.5 GB/s, by the measured 6.7 to 9 ms of 19 MiB in
 * two passes on one thread.
 */
const expectedMs = ({ memoryKib, passes }: HashCost): number => Math.max(0.1, (memoryKib * passes) / 4_500);
