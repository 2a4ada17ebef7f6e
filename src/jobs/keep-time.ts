import { every, secondMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import { readClockSkew } from "../db/clock-skew.ts";
import type { Db } from "../db/db.ts";

const lookEveryMs = 5 * secondMs;

/**
 * Works while this node's clock is the database's, to two seconds. A worker decides what has expired, and much of it is for
 * good: accounts are deleted, letters given up, signals dropped. One whose clock is wrong stops as it does when it is told to,
 * which hands back what it has begun, and goes on by itself once the clock is right. Others do its work meanwhile.
 *
 * `start` answers with how to stop; what it throws at the first start is thrown, and tried again later on.
 */
export async function workWhileClockAgrees(
  { db, clock, log }: { readonly db: Db; readonly clock: Clock; readonly log: Log },
  start: () => Promise<() => Promise<void>>,
  everyMs: number = lookEveryMs,
): Promise<{ stop(): Promise<void> }> {
  let stopWork: (() => Promise<void>) | undefined;
  const wrong = recurring(log, {
    level: "error",
    says: "this node's clock and the database's differ: it does no work until they agree",
    ends: "this node's clock and the database's agree again",
  });
  const troubled = recurring(log, {
    says: "this node's clock could not be compared, or its work not begun; it is tried again",
    ends: "this node's clock is compared again",
  });

  async function agrees(): Promise<boolean> {
    const { apartMs, isRight } = await readClockSkew(db.prompt, clock);
    if (isRight) wrong.over();
    // Another order of magnitude is another kind: a clock that was set, and wrongly again, is news; one that drifts is not.
    else wrong.found({ apartMs: Math.round(apartMs) }, `${Math.round(Math.log2(apartMs))}`);
    return isRight;
  }

  async function look(): Promise<void> {
    try {
      if (await agrees()) {
        stopWork ??= await start();
        troubled.over();
        return;
      }
      troubled.over();
      const stopping = stopWork;
      stopWork = undefined;
      await stopping?.();
    } catch (thrown) {
      // A database that does not answer says nothing of the clock.
      troubled.found({ reason: messageOf(thrown) });
    }
  }

  if (await agrees()) stopWork = await start();
  const looking = every(everyMs, look);
  return {
    stop: async () => {
      await looking.stop();
      await stopWork?.();
    },
  };
}
