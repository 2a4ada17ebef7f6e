import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";

/** Raised when an index of an older making cannot be used any more: its file is then inspected again. */
export const mediaIndexVersion = 1;

/** A film that must be transcoded is cut here, whatever length its header says: 24 h. */
export const longestTranscodeSeconds = 24 * 3_600;

const Ticks = Type.Integer();
const Count = Type.Integer({ minimum: 0 });
const Text = Type.String({ maxLength: 200 });
/** An ISO BMFF initialisation segment as the muxer writes it, in base64; `streaming` adds the edit list. */
const Init = Type.String({ maxLength: 200_000 });

const VideoIndex = Type.Object({
  /** As in CODECS (RFC 6381). */
  codec: Text,
  codecName: Text,
  /** Ticks per second: the container's own, so that every time below is a whole number. */
  timescale: Type.Integer({ minimum: 1, maximum: 0xffff_ffff }),
  width: Count,
  height: Count,
  frameRate: Type.Number({ minimum: 0, maximum: 1_000 }),
  /** How many frames the decoder holds back: the decode time of a frame is the time of the frame this many before. */
  reorderDepth: Type.Integer({ minimum: 0, maximum: 32 }),
  /** The median duration of a frame. */
  frameTicks: Type.Integer({ minimum: 1 }),
  /** Presentation time of the first key frame: the zero of the playlist. */
  originTicks: Ticks,
  /** Where the first frame begins to be shown; before its own time when the sound begins well before the picture. */
  startTicks: Ticks,
  /** Where the last readable frame ends. */
  endTicks: Ticks,
  /** Frames that follow a key frame in the file and are shown before it. */
  openGop: Type.Boolean(),
  /** Presentation times of the key frames, in order. */
  keyTicks: Type.Array(Ticks, { minItems: 1 }),
  /** The lowest presentation time of each key frame's group; the same as `keyTicks` if no group is open. */
  groupTicks: Type.Array(Ticks, { minItems: 1 }),
  /** Bytes from each key frame to the next: exact for MP4, an upper bound with the sound included for Matroska. */
  groupBytes: Type.Array(Count, { minItems: 1 }),
  init: Init,
});
export type VideoIndex = Static<typeof VideoIndex>;

const AudioIndex = Type.Object({
  /** Counts from 1 in the order of the file, as `-map 0:a:` does from 0. */
  number: Type.Integer({ minimum: 1 }),
  codecName: Text,
  language: Text,
  label: Text,
  channels: Count,
  isDefault: Type.Boolean(),
  bitsPerSecond: Count,
  /** Null when the sound must be transcoded. */
  copy: Type.Union([
    Type.Null(),
    Type.Object({
      codec: Text,
      /** Samples per second, and the ticks of everything below. */
      sampleRate: Type.Integer({ minimum: 1, maximum: 768_000 }),
      frameSamples: Type.Integer({ minimum: 1, maximum: 65_536 }),
      /** Presentation time of frame 0 in the container's own time; negative for priming. */
      firstSample: Ticks,
      frames: Count,
      /** What the container's times are late by: Matroska does not subtract the delay of the codec. */
      delaySamples: Count,
      /** Samples at the start that the decoder makes and nobody hears. */
      primingSamples: Count,
      init: Init,
    }),
  ]),
});
export type AudioIndex = Static<typeof AudioIndex>;
export type AudioCopy = NonNullable<AudioIndex["copy"]>;

const SubtitleIndex = Type.Object({
  /** Counts from 1 among the subtitle streams that can become text. */
  number: Type.Integer({ minimum: 1 }),
  /** Its place among all subtitle streams, as `-map 0:s:` counts. */
  position: Count,
  codecName: Text,
  language: Text,
  label: Text,
  forced: Type.Boolean(),
  hearingImpaired: Type.Boolean(),
});
export type SubtitleIndex = Static<typeof SubtitleIndex>;

/**
 * What the scan knows of a file, enough to write its playlists and cut its segments without looking for anything. Stored
 * as JSON and good as long as the file's fingerprint stands.
 */
const MediaIndex = Type.Object({
  version: Type.Literal(mediaIndexVersion),
  container: Type.Union([Type.Literal("mp4"), Type.Literal("matroska"), Type.Literal("other")]),
  decision: Type.Union([
    Type.Literal("remux"),
    Type.Literal("remux video, transcode audio"),
    Type.Literal("transcode"),
  ]),
  /** Why something must be transcoded, in words for the operator; empty if nothing must. */
  reason: Type.String({ maxLength: 500 }),
  durationSeconds: Type.Number({ minimum: 0 }),
  width: Count,
  height: Count,
  frameRate: Type.Number({ minimum: 0, maximum: 1_000 }),
  videoCodec: Text,
  /** The stream's own index in the file, as `-map 0:` takes it. */
  videoStream: Count,
  bitsPerSecond: Count,
  /** Null when the picture must be transcoded. */
  video: Type.Union([VideoIndex, Type.Null()]),
  audio: Type.Array(AudioIndex),
  subtitles: Type.Array(SubtitleIndex),
});
export type MediaIndex = Static<typeof MediaIndex>;

const check = Compile(MediaIndex);

/** Reads a stored index; `undefined` for one of another version or a damaged one. */
export function readMediaIndex(stored: unknown): MediaIndex | undefined {
  return check.Check(stored) ? stored : undefined;
}

/** From base64. */
export const initBytes = (init: string): Uint8Array => Buffer.from(init, "base64");
