export interface Opened {
  readonly bytes: Buffer;
  /** Whether it ended with the source, too early, or cannot have been compressed by this method. */
  readonly end: "whole" | "cut" | "wrong";
}

/**
 * Opens PostgreSQL's own compression (src/common/pg_lzcompress.c: a control byte before every eight items, each a literal
 * byte or a reference of two or three bytes).
 */
export function openPglz(source: Uint8Array, rawSize: number, out = Buffer.alloc(rawSize)): Opened {
  let from = 0;
  let to = 0;
  while (from < source.length && to < rawSize) {
    let control = source[from++] ?? 0;
    for (let item = 0; item < 8 && from < source.length && to < rawSize; item++, control >>= 1) {
      if ((control & 1) === 0) {
        out[to++] = source[from++] ?? 0;
        continue;
      }
      const first = source[from++] ?? 0;
      let length = (first & 0x0f) + 3;
      const offset = ((first & 0xf0) << 4) | (source[from++] ?? 0);
      if (length === 18) length += source[from++] ?? 0;
      if (offset === 0 || offset > to) return { bytes: out.subarray(0, to), end: "wrong" };
      for (let copied = 0; copied < length && to < rawSize; copied++, to++) out[to] = out[to - offset] ?? 0;
    }
  }
  if (to < rawSize) return { bytes: out.subarray(0, to), end: "cut" };
  return { bytes: out.subarray(0, to), end: from === source.length ? "whole" : "wrong" };
}

const mostRaw = 1024 * 1024;
/** Three bytes can stand for 273 at most. */
const mostRatio = 91;
/** A value kept outside its row lies in parts of this many bytes, with their length before them (TOAST_MAX_CHUNK_SIZE). */
const fullChunkBytes = 2_000;

/**
 * Values that PostgreSQL compressed, wherever in a page they lie: in the row (a varlena header whose lowest bits are 10,
 * then the raw length), or outside it (the raw length alone, at the beginning of the first part; of a longer value that part
 * is read). In pages they begin at every fourth byte, in the log at any.
 */
export function* compressedIn(page: Buffer, step: 1 | 4): Generator<Buffer> {
  let scratch: Buffer<ArrayBuffer> | undefined;
  for (let at = 0; at + 16 <= page.length; at += step) {
    const header = page.readUInt32LE(at);
    const length = header >>> 2;
    if (length < 12 || length > 8_192 || (header & 1) !== 0 || at + length > page.length) continue;
    const tag = page.readUInt32LE(at + 4);
    const rawSize = tag & 0x3fff_ffff;
    // The two highest bits name the method: 0 is this one.
    if (tag >>> 30 !== 0 || rawSize < length - 8 || rawSize > mostRaw) continue;
    const isFullChunk = (header & 3) === 0 && length === fullChunkBytes;
    // Nothing has been written yet that the first item could refer to.
    if (((page[at + 8] ?? 0) & 1) !== 0 || (!isFullChunk && rawSize > length * mostRatio)) continue;
    scratch ??= Buffer.allocUnsafe(mostRaw);
    const { bytes, end } = openPglz(page.subarray(at + 8, at + length), rawSize, scratch);
    if (end === "whole" || (isFullChunk && end === "cut")) yield Buffer.from(bytes);
  }
}
