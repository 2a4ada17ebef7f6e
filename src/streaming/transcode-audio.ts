import { Fault, messageOf } from "../kernel/fault.ts";
import { adtsCutter } from "./aac.ts";
import { startFfmpeg, toolMissing, type FfmpegNeeds } from "./ffmpeg-child.ts";

/** Codecs whose frames say all that a decoder must know, so that they can go through a pipe one after the other. */
const demuxers = { ac3: "ac3", eac3: "eac3", mp3: "mp3", mp2: "mp3", dts: "dts", truehd: "truehd" } as const;
export type PipedCodec = keyof typeof demuxers;

export const isPipedCodec = (codec: string): codec is PipedCodec => Object.hasOwn(demuxers, codec);

/** Encoded frames of one track, without a gap. */
export interface AudioFrames {
  readonly codec: PipedCodec;
  /** Sample rate of the source, which the output keeps: one of AAC's. */
  readonly rateHz: number;
  /**
   * Where the first frame's first sample lies, in AAC frames of 1,024 samples at that rate. Start on a common multiple of
   * both frame lengths, at least 4 AAC frames before what is wanted: decoder and encoder must have settled.
   */
  readonly firstAacFrame: number;
  readonly frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** At 192 kbit/s, six seconds encoded alone had a signal-to-noise ratio of 23 dB against 29 in one piece; here it is 31. */
const stereoBps = 256_000;
const timeoutMs = 30_000;

export type AudioOutcome =
  | { readonly kind: "transcoded"; readonly frames: readonly Buffer[] }
  | { readonly kind: "unreadable"; readonly message: string };

/**
 * Encodes frames of another codec as stereo AAC, and returns exactly the AAC frames [from, to) of the track's grid: frame k
 * holds the samples from 1,024·k on, whichever piece of the track it was encoded in. Where the source ends too early there
 * is silence. At most 30 s; nothing of the source but its bytes reaches ffmpeg.
 *
 * @throws Fault MEDIA_TOOL_MISSING when ffmpeg is not installed.
 */
export async function transcodeAudio(
  needs: FfmpegNeeds,
  source: AudioFrames,
  { from, to }: { readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<AudioOutcome> {
  const lead = from - source.firstAacFrame;
  if (lead < 0 || to <= from) throw new Fault("IMPOSSIBLE", "AAC frames are asked for that the source begins after");
  // The encoder's packet 0 is its priming: the one with frame k comes one later.
  const skip = lead + 1;
  const child = startFfmpeg(needs, [
    ..."-threads 1 -protocol_whitelist pipe -f".split(" "),
    demuxers[source.codec],
    ..."-i pipe:0 -map 0:a:0 -map_metadata -1 -af".split(" "),
    `aresample=${source.rateHz}:async=1:min_hard_comp=0.01:first_pts=0,aformat=channel_layouts=stereo,apad`,
    ..."-ac 2 -c:a aac -flags:a +bitexact -b:a".split(" "),
    String(stereoBps),
    ..."-ar".split(" "),
    String(source.rateHz),
    "-frames:a",
    String(skip + to - from),
    ..."-f adts pipe:1".split(" "),
  ]);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const kill = (): void => child.kill();
  if (stop.aborted) kill();
  stop.addEventListener("abort", kill, { once: true });

  const cutter = adtsCutter();
  const made: Buffer[] = [];
  let broken: string | undefined;
  child.output.on("data", (part: Buffer) => {
    try {
      made.push(...cutter.push(part));
    } catch (thrown) {
      broken ??= messageOf(thrown);
      kill();
    }
  });
  const closed = new Promise<void>((resolve) => child.output.once("close", () => resolve()));
  const feeding = feed(child.input, source.frames).catch((thrown: unknown) => {
    broken ??= messageOf(thrown);
    kill();
  });
  try {
    const end = await child.ended;
    await Promise.all([closed, feeding]);
    if (end.kind === "not-installed") throw toolMissing();
    const frames = made.slice(skip, skip + to - from);
    if (broken !== undefined) return { kind: "unreadable", message: broken };
    if (end.kind === "killed") return { kind: "unreadable", message: "the sound could not be encoded in time" };
    if (frames.length < to - from) {
      return { kind: "unreadable", message: end.reason === "" ? "the sound could not be decoded" : end.reason };
    }
    return { kind: "transcoded", frames };
  } finally {
    stop.removeEventListener("abort", kill);
  }
}

/** Writes everything, waiting while the pipe is full; a reader that has enough and went away is no failure. */
async function feed(
  input: NodeJS.WritableStream & { readonly destroyed?: boolean },
  frames: AudioFrames["frames"],
): Promise<void> {
  let isGone = false;
  const gone = new Promise<void>((resolve) => {
    input.once("close", () => {
      isGone = true;
      resolve();
    });
  });
  for await (const frame of frames) {
    if (isGone) return;
    if (!input.write(frame)) {
      const drained = new Promise<void>((resolve) => {
        input.once("drain", () => resolve());
      });
      await Promise.race([drained, gone]);
    }
  }
  if (!isGone) input.end();
}
