import { minuteMs, secondMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { recurring } from "../kernel/recurring.ts";
import { distributeSignals } from "./distribute.ts";
import { beginFanOuts, stepFanOut } from "./fan-out.ts";
import { keepPushing, pushDue, type PushNeeds } from "./push.ts";
import { dropAged } from "./settle.ts";

/** Steps of fan-outs between two looks at everything else. */
const stepsInTurn = 4;

/** Gives signals to streams and walks fan-outs. @returns whether there was something, so that there may be more. */
async function makeTurn(needs: PushNeeds, signal: AbortSignal): Promise<boolean> {
  let done = (await distributeSignals(needs)) > 0;
  await beginFanOuts(needs);
  for (let step = 0; step < stepsInTurn && !signal.aborted && (await stepFanOut(needs)); step++) done = true;
  return done;
}

/** One turn: whatever is there to be done of signals. @returns whether something was, so that there may be more. */
export async function transmitTurn(needs: PushNeeds, signal: AbortSignal): Promise<boolean> {
  const done = await makeTurn(needs, signal);
  return (await pushDue(needs, signal)) > 0 || done;
}

/**
 * The worker's part of the transmitter: gives signals to streams, walks fan-outs and pushes, until stopped. Every worker
 * does it; each takes what nobody else has. Looks again every second when there is nothing to do. Pushing is a loop of its own, since it
 * waits for receivers.
 */
export function startTransmitter(needs: PushNeeds): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const troubled = recurring(needs.log, {
    says: "signals wait: they are looked at again every second",
    ends: "signals are looked at again",
  });
  const making = (async () => {
    let agedAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        // By the clock and not when there is nothing else to do: on a large service there always is.
        const now = needs.clock.now();
        if (Math.abs(now - agedAt) >= minuteMs) {
          while ((await dropAged(needs.db, needs.random, now)) > 0 && !signal.aborted);
          agedAt = now;
        }
        const isMore = await makeTurn(needs, signal);
        troubled.over();
        if (isMore) continue;
      } catch (thrown) {
        troubled.found({ reason: messageOf(thrown) });
      }
      await sleep(secondMs, signal);
    }
  })();
  const pushing = keepPushing(needs, signal);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([making, pushing]);
    },
  };
}
