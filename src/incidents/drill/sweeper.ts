import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { realpath, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../config/config.ts";
import { socketFolderOf } from "../../db/embedded.ts";
import { socketPathOf } from "../../keyholder/socket-path.ts";
import { clusterIn, endProcesses, processesNaming } from "./processes.ts";

export interface Sweeper {
  /** Has a process of the drill's, and all that it starts, ended with the drill, unless it ended before. */
  watch(child: ChildProcess): void;
  /** Ends what is watched, PostgreSQL included, without waiting for its work: nothing of it is kept. Removes the folder. */
  sweep(): Promise<void>;
}

const program = fileURLToPath(new URL("./sweep-process.ts", import.meta.url));

/**
 * Starts the process that cleans up after a drill, however the drill ends: it holds the other end of a pipe, and a pipe
 * ends with whoever holds it, also by SIGKILL. It has a session of its own, so that what is sent to the drill's
 * whole group or terminal does not reach it.
 */
export function startSweeper(folder: string): Sweeper {
  const sweeper = spawn(process.execPath, [program, folder], {
    cwd: "/",
    env: childEnvironment(),
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(sweeper, "close").catch(() => undefined);
  // One that was killed is noticed at the end.
  sweeper.stdin.on("error", () => undefined);
  const watched = new Set<number>();
  return {
    watch: (child) => {
      const { pid } = child;
      if (pid === undefined) return;
      watched.add(pid);
      sweeper.stdin.write(`+${pid}\n`);
      // The system gives a number to somebody else only after this.
      child.once("exit", () => {
        watched.delete(pid);
        sweeper.stdin.write(`-${pid}\n`);
      });
    },
    sweep: async () => {
      const last = [...watched];
      sweeper.stdin.end();
      await ended;
      if (sweeper.exitCode !== 0) await sweepFolder(folder, last);
    },
  };
}

/**
 * Ends those processes, those that name the folder and what they have started, and the PostgreSQL in it, and removes what they
 * made.
 */
export async function sweepFolder(folder: string, pids: readonly number[]): Promise<void> {
  const dataDir = join(folder, "data");
  await endProcesses([...pids, ...(await processesNaming(folder))], dataDir);
  // Sockets whose path would have been too long lie elsewhere.
  const cluster = clusterIn(await realpath(dataDir).catch(() => dataDir));
  for (const made of [socketFolderOf(cluster), dirname(socketPathOf(join(dataDir, "keys"))), folder]) {
    // An ffmpeg that was drawing may write its last file meanwhile.
    await rm(made, { recursive: true, force: true, maxRetries: 20 });
  }
}
