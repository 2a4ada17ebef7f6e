import { processesOf } from "./service-processes.ts";
import { eventually, type RunningService } from "./running-service.ts";

/** In MiB, after a full collection: what is held, and not what waits to be given back. */
export interface Held {
  readonly heapUsed: number;
  /** Outside of V8's heap: buffers, and what C++ holds for objects. */
  readonly external: number;
  /** Of the whole process, which keeps pages for the next time. */
  readonly rss: number;
}

/**
 * The memory of the running web process, measured from outside by the inspector that Node opens on SIGUSR1. Start the service
 * with `NODE_OPTIONS=--inspect-port=0`, so that any port will do.
 */
export async function openHeap(service: RunningService): Promise<{ held(): Promise<Held>; close(): void }> {
  const web = (await processesOf(service))?.web;
  if (web === undefined) throw new Error("there is no web process");
  process.kill(web, "SIGUSR1");
  const address = await eventually(
    "the inspector",
    async () => /Debugger listening on (ws:\/\/[^\s]+)/.exec(service.output())?.[1],
  );
  const socket = new WebSocket(address);
  const waiting = new Map<number, (result: Record<string, unknown>) => void>();
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: Record<string, unknown> };
    if (id !== undefined) waiting.get(id)?.(result ?? {});
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", reject, { once: true });
  });
  let last = 0;
  const ask = (method: string, params: object = {}): Promise<Record<string, unknown>> =>
    new Promise((resolve) => {
      const id = ++last;
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params }));
    });
  return {
    close: () => socket.close(),
    held: async () => {
      // What the first collection finalises, the second takes.
      for (let round = 0; round < 2; round++) await ask("HeapProfiler.collectGarbage");
      const expression = "JSON.stringify(process.memoryUsage())";
      const { result } = await ask("Runtime.evaluate", { expression });
      const usage = JSON.parse(String((result as { value?: unknown }).value)) as Record<keyof Held, number>;
      const mebibytes = (bytes: number): number => bytes / 1_048_576;
      return {
        heapUsed: mebibytes(usage.heapUsed),
        external: mebibytes(usage.external),
        rss: mebibytes(usage.rss),
      };
    },
  };
}
