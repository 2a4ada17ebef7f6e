import { execFile } from "node:child_process";
import { promisify } from "node:util";

// Matroska as a hostile hand writes it: what no muxer would. RFC 8794 (EBML) and RFC 9559.

const run = promisify(execFile);

/** An element: its id in hexadecimal, and its data behind a size of eight bytes. */
export function element(id: string, ...data: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(data);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(bytes.length) | 0x0100_0000_0000_0000n);
  return Buffer.concat([Buffer.from(id, "hex"), size, bytes]);
}

export function unsigned(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function float(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

export interface HostileFilm {
  /** CodecID. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Elements of the video track besides, such as how it is turned. */
  readonly more?: readonly Buffer[];
  /** When each cluster begins, in milliseconds: twenty key frames 40 ms apart. */
  readonly clusterMs: readonly number[];
}

/** A film of VP9 key frames, 64 by 64, whatever its headers say. */
export async function hostileMatroska(film: HostileFilm): Promise<Buffer> {
  const frame = await vp9KeyFrame();
  const block = (ms: number): Buffer => element("a3", Buffer.from([0x81, ms >> 8, ms & 0xff, 0x80]), frame);
  return Buffer.concat([
    element("1a45dfa3", element("4282", Buffer.from("matroska"))),
    element(
      "18538067",
      element("1549a966", element("2ad7b1", unsigned(1_000_000)), element("4489", float(10_000))),
      element(
        "1654ae6b",
        element(
          "ae",
          element("d7", unsigned(1)),
          element("73c5", unsigned(1)),
          element("83", unsigned(1)),
          element("86", Buffer.from(film.codec)),
          element(
            "e0",
            element("b0", unsigned(film.width)),
            element("ba", unsigned(film.height)),
            ...(film.more ?? []),
          ),
        ),
      ),
      ...film.clusterMs.map((begin) =>
        element(
          "1f43b675",
          element("e7", unsigned(begin)),
          ...Array.from({ length: 20 }, (_none, index) => block(index * 40)),
        ),
      ),
    ),
  ]);
}

async function vp9KeyFrame(): Promise<Buffer> {
  const { stdout } = await run(
    "ffmpeg",
    "-v error -f lavfi -i color=red:s=64x64 -frames:v 1 -c:v libvpx-vp9 -f ivf -".split(" "),
    { encoding: "buffer" },
  );
  // Behind the file's head of 32 bytes and the frame's of 12.
  return stdout.subarray(44, 44 + stdout.readUInt32LE(32));
}
