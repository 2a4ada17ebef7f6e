import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { messageOf } from "../kernel/fault.ts";

export interface FolderWatch {
  /** Resolves with the reason when the watch has ended by itself. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Watches a folder and all below it, in a thread of its own: whoever changes files in it at the wrong moment ends that
 * thread, and not the process. `changed` is called a second apart at most.
 *
 * @throws what the system says when it cannot watch.
 */
export async function watchFolder(folder: string, changed: () => void): Promise<FolderWatch> {
  const thread = new Worker(new URL("./watch-worker.ts", import.meta.url), {
    workerData: folder,
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  const ended = Promise.withResolvers<string>();
  thread.on("error", (error: unknown) => ended.resolve(messageOf(error)));
  thread.on("exit", () => ended.resolve("the thread that watches it ended"));
  // "ready", or what it throws before it is.
  await once(thread, "message");
  thread.on("message", changed);
  thread.unref();
  return {
    ended: ended.promise,
    stop: async () => {
      await thread.terminate();
    },
  };
}
