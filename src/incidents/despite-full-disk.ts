import { secondMs, sleep } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Reserve } from "../db/reserve.ts";

const pauseMs = 250;
/** How long PostgreSQL may take to come back: whatever keeps it running tries every five seconds, and recovery takes a second or two. */
const comesBackWithinMs = 15 * secondMs;

const isAway: ReadonlySet<string> = new Set(["DB_UNAVAILABLE", "DB_START_FAILED"]);

export interface GivenUp {
  readonly givenUpBytes: number;
  readonly leftBytes: number;
}

/**
 * Runs a containment. Whenever the disk is full it gives up a step of the reserve and runs it again, until it succeeds or nothing is
 * left to give up. The disk is full when the database says so (SQLSTATE 53100), or when the database is away, as after a panic for
 * want of WAL, and its disk has no room for a segment. `work` may take effect twice: when a connection ends in the middle, nobody
 * knows whether it did.
 *
 * Without a reserve (the database is elsewhere) `work` runs once.
 *
 * @returns the result, and what was given up: `undefined` if nothing was.
 */
export async function despiteFullDisk<Result>(
  { reserve, log }: { readonly reserve: Reserve | undefined; readonly log: Log },
  work: (reserve: Reserve | undefined) => Promise<Result>,
): Promise<{ readonly result: Result; readonly givenUp: GivenUp | undefined }> {
  if (reserve === undefined) return { result: await work(undefined), givenUp: undefined };
  let givenUpBytes = 0;
  let leftToWaitMs = 0;
  const giveUp = async (): Promise<number> => {
    const bytes = await reserve.giveUp();
    givenUpBytes += bytes;
    if (bytes > 0) leftToWaitMs = comesBackWithinMs;
    return bytes;
  };
  for (;;) {
    try {
      const result = await work({ ...reserve, giveUp });
      return { result, givenUp: givenUpBytes === 0 ? undefined : { givenUpBytes, leftBytes: await reserve.left() } };
    } catch (thrown) {
      const code = thrown instanceof Fault ? thrown.code : "";
      if (code !== "DISK_FULL" && !isAway.has(code)) throw thrown;
      // PostgreSQL comes back by itself, in the room that it was given.
      if (code !== "DISK_FULL" && leftToWaitMs > 0) {
        leftToWaitMs -= pauseMs;
        await sleep(pauseMs);
        continue;
      }
      if (code !== "DISK_FULL" && !(await reserve.isDiskFull())) throw thrown;
      if ((await giveUp()) === 0) throw noneLeft(thrown);
      log.error({ fault: code }, "the database's disk is full: what contains is done again in what was given up");
    }
  }
}

const noneLeft = (cause: unknown): Fault =>
  new Fault(
    "DISK_FULL",
    "the database's disk is full, and there is no reserve to give up\n" +
      "stop what fills it, free 128 MiB or more on it, and contain again",
    { cause },
  );
