import { minuteMs, secondMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { distributeSignals } from "./distribute.ts";
import { beginFanOuts, stepFanOut } from "./fan-out.ts";
import { pushDue, type PushNeeds } from "./push.ts";
import { dropAged } from "./settle.ts";

/** Steps of fan-outs between two looks at everything else. */
const stepsInTurn = 4;

/** One turn: whatever is there to be done of signals. @returns whether something was, so that there may be more. */
export async function transmitTurn(needs: PushNeeds, signal: AbortSignal): Promise<boolean> {
  let done = (await distributeSignals(needs)) > 0;
  await beginFanOuts(needs);
  for (let step = 0; step < stepsInTurn && !signal.aborted && (await stepFanOut(needs)); step++) done = true;
  return (await pushDue(needs, signal)) > 0 || done;
}

/**
 * The worker's part of the transmitter: gives signals to streams, walks fan-outs and pushes, until stopped. Every worker
 * does it; each takes what nobody else has. Looks again every second when there is nothing to do.
 */
export function startTransmitter(needs: PushNeeds): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = (async () => {
    let agedAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        // By the clock and not when there is nothing else to do: on a large service there always is.
        const now = needs.clock.now();
        if (Math.abs(now - agedAt) >= minuteMs) {
          while ((await dropAged(needs.db, needs.random, now)) > 0 && !signal.aborted);
          agedAt = now;
        }
        if (await transmitTurn(needs, signal)) continue;
      } catch (thrown) {
        needs.log.warn({ reason: messageOf(thrown) }, "signals are looked at again in a second");
      }
      await sleep(secondMs, signal);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
