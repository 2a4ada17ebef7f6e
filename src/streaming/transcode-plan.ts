import { longestTranscodeSeconds } from "../library/media/media-index.ts";
import { inputArguments } from "./ffmpeg-child.ts";

/** A file as the transcoder sees it. */
export interface TranscodeFile {
  /** Absolute. */
  readonly path: string;
  /** The same as long as the bytes are the same. */
  readonly fingerprint: string;
  readonly durationSeconds: number;
  /** As shown: after rotation, with square pixels. */
  readonly width: number;
  readonly height: number;
  /** Average frames each second; 0 when unknown. */
  readonly fps: number;
  /** How many audio tracks it has. */
  readonly audioTracks: number;
}

export interface VideoRendition {
  readonly kind: "video";
  /** `v` and the height: `v480`. */
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  /** Upper bound and average of what HLS calls BANDWIDTH, without audio, bits each second. */
  readonly peakBps: number;
  readonly averageBps: number;
  /** RFC 6381. */
  readonly codecs: string;
  /** H.264 level times ten. */
  readonly level: number;
}

export interface AudioRendition {
  readonly kind: "audio";
  /** `a` and the number of the audio track, from 1: `a1`. */
  readonly id: string;
  readonly track: number;
  readonly channels: 2;
  readonly peakBps: number;
  readonly averageBps: number;
  readonly codecs: string;
}

export type Rendition = VideoRendition | AudioRendition;

/** A rate as broadcasters write it: `num / den` frames each second, `ticks` of the track's time scale each frame. */
export interface FrameRate {
  readonly num: number;
  readonly den: number;
  readonly timescale: number;
  readonly ticks: number;
}

const rate = (num: number, den: number): FrameRate =>
  den === 1 ? { num, den, timescale: num * 1_000, ticks: 1_000 } : { num, den, timescale: num, ticks: den };

const frameRates = [
  [rate(10, 1), rate(12, 1), rate(15, 1), rate(20, 1), rate(24_000, 1_001), rate(24, 1), rate(25, 1)],
  [rate(30_000, 1_001), rate(30, 1), rate(48, 1), rate(50, 1), rate(60_000, 1_001), rate(60, 1)],
].flat();

/**
 * The constant rate that a film is transcoded to: the usual one nearest to its own. Above 60 it is halved until it fits;
 * unknown becomes 25. Films of variable rate lose or repeat a frame here and there.
 */
export function frameRateOf(fps: number): FrameRate {
  let wanted = Number.isFinite(fps) && fps > 0 && fps <= 1_000 ? fps : 25;
  while (wanted > 61) wanted /= 2;
  return frameRates.reduce((best, next) =>
    Math.abs(next.num / next.den - wanted) < Math.abs(best.num / best.den - wanted) ? next : best,
  );
}

/** Short, so that playing starts after 2 s of film are encoded; one segment is one group of pictures. */
const segmentSeconds = 2;

export const audioRate = 48_000;
/** Samples in one AAC frame. */
export const aacFrame = 1_024;
/** At 192 kbit/s the signal-to-noise ratio a second after a restart was 12 dB in one film, at this rate 34. */
const audioBps = 256_000;

/** Bits each second that a height may use at 30 frames each second. */
const ladder = [
  { height: 360, bps: 800_000 },
  { height: 480, bps: 1_400_000 },
  { height: 720, bps: 3_000_000 },
  { height: 1_080, bps: 5_500_000 },
];

/** H.264 table A-1: level times ten, macroblocks in a frame and in a second. */
const levels = [
  { level: 31, frame: 3_600, second: 108_000 },
  { level: 32, frame: 5_120, second: 216_000 },
  { level: 40, frame: 8_192, second: 245_760 },
  { level: 42, frame: 8_704, second: 522_240 },
  { level: 51, frame: 36_864, second: 983_040 },
];

const even = (length: number): number => Math.max(2, 2 * Math.round(length / 2));

/**
 * What a file can be transcoded to: video at 480 and 720 lines and at its own height, each only up to its own and 1080 at
 * most, lowest first; audio as a stereo rendition of each track.
 */
export function renditionsOf(
  file: Pick<TranscodeFile, "width" | "height" | "fps" | "audioTracks">,
): readonly Rendition[] {
  const own = even(Math.min(Math.max(file.height, 2), 1_080));
  const heights = file.width > 0 && file.height > 0 ? [...[480, 720].filter((height) => height < own * 0.9), own] : [];
  const frameRate = frameRateOf(file.fps);
  const video = heights.map((height): VideoRendition => {
    const width = Math.min(even((height * file.width) / file.height), 4 * height);
    const macroblocks = Math.ceil(width / 16) * Math.ceil(height / 16);
    const perSecond = (macroblocks * frameRate.num) / frameRate.den;
    const level = levels.find(({ frame, second }) => macroblocks <= frame && perSecond <= second)?.level ?? 51;
    const step = ladder.find((known) => height <= known.height + 8)?.bps ?? 5_500_000;
    const averageBps = frameRate.num / frameRate.den > 31 ? 1.4 * step : step;
    const codecs = `avc1.6400${level.toString(16).padStart(2, "0")}`;
    return {
      kind: "video",
      id: `v${height}`,
      width,
      height,
      frameRate,
      // The encoder's buffer holds half a second, so that much may come on top within one segment.
      peakBps: Math.round(averageBps * (1 + 0.5 / segmentSeconds) + 10_000),
      averageBps: Math.round(averageBps),
      codecs,
      level,
    };
  });
  const audio = Array.from({ length: Math.min(Math.max(file.audioTracks, 0), 32) }, (_none, index): AudioRendition => ({
    kind: "audio",
    id: `a${index + 1}`,
    track: index + 1,
    channels: 2,
    peakBps: 300_000,
    averageBps: 262_000,
    codecs: "mp4a.40.2",
  }));
  return [...video, ...audio];
}

/**
 * Where segments begin and end, the same for every rendition of a file. Video is counted in frames of the constant rate;
 * an audio segment begins with the AAC frame that holds its video segment's first instant, so no hole follows a seek.
 */
export interface Grid {
  readonly segments: number;
  readonly frameRate: FrameRate;
  readonly frames: number;
  /** First video frame of segment n; of n = `segments`, the number of all. */
  frameAt(segment: number): number;
  /** The same in AAC frames at 48 kHz. */
  aacAt(segment: number): number;
}

export function gridOf({ durationSeconds, fps }: Pick<TranscodeFile, "durationSeconds" | "fps">): Grid {
  const frameRate = frameRateOf(fps);
  const { num, den } = frameRate;
  const group = Math.round((segmentSeconds * num) / den);
  const seconds = Number.isFinite(durationSeconds)
    ? Math.min(Math.max(durationSeconds, 0), longestTranscodeSeconds)
    : 0;
  const frames = Math.max(1, Math.round((seconds * num) / den));
  // A last segment of a few frames is not worth a request: it is part of the one before.
  const segments = Math.max(1, Math.round(frames / group));
  const frameAt = (segment: number): number => (segment >= segments ? frames : segment * group);
  return {
    segments,
    frameRate,
    frames,
    frameAt,
    aacAt: (segment) => {
      const exact = (frameAt(segment) * den * audioRate) / (num * aacFrame);
      return segment >= segments ? Math.max(1, Math.ceil(exact)) : Math.floor(exact);
    },
  };
}

/** The media playlist of a rendition, complete from the start (RFC 8216 section 4.3.3). Names are relative to itself. */
export function playlistOf(file: TranscodeFile, rendition: Rendition): string {
  const grid = gridOf(file);
  const { num, den } = grid.frameRate;
  const at = (segment: number): number =>
    rendition.kind === "video"
      ? Math.round((grid.frameAt(segment) * den * 1_000_000) / num)
      : Math.round((grid.aacAt(segment) * aacFrame * 1_000_000) / audioRate);
  // Differences of rounded cumulative times, so that their sum is exact.
  const durations = Array.from({ length: grid.segments }, (_none, n) => (at(n + 1) - at(n)) / 1_000_000);
  const target = Math.max(1, Math.ceil(durations.reduce((longest, next) => Math.max(longest, next), 0)));
  return [
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    `#EXT-X-TARGETDURATION:${target}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    `#EXT-X-MAP:URI="init.mp4"`,
    ...durations.flatMap((seconds, n) => [`#EXTINF:${seconds.toFixed(6)},`, `s${n}.m4s`]),
    "#EXT-X-ENDLIST",
    "",
  ].join("\n");
}

/** Where decoding starts before what is wanted, seconds: a container without an index lands somewhere near. */
const indexedMargin = 1;
const looseMargin = 5;

const seek = (seconds: number): readonly string[] => ["-seek_timestamp", "1", "-ss", seconds.toFixed(6)];

/** Of the film's own time, in seconds: where its first video frame lies, and whether its container has an index. */
export interface Origin {
  readonly seconds: number;
  readonly hasIndex: boolean;
}

/** Where ffmpeg starts so that `wantedSeconds` after the origin can be cut exactly, and how far before that it is. */
function startBefore(origin: Origin, wantedSeconds: number): { readonly ss: number; readonly shift: number } {
  const wanted = origin.seconds + wantedSeconds;
  const earliest = Math.max(Math.min(origin.seconds, 0), wanted - (origin.hasIndex ? indexedMargin : looseMargin));
  // ffmpeg rounds a start to the container's time base, a millisecond in Matroska; what is left is cut by sample or frame.
  const ss = Math.floor(earliest * 1_000) / 1_000;
  return { ss, shift: wanted - ss };
}

/**
 * Arguments of a run that encodes video from segment `from` to the end: fragmented MP4 on pipe:1, one fragment per
 * segment, times starting at 0 (whoever reads writes the right ones in).
 *
 * Frames come on a grid anchored at the origin, so a run that starts anywhere makes the same frames as one from the start.
 * No B-frames: then decoding time is presentation time, no edit list is needed, and every player agrees on it; at
 * `veryfast` they would save some 5 % of the bits. A file that ends too early is filled with its last frame.
 */
export function videoArguments(
  file: TranscodeFile,
  rendition: VideoRendition,
  from: number,
  origin: Origin,
  threads: number,
): readonly string[] {
  const grid = gridOf(file);
  const { num, den, timescale } = grid.frameRate;
  const first = grid.frameAt(from);
  const { ss, shift } = startBefore(origin, (first * den) / num);
  const { height } = rendition;
  const group = grid.frameAt(1);
  const filters = [
    "yadif=deint=interlaced",
    `fps=fps=${num}/${den}:start_time=${shift.toFixed(6)}:round=near`,
    "setpts=PTS-STARTPTS",
    "tpad=stop=-1:stop_mode=clone",
    `scale=w=clip(2*round(${height}*dar/2)\\,2\\,${4 * height}):h=${height}:flags=bicubic`,
    "setsar=1",
    "format=yuv420p",
  ];
  return [
    ["-threads", String(threads), ...seek(ss), ...inputArguments(file.path)],
    ["-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"],
    ["-vf", filters.join(","), "-fps_mode", "passthrough", "-frames:v", String(grid.frames - first)],
    ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-level:v", (rendition.level / 10).toFixed(1)],
    ["-crf", "22", "-maxrate", String(rendition.averageBps), "-bufsize", String(rendition.averageBps / 2)],
    ["-bf", "0", "-g", String(group), "-keyint_min", String(group), "-sc_threshold", "0"],
    ["-threads", String(threads)],
    ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-video_track_timescale", String(timescale)],
    ["-use_editlist", "0", "-f", "mp4"],
    ["-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer", "pipe:1"],
  ].flat();
}

/** AAC frames that a run starts early: the encoder has settled when the wanted ones come. */
const aacRunIn = 8;

/**
 * Arguments of a run that encodes one audio track from segment `from` to the end: AAC in ADTS on pipe:1. Gaps are filled
 * with silence, several channels mixed to two.
 *
 * @returns besides, how many packets come before the segment's first frame: the encoder's priming and its run-in.
 */
export function audioArguments(
  file: TranscodeFile,
  rendition: AudioRendition,
  from: number,
  origin: Origin,
): { readonly parameters: readonly string[]; readonly skip: number } {
  const grid = gridOf(file);
  const wanted = grid.aacAt(from);
  const first = Math.max(0, wanted - aacRunIn);
  const { ss, shift } = startBefore(origin, (first * aacFrame) / audioRate);
  const filters = [
    `aresample=${audioRate}:async=1:min_hard_comp=0.05:first_pts=0`,
    "aformat=channel_layouts=stereo",
    `atrim=start_sample=${Math.round(shift * audioRate)}`,
    "asetpts=N/SR/TB",
    "apad",
  ];
  return {
    parameters: [
      ["-threads", "1", ...seek(ss), ...inputArguments(file.path)],
      ["-map", `0:a:${rendition.track - 1}`, "-vn", "-sn", "-dn", "-map_metadata", "-1"],
      ["-af", filters.join(","), "-ac", "2", "-ar", String(audioRate)],
      ["-c:a", "aac", "-b:a", String(audioBps), "-flags:a", "+bitexact"],
      ["-frames:a", String(grid.aacAt(grid.segments) - first + 1), "-f", "adts", "-flush_packets", "1", "pipe:1"],
    ].flat(),
    skip: wanted - first + 1,
  };
}
