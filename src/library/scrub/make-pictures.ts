import { minuteMs, secondMs, type Clock } from "../../kernel/clock.ts";
import { fileProblems, undecodable } from "../file-problems.ts";
import { runFfmpeg, type FfmpegRun } from "../ffmpeg.ts";
import { containers } from "../layout.ts";
import { mostPictures, mostSheetBytes, picturesInSheet, sheetColumns, type ScrubPictures } from "./picture-file.ts";

/** A film as its pictures are taken. */
export interface ScrubSource {
  /** Absolute. */
  readonly path: string;
  readonly durationSeconds: number;
  /** As shown: square pixels, upright. */
  readonly width: number;
  readonly height: number;
  /** Where playing begins in the container's own time, seconds; null where the container's first instant is near enough. */
  readonly startSeconds: number | null;
  /** Whether its container is one that can say where its key frames lie: MP4 or Matroska. */
  readonly isIndexed: boolean;
}

/** The shortest distance of two pictures; in a film of more than 50 minutes they are further apart. */
const leastSeconds = 10;
/** A picture fits in here. */
const box = { width: 256, height: 192 };
/** How long one picture may take, on a machine that is busy with everything else. */
const pictureTimeoutMs = 30 * secondMs;
/** Processor time that one picture may take: an ordinary film needs a thirtieth of it. */
const pictureCpuSeconds = 10;
/** How long all pictures of one film may take, without the pauses for scans. 300 usually take 20 s. */
const filmTimeoutMs = 10 * minuteMs;
/** JPEG qualities of ffmpeg, best first: a sheet that comes out too large is made again with the next. */
const qualities = [5, 12, 31];

/**
 * Takes pictures of a film, one about every 10 s and 300 at most, each of the last key frame before the middle of its place, so
 * that one frame is decoded for each and the rest of the file is not even read. All decoding happens in ffmpeg, never in this
 * process, one process for each picture: a place that cannot be read costs its own picture. `pause` is awaited before each.
 *
 * @returns `failed` with a reason when more than a quarter of the places has no picture, or when it takes too long; `stopped`
 *   when the signal aborts.
 * @throws Fault MEDIA_TOOL_MISSING when there is no ffmpeg on this machine.
 */
export async function makePictures(
  { clock, pause }: { readonly clock: Clock; readonly pause: () => Promise<void> },
  source: ScrubSource,
  signal: AbortSignal,
): Promise<
  | { readonly kind: "made"; readonly pictures: ScrubPictures }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "stopped" }
> {
  const { durationSeconds } = source;
  const size = sizeOf(source);
  const { everySeconds, count } = placesOf(durationSeconds);
  const mostMissing = Math.floor(count / 4);
  const taken: { readonly place: number; readonly pixels: Buffer }[] = [];
  let lastReason = "";
  let tookMs = 0;
  for (let place = 0; place < count; place++) {
    await pause();
    if (signal.aborted) return { kind: "stopped" };
    const begins = place * everySeconds;
    const middle = (begins + Math.min(begins + everySeconds, durationSeconds)) / 2;
    const startedAt = clock.now();
    const run = await takePicture(source, middle, latestOf(source, everySeconds), size, signal);
    tookMs += clock.now() - startedAt;
    if (signal.aborted) return { kind: "stopped" };
    if (run.output.length === pixelBytes(size)) taken.push({ place, pixels: run.output });
    else lastReason = reasonOf(run);
    if (place + 1 - taken.length > mostMissing) return { kind: "failed", reason: lastReason };
    if (tookMs > filmTimeoutMs) return { kind: "failed", reason: fileProblems.longMaking };
  }

  const sheets: Buffer[] = [];
  for (let from = 0; from < taken.length; from += picturesInSheet) {
    const pictures = taken.slice(from, from + picturesInSheet).map(({ pixels }) => pixels);
    const sheet = await makeSheet(pictures, size, signal);
    if (signal.aborted) return { kind: "stopped" };
    if (typeof sheet === "string") return { kind: "failed", reason: sheet };
    sheets.push(sheet);
  }
  const places = taken.map(({ place }) => place);
  return { kind: "made", pictures: { layout: { durationSeconds, everySeconds, places, ...size }, sheets } };
}

/** In words of our own as far as there are any; a decoder's hold addresses and the file's path. */
function reasonOf({ reason }: FfmpegRun): string {
  if (reason === "") return fileProblems.noPicture;
  return Object.values(fileProblems).some((own) => own === reason) ? reason : undecodable(reason);
}

/** Into how many places a film is cut, and how long one is. A second that is left over at the end belongs to the last. */
export function placesOf(durationSeconds: number): { readonly everySeconds: number; readonly count: number } {
  const everySeconds = Math.max(leastSeconds, durationSeconds / mostPictures);
  return { everySeconds, count: Math.min(mostPictures, Math.max(1, Math.ceil((durationSeconds - 1) / everySeconds))) };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** In the shape of the film, and even: colour has half the points of brightness. */
function sizeOf({ width, height }: ScrubSource): Size {
  const scale = Math.min(box.width / Math.max(1, width), box.height / Math.max(1, height));
  const even = (length: number): number => Math.max(16, 2 * Math.round((length * scale) / 2));
  return { width: even(width), height: even(height) };
}

/** A picture of yuvj420p: brightness for each point, two colours for each four. */
const pixelBytes = ({ width, height }: Size): number => (width * height * 3) / 2;

const idle = { isIdle: true, cpuSeconds: pictureCpuSeconds, timeoutMs: pictureTimeoutMs } as const;

/**
 * How long after the middle of its place a picture may be shown, seconds. ffmpeg goes on to the next key frame where the one that was
 * sought cannot be read: behind the end of the place it is none of it. In a container without an index ffmpeg finds no key frame but
 * the middle, and takes the next one after it.
 */
const latestOf = ({ isIndexed }: ScrubSource, everySeconds: number): number =>
  isIndexed ? everySeconds / 2 : 1.5 * everySeconds;

async function takePicture(
  { path, startSeconds }: ScrubSource,
  seconds: number,
  latest: number,
  size: Size,
  signal: AbortSignal,
): Promise<FfmpegRun> {
  const seek =
    startSeconds === null
      ? ["-ss", seconds.toFixed(3)]
      : ["-seek_timestamp", "1", "-ss", (startSeconds + seconds).toFixed(3)];
  const parameters = [
    // Nothing but the key frame that the container's index leads to is decoded.
    ["-skip_frame", "nokey", "-noaccurate_seek", ...seek],
    [
      "-protocol_whitelist",
      "file",
      "-format_whitelist",
      containers,
      "-threads",
      "1",
      "-max_pixels",
      "60000000",
      "-i",
      `file:${path}`,
    ],
    // That key frame lies before the time that was sought: a constant rate would drop it and take the next one.
    ["-map", "0:V:0", "-an", "-sn", "-dn", "-fps_mode", "passthrough", "-frames:v", "1"],
    ["-vf", `trim=end=${latest.toFixed(3)},scale=${size.width}:${size.height}:flags=area,format=yuvj420p`],
    ["-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"],
  ].flat();
  return runFfmpeg(parameters, { ...idle, maxOutputBytes: pixelBytes(size), signal });
}

/** @returns the reason if ffmpeg cannot. */
async function makeSheet(pictures: readonly Buffer[], size: Size, signal: AbortSignal): Promise<Buffer | string> {
  const input = Buffer.concat(pictures);
  const rows = Math.ceil(pictures.length / sheetColumns);
  let reason = "its pictures are too large";
  for (const quality of qualities) {
    const parameters = [
      ["-protocol_whitelist", "pipe", "-f", "rawvideo", "-pixel_format", "yuvj420p"],
      ["-video_size", `${size.width}x${size.height}`, "-framerate", "1", "-threads", "1", "-i", "pipe:0"],
      ["-vf", `tile=${sheetColumns}x${rows}`, "-frames:v", "1"],
      ["-c:v", "mjpeg", "-q:v", String(quality), "-flags:v", "+bitexact", "-f", "image2pipe", "pipe:1"],
    ].flat();
    const run = await runFfmpeg(parameters, { ...idle, maxOutputBytes: mostSheetBytes, signal, input });
    if (run.kind === "done" && run.output.length > 0) return run.output;
    if (run.reason !== "") reason = run.reason;
  }
  return reason;
}
