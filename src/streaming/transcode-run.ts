import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { messageOf } from "../kernel/fault.ts";
import { aacInit, aacSegment, adtsCutter } from "./aac.ts";
import { inputArguments, startFfmpeg, type FfmpegChild, type FfmpegNeeds } from "./ffmpeg-child.ts";
import { fragmentCutter, placeFragment } from "./fragments.ts";
import {
  audioArguments,
  audioRate,
  gridOf,
  videoArguments,
  type AudioRendition,
  type Origin,
  type Rendition,
  type TranscodeFile,
  type VideoRendition,
} from "./transcode-plan.ts";

/** What a run has made: an initialization or a segment. */
export interface Made {
  readonly body: Buffer;
  readonly etag: string;
}

/** How far a run may get ahead of the last segment asked for; then its pipe is left full and the encoder stands still. */
const aheadSegments = 15;
/** Segments behind it that stay, for a player that steps back a little or asks twice. */
const behindSegments = 4;
/** The same bound in bytes, whatever the rate. */
const maxHeldBytes = 64 * 1024 * 1024;

/** Why there will be no such segment from this run. */
export type NotMade = { readonly kind: "failed"; readonly reason: string } | { readonly kind: "not-installed" };

/**
 * One ffmpeg that encodes one rendition from one segment to the end of the film, and what it has made so far. Everything
 * stays in memory and is bounded: nothing is written to a disk, so there is nothing to fill and nothing to tidy up, and
 * the pipe itself holds the encoder back when the player is slow.
 */
export interface TranscodeRun {
  readonly from: number;
  readonly pid: number | undefined;
  /** The next segment that it will make. */
  next(): number;
  /** How it ended; `undefined` while it runs. */
  ending(): "done" | "killed" | NotMade | undefined;
  init(): Made | undefined;
  segment(n: number): Made | undefined;
  /** Says that a player is at segment n: what lies well behind is let go, and encoding goes on up to well ahead. */
  advance(n: number): void;
  /** Resolves when something was made or the run ended. */
  changed(): Promise<void>;
  kill(): void;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
}

export const madeOf = (body: Buffer): Made => ({
  body,
  etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 24)}"`,
});

export function startRun(
  needs: FfmpegNeeds & { readonly threads: number },
  file: TranscodeFile,
  rendition: Rendition,
  from: number,
  origin: Origin,
): TranscodeRun {
  const made = new Map<number, Made>();
  let heldBytes = 0;
  let nextSegment = from;
  let asked = from;
  let init: Made | undefined;
  let ending: "done" | "killed" | NotMade | undefined;
  let wake: () => void = () => undefined;
  let change = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const announce = (): void => {
    wake();
    change = new Promise((resolve) => {
      wake = resolve;
    });
  };

  const keep = (body: Buffer): void => {
    made.set(nextSegment, madeOf(body));
    heldBytes += body.length;
    nextSegment++;
    hold();
    announce();
  };
  const drop = (n: number): void => {
    heldBytes -= made.get(n)?.body.length ?? 0;
    made.delete(n);
  };
  const hold = (): void => {
    const isFull = nextSegment - asked > aheadSegments || heldBytes > maxHeldBytes;
    if (isFull) child.output.pause();
    else child.output.resume();
  };
  const setInit = (body: Buffer): void => {
    init = madeOf(body);
    announce();
  };

  const { child, push } =
    rendition.kind === "video"
      ? videoRun(needs, file, rendition, from, origin, { keep, setInit })
      : audioRun(needs, file, rendition, from, origin, { keep, setInit });

  let broken: string | undefined;
  child.output.on("data", (part: Buffer) => {
    try {
      push(part);
    } catch (thrown) {
      broken ??= messageOf(thrown);
      child.kill();
    }
  });
  const emptied = new Promise<void>((resolve) => {
    child.output.once("close", () => resolve());
  });
  const gone = (async () => {
    const end = await child.ended;
    // What is still in the pipe counts; a pipe that is held back because the player is slow empties later.
    await emptied;
    if (broken !== undefined) ending = { kind: "failed", reason: broken };
    else if (end.kind === "killed") ending = "killed";
    else if (end.kind === "not-installed") ending = { kind: "not-installed" };
    else {
      const all = nextSegment >= gridOf(file).segments;
      const reason = end.kind === "failed" ? end.reason : "the film ends before the time it states";
      ending = all ? "done" : { kind: "failed", reason };
    }
    announce();
  })();

  return {
    from,
    pid: child.pid,
    next: () => nextSegment,
    ending: () => ending,
    init: () => init,
    segment: (n) => made.get(n),
    advance: (n) => {
      asked = n;
      for (const kept of made.keys()) if (kept < n - behindSegments) drop(kept);
      hold();
    },
    changed: () => change,
    kill: () => child.kill(),
    gone: Promise.race([gone, child.ended.then(() => undefined)]),
  };
}

interface Sink {
  keep(body: Buffer): void;
  setInit(body: Buffer): void;
}

interface Encoding {
  readonly child: FfmpegChild;
  readonly push: (part: Buffer) => void;
}

function videoRun(
  needs: FfmpegNeeds & { readonly threads: number },
  file: TranscodeFile,
  rendition: VideoRendition,
  from: number,
  origin: Origin,
  sink: Sink,
): Encoding {
  const grid = gridOf(file);
  const { ticks } = grid.frameRate;
  const child = startFfmpeg(needs, videoArguments(file, rendition, from, origin, needs.threads));
  const cutter = fragmentCutter();
  let segment = from;
  let frame = grid.frameAt(from);
  let parts: Buffer[] = [];
  return {
    child,
    push: (part) => {
      for (const fragment of cutter.push(part)) {
        if (fragment.kind === "init") {
          sink.setInit(fragment.bytes);
          continue;
        }
        placeFragment(fragment.bytes, frame * ticks, segment + 1);
        frame += fragment.samples;
        parts.push(fragment.bytes);
        // The last segment may be longer than a group of pictures, and so holds two fragments.
        if (frame < grid.frameAt(segment + 1)) continue;
        sink.keep(Buffer.concat(parts));
        segment++;
        parts = [];
      }
    },
  };
}

function audioRun(
  needs: FfmpegNeeds,
  file: TranscodeFile,
  rendition: AudioRendition,
  from: number,
  origin: Origin,
  sink: Sink,
): Encoding {
  const grid = gridOf(file);
  const { parameters, skip } = audioArguments(file, rendition, from, origin);
  const child = startFfmpeg(needs, parameters);
  const cutter = adtsCutter();
  sink.setInit(aacInit(audioRate, rendition.channels, rendition.averageBps));
  let toSkip = skip;
  let segment = from;
  const frames: Buffer[] = [];
  const sizeOf = (n: number): number => grid.aacAt(n + 1) - grid.aacAt(n);
  return {
    child,
    push: (part) => {
      for (const frame of cutter.push(part)) {
        if (toSkip > 0) toSkip--;
        else frames.push(frame);
      }
      while (segment < grid.segments && frames.length >= sizeOf(segment)) {
        sink.keep(aacSegment(frames.splice(0, sizeOf(segment)), grid.aacAt(segment), segment + 1));
        segment++;
      }
    },
  };
}

/** Containers that say where every key frame lies; in others a seek lands somewhere near. */
async function hasIndex(path: string): Promise<boolean> {
  // A pipe put there since the scan is not waited for: a few of those would hold every file thread of this process.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new Error("it is not a file");
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(12), 0, 12, 0);
    if (bytesRead < 12) return false;
    return buffer.toString("latin1", 4, 8) === "ftyp" || buffer.readUInt32BE(0) === 0x1a45dfa3;
  } finally {
    await handle.close();
  }
}

/** How long finding the first frame may take. */
const originTimeoutMs = 15_000;

/**
 * Reads where a film's first video frame lies in its container's own time; broadcasts begin anywhere, and films often a few
 * milliseconds after 0. Segments are counted from there.
 */
export async function findOrigin(needs: FfmpegNeeds, path: string): Promise<Origin | NotMade> {
  const indexed = await hasIndex(path).catch((thrown: unknown) => messageOf(thrown));
  if (typeof indexed === "string") return { kind: "failed", reason: indexed };
  const child = startFfmpeg(needs, [
    "-copyts",
    ...inputArguments(path),
    ..."-map 0:V:0 -c copy -frames:v 1 -f framecrc pipe:1".split(" "),
  ]);
  const timer = AbortSignal.timeout(originTimeoutMs);
  const stop = (): void => child.kill();
  timer.addEventListener("abort", stop, { once: true });
  let text = "";
  child.output.on("data", (part: Buffer) => {
    text = (text + part.toString("latin1")).slice(0, 8_192);
  });
  const closed = new Promise<void>((resolve) => child.output.once("close", () => resolve()));
  const end = await child.ended;
  await closed;
  timer.removeEventListener("abort", stop);
  if (end.kind === "not-installed") return { kind: "not-installed" };
  const base = /^#tb 0: (\d+)\/(\d+)$/m.exec(text);
  const packet = /^0,\s*-?\d+,\s*(-?\d+),/m.exec(text);
  if (base === null || packet === null) {
    return { kind: "failed", reason: end.reason === "" ? "no video frame could be read" : end.reason };
  }
  return { seconds: (Number(packet[1]) * Number(base[1])) / Number(base[2]), hasIndex: indexed };
}
