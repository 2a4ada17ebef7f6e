import { minuteMs, secondMs, sleep } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";

const firstPauseMs = 200;
const longestPauseMs = 10 * secondMs;
/** A walk to which the database has not answered for so long ends, and another begins later. */
const longestAbsenceMs = 2 * minuteMs;

/**
 * Does what writes to the database, again and again while its disk is full (SQLSTATE 53100), and for two minutes while it
 * does not answer. Throws what the last try threw once `signal` aborts, and anything else at once.
 */
export async function untilItCan<Result>(
  log: Log,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  let absentMs = 0;
  const waits = recurring(log, {
    says: "a campaign waits until the database can write again",
    ends: "a campaign waits no more: the database writes again",
  });
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const result = await work();
      waits.over();
      return result;
    } catch (thrown) {
      const code = thrown instanceof Fault ? thrown.code : undefined;
      if (code === "DB_UNAVAILABLE") absentMs += pauseMs;
      const isPassing = code === "DISK_FULL" || (code === "DB_UNAVAILABLE" && absentMs < longestAbsenceMs);
      if (!isPassing || signal?.aborted === true) throw thrown;
      waits.found({ reason: code });
      await sleep(pauseMs, signal);
    }
  }
}
