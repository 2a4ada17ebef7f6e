import type { ReadDisk } from "./disk-reads.ts";

/** Above this a `moov` box is a trap: a film of two hours has 3 to 5 MB. */
const maxMovieBytes = 64 * 1_048_576;
/** A fragmented film of ten hours in fragments of one second has 72,000. */
const maxTopBoxes = 200_000;

export type MovieCheck =
  { readonly kind: "movie"; readonly severalEdits: boolean } | { readonly kind: "refused"; readonly reason: string };

/**
 * Looks at an MP4's boxes before the demuxer does: whether there is a `moov`, whether its size is sane, whether a track is
 * edited in more than one piece, which the demuxer does not support (ISO/IEC 14496-12 sections 8.2.1 and 8.6.6).
 */
export function checkMovie(readDisk: ReadDisk, descriptor: number, sizeBytes: number): MovieCheck {
  const head = Buffer.alloc(16);
  let at = 0;
  for (let count = 0; at + 8 <= sizeBytes; count++) {
    if (count === maxTopBoxes) return { kind: "refused", reason: "it has too many boxes" };
    readDisk(descriptor, head, 0, 16, at);
    const type = head.toString("latin1", 4, 8);
    const short = head.readUInt32BE(0);
    const size = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? sizeBytes - at : short;
    if (count === 0 && !/^[A-Za-z0-9 ]{4}$/.test(type)) return { kind: "refused", reason: "it is not a video file" };
    if (size < 8) return { kind: "refused", reason: "its boxes are damaged" };
    if (type === "moov") {
      if (size > maxMovieBytes) return { kind: "refused", reason: "its index is larger than 64 MB" };
      if (at + size > sizeBytes) return { kind: "refused", reason: "its index is cut off" };
      const movie = Buffer.alloc(size);
      readDisk(descriptor, movie, 0, size, at);
      return { kind: "movie", severalEdits: hasSeveralEdits(movie, 8, size, 0) };
    }
    at += size;
  }
  return { kind: "refused", reason: "it has no index: it was not written to its end" };
}

function hasSeveralEdits(movie: Buffer, from: number, to: number, depth: number): boolean {
  for (let at = from; at + 8 <= to;) {
    const size = movie.readUInt32BE(at);
    const type = movie.toString("latin1", at + 4, at + 8);
    const end = at + size;
    if (size < 8 || end > to) return false;
    if (depth < 2 && (type === "trak" || type === "edts") && hasSeveralEdits(movie, at + 8, end, depth + 1))
      return true;
    if (type === "elst" && end - at >= 16 && pieces(movie, at, end) > 1) return true;
    at = end;
  }
  return false;
}

/** Entries that show something: one with media time −1 is only a pause before it. */
function pieces(movie: Buffer, at: number, end: number): number {
  const isLong = movie[at + 8] === 1;
  const entries = movie.readUInt32BE(at + 12);
  const entryBytes = isLong ? 20 : 12;
  let shown = 0;
  for (let i = 0; i < entries && at + 16 + (i + 1) * entryBytes <= end && shown < 2; i++) {
    const entry = at + 16 + i * entryBytes;
    const mediaTime = isLong ? movie.readBigInt64BE(entry + 8) : BigInt(movie.readInt32BE(entry + 4));
    if (mediaTime !== -1n) shown++;
  }
  return shown;
}
