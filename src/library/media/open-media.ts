import { closeSync, constants, fstatSync, openSync } from "node:fs";
import {
  BufferTarget,
  CmafOutputFormat,
  CustomSource,
  EncodedAudioPacketSource,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MATROSKA,
  MP4,
  NullTarget,
  Output,
  QTFF,
  WEBM,
  type EncodedPacket,
  type InputAudioTrack,
  type InputVideoTrack,
} from "mediabunny";
import { fingerprintOf } from "../walk.ts";
import type { ReadDisk } from "./disk-reads.ts";
import { checkMovie } from "./mp4-heads.ts";
import { readMkvHeads, type MkvHeads } from "./mkv-cues.ts";

/** The file cannot be read as what it says it is; the text is for the operator. */
export class UnreadableMedia extends Error {
  override readonly name = "UnreadableMedia";
  readonly changed: boolean;

  constructor(message: string, changed = false) {
    super(message);
    this.changed = changed;
  }
}

export interface OpenMedia {
  readonly path: string;
  readonly fingerprint: string;
  readonly container: "mp4" | "matroska";
  /** Matroska only. */
  readonly heads: MkvHeads | null;
  readonly sizeBytes: number;
  /** A track is put together from several pieces of its media (MP4). */
  readonly severalEdits: boolean;
  readonly video: InputVideoTrack | null;
  readonly audio: readonly InputAudioTrack[];
  sinkOf(track: InputVideoTrack | InputAudioTrack): EncodedPacketSink;
  /** @throws UnreadableMedia when the file is not the one that was opened. */
  checkUnchanged(): void;
  close(): void;
}

/** Of the demuxer's cache for one file. */
const cacheBytes = 8 * 1_048_576;

/**
 * Opens an MP4, QuickTime, Matroska or WebM file for demuxing. Only in a thread that may be ended: a few changed bytes in
 * a header can make the demuxer run for ever. What would make it slow is measured before it sees the file. `opened` is told as soon
 * as the disk has given something of it; from then on the demuxer alone is waited for, and the disk where `readDisk` is under way.
 *
 * @throws UnreadableMedia for anything that is no such file.
 */
export async function openMedia(path: string, readDisk: ReadDisk, opened: () => void): Promise<OpenMedia> {
  // A pipe put there since the walk is not waited for: nothing ends a thread that waits in the system.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let closed = false;
  const close = (): void => {
    if (!closed) closeSync(descriptor);
    closed = true;
  };
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    if (!stats.isFile()) throw new UnreadableMedia("it is not a file");
    readDisk(descriptor, Buffer.alloc(1), 0, 1, 0);
    opened();
    const fingerprint = fingerprintOf(stats);
    const sizeBytes = Number(stats.size);
    const mkv = readMkvHeads(readDisk, descriptor, sizeBytes);
    if (mkv.kind === "too large") throw new UnreadableMedia("its Matroska index is larger than 4 MB");
    const heads = mkv.kind === "read" ? mkv.heads : null;
    let severalEdits = false;
    if (heads === null) {
      const movie = checkMovie(readDisk, descriptor, sizeBytes);
      if (movie.kind === "refused") throw new UnreadableMedia(movie.reason);
      severalEdits = movie.severalEdits;
    }
    const checkUnchanged = (): void => {
      if (fingerprintOf(fstatSync(descriptor, { bigint: true })) !== fingerprint) {
        throw new UnreadableMedia("the file has changed", true);
      }
    };
    const input = new Input({
      // Named one by one: the list of all formats has playlists, which open other files.
      formats: [MP4, QTFF, MATROSKA, WEBM],
      source: new CustomSource({
        getSize: () => sizeBytes,
        read: (start, end) => {
          const bytes = new Uint8Array(end - start);
          let filled = 0;
          while (filled < bytes.length) {
            const count = readDisk(descriptor, bytes, filled, bytes.length - filled, start + filled);
            // A file that shrank would otherwise read as zeros.
            if (count === 0) throw new UnreadableMedia("the file ends early", true);
            filled += count;
          }
          return bytes;
        },
        maxCacheSize: cacheBytes,
        prefetchProfile: "fileSystem",
      }),
    });
    if (!(await input.canRead())) throw new UnreadableMedia("it is not an MP4, Matroska or WebM file");
    const sinks = new Map<InputVideoTrack | InputAudioTrack, EncodedPacketSink>();
    const video = await input.getPrimaryVideoTrack();
    const audio = await input.getAudioTracks();
    return {
      path,
      fingerprint,
      container: heads === null ? "mp4" : "matroska",
      heads,
      sizeBytes,
      severalEdits,
      video,
      audio,
      sinkOf: (track) => {
        const sink = sinks.get(track) ?? new EncodedPacketSink(track);
        sinks.set(track, sink);
        return sink;
      },
      checkUnchanged,
      close: () => {
        input.dispose();
        close();
      },
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** The initialisation segment of a track, in base64. `first` is a packet of it: some codecs say more there. */
export async function makeInit(track: InputVideoTrack | InputAudioTrack, first: EncodedPacket): Promise<string> {
  const initTarget = new BufferTarget();
  const output = new Output({ format: new CmafOutputFormat(), initTarget, target: new NullTarget() });
  if (track.isVideoTrack()) {
    const [codec, decoderConfig] = [await track.getCodec(), await track.getDecoderConfig()];
    if (codec === null || decoderConfig === null) throw new UnreadableMedia("its video codec is unknown");
    const rotation = await track.getRotation();
    output.addVideoTrack(new EncodedVideoPacketSource(codec), { decoderConfig, primingPacket: first, rotation });
  } else if (track.isAudioTrack()) {
    const [codec, decoderConfig] = [await track.getCodec(), await track.getDecoderConfig()];
    if (codec === null || decoderConfig === null) throw new UnreadableMedia("its audio codec is unknown");
    output.addAudioTrack(new EncodedAudioPacketSource(codec), { decoderConfig, primingPacket: first });
  }
  await output.start();
  await output.finalize();
  if (initTarget.buffer === null) throw new UnreadableMedia("no initialisation segment could be made");
  return Buffer.from(initTarget.buffer).toString("base64");
}
