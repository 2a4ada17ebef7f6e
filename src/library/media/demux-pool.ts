import { Worker } from "node:worker_threads";
import { every, minuteMs, secondMs, sleep } from "../../kernel/clock.ts";
import { Fault, messageOf } from "../../kernel/fault.ts";
import type { Log } from "../../kernel/log.ts";
import type {
  AudioJob,
  DemuxAnswer,
  DemuxJob,
  DemuxMessage,
  Description,
  Samples,
  Unreadable,
  VideoJob,
} from "./demux-jobs.ts";
import { newReadCount, readUnderWay } from "./disk-reads.ts";

export interface DemuxPool {
  /** Everything that an index needs. A Matroska file without Cues is read whole. */
  describe(path: string, signal: AbortSignal): Promise<Description | Unreadable>;
  /** The frames of one segment. Fault `BUSY` when too many wait, or the disk gives nothing. */
  read(job: VideoJob | AudioJob, signal: AbortSignal): Promise<Samples | Unreadable>;
  close(): Promise<void>;
}

export interface DemuxPoolOptions {
  readonly threads: number;
  readonly log: Log;
  /** A thread that says nothing for this long, and does not wait for the disk, is ended. */
  readonly silenceMs?: number;
  /** What a disk is waited for. */
  readonly diskMs?: number;
  /** Jobs that wait for one thread. */
  readonly queueLength?: number;
}

/** Loading the demuxer on a busy machine. */
const startMs = 20 * secondMs;
/** Until a disk gives what is read: one that sleeps takes up to ten seconds to wake. */
const wakeMs = 15 * secondMs;
/** However alive it is: 10 minutes read 60 GB from a good disk. */
const describeMs = 10 * minuteMs;
const readMs = 20 * secondMs;
const tidyMs = 10 * secondMs;

interface Waiting {
  readonly job: DemuxJob;
  readonly signal: AbortSignal;
  readonly resolve: (answer: DemuxAnswer) => void;
  readonly reject: (fault: Fault) => void;
}

interface Thread {
  readonly queue: Waiting[];
  worker: Worker | undefined;
  ready: boolean;
  current: Waiting | undefined;
  /** Of the worker's reads. */
  reads: Int32Array;
  /** Ends the watch over the thread's silence; each sign of life begins a new one. */
  watch: AbortController;
  /** Ends the watch over the whole job. */
  whole: AbortController;
}

/**
 * Demuxers in threads of their own, one job at a time in each. Files are hostile: 1 in 14 MP4 files with a few changed
 * header bytes makes the demuxer run for ever, so a thread that is silent for 2 seconds once it has opened the file is ended and
 * the file called unreadable. A thread that waits for the disk is silent too, and is not ended for that: the system may have had no more
 * of the file in memory than its first page. A file always goes to the same thread, which keeps it open for a while.
 */
export function startDemuxPool(options: DemuxPoolOptions): DemuxPool {
  const { threads, log, silenceMs = 2 * secondMs, diskMs = wakeMs, queueLength = 256 } = options;
  let closed = false;
  const all = Array.from({ length: threads }, (): Thread => ({
    queue: [],
    worker: undefined,
    ready: false,
    current: undefined,
    reads: newReadCount(),
    watch: new AbortController(),
    whole: new AbortController(),
  }));

  const settle = (thread: Thread, answer: (waiting: Waiting) => void): void => {
    thread.watch.abort();
    thread.whole.abort();
    const done = thread.current;
    thread.current = undefined;
    if (done !== undefined) answer(done);
    pump(thread);
  };

  const end = (thread: Thread, answer: (waiting: Waiting) => void): void => {
    const { worker } = thread;
    thread.worker = undefined;
    thread.ready = false;
    void worker?.terminate();
    settle(thread, answer);
  };
  const unreadable =
    (reason: string) =>
    ({ resolve }: Waiting): void =>
      resolve({ kind: "unreadable", reason, changed: false });
  /** The file is not to blame: it may be asked for again. */
  const asleep = ({ reject }: Waiting): void => reject(new Fault("BUSY", "the disk gives no answer"));

  const hung = unreadable("the demuxer gave no answer");

  /** Calls `over` unless the returned controller is aborted in time. */
  const limit = (limitMs: number, over: () => void): AbortController => {
    const heard = new AbortController();
    void sleep(limitMs, heard.signal).then(() => {
      if (!heard.signal.aborted) over();
    });
    return heard;
  };
  const watch = (thread: Thread, limitMs: number, over: () => void): void => {
    thread.watch.abort();
    thread.watch = limit(limitMs, over);
  };
  /** Waits for a sign of life; for one read, `before`, the disk has been waited for `waitedMs` already. */
  const listen = (thread: Thread, before?: number, waitedMs = 0): void => {
    watch(thread, silenceMs, () => {
      const read = readUnderWay(thread.reads);
      if (read === undefined) return end(thread, hung);
      const waited = (read === before ? waitedMs : 0) + silenceMs;
      if (waited >= diskMs) return end(thread, asleep);
      if (read !== before) log.info({ path: thread.current?.job.path }, "a disk is waited for");
      listen(thread, read, waited);
    });
  };

  const start = (thread: Thread): void => {
    // One that was ended may still wait in the system, and count once more.
    thread.reads = newReadCount();
    const worker = new Worker(new URL("./demux-worker.ts", import.meta.url), {
      workerData: thread.reads,
      resourceLimits: { maxOldGenerationSizeMb: 768 },
    });
    thread.worker = worker;
    worker.on("message", (message: DemuxMessage) => {
      if (thread.worker !== worker) return;
      switch (message.kind) {
        case "ready":
          thread.watch.abort();
          thread.ready = true;
          pump(thread);
          return;
        case "alive":
          listen(thread);
          return;
        default:
          settle(thread, ({ resolve }) => resolve(message));
      }
    });
    const gone = (reason: string): void => {
      if (thread.worker !== worker) return;
      log.warn({ reason, path: thread.current?.job.path }, "a demuxing thread ended");
      // A thread that cannot even start would be started for ever.
      if (!thread.ready) thread.current ??= thread.queue.shift();
      end(thread, unreadable(reason));
    };
    worker.on("error", (error: unknown) => gone(messageOf(error)));
    worker.on("exit", () => gone("the demuxer ended"));
    watch(thread, startMs, () => end(thread, hung));
  };

  const pump = (thread: Thread): void => {
    if (closed || thread.current !== undefined) return;
    while (thread.queue[0]?.signal.aborted === true) {
      thread.queue.shift()?.reject(new Fault("BUSY", "nobody waits any more"));
    }
    if (thread.queue.length === 0) return;
    if (thread.worker === undefined) start(thread);
    if (!thread.ready || thread.worker === undefined) return;
    const next = thread.queue.shift();
    if (next === undefined) return;
    thread.current = next;
    const wholeMs = next.job.kind === "describe" ? describeMs : readMs;
    const tooLong = unreadable("reading it took too long");
    thread.whole = limit(wholeMs, () => end(thread, readUnderWay(thread.reads) === undefined ? tooLong : asleep));
    watch(thread, diskMs, () => end(thread, asleep));
    thread.worker.postMessage(next.job);
  };

  const ask = (job: DemuxJob, signal: AbortSignal): Promise<DemuxAnswer> =>
    new Promise((resolve, reject) => {
      const thread = all[threadOf(job.path, threads)];
      if (closed || thread === undefined || thread.queue.length >= queueLength) {
        reject(new Fault("BUSY", "too many reads wait"));
        return;
      }
      thread.queue.push({ job, signal, resolve, reject });
      pump(thread);
    });

  const tidy = every(tidyMs, async () => {
    for (const { worker, ready } of all) if (ready) worker?.postMessage("tidy");
  });

  return {
    describe: async (path, signal) => {
      const answer = await ask({ kind: "describe", path }, signal);
      if (answer.kind === "samples") throw new Fault("IMPOSSIBLE", "a demuxing thread answered another question");
      return answer;
    },
    read: async (job, signal) => {
      const answer = await ask(job, signal);
      if (answer.kind === "described") throw new Fault("IMPOSSIBLE", "a demuxing thread answered another question");
      return answer;
    },
    close: async () => {
      closed = true;
      await tidy.stop();
      await Promise.all(
        all.map(async (thread) => {
          const { worker } = thread;
          thread.worker = undefined;
          thread.watch.abort();
          thread.whole.abort();
          for (const { reject } of thread.queue.splice(0)) reject(new Fault("BUSY", "the service is stopping"));
          thread.current?.reject(new Fault("BUSY", "the service is stopping"));
          thread.current = undefined;
          await worker?.terminate();
        }),
      );
    },
  };
}

function threadOf(path: string, threads: number): number {
  let hash = 0;
  for (let i = 0; i < path.length; i++) hash = (hash * 31 + path.charCodeAt(i)) | 0;
  return Math.abs(hash) % threads;
}
