import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { steadyClock, type Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { startDemuxPool } from "../library/media/demux-pool.ts";
import type { AudioCopy, MediaIndex, VideoIndex } from "../library/media/media-index.ts";
import { readMediaIndex } from "../library/media/media-index.ts";
import type { PlayableFile } from "../library/titles.ts";
import { startFileLooks } from "./file-looks.ts";
import { fragmentHeadBytes } from "./fmp4.ts";
import { startHotSegments, type HotCounts } from "./hot-segments.ts";
import { audioPlaylist, masterPlaylist, playlistType, videoPlaylist } from "./playlists.ts";
import type { MediaAnswer } from "./routes.ts";
import {
  audioFrames,
  audioInit,
  boundariesOf,
  videoInit,
  writeAudioSegment,
  writeVideoSegment,
  type Boundary,
} from "./segments.ts";
import { scrubAnswer } from "./scrub-answers.ts";
import { startSubtitles, subtitleTracksOf, type SubtitleFile } from "./subtitles.ts";
import { startTranscoder } from "./transcode.ts";
import { renditionsOf, type TranscodeFile } from "./transcode-plan.ts";

export interface EngineOptions {
  readonly log: Log;
  /** Files' paths are relative to it. */
  readonly libraryDir: string;
  /** Where scrub pictures lie. */
  readonly dataDir: string;
  /** What ffmpeg may see of our environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** A path, or a name that is looked for in PATH. */
  readonly ffmpegPath?: string;
  readonly demuxThreads?: number;
  /** Video encoders at once. */
  readonly maxVideoRuns?: number;
  /** Made segments that are kept for the next viewer; 0 keeps none. */
  readonly hotBytes?: number;
}

export interface MediaEngine {
  /**
   * One playlist, initialisation or segment of a file, by its name below the grant:
   *
   * - `master.m3u8`
   * - `video/` and `audio/<track>/`: `playlist.m3u8`, `init.mp4`, `<n>.m4s`, cut from the file while it is asked for, and
   *   kept a while for who asks next
   * - `subtitles/<number>/`: `playlist.m3u8`, `0.vtt`
   * - `scrub/`: `cues.vtt`, which says what part of `<n>.jpg` is the picture of which time
   * - `transcode/<rendition>/`: `playlist.m3u8`, `init.mp4`, `s<n>.m4s`, encoded for `owner`
   *
   * The same name gives the same bytes in any order and on any node, transcodes apart. `unreadable` when the file is not
   * what its index says: away, changed or damaged. Fault BUSY when too much waits.
   */
  resource(file: PlayableFile, name: string, owner: string, signal: AbortSignal): Promise<MediaAnswer>;
  /** Ends what an owner has started, at once. */
  release(owner: string): void;
  /** Which films are encoded now, by how many processes. Paths are relative to the library's folder. */
  transcoding(): readonly { readonly path: string; readonly encoders: number }[];
  /** What is kept for the next viewer, and how often that served. */
  hot(): HotCounts;
  close(): Promise<void>;
}

/** Raised when the same file would give other bytes. */
const codeVersion = 1;

const missing: MediaAnswer = { kind: "missing" };

/** A file with what is worked out of its index once. */
interface Plan {
  readonly index: MediaIndex;
  readonly boundaries: readonly Boundary[];
  readonly transcode: TranscodeFile;
  readonly subtitles: SubtitleFile;
  readonly path: string;
}

/** Playlists and segments of files: copied from them where a browser can decode them, else transcoded by ffmpeg. */
export async function openEngine(options: EngineOptions): Promise<MediaEngine> {
  const { log, libraryDir, dataDir, environment, clock = steadyClock } = options;
  const cores = availableParallelism();
  const demux = startDemuxPool({ threads: options.demuxThreads ?? Math.min(4, Math.max(2, cores - 1)), log });
  const ffmpeg = { ffmpegPath: options.ffmpegPath ?? "ffmpeg", childEnvironment: environment };
  const subtitles = startSubtitles({ ...ffmpeg, libraryDir });
  const transcoder = startTranscoder({
    ...ffmpeg,
    log,
    clock,
    maxVideoRuns: options.maxVideoRuns ?? Math.max(2, Math.floor(cores / 2)),
    threads: Math.max(1, Math.min(4, cores)),
  });
  const hot = startHotSegments({ maxBytes: options.hotBytes ?? 0, looks: startFileLooks(), clock });
  // Rows are kept for seconds by whoever reads them: as long as a row lives, so does its plan.
  const plans = new WeakMap<PlayableFile, Plan>();

  const planOf = (file: PlayableFile): Plan | undefined => {
    const known = plans.get(file);
    if (known !== undefined) return known;
    const index = readMediaIndex(file.index);
    if (index === undefined) return undefined;
    const path = join(libraryDir, file.path);
    const plan: Plan = {
      index,
      path,
      boundaries: index.video === null ? [] : boundariesOf(index.video),
      transcode: {
        path,
        fingerprint: file.fingerprint,
        durationSeconds: index.durationSeconds,
        width: index.width,
        height: index.height,
        fps: index.frameRate,
        audioTracks: index.audio.length,
      },
      subtitles: {
        path: file.path,
        fingerprint: file.fingerprint,
        durationSeconds: index.durationSeconds,
        embedded: index.subtitles,
        sidecars: file.sidecars,
      },
    };
    plans.set(file, plan);
    return plan;
  };

  const master = (plan: Plan): MediaAnswer => {
    const { index } = plan;
    const made = renditionsOf(plan.transcode);
    // Browsers without a hardware decoder refuse HEVC; they find the transcode beside it.
    const isVideoMade = index.video === null || index.video.codecName === "hevc";
    return playlist(
      masterPlaylist({
        index,
        video: isVideoMade ? made.filter((rendition) => rendition.kind === "video") : [],
        audio: made.filter((rendition) => rendition.kind === "audio"),
        subtitles: subtitleTracksOf(plan.subtitles),
      }),
    );
  };

  const videoSegment = async (file: PlayableFile, plan: Plan, video: VideoIndex, n: number, signal: AbortSignal) => {
    const start = plan.boundaries[n];
    if (start === undefined) return missing;
    const samples = await demux.read(
      {
        kind: "video",
        path: plan.path,
        fingerprint: file.fingerprint,
        timescale: video.timescale,
        fromKeyTicks: start.keyTicks,
        toKeyTicks: plan.boundaries[n + 1]?.keyTicks ?? null,
        endTicks: video.endTicks,
        headroom: fragmentHeadBytes,
      },
      signal,
    );
    if (samples.kind === "unreadable") return { kind: "unreadable", message: samples.reason } as const;
    return media(writeVideoSegment(video, plan.boundaries, n, samples), etagOf(file, `v-${n}`));
  };

  const audioSegment = async (
    file: PlayableFile,
    plan: Plan,
    track: { readonly number: number; readonly copy: AudioCopy; readonly video: VideoIndex },
    n: number,
    signal: AbortSignal,
  ): Promise<MediaAnswer> => {
    const { number, copy, video } = track;
    const frames = audioFrames(video, plan.boundaries, copy);
    const [fromFrame, toFrame] = [frames[n], frames[n + 1]];
    if (fromFrame === undefined || toFrame === undefined || fromFrame >= toFrame) return missing;
    const samples = await demux.read(
      {
        kind: "audio",
        path: plan.path,
        fingerprint: file.fingerprint,
        number,
        sampleRate: copy.sampleRate,
        frameSamples: copy.frameSamples,
        firstSample: copy.firstSample,
        delaySamples: copy.delaySamples,
        fromFrame,
        toFrame,
        headroom: fragmentHeadBytes,
      },
      signal,
    );
    if (samples.kind === "unreadable") return { kind: "unreadable", message: samples.reason };
    return media(writeAudioSegment(video, copy, n, samples), etagOf(file, `a${number}-${n}`));
  };

  return {
    resource: async (file, name, owner, signal) => {
      const plan = planOf(file);
      if (plan === undefined) return { kind: "unreadable", message: "its index is of another version: scan it again" };
      const { video } = plan.index;
      const parts = name.split("/");
      const last = parts.at(-1) ?? "";
      const n = segmentNumber(last);
      switch (parts[0]) {
        case "master.m3u8":
          return parts.length === 1 ? master(plan) : missing;
        case "video":
          if (parts.length !== 2 || video === null) return missing;
          if (last === "playlist.m3u8") return playlist(videoPlaylist(video));
          if (last === "init.mp4") return media(videoInit(video), etagOf(file, "v-init"));
          if (n === undefined) return missing;
          return hot.resource(file, plan.path, name, signal, (wanted) => videoSegment(file, plan, video, n, wanted));
        case "audio": {
          const track = plan.index.audio.find(({ number }) => String(number) === parts[1]);
          const copy = track?.copy ?? null;
          if (parts.length !== 3 || video === null || track === undefined || copy === null) return missing;
          if (last === "playlist.m3u8") return playlist(audioPlaylist(video, copy));
          if (last === "init.mp4") return media(audioInit(copy), etagOf(file, `a${track.number}-init`));
          if (n === undefined) return missing;
          return hot.resource(file, plan.path, name, signal, (wanted) =>
            audioSegment(file, plan, { number: track.number, copy, video }, n, wanted),
          );
        }
        case "subtitles": {
          const number = /^[1-9]\d{0,3}$/.test(parts[1] ?? "") ? Number(parts[1]) : undefined;
          if (parts.length !== 3 || number === undefined) return missing;
          return subtitles.resource(plan.subtitles, number, last, signal);
        }
        case "scrub":
          return parts.length === 2 ? scrubAnswer(dataDir, file, last) : missing;
        case "transcode":
          if (parts.length !== 3 || parts[1] === undefined) return missing;
          if (last === "playlist.m3u8") return transcoder.playlist(plan.transcode, parts[1]);
          return transcoder.resource(plan.transcode, parts[1], last, owner, signal);
        default:
          return missing;
      }
    },
    release: (owner) => transcoder.release(owner),
    transcoding: () => {
      const encoders = new Map<string, number>();
      for (const path of transcoder.running()) encoders.set(path, (encoders.get(path) ?? 0) + 1);
      return [...encoders].map(([path, count]) => ({ path: relative(libraryDir, path), encoders: count }));
    },
    hot: () => hot.counts(),
    close: async () => {
      await Promise.all([demux.close(), transcoder.close(), subtitles.close(), hot.close()]);
    },
  };
}

const etagOf = (file: PlayableFile, part: string): string => `"${file.fingerprint}-${codeVersion}-${part}"`;

function playlist(body: string): MediaAnswer {
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 22);
  return { kind: "found", contentType: playlistType, body, etag: `"${digest}"` };
}

function media(body: Uint8Array | undefined, etag: string): MediaAnswer {
  return body === undefined ? missing : { kind: "found", contentType: "video/mp4", body, etag };
}

function segmentNumber(name: string): number | undefined {
  const digits = /^(0|[1-9]\d{0,5})\.m4s$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
