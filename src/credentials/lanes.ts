/**
 * Who waits for a hash. Each lane has a queue of its own, bounded, and a weight: while several wait, each gets hashes in
 * the proportion of the weights, so that a flood in one lane slows no other below its share.
 */
export const lanes = ["operator", "second factor", "renewal", "sign-in", "sign-up"] as const;
export type Lane = (typeof lanes)[number];

/**
 * `operator`: the few who have to act. `second factor`: who is signed in and proves it again or changes the password.
 * `renewal`: a mailbox is proved. `sign-in` is anybody, with decoys for addresses that nobody has; `sign-up` costs most
 * and can wait best.
 */
export const laneWeights: Readonly<Record<Lane, number>> = {
  operator: 16,
  "second factor": 4,
  renewal: 8,
  "sign-in": 3,
  "sign-up": 1,
};

/** The wait beyond which a newcomer is told to come back instead of being queued. Nobody looks at a blank page for longer. */
export const longestWaitMs = 2_000;

/** Queues by lane, each first in first out, taken from by weight. */
export interface LaneQueues<Order> {
  push(lane: Lane, order: Order): void;
  /** The next to be served, or `undefined` when nobody waits. */
  shift(): { readonly lane: Lane; readonly order: Order } | undefined;
  waiting(lane: Lane): number;
  /** How many are served before somebody who comes to this lane now, if nobody came after. */
  ahead(lane: Lane): number;
  /** Empties every queue. @returns who waited. */
  drain(): Order[];
}

/**
 * Weighted fair queueing by virtual time (stride scheduling: Waldspurger and Weihl, 1995): whoever is served moves its
 * lane on by 1 / weight, and the lane that is furthest back is next. A lane that was empty starts at the present, so it
 * cannot save up turns. Of two that are level the one that is named first in `lanes` goes first.
 */
export function laneQueues<Order>(): LaneQueues<Order> {
  const queues = new Map(lanes.map((lane) => [lane, { orders: [] as Order[], first: 0, at: 0 }]));
  const queueOf = (lane: Lane) => queues.get(lane) ?? { orders: [] as Order[], first: 0, at: 0 };
  const lengthOf = (lane: Lane): number => queueOf(lane).orders.length - queueOf(lane).first;
  let present = 0;

  return {
    push: (lane, order) => {
      const queue = queueOf(lane);
      if (lengthOf(lane) === 0) queue.at = Math.max(queue.at, present);
      queue.orders.push(order);
    },
    shift: () => {
      let chosen: Lane | undefined;
      for (const lane of lanes) {
        if (lengthOf(lane) > 0 && (chosen === undefined || queueOf(lane).at < queueOf(chosen).at)) chosen = lane;
      }
      if (chosen === undefined) return undefined;
      const queue = queueOf(chosen);
      const order = queue.orders[queue.first++];
      // Taken from the front without moving the rest each time.
      if (queue.first >= 64 || queue.first === queue.orders.length) {
        queue.orders.splice(0, queue.first);
        queue.first = 0;
      }
      present = queue.at;
      queue.at += 1 / laneWeights[chosen];
      return order === undefined ? undefined : { lane: chosen, order };
    },
    waiting: lengthOf,
    ahead: (lane) => {
      const mine = lengthOf(lane);
      let count = mine;
      for (const other of lanes) {
        if (other === lane) continue;
        const itsTurns = Math.ceil(((mine + 1) * laneWeights[other]) / laneWeights[lane]);
        count += Math.min(lengthOf(other), itsTurns);
      }
      return count;
    },
    drain: () =>
      lanes.flatMap((lane) => {
        const queue = queueOf(lane);
        const rest = queue.orders.splice(0).slice(queue.first);
        queue.first = 0;
        return rest;
      }),
  };
}
