import { parentPort, workerData } from "node:worker_threads";
import { Logging, LogLevel } from "mediabunny";
import { secondMs, steadyClock } from "../../kernel/clock.ts";
import { messageOf } from "../../kernel/fault.ts";
import type { DemuxAnswer, DemuxJob, DemuxMessage } from "./demux-jobs.ts";
import { describeMedia } from "./describe-media.ts";
import { countedReads } from "./disk-reads.ts";
import { openMedia, UnreadableMedia, type OpenMedia } from "./open-media.ts";
import { readAudio, readVideo } from "./read-samples.ts";

// One job at a time: the caller keeps the queue, and ends this thread when it is silent for too long.

/** An open film of two hours holds up to 22 MB; with forty open, collecting garbage doubles the time of a segment. */
const maxOpen = 8;
const idleMs = 30 * secondMs;

// What the demuxer thinks of a file is said in the answer.
Logging.level = LogLevel.Silent;

const say = (message: DemuxMessage, transfer: ArrayBuffer[] = []): void => parentPort?.postMessage(message, transfer);

const sayAlive = (): void => say({ kind: "alive" });

const readDisk = countedReads(workerData as Int32Array);

/** By path, the least recently used first. */
const open = new Map<string, { readonly media: OpenMedia; readonly usedAt: number }>();

function shut(path: string): void {
  open.get(path)?.media.close();
  open.delete(path);
}

async function mediaOf(path: string, fingerprint: string): Promise<OpenMedia> {
  const before = open.get(path);
  if (before !== undefined && before.media.fingerprint === fingerprint) {
    open.delete(path);
    open.set(path, { media: before.media, usedAt: steadyClock.now() });
    sayAlive();
    return before.media;
  }
  if (before !== undefined) shut(path);
  const media = await openMedia(path, readDisk, sayAlive);
  if (media.fingerprint !== fingerprint) {
    media.close();
    throw new UnreadableMedia("the file has changed", true);
  }
  open.set(path, { media, usedAt: steadyClock.now() });
  const [oldest] = open.keys();
  if (open.size > maxOpen && oldest !== undefined) shut(oldest);
  return media;
}

async function answer(job: DemuxJob): Promise<DemuxAnswer> {
  switch (job.kind) {
    case "describe": {
      const media = await openMedia(job.path, readDisk, sayAlive);
      try {
        return await describeMedia(media, sayAlive);
      } finally {
        media.close();
      }
    }
    case "video":
      return readVideo(await mediaOf(job.path, job.fingerprint), job);
    case "audio":
      return readAudio(await mediaOf(job.path, job.fingerprint), job);
  }
}

async function run(job: DemuxJob): Promise<void> {
  try {
    const done = await answer(job);
    say(done, done.kind === "samples" ? [done.buffer] : []);
  } catch (thrown) {
    if (job.kind !== "describe") shut(job.path);
    const changed = thrown instanceof UnreadableMedia && thrown.changed;
    say({ kind: "unreadable", reason: messageOf(thrown), changed });
  }
}

parentPort?.on("message", (job: DemuxJob | "tidy") => {
  if (job !== "tidy") {
    void run(job);
    return;
  }
  for (const [path, { usedAt }] of open) if (steadyClock.now() - usedAt > idleMs) shut(path);
});
say({ kind: "ready" });
