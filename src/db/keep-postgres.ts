import { sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { recurring } from "../kernel/recurring.ts";
import { isAlive } from "./embedded-process.ts";
import { startPostgres, type RunningPostgres, type StartPostgresOptions } from "./embedded.ts";

const lookEveryMs = 250;
const firstPauseMs = 250;
const longestPauseMs = 5_000;

/**
 * Starts PostgreSQL (see `startPostgres`) and starts it again whenever its postmaster is gone: killed, stopped by hand,
 * out of memory or disk. Where it is reached stays the same. The first start's failure is thrown; later ones are logged
 * and tried again, since the disk may be freed.
 */
export async function keepPostgres(
  options: StartPostgresOptions,
): Promise<Pick<RunningPostgres, "connection" | "stop">> {
  const { log } = options;
  let running = await startPostgres(options);
  const stopping = new AbortController();

  const down = recurring(log, {
    level: "error",
    says: "PostgreSQL does not start; it is tried again",
    ends: "PostgreSQL has started again",
  });

  async function startAgain(): Promise<void> {
    for (let pauseMs = firstPauseMs; !stopping.signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        running = await startPostgres(options);
        down.over();
        return;
      } catch (thrown) {
        down.found({ reason: messageOf(thrown) });
        await sleep(pauseMs, stopping.signal);
      }
    }
  }

  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await sleep(lookEveryMs, stopping.signal);
      if (stopping.signal.aborted || (await isAlive(running.pid))) continue;
      log.error({ pid: running.pid }, "PostgreSQL ended by itself and is started again");
      await startAgain();
    }
  })();

  return {
    connection: running.connection,
    stop: async () => {
      stopping.abort();
      await watching;
      await running.stop();
    },
  };
}
