import { Fault } from "../kernel/fault.ts";

/** Cuts ADTS (ISO/IEC 13818-7 section 6.2) into AAC frames without their headers. */
export function adtsCutter(): { push(part: Buffer): Buffer[] } {
  let pending: Buffer = Buffer.alloc(0);
  return {
    push: (part) => {
      pending = pending.length === 0 ? part : Buffer.concat([pending, part]);
      const frames: Buffer[] = [];
      let at = 0;
      while (at + 7 <= pending.length) {
        const word = pending.readUInt32BE(at + 3);
        const size = (word >>> 13) & 0x1fff;
        const header = ((pending[at + 1] ?? 0) & 1) === 1 ? 7 : 9;
        if (pending.readUInt16BE(at) >>> 4 !== 0xfff || size <= header) {
          throw new Fault("MEDIA_UNREADABLE", "the encoder wrote something else than AAC");
        }
        if (at + size > pending.length) break;
        // A copy: the frame outlives the part of the pipe that it came in.
        frames.push(Buffer.from(pending.subarray(at + header, at + size)));
        at += size;
      }
      pending = pending.subarray(at);
      return frames;
    },
  };
}

const u16 = (value: number): Buffer => Buffer.from([(value >>> 8) & 0xff, value & 0xff]);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const zeros = (count: number): Buffer => Buffer.alloc(count);

function box(type: string, ...parts: readonly Buffer[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, 8);
  return Buffer.concat([u32(size), Buffer.from(type, "latin1"), ...parts]);
}
const fullBox = (type: string, version: number, flags: number, ...parts: readonly Buffer[]): Buffer =>
  box(type, u32((version << 24) | flags), ...parts);

const unityMatrix = Buffer.concat([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(u32));

const sampleRates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/** AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1) of AAC-LC. */
export function aacConfig(rateHz: number, channels: number): Buffer {
  const index = sampleRates.indexOf(rateHz);
  if (index === -1) throw new Fault("IMPOSSIBLE", "no AAC at this sample rate");
  return u16((2 << 11) | (index << 7) | (channels << 3));
}

/** A descriptor of ISO/IEC 14496-1 section 8.3; none of ours is longer than 127 bytes. */
const descriptor = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, body.length]), body]);
};

/**
 * The initialization segment of one AAC-LC track in fragmented MP4; its time scale is the sample rate, its times are 0 so
 * that the same input gives the same bytes.
 */
export function aacInit(rateHz: number, channels: number, bitrateBps: number): Buffer {
  const esds = descriptor(
    3,
    u16(1),
    zeros(1),
    descriptor(
      4,
      Buffer.from([0x40, 0x15, 0, 0, 0]),
      u32(bitrateBps),
      u32(bitrateBps),
      descriptor(5, aacConfig(rateHz, channels)),
    ),
    descriptor(6, Buffer.from([2])),
  );
  const entry = box(
    "mp4a",
    Buffer.concat([zeros(6), u16(1), zeros(8), u16(channels), u16(16), zeros(4), u32((rateHz << 16) >>> 0)]),
    fullBox("esds", 0, 0, esds),
  );
  const table = box(
    "stbl",
    fullBox("stsd", 0, 0, u32(1), entry),
    ...["stts", "stsc", "stco"].map((type) => fullBox(type, 0, 0, u32(0))),
    fullBox("stsz", 0, 0, u32(0), u32(0)),
  );
  const media = box(
    "mdia",
    fullBox("mdhd", 0, 0, zeros(8), u32(rateHz), u32(0), u16(0x55c4), u16(0)),
    fullBox("hdlr", 0, 0, u32(0), Buffer.from("soun"), zeros(12), Buffer.from("SoundHandler\0")),
    box(
      "minf",
      fullBox("smhd", 0, 0, u32(0)),
      box("dinf", fullBox("dref", 0, 0, u32(1), fullBox("url ", 0, 1))),
      table,
    ),
  );
  const track = box(
    "trak",
    // Enabled and in the movie; volume 1.
    fullBox("tkhd", 0, 3, zeros(8), u32(1), zeros(8), zeros(8), u32(0), u16(0x0100), u16(0), unityMatrix, zeros(8)),
    media,
  );
  const movie = box(
    "moov",
    fullBox(
      "mvhd",
      0,
      0,
      Buffer.concat([
        zeros(8),
        u32(1_000),
        u32(0),
        u32(0x10000),
        u16(0x0100),
        zeros(10),
        unityMatrix,
        zeros(24),
        u32(2),
      ]),
    ),
    track,
    box("mvex", fullBox("trex", 0, 0, u32(1), u32(1), u32(1_024), u32(0), u32(0))),
  );
  return Buffer.concat([box("ftyp", Buffer.from("iso6"), u32(0), Buffer.from("iso6mp41cmfc")), movie]);
}

/** One media segment: frames of 1,024 samples from `firstFrame` on, counted from the film's start. */
export function aacSegment(frames: readonly Buffer[], firstFrame: number, sequence: number): Buffer {
  const decodeTime = Buffer.alloc(8);
  decodeTime.writeBigUInt64BE(BigInt(firstFrame) * 1_024n);
  const headOf = (dataOffset: number): Buffer =>
    box(
      "moof",
      fullBox("mfhd", 0, 0, u32(sequence)),
      box(
        "traf",
        // The offset counts from this moof; each frame lasts 1,024 samples and can be decoded alone.
        fullBox("tfhd", 0, 0x020028, u32(1), u32(1_024), u32(0x02000000)),
        fullBox("tfdt", 1, 0, decodeTime),
        fullBox("trun", 0, 0x000201, u32(frames.length), u32(dataOffset), ...frames.map(({ length }) => u32(length))),
      ),
    );
  const headBytes = headOf(0).length;
  return Buffer.concat([headOf(headBytes + 8), box("mdat", ...frames)]);
}
