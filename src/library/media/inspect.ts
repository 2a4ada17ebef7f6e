import type { Log } from "../../kernel/log.ts";
import { fileProblems } from "../file-problems.ts";
import type { Facts } from "../tables.ts";
import type { AudioDescription, Description, VideoDescription } from "./demux-jobs.ts";
import type { DemuxPool } from "./demux-pool.ts";
import {
  longestTranscodeSeconds,
  mediaIndexVersion,
  readMediaIndex,
  type AudioCopy,
  type AudioIndex,
  type MediaIndex,
  type SubtitleIndex,
  type VideoIndex,
} from "./media-index.ts";
import { numberOf, probe, ratioOf, type Probe, type ProbedStream } from "./probe.ts";

export interface InspectNeeds {
  readonly demux: DemuxPool;
  readonly log: Log;
}

/** What a file is. A damaged one says why, for the operator. */
export type Inspected =
  | { readonly kind: "playable"; readonly facts: Facts; readonly index: MediaIndex }
  | { readonly kind: "damaged"; readonly reason: string };

const maxAudioTracks = 32;
const maxSubtitles = 64;
/** A group of pictures above one of these is no segment: seeking would wait for it. */
const longestGroupSeconds = 30;
const largestGroupBytes = 40 * 1_048_576;
/** A picture that begins this much after the sound is shown early, or players would cut the early sound. */
const lateSeconds = 0.1;
const latestSoundSeconds = 1;
const textSubtitles = new Set(["subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"]);

/**
 * Reads what a file is and decides how it will be played: copied into segments where browsers can decode it, transcoded
 * where they cannot or where cutting it would go wrong. Hostile files stop a child process or a thread, never this one.
 *
 * @throws Fault MEDIA_TOOL_MISSING when there is no ffprobe; BUSY when the signal aborts.
 */
export async function inspect({ demux, log }: InspectNeeds, path: string, signal: AbortSignal): Promise<Inspected> {
  const probed = await probe(path, signal);
  if (probed.kind === "damaged") return probed;
  const picture = probed.streams.find(isPicture);
  if (picture === undefined) return { kind: "damaged", reason: fileProblems.noVideo };
  if (!picture.width || !picture.height) return { kind: "damaged", reason: fileProblems.noSize };
  const container = containerOf(probed.format);
  let described: Description | string = "its container is neither MP4 nor Matroska";
  if (container !== "other") {
    const answer = await demux.describe(path, signal);
    described = answer.kind === "described" ? answer : answer.reason;
    if (typeof described === "string") log.info({ path, reason: described }, "a file cannot be demuxed");
  }
  const copied = makeIndex(probed, picture, container, described);
  // What cannot be read back would be listed as playable and refused at every play.
  const index = readMediaIndex(copied) ?? makeIndex(probed, picture, container, fileProblems.oversized);
  if (readMediaIndex(index) === undefined) return { kind: "damaged", reason: fileProblems.oversized };
  if (index.durationSeconds === 0) return { kind: "damaged", reason: fileProblems.noLength };
  if (index.video === null && picture.codec_name === undefined)
    return { kind: "damaged", reason: fileProblems.noCodec };
  return { kind: "playable", index, facts: factsOf(probed, index) };
}

const frameRateOf = (picture: ProbedStream): number =>
  Math.min(1_000, ratioOf(picture.avg_frame_rate) || ratioOf(picture.r_frame_rate));

/** Covers are video streams too. */
const isPicture = ({ codec_type: type, disposition }: ProbedStream): boolean =>
  type === "video" && disposition?.["attached_pic"] !== 1 && disposition?.["still_image"] !== 1;

function containerOf(format: string): MediaIndex["container"] {
  const names = format.split(",");
  if (names.includes("mp4")) return "mp4";
  return names.includes("matroska") || names.includes("webm") ? "matroska" : "other";
}

function makeIndex(
  probed: Probe,
  picture: ProbedStream,
  container: MediaIndex["container"],
  described: Description | string,
): MediaIndex {
  const sounds = probed.streams.filter(({ codec_type: type }) => type === "audio").slice(0, maxAudioTracks);
  const found = typeof described === "string" ? described : described.video;
  const copies = typeof described === "string" ? [] : described.audio;
  // A track that only one of the two readers sees would shift the others.
  const isSameTracks = copies.length === sounds.length;
  const checked = typeof found === "string" ? found : (tooLong(found) ?? found);
  const video =
    typeof checked === "string" ? null : videoIndex(checked, isSameTracks ? copies : [], frameRateOf(picture));
  const copied =
    video === null ? [] : copies.map((copy) => (typeof copy === "string" ? copy : (unfit(copy, video) ?? copy)));
  // One group of sound has one codec: Opus stays only if every track is Opus.
  const isOpus = copied.every((copy) => typeof copy !== "string" && copy.codecName === "opus");
  const audio = sounds.map((stream, at): AudioIndex => {
    const found = isSameTracks ? copied[at] : undefined;
    const copy =
      typeof found === "object" && found.codecName === "opus" && !isOpus ? "the other sound is not Opus" : found;
    return {
      number: at + 1,
      codecName: (stream.codec_name ?? "unknown").slice(0, 40),
      language: languageOf(stream),
      label: labelOf(stream),
      channels: stream.channels ?? 0,
      isDefault: stream.disposition?.["default"] === 1,
      bitsPerSecond: Math.round(numberOf(stream.bit_rate ?? stream.tags?.["BPS"])),
      copy: video === null || copy === undefined || typeof copy === "string" ? null : copyOf(copy, video),
    };
  });
  const reasons = [
    typeof checked === "string" ? checked : "",
    ...(video === null ? [] : audio.map(({ copy }, at) => (copy === null ? textOf(copied[at]) : ""))),
  ];
  const size = sizeOf(picture);
  return {
    version: mediaIndexVersion,
    container,
    decision:
      video === null ? "transcode" : audio.some(({ copy }) => copy === null) ? "remux video, transcode audio" : "remux",
    reason: reasons.find((reason) => reason !== "")?.slice(0, 500) ?? "",
    durationSeconds:
      video === null
        ? Math.min(probed.durationSeconds, longestTranscodeSeconds)
        : (video.endTicks - video.startTicks) / video.timescale,
    ...size,
    frameRate: frameRateOf(picture),
    videoCodec: (picture.codec_name ?? "unknown").slice(0, 40),
    videoStream: picture.index,
    bitsPerSecond: probed.bitsPerSecond,
    video,
    audio,
    subtitles: subtitlesOf(probed.streams),
  };
}

const textOf = (copy: AudioDescription | string | undefined): string =>
  typeof copy === "string" ? copy : "a sound track cannot be copied";

/** Sound that begins long after the picture would leave its first segments empty. */
function unfit(sound: AudioDescription, video: VideoIndex): string | undefined {
  const late = sound.firstSample / sound.sampleRate - video.startTicks / video.timescale;
  return late > latestSoundSeconds ? "its sound begins long after the picture" : undefined;
}

function tooLong(video: VideoDescription): string | undefined {
  const isLong = video.keyTicks.some(
    (key, at) => (video.keyTicks[at + 1] ?? video.endTicks) - key > longestGroupSeconds * video.timescale,
  );
  if (isLong) return "its key frames are more than 30 s apart";
  return video.groupBytes.some((bytes) => bytes > largestGroupBytes)
    ? "more than 40 MB lie between two of its key frames"
    : undefined;
}

function videoIndex(
  video: VideoDescription,
  sounds: readonly (AudioDescription | string)[],
  probedRate: number,
): VideoIndex {
  const originTicks = video.groupTicks[0] ?? 0;
  const soundStarts = sounds.flatMap((sound) =>
    typeof sound === "string" ? [] : [(sound.firstSample + sound.primingSamples) / sound.sampleRate],
  );
  const soundStart = Math.min(...soundStarts);
  // The transcoder's zero is the first frame, so only sound that is copied can start before it.
  const isLate = soundStarts.length === sounds.length && originTicks / video.timescale - soundStart > lateSeconds;
  return {
    ...video,
    keyTicks: [...video.keyTicks],
    groupTicks: [...video.groupTicks],
    groupBytes: [...video.groupBytes],
    // Whole milliseconds make 24 frames each second look like 23.81.
    frameRate: probedRate || Math.min(1_000, video.frameRate),
    originTicks,
    startTicks: isLate && Number.isFinite(soundStart) ? Math.round(soundStart * video.timescale) : originTicks,
  };
}

/** What is kept of the sound before the picture begins: the decoder needs it, nobody hears it. At most four frames. */
function copyOf(sound: AudioDescription, video: VideoIndex): AudioCopy {
  const { codec, sampleRate, frameSamples, firstSample, frames, delaySamples, init } = sound;
  const before = Math.round((video.startTicks * sampleRate) / video.timescale) - firstSample;
  const primingSamples = Math.min(Math.max(0, before), 4 * frameSamples);
  return { codec, sampleRate, frameSamples, firstSample, frames, delaySamples, primingSamples, init };
}

/** As shown: square pixels, upright. */
function sizeOf({ width = 0, height = 0, sample_aspect_ratio: ratio, side_data_list: sides }: ProbedStream) {
  const stretch = ratioOf(ratio);
  const shown = stretch > 0.1 && stretch < 10 ? Math.round(width * stretch) : width;
  const rotation = sides?.find((side) => side.rotation !== undefined)?.rotation ?? 0;
  return Math.abs(rotation) % 180 === 90 ? { width: height, height: shown } : { width: shown, height };
}

const languageOf = ({ tags }: ProbedStream): string => {
  const language = (tags?.["language"] ?? "").toLowerCase();
  return /^[a-z]{2,3}(?:-[a-z0-9]{2,8})*$/.test(language) ? language : "und";
};

/** Names come from the file: kept short, and without what could disturb a page or a playlist. */
const labelOf = ({ tags }: ProbedStream): string =>
  (tags?.["title"] ?? "")
    .replace(/[\p{C}\p{Zl}\p{Zp}"]/gu, " ")
    .trim()
    .slice(0, 100);

function subtitlesOf(streams: readonly ProbedStream[]): SubtitleIndex[] {
  return streams
    .filter(({ codec_type: type }) => type === "subtitle")
    .flatMap((stream, position) => (textSubtitles.has(stream.codec_name ?? "") ? [{ stream, position }] : []))
    .slice(0, maxSubtitles)
    .map(({ stream, position }, at) => ({
      number: at + 1,
      position,
      codecName: stream.codec_name ?? "",
      language: languageOf(stream),
      label: labelOf(stream),
      forced: stream.disposition?.["forced"] === 1,
      hearingImpaired: stream.disposition?.["hearing_impaired"] === 1,
    }));
}

function factsOf(probed: Probe, index: MediaIndex): Facts {
  return {
    durationSeconds: index.durationSeconds,
    width: index.width,
    height: index.height,
    videoCodec: index.videoCodec,
    audio: index.audio.map(({ number, language, label, channels }) => ({ number, language, label, channels })),
    subtitles: index.subtitles.map(({ number, language, label }) => ({ number, language, label })),
    chapters: probed.chapters.filter(({ startSeconds }) => startSeconds < index.durationSeconds),
  };
}
