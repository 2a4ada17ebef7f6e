/** One sample of a segment, in decode order; times in ticks of the track. */
export interface FragmentSample {
  readonly size: number;
  readonly duration: number;
  /** Presentation minus decode time, never negative. */
  readonly offset: number;
  readonly key: boolean;
}

export interface Fragment {
  /** Counts from 1. */
  readonly sequence: number;
  /** `baseMediaDecodeTime` (ISO/IEC 14496-12 section 8.8.12). */
  readonly decodeTime: number;
  readonly samples: readonly FragmentSample[];
}

/** Bytes in front of the media: `moof` with one `trun`, and the head of `mdat`. */
export const fragmentHeadBytes = { fixedBytes: 8 + 16 + 8 + 16 + 20 + 20 + 8, bytesPerSample: 16 } as const;

/** `sample_depends_on` 2 for key frames; else 1 and `sample_is_non_sync_sample` (section 8.8.3.1). */
const keyFlags = 0x0200_0000;
const deltaFlags = 0x0101_0000;

/**
 * Writes the head of a media segment into the headroom in front of its samples: nothing is copied. The same samples give
 * the same bytes: no clock, no counter.
 *
 * Source: ISO/IEC 14496-12 sections 8.8.4 to 8.8.8, default-base-is-moof; CMAF (ISO/IEC 23000-19) section 7.3.2.
 */
export function writeFragmentHead(buffer: ArrayBuffer, { sequence, decodeTime, samples }: Fragment): void {
  const view = new DataView(buffer);
  let at = 0;
  const u32 = (value: number): void => {
    view.setUint32(at, value);
    at += 4;
  };
  const head = (size: number, type: string): void => {
    u32(size);
    for (let i = 0; i < 4; i++) view.setUint8(at + i, type.charCodeAt(i));
    at += 4;
  };
  const { fixedBytes, bytesPerSample } = fragmentHeadBytes;
  const runBytes = 20 + bytesPerSample * samples.length;
  const moofBytes = fixedBytes - 8 + bytesPerSample * samples.length;
  head(moofBytes, "moof");
  head(16, "mfhd");
  u32(0);
  u32(sequence);
  head(8 + 16 + 20 + runBytes, "traf");
  head(16, "tfhd");
  u32(0x02_0000);
  u32(1);
  head(20, "tfdt");
  u32(0x0100_0000);
  view.setBigUint64(at, BigInt(decodeTime));
  at += 8;
  head(runBytes, "trun");
  // Data offset, and per sample: duration, size, flags, composition offset.
  u32(0x00_0f01);
  u32(samples.length);
  u32(moofBytes + 8);
  for (const { duration, size, key, offset } of samples) {
    u32(duration);
    u32(size);
    u32(key ? keyFlags : deltaFlags);
    u32(offset);
  }
  const mediaBytes = buffer.byteLength - at - 8;
  head(8 + mediaBytes, "mdat");
}

export interface InitTimes {
  readonly timescale: number;
  /** Where in the track's media its presentation begins: what stands before is for the decoder only. */
  readonly editStart: number;
}

/**
 * Makes an initialisation segment say what our segments do: times of making zeroed, so that the same file gives the same
 * bytes, the timescale in `mdhd`, and the edit list in front of the media.
 *
 * Source: ISO/IEC 14496-12 sections 8.2.2, 8.3.2, 8.4.2, 8.6.6.
 */
export function finishInit(init: Uint8Array, times: InitTimes): Buffer {
  return Buffer.concat([...boxes(init)].map((box) => rewrite(box, times)));
}

function* boxes(bytes: Uint8Array): Generator<Buffer> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= all.length;) {
    const size = all.readUInt32BE(at);
    if (size < 8 || at + size > all.length) throw new RangeError("an initialisation segment is damaged");
    yield all.subarray(at, at + size);
    at += size;
  }
}

const typeOf = (box: Buffer): string => box.toString("latin1", 4, 8);

function container(type: string, children: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + children.reduce((sum, child) => sum + child.length, 0));
  head.write(type, 4, "latin1");
  return Buffer.concat([head, ...children]);
}

function rewrite(box: Buffer, times: InitTimes): Buffer {
  const type = typeOf(box);
  switch (type) {
    case "moov":
    case "mdia":
      return container(
        type,
        [...boxes(box.subarray(8))].map((child) => rewrite(child, times)),
      );
    case "trak":
      return container(
        type,
        [...boxes(box.subarray(8))].flatMap((child) => {
          if (typeOf(child) === "edts") return [];
          const own = rewrite(child, times);
          return typeOf(child) === "tkhd" && times.editStart > 0 ? [own, editList(times.editStart)] : [own];
        }),
      );
    case "mvhd":
    case "tkhd":
    case "mdhd": {
      const own = Buffer.from(box);
      const timeBytes = own[8] === 1 ? 8 : 4;
      own.fill(0, 12, 12 + 2 * timeBytes);
      if (type === "mdhd") own.writeUInt32BE(times.timescale, 12 + 2 * timeBytes);
      return own;
    }
    default:
      return box;
  }
}

function editList(mediaTime: number): Buffer {
  const list = Buffer.alloc(28);
  list.writeUInt32BE(28, 0);
  list.write("elst", 4, "latin1");
  list.writeUInt32BE(1, 12);
  // Duration 0: to the end, whatever segments follow.
  list.writeInt32BE(mediaTime, 20);
  list.writeUInt16BE(1, 24);
  return container("edts", [list]);
}
