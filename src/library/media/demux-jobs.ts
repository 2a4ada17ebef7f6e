/** What the demuxing threads are asked and what they answer. */
export type DemuxJob = { readonly kind: "describe"; readonly path: string } | VideoJob | AudioJob;

/** Room in front of the samples for the boxes that the caller writes there, so that nothing is copied twice. */
export interface Headroom {
  readonly fixedBytes: number;
  readonly bytesPerSample: number;
}

/** The frames from one key frame up to another. */
export interface VideoJob {
  readonly kind: "video";
  readonly path: string;
  /** The file must still be this one. */
  readonly fingerprint: string;
  readonly timescale: number;
  readonly fromKeyTicks: number;
  /** Null: to the end. */
  readonly toKeyTicks: number | null;
  /** Frames from here on cannot be read, or are not wanted. */
  readonly endTicks: number;
  readonly headroom: Headroom;
}

/** The sound frames [fromFrame, toFrame), counted on the grid of the index. */
export interface AudioJob {
  readonly kind: "audio";
  readonly path: string;
  readonly fingerprint: string;
  /** Counts from 1. */
  readonly number: number;
  readonly sampleRate: number;
  readonly frameSamples: number;
  readonly firstSample: number;
  readonly delaySamples: number;
  readonly fromFrame: number;
  readonly toFrame: number;
  readonly headroom: Headroom;
}

/** Samples in decode order, in one buffer behind the headroom asked for. */
export interface Samples {
  readonly kind: "samples";
  readonly buffer: ArrayBuffer;
  readonly headroomBytes: number;
  readonly sizes: readonly number[];
  /** Presentation times: ticks for video, samples for sound. */
  readonly times: readonly number[];
  readonly durations: readonly number[];
  readonly keys: readonly boolean[];
}

export interface VideoDescription {
  readonly codecName: string;
  readonly codec: string;
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly reorderDepth: number;
  readonly frameTicks: number;
  readonly keyTicks: readonly number[];
  readonly groupTicks: readonly number[];
  readonly groupBytes: readonly number[];
  readonly endTicks: number;
  readonly openGop: boolean;
  readonly init: string;
}

export interface AudioDescription {
  readonly codecName: string;
  readonly codec: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly frameSamples: number;
  readonly firstSample: number;
  readonly frames: number;
  readonly delaySamples: number;
  readonly primingSamples: number;
  readonly init: string;
}

export interface Description {
  readonly kind: "described";
  readonly container: "mp4" | "matroska";
  /** A text says why the picture cannot be copied. */
  readonly video: VideoDescription | string;
  /** In the order of the file; a text says why the sound cannot be copied. */
  readonly audio: readonly (AudioDescription | string)[];
}

export interface Unreadable {
  readonly kind: "unreadable";
  readonly reason: string;
  /** The file is not the one that was indexed. */
  readonly changed: boolean;
}

export type DemuxAnswer = Description | Samples | Unreadable;

/**
 * Threads say `alive` once the file is open, and between the steps of a long walk: silence without a read under way means that
 * the demuxer hangs.
 */
export type DemuxMessage = { readonly kind: "ready" } | { readonly kind: "alive" } | DemuxAnswer;
