import { open, rename, rm } from "node:fs/promises";
import { secondMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { recurring } from "../kernel/recurring.ts";
import {
  isReserveShort,
  mebibytes,
  readDatabaseDisk,
  reserveBytes,
  reservePath,
  unfinishedReserve,
  type DatabaseDisk,
} from "./reserve.ts";

const lookEveryMs = 2 * secondMs;
/** What has not changed is said again after so many looks: an hour. */
const looksBetween = 1_800;
const chunkBytes = 2 ** 20;
/** Making it must not be what fills the disk. */
const leastLeftBytes = reserveBytes;

interface Needs {
  readonly dataDir: string;
  readonly log: Log;
  readonly random: Random;
  readonly pauseMs?: number;
}

/**
 * Keeps the reserve of the built-in database: makes it at once, and again whenever it is not whole and there is room for it and
 * as much besides. Says in the log when room becomes scarce, when the reserve is not whole, and when all is well again.
 * One process of a data folder does this: the service that owns its database.
 */
export function keepReserve(needs: Needs): { stop(): Promise<void> } {
  const { dataDir, log, pauseMs = lookEveryMs } = needs;
  const stopping = new AbortController();
  const say = sayer(log);
  const unmade = recurring(log, { says: "the reserve could not be made", ends: "the reserve is looked after again" });

  const look = async (): Promise<void> => {
    const found = await readDatabaseDisk(dataDir);
    if (found === undefined) return;
    const hasRoom = found.freeBytes >= reserveBytes + leastLeftBytes;
    const isMade = isReserveShort(found) && hasRoom && (await makeReserve(needs, stopping.signal));
    if (!stopping.signal.aborted) say(isMade ? ((await readDatabaseDisk(dataDir)) ?? found) : found);
  };

  const looking = (async () => {
    // One that a kill has left half made takes up room.
    await rm(unfinishedReserve(dataDir), { force: true }).catch(() => undefined);
    while (!stopping.signal.aborted) {
      await look().then(
        () => unmade.over(),
        (thrown: unknown) => unmade.found({ reason: messageOf(thrown) }),
      );
      await sleep(pauseMs, stopping.signal);
    }
  })();

  return {
    stop: async () => {
      stopping.abort();
      await looking;
    },
  };
}

const neededText = mebibytes(reserveBytes + leastLeftBytes);

const statesSay: Readonly<Record<DatabaseDisk["state"], string>> = {
  well: "the database's disk has room",
  low: "less than 1 GiB is free on the database's disk; when it is full nobody can sign in or renew",
  full: "the database's disk is full: nobody can sign in or renew, and no letter goes; free space on it",
};

/** Says what has changed, and what has not after an hour. */
function sayer(log: Log): (found: DatabaseDisk) => void {
  let said = "well";
  let looks = 0;
  return (found) => {
    const isWhole = !isReserveShort(found);
    const now = isWhole ? found.state : `${found.state}, reserve ${found.reserveBytes}`;
    looks = now === said ? looks + 1 : 0;
    if (looks % looksBetween !== 0 || (now === said && now === "well")) return;
    said = now;
    const facts = { free: mebibytes(found.freeBytes), reserve: mebibytes(found.reserveBytes) };
    if (isWhole && found.state === "well") {
      log.info(facts, "there is room on the database's disk again, and the reserve is whole");
      return;
    }
    const short = `what is kept to contain on when it is full is not whole, and is made as soon as ${neededText} are free`;
    const says = `${statesSay[found.state]}${isWhole ? "" : `; ${short}`}`;
    if (isWhole && found.state === "low") log.warn(facts, says);
    else log.error(facts, says);
  };
}

/**
 * Makes the reserve under another name and renames it, so that it is whole or not there. It is filled with random bytes, since a file
 * system that compresses, or stores equal blocks once, would keep nothing of zeros; and flushed, since one that allocates late may
 * find no blocks then.
 *
 * @returns whether it was made; false if the disk has filled meanwhile.
 */
async function makeReserve({ dataDir, random }: Needs, signal: AbortSignal): Promise<boolean> {
  const unfinished = unfinishedReserve(dataDir);
  await rm(unfinished, { force: true });
  try {
    const file = await open(unfinished, "wx", 0o600);
    try {
      for (let written = 0; written < reserveBytes; written += chunkBytes) {
        const { freeBytes = 0 } = (await readDatabaseDisk(dataDir)) ?? {};
        if (signal.aborted || freeBytes < leastLeftBytes) return false;
        await file.write(random.bytes(chunkBytes));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, reservePath(dataDir));
    return true;
  } finally {
    await rm(unfinished, { force: true }).catch(() => undefined);
  }
}
