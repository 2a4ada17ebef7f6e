import type { ReadDisk } from "./disk-reads.ts";

/** What Matroska's own index says, and what the demuxer does not. RFC 9559 sections 5.1.5 and 5.1.4. */
export interface MkvHeads {
  /** Nanoseconds per tick. */
  readonly timestampScale: number;
  readonly tracks: readonly MkvTrack[];
  /** Null when the file has none, or an unfinished or hostile one. */
  readonly cues: readonly Cue[] | null;
}

export interface MkvTrack {
  readonly number: number;
  /** What the decoder drops at the start, in ns. The demuxer's times do not subtract it. */
  readonly codecDelayNs: number;
  /** Frames are packed with zlib or another compression that is not header stripping, or encrypted. */
  readonly packed: boolean;
}

export interface Cue {
  readonly track: number;
  readonly ticks: number;
  /** Offset of the cluster in the segment's data. */
  readonly clusterOffset: number;
}

/** Above this the Cues are a trap: 10 MB of duplicates stop a demuxer for a minute. */
export const maxCuesBytes = 4 * 1_048_576;
const maxHeadBytes = 4 * 1_048_576;

const ids = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  info: 0x1549a966,
  tracks: 0x1654ae6b,
  cues: 0x1c53bb6b,
  cluster: 0x1f43b675,
} as const;

interface Element {
  readonly id: number;
  /** Where its data begins. */
  readonly start: number;
  /** Unknown for live recordings: then to the end of what holds it. */
  readonly end: number;
}

/** An element's head: EBML's variable-length id and size (RFC 8794 sections 4 and 5). */
function readHead(bytes: Buffer, at: number, limit: number): Element | undefined {
  const idLength = Math.clz32(bytes[at] ?? 0) - 23;
  if (idLength > 4 || at + idLength >= bytes.length) return undefined;
  const id = bytes.readUIntBE(at, idLength);
  const sizeAt = at + idLength;
  const sizeLength = Math.clz32(bytes[sizeAt] ?? 0) - 23;
  if (sizeLength > 8 || sizeAt + sizeLength > bytes.length) return undefined;
  let size = (bytes[sizeAt] ?? 0) & (0xff >> sizeLength);
  let unknown = size === 0xff >> sizeLength;
  for (let i = 1; i < sizeLength; i++) {
    const byte = bytes[sizeAt + i] ?? 0;
    unknown &&= byte === 0xff;
    size = size * 256 + byte;
  }
  const start = sizeAt + sizeLength;
  return { id, start, end: unknown ? limit : Math.min(start + size, limit) };
}

function* children(bytes: Buffer, from: number, to: number): Generator<Element> {
  for (let at = from; at < to;) {
    const element = readHead(bytes, at, to);
    if (element === undefined) return;
    yield element;
    at = element.end;
  }
}

const unsigned = (bytes: Buffer, { start, end }: Element): number => {
  let value = 0;
  for (let at = start; at < end && at < start + 8; at++) value = value * 256 + (bytes[at] ?? 0);
  return value;
};

/**
 * Reads the heads and the Cues of an open Matroska or WebM file without its frames: 5 to 8 ms for a film of two hours.
 *
 * @returns `too large` when the Cues or the heads exceed 4 MB, `not matroska` when it is something else.
 */
export function readMkvHeads(
  readDisk: ReadDisk,
  descriptor: number,
  sizeBytes: number,
): { readonly kind: "read"; readonly heads: MkvHeads } | { readonly kind: "too large" | "not matroska" } {
  const read = (from: number, length: number): Buffer => {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, sizeBytes - from)));
    return bytes.subarray(0, readDisk(descriptor, bytes, 0, bytes.length, from));
  };
  const headAt = (at: number, limit: number): Element | undefined => {
    const element = readHead(read(at, 12), 0, limit - at);
    return element && { id: element.id, start: element.start + at, end: element.end + at };
  };
  const ebml = headAt(0, sizeBytes);
  const segment = ebml?.id === ids.ebml ? headAt(ebml.end, sizeBytes) : undefined;
  if (segment?.id !== ids.segment) return { kind: "not matroska" };

  let timestampScale = 1_000_000;
  let tracks: MkvTrack[] = [];
  let cues: Cue[] | null = null;
  let cuesAt: number | undefined;
  const seen = new Set<number>();
  const take = (element: Element): boolean => {
    if (seen.has(element.id)) return true;
    seen.add(element.id);
    const length = element.end - element.start;
    if (length > (element.id === ids.cues ? maxCuesBytes : maxHeadBytes)) return false;
    const bytes = read(element.start, length);
    if (element.id === ids.info) {
      for (const child of children(bytes, 0, bytes.length)) {
        if (child.id === 0x2ad7b1) timestampScale = unsigned(bytes, child) || timestampScale;
      }
    } else if (element.id === ids.tracks) tracks = readTracks(bytes);
    else if (element.id === ids.cues) cues = readCues(bytes);
    else if (element.id === ids.seekHead) {
      const at = seekPosition(bytes, ids.cues);
      if (at !== undefined) cuesAt = segment.start + at;
    }
    return true;
  };
  // The heads stand before the first cluster; a hundred elements are plenty.
  let at = segment.start;
  for (let count = 0; count < 100 && at < segment.end; count++) {
    const element = headAt(at, segment.end);
    if (element === undefined || element.id === ids.cluster) break;
    const wanted: readonly number[] = [ids.info, ids.tracks, ids.cues, ids.seekHead];
    if (wanted.includes(element.id) && !take(element)) return { kind: "too large" };
    at = element.end;
  }
  if (cues === null && cuesAt !== undefined && cuesAt < sizeBytes) {
    const element = headAt(cuesAt, segment.end);
    if (element?.id === ids.cues && !take(element)) return { kind: "too large" };
  }
  return { kind: "read", heads: { timestampScale, tracks, cues } };
}

function seekPosition(bytes: Buffer, wanted: number): number | undefined {
  for (const seek of children(bytes, 0, bytes.length)) {
    let id = 0;
    let position: number | undefined;
    for (const child of children(bytes, seek.start, seek.end)) {
      if (child.id === 0x53ab) id = unsigned(bytes, child);
      if (child.id === 0x53ac) position = unsigned(bytes, child);
    }
    if (id === wanted) return position;
  }
  return undefined;
}

function readTracks(bytes: Buffer): MkvTrack[] {
  const tracks: MkvTrack[] = [];
  for (const entry of children(bytes, 0, bytes.length)) {
    if (entry.id !== 0xae) continue;
    let number = 0;
    let codecDelayNs = 0;
    let packed = false;
    for (const child of children(bytes, entry.start, entry.end)) {
      if (child.id === 0xd7) number = unsigned(bytes, child);
      else if (child.id === 0x56aa) codecDelayNs = unsigned(bytes, child);
      else if (child.id === 0x6d80) packed = isPacked(bytes, child);
    }
    tracks.push({ number, codecDelayNs, packed });
  }
  return tracks;
}

/** ContentCompAlgo 3 is header stripping, which the demuxer undoes; the default is 0, zlib (RFC 9559 section 5.1.4.1.31). */
function isPacked(bytes: Buffer, encodings: Element): boolean {
  for (const encoding of children(bytes, encodings.start, encodings.end)) {
    for (const child of children(bytes, encoding.start, encoding.end)) {
      if (child.id === 0x5035) return true;
      if (child.id !== 0x5034) continue;
      let algorithm = 0;
      for (const setting of children(bytes, child.start, child.end)) {
        if (setting.id === 0x4254) algorithm = unsigned(bytes, setting);
      }
      if (algorithm !== 3) return true;
    }
  }
  return false;
}

function readCues(bytes: Buffer): Cue[] {
  const cues: Cue[] = [];
  for (const point of children(bytes, 0, bytes.length)) {
    if (point.id !== 0xbb) continue;
    let ticks = 0;
    for (const child of children(bytes, point.start, point.end)) {
      if (child.id === 0xb3) ticks = unsigned(bytes, child);
      if (child.id !== 0xb7) continue;
      let track = 0;
      let clusterOffset = 0;
      for (const part of children(bytes, child.start, child.end)) {
        if (part.id === 0xf7) track = unsigned(bytes, part);
        if (part.id === 0xf1) clusterOffset = unsigned(bytes, part);
      }
      cues.push({ track, ticks, clusterOffset });
    }
  }
  return cues.toSorted((one, other) => one.ticks - other.ticks);
}
