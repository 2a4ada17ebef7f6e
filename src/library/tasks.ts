import { sep } from "node:path";
import { every, minuteMs, plus, secondMs, sleep, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import type { Db } from "../db/db.ts";
import { defineTask, enqueue, type TaskDefinition } from "../jobs/jobs.ts";
import { kernelFileSystem } from "./kernel-file-system.ts";
import { readNames } from "./walk.ts";
import { makeArtwork, type ArtworkNeeds } from "./artwork.ts";
import { watchFolder, type FolderWatch } from "./watch-folder.ts";
import { requestPictures, scrubTask } from "./scrub/scrub-task.ts";
import { scanLibrary, settleMs, type ScanNeeds } from "./scan.ts";

export type LibraryTaskNeeds = ScanNeeds & ArtworkNeeds;

/**
 * The library's work for the worker: `scan-library` brings the tables in line with the folder and makes posters; scrub
 * pictures come after it, when nothing else is to be done.
 */
export function libraryTasks(needs: LibraryTaskNeeds): readonly TaskDefinition[] {
  return [
    defineTask("scan-library", async (_payload, { signal }) => {
      const outcome = await scanLibrary(needs, signal);
      if (outcome.kind === "away") return;
      await makeArtwork(needs, signal);
      await requestPictures(needs);
      const { waiting, failed } = outcome.counts;
      if (waiting > 0 || failed > 0) await requestScan(needs, failed > 0 ? minuteMs : settleMs + secondMs);
    }),
    scrubTask(needs),
  ];
}

/**
 * Asks for a scan. At most one waits at a time: a request while one waits joins it, and while one runs there is one
 * after it.
 */
export async function requestScan(
  { db, clock }: { readonly db: Db; readonly clock: Clock },
  delayMs = 0,
): Promise<void> {
  const runAt = plus(clock.now(), delayMs);
  await db.transaction((tx) => enqueue(tx, "scan-library", {}, { key: "scan-library", queue: "scan-library", runAt }));
}

interface WatchNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly libraryDir: string;
  /** The pause before a watch that ended begins anew: it reads the whole tree. */
  readonly rewatchMs?: number;
  /** The pause between scans for what a watch misses: on network drives, and above the system's limit of watches. */
  readonly rescanMs?: number;
}

/** Changes are gathered this long: a folder that is being copied makes thousands. */
const gatherMs = 2 * secondMs;

/** Names that are watched: the system's recursive watch reads all of them before it returns. */
const mostWatched = 200_000;

/** Whether the tree is small enough to be watched, and on disks alone. It is read no further than that takes. */
export async function isWatchable(root: string, mostNames = mostWatched): Promise<boolean> {
  const folders = [Buffer.from(root)];
  let left = mostNames;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if ((await kernelFileSystem(folder)) !== undefined) return false;
    const here = folder;
    const names = await readNames(here, left).catch(() => []);
    left -= names.length;
    if (left < 0) return false;
    for (const entry of names) {
      if (entry.isDirectory()) folders.push(Buffer.concat([here, Buffer.from(sep), entry.name]));
    }
  }
  return true;
}

/**
 * Asks for a scan now, soon after each change in the folder, and every 15 minutes in case a change was not noticed.
 * Where the system cannot watch, the rescans remain; a folder that is not there is made if it can be, and else looked for by them.
 */
export async function startLibraryWatch(needs: WatchNeeds): Promise<{ stop(): Promise<void> }> {
  const { log, libraryDir, rewatchMs = minuteMs, rescanMs = 15 * minuteMs } = needs;
  const stopping = new AbortController();
  const stopped = new Promise<string>((resolve) => {
    stopping.signal.addEventListener("abort", () => resolve("it is stopped"), { once: true });
  });
  let gathering: Promise<void> | undefined;
  const request = async (): Promise<void> => {
    try {
      await requestScan(needs);
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, "a scan could not be asked for; the next one is at most 15 minutes away");
    }
  };
  const noticed = (): void => {
    gathering ??= sleep(gatherMs, stopping.signal).then(() => {
      gathering = undefined;
      return stopping.signal.aborted ? undefined : request();
    });
  };

  let watching: FolderWatch | undefined;
  const start = async (): Promise<void> => {
    try {
      if (!(await isWatchable(libraryDir))) throw new Error("it holds too many names, or folders that are no disk's");
      watching = await watchFolder(libraryDir, noticed);
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, "the library cannot be watched; it is scanned every 15 minutes");
    }
  };
  /** As long as it can be watched at all: what happened in a pause is found by the scan after it. */
  const keepWatching = async (): Promise<void> => {
    while (watching !== undefined && !stopping.signal.aborted) {
      const reason = await Promise.race([watching.ended, stopped]);
      if (stopping.signal.aborted) return;
      watching = undefined;
      log.warn({ reason }, "the watch over the library ended; it begins anew, and the library is scanned");
      await sleep(rewatchMs, stopping.signal);
      if (stopping.signal.aborted) return;
      await start();
      await request();
    }
  };

  // A disk of films that is away keeps nobody from signing in, nor an operator from containing.
  await makeFolder(libraryDir).catch((thrown: unknown) => {
    log.error({ reason: messageOf(thrown) }, "the library's folder is not there, and cannot be made");
  });
  await request();
  await start();
  const keeping = keepWatching();
  const rescan = every(rescanMs, request);
  return {
    stop: async () => {
      stopping.abort();
      await keeping;
      await watching?.stop();
      await gathering;
      await rescan.stop();
    },
  };
}
