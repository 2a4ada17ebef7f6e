import { lchownSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { secondMs, sleep, timeIsOver } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { lockFile, type FileLock } from "../kernel/file-lock.ts";
import type { Log } from "../kernel/log.ts";

/** Longer than a start or a stop usually takes. */
const patienceMs = 30 * secondMs;
const lookEveryMs = 20;

/**
 * Does what decides about a data folder's server (looking for it, starting it, stopping it) while no other process does: each begins by
 * ending whatever is half there, which may be what another has just started.
 *
 * Whoever has waited for half a minute goes on without, and says so: the other may be suspended, or wait for a recovery, and containing
 * must not wait for it. So does who cannot lock, as on a disk that has no room for the file.
 */
export async function inTurn<Result>(dataDir: string, log: Log, work: () => Promise<Result>): Promise<Result> {
  const turn = await takeTurn(dataDir).catch((thrown: unknown) => {
    log.warn({ reason: messageOf(thrown) }, "whether another process starts or stops PostgreSQL cannot be known");
    return undefined;
  });
  if (turn === "held")
    log.warn("another process has been starting or stopping PostgreSQL for long; going on beside it");
  try {
    return await work();
  } finally {
    if (turn !== "held") turn?.release();
  }
}

async function takeTurn(dataDir: string): Promise<FileLock | "held"> {
  const path = join(dataDir, "postgres.lock");
  for (const isOver = timeIsOver(patienceMs); !isOver();) {
    const turn = lockFile(path);
    if (turn !== undefined) {
      giveToOwnerOf(dataDir, path);
      return turn;
    }
    await sleep(lookEveryMs);
  }
  return "held";
}

/** A command that root gives must leave no file that the service's user cannot lock. */
function giveToOwnerOf(folder: string, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = lstatSync(folder);
  if (lstatSync(path).uid !== uid) lchownSync(path, uid, gid);
}
