import type { Samples } from "../library/media/demux-jobs.ts";
import { initBytes, type AudioCopy, type MediaIndex, type VideoIndex } from "../library/media/media-index.ts";
import { finishInit, writeFragmentHead, type FragmentSample } from "./fmp4.ts";

/** A segment lasts at least this long, then to the next key frame (Apple's authoring specification 7.5 asks for 6 s). */
export const segmentSeconds = 6;

/** Where one segment of the picture begins. */
export interface Boundary {
  /** When it begins to be shown. */
  readonly ticks: number;
  /** Its key frame's own time, which is later when the group is open. */
  readonly keyTicks: number;
  readonly bytes: number;
}

/** A segment begins at the first key frame at least 6 s after the last beginning. */
export function boundariesOf(video: VideoIndex): readonly Boundary[] {
  const found: { ticks: number; keyTicks: number; bytes: number }[] = [];
  for (const [index, keyTicks] of video.keyTicks.entries()) {
    const ticks = index === 0 ? video.startTicks : (video.groupTicks[index] ?? keyTicks);
    const last = found.at(-1);
    const bytes = video.groupBytes[index] ?? 0;
    if (last === undefined || ticks - last.ticks >= segmentSeconds * video.timescale)
      found.push({ ticks, keyTicks, bytes });
    else last.bytes += bytes;
  }
  return found;
}

/** Playlist time of a video instant, in whole microseconds: differences of these add up without drift. */
export const videoMicroseconds = (video: VideoIndex, ticks: number): number =>
  Math.round(((ticks - video.startTicks) * 1e6) / video.timescale);

/** Durations of the picture's segments in µs; their sum is the film's. */
export function videoDurations(video: VideoIndex, boundaries: readonly Boundary[]): number[] {
  return boundaries.map(({ ticks }, index) => {
    const next = boundaries[index + 1]?.ticks ?? video.endTicks;
    return videoMicroseconds(video, next) - videoMicroseconds(video, ticks);
  });
}

/** The start of the playlist on the sound's own scale. */
const startSample = (video: VideoIndex, { sampleRate }: AudioCopy): number =>
  (video.startTicks * sampleRate) / video.timescale;

/**
 * The first frame of each segment of the sound, and behind the last the end: sound starts no later than the picture, so
 * that there is no hole after a seek. Priming frames stay: without them the first segment decodes differently.
 */
export function audioFrames(video: VideoIndex, boundaries: readonly Boundary[], copy: AudioCopy): number[] {
  const { sampleRate, firstSample, frameSamples, frames, primingSamples } = copy;
  const frameAt = (ticks: number): number => ((ticks * sampleRate) / video.timescale - firstSample) / frameSamples;
  const clamp = (frame: number): number => Math.min(frames, Math.max(0, frame));
  const starts = boundaries.map(({ ticks }, index) =>
    clamp(
      index === 0
        ? Math.ceil(frameAt(ticks) - primingSamples / frameSamples - 1e-6)
        : Math.floor(frameAt(ticks) + 1e-6),
    ),
  );
  // Up to the end of the picture: sound that goes on would be a segment without one.
  return [...starts, clamp(Math.ceil(frameAt(video.endTicks) - 1e-6))];
}

/** Where a frame stands in the sound's own media time, from which the edit list takes the priming. */
const mediaSample = (video: VideoIndex, copy: AudioCopy, frame: number): number =>
  Math.max(
    0,
    copy.firstSample + frame * copy.frameSamples - Math.round(startSample(video, copy)) + copy.primingSamples,
  );

/** Durations of the sound's segments in µs. The first begins with the playlist, even when the sound comes later. */
export function audioDurations(video: VideoIndex, copy: AudioCopy, frames: readonly number[]): number[] {
  const ends = frames.map((frame, index) =>
    index === 0 ? 0 : Math.round((mediaSample(video, copy, frame) * 1e6) / copy.sampleRate),
  );
  return ends.slice(1).map((end, index) => end - (ends[index] ?? 0));
}

export const videoInit = ({ init, timescale, reorderDepth, frameTicks }: VideoIndex): Buffer =>
  finishInit(initBytes(init), { timescale, editStart: reorderDepth * frameTicks });

export const audioInit = ({ init, sampleRate, primingSamples }: AudioCopy): Buffer =>
  finishInit(initBytes(init), { timescale: sampleRate, editStart: primingSamples });

/**
 * Writes the head of a video segment in front of its samples.
 *
 * The demuxer knows presentation times only. Decode time i is the presentation time of rank i − D, where D frames are held
 * back; the first D continue the regular beat backwards. Everything moves D frames later, and the edit list takes that
 * back, so no composition offset is negative: negative ones are shown late by ffmpeg and mpv.
 *
 * @returns the segment, or `undefined` when it holds no frames.
 */
export function writeVideoSegment(
  video: VideoIndex,
  boundaries: readonly Boundary[],
  n: number,
  samples: Samples,
): Uint8Array | undefined {
  const count = samples.times.length;
  const start = boundaries[n];
  if (count === 0 || start === undefined) return undefined;
  const { reorderDepth, frameTicks, startTicks } = video;
  const times = [...samples.times];
  // The first frame is shown from the beginning of the playlist on, although its own time is later.
  if (n === 0) times[0] = startTicks;
  const shift = reorderDepth * frameTicks;
  const decode = decodeTimes(times, start.ticks, boundaries[n + 1]?.ticks ?? video.endTicks, video);
  const nextDecode = (boundaries[n + 1]?.ticks ?? video.endTicks) - shift;
  const written = decode.map((own, index): FragmentSample => ({
    size: samples.sizes[index] ?? 0,
    duration: Math.max(1, (decode[index + 1] ?? Math.max(nextDecode, own + 1)) - own),
    offset: Math.max(0, (times[index] ?? own) - own),
    key: samples.keys[index] ?? false,
  }));
  writeFragmentHead(samples.buffer, {
    sequence: n + 1,
    decodeTime: Math.max(0, (decode[0] ?? 0) + shift - startTicks),
    samples: written,
  });
  return new Uint8Array(samples.buffer);
}

/** Increasing, never above the presentation time, from `start` − D·δ on and below the next segment's first. */
function decodeTimes(
  times: readonly number[],
  start: number,
  next: number,
  { reorderDepth, frameTicks }: VideoIndex,
): number[] {
  const sorted = times.toSorted((one, other) => one - other);
  const shift = reorderDepth * frameTicks;
  const decode = times.map((_time, index) =>
    index < reorderDepth ? start - (reorderDepth - index) * frameTicks : (sorted[index - reorderDepth] ?? start),
  );
  let above = next - shift;
  for (let i = times.length - 1; i >= 0; i--) {
    above = Math.min(decode[i] ?? above, times[i] ?? above, above - 1);
    decode[i] = above;
  }
  // The first one must stand where the segment before ends.
  if (reorderDepth > 0) decode[0] = start - shift;
  for (let i = 1; i < decode.length; i++) decode[i] = Math.max(decode[i] ?? 0, (decode[i - 1] ?? 0) + 1);
  return decode;
}

/** Writes the head of a sound segment. Its frames follow one another; where the file has a gap, one lasts longer. */
export function writeAudioSegment(
  video: VideoIndex,
  copy: AudioCopy,
  n: number,
  samples: Samples,
): Uint8Array | undefined {
  const [first] = samples.times;
  if (first === undefined) return undefined;
  const written = samples.times.map((time, index): FragmentSample => ({
    size: samples.sizes[index] ?? 0,
    duration: Math.max(1, (samples.times[index + 1] ?? time + copy.frameSamples) - time),
    offset: 0,
    key: true,
  }));
  const decodeTime = Math.max(0, first - Math.round(startSample(video, copy)) + copy.primingSamples);
  writeFragmentHead(samples.buffer, { sequence: n + 1, decodeTime, samples: written });
  return new Uint8Array(samples.buffer);
}

/** Every segment begins with a frame that needs no other. */
export const isIndependent = ({ video }: MediaIndex): boolean => video !== null && !video.openGop;
