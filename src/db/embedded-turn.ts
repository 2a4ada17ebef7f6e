import { join } from "node:path";
import { secondMs, sleep, timeIsOver } from "../kernel/clock.ts";
import { lockFile, type FileLock } from "../kernel/file-lock.ts";

/** Longer than a start or a stop usually takes. */
const patienceMs = 30 * secondMs;
const lookEveryMs = 20;

/**
 * Does what decides about a data folder's server (looking for it, starting it, stopping it) while no other process does: each begins by
 * ending whatever is half there, which may be what another has just started.
 *
 * Whoever has waited for half a minute goes on without: the other may be suspended, or wait for a recovery, and containing must not
 * wait for it. So does who cannot lock, as on a disk that has no room for the file.
 */
export async function inTurn<Result>(dataDir: string, work: () => Promise<Result>): Promise<Result> {
  const turn = await takeTurn(join(dataDir, "postgres.lock"));
  try {
    return await work();
  } finally {
    turn?.release();
  }
}

async function takeTurn(path: string): Promise<FileLock | undefined> {
  try {
    for (const isOver = timeIsOver(patienceMs); !isOver();) {
      const turn = lockFile(path);
      if (turn !== undefined) return turn;
      await sleep(lookEveryMs);
    }
  } catch {
    // The server's own lock file still keeps two of them apart.
  }
  return undefined;
}
