import { every, secondMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { clockSkewLimitMs, readClockSkew } from "../db/clock-skew.ts";
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

  async function agrees(): Promise<boolean> {
    const { apartMs, atLeastMs } = await readClockSkew(db.prompt, clock);
    const isRight = atLeastMs <= clockSkewLimitMs;
    if (!isRight) {
      log.error(
        { apartMs: Math.round(apartMs) },
        "this node's clock and the database's differ: it does no work until they agree",
      );
    }
    return isRight;
  }

  async function look(): Promise<void> {
    try {
      if (await agrees()) {
        stopWork ??= await start();
        return;
      }
      const stopping = stopWork;
      stopWork = undefined;
      await stopping?.();
    } catch (thrown) {
      // A database that does not answer says nothing of the clock.
      log.warn(
        { reason: messageOf(thrown) },
        "this node's clock could not be compared, or its work not begun; it is tried again",
      );
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
