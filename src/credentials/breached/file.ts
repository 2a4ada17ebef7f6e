import { createHash } from "node:crypto";
import { constants, closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { Fault } from "../../kernel/fault.ts";
import { bytesOfShape, bytesOfWindow, isIn, windowOf, wordsPerDigest, type Shape } from "./fuse.ts";

/**
 * The file of breached passwords. It begins with a head of 4,096 bytes, then come the filters of its parts, each for a
 * stretch of the digests in their order, then the directory of the parts. Numbers are little-endian.
 *
 *     head       0  "houselights-pwf1"     16  parts, u32      24  passwords, u64    32  directory's place, u64
 *               40  made at, ms, u64       48  SHA-256 of bytes 0 to 47 and of the directory
 *     part       0  first digest's first eight bytes, as two u32     8  digests, u32  12  seed, u32
 *               16  segment length, u32    20  segments, u32         24  place, u64   32  CRC-32 of its filter, u32
 *
 * The head is written last, when everything else is on the disk.
 */
export const headBytes = 4_096;
export const partBytes = 36;
const magic = Buffer.from("houselights-pwf1", "latin1");
const digestAt = 48;
/** 2,000 parts hold a thousand million passwords. */
const mostParts = 100_000;

export interface Part {
  readonly first0: number;
  readonly first1: number;
  readonly digests: number;
  readonly shape: Shape;
  readonly offset: number;
  readonly crc: number;
}

export interface Summary {
  readonly passwords: number;
  readonly bytes: number;
  readonly madeAtMs: number;
}

export function encodeDirectory(parts: readonly Part[]): Buffer {
  const bytes = Buffer.alloc(parts.length * partBytes);
  parts.forEach(({ first0, first1, digests, shape, offset, crc }, i) => {
    const at = i * partBytes;
    [first0, first1, digests, shape.seed, shape.segmentLength, shape.segments].forEach((value, field) =>
      bytes.writeUInt32LE(value, at + field * 4),
    );
    bytes.writeBigUInt64LE(BigInt(offset), at + 24);
    bytes.writeUInt32LE(crc, at + 32);
  });
  return bytes;
}

export function encodeHead(parts: readonly Part[], directory: Buffer, place: number, madeAtMs: number): Buffer {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt32LE(parts.length, 16);
  head.writeBigUInt64LE(BigInt(parts.reduce((sum, { digests }) => sum + digests, 0)), 24);
  head.writeBigUInt64LE(BigInt(place), 32);
  head.writeBigUInt64LE(BigInt(madeAtMs), 40);
  checksum(head, directory).copy(head, digestAt);
  return head;
}

const checksum = (head: Buffer, directory: Buffer): Buffer =>
  createHash("sha256").update(head.subarray(0, digestAt)).update(directory).digest();

/** An open file of breached passwords. */
export interface FilterFile {
  readonly summary: Summary;
  /** Device, inode, size and time of the last change: another one at the same path is another file. */
  readonly identity: string;
  /** Whether a password with this SHA-1 is in the list, or is taken for one that is. Reads one stretch of the file. */
  holds(sha1: Buffer): boolean;
  /** Reads everything and compares it with its checksums. @returns what is wrong, or `undefined`. */
  damage(): string | undefined;
  close(): void;
}

export const identityOf = ({ dev, ino, size, mtimeMs }: { dev: number; ino: number; size: number; mtimeMs: number }) =>
  `${dev}:${ino}:${size}:${mtimeMs}`;

/**
 * Opens a file of breached passwords and checks its head, its directory and its length.
 *
 * @returns `undefined` when there is no such file.
 * @throws Fault CONFIG_INVALID for a file that is not one of ours, or not a whole one.
 */
export function openFilterFile(path: string): FilterFile | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Fault(
      "CONFIG_INVALID",
      `cannot read the list of breached passwords at ${path}; hint: is it yours to read?`,
      { cause: error },
    );
  }
  try {
    return opened(file, path);
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function opened(file: number, path: string): FilterFile {
  const wrong = (what: string): Fault =>
    new Fault(
      "CONFIG_INVALID",
      `${path} ${what}\nload the list again with houselights passwords load, or remove the file to go without`,
    );
  const found = fstatSync(file);
  const read = (length: number, position: number): Buffer => {
    const bytes = Buffer.alloc(length);
    if (readSync(file, bytes, 0, length, position) !== length) throw wrong("ends early");
    return bytes;
  };
  if (!found.isFile() || found.size < headBytes) throw wrong("is not a list of breached passwords");
  const head = read(headBytes, 0);
  if (!head.subarray(0, magic.length).equals(magic)) throw wrong("is not a list of breached passwords");
  const count = head.readUInt32LE(16);
  const place = Number(head.readBigUInt64LE(32));
  if (count > mostParts || place + count * partBytes !== found.size) throw wrong("is not whole");
  const directory = read(count * partBytes, place);
  if (!checksum(head, directory).equals(head.subarray(digestAt, digestAt + 32))) throw wrong("is damaged");
  const parts = Array.from({ length: count }, (_, i) => decodePart(directory.subarray(i * partBytes)));

  const window = Buffer.alloc(Math.max(0, ...parts.map(({ shape }) => bytesOfWindow(shape))));
  const words = new Uint32Array(wordsPerDigest);
  return {
    summary: {
      passwords: Number(head.readBigUInt64LE(24)),
      bytes: found.size,
      madeAtMs: Number(head.readBigUInt64LE(40)),
    },
    identity: identityOf(found),
    holds: (sha1) => {
      for (let i = 0; i < wordsPerDigest; i++) words[i] = sha1.readUInt32BE(i * 4);
      const part = partOf(parts, words[0] ?? 0, words[1] ?? 0);
      if (part === undefined) return false;
      const length = bytesOfWindow(part.shape);
      const position = part.offset + windowOf(words, part.shape);
      if (readSync(file, window, 0, length, position) !== length) throw wrong("ends early");
      return isIn(window, words, part.shape);
    },
    damage: () => {
      for (const { offset, shape, crc } of parts) {
        if (crc32(read(bytesOfShape(shape), offset)) !== crc) return `bytes from ${offset} on are not what was written`;
      }
      return undefined;
    },
    close: () => closeSync(file),
  };
}

function decodePart(bytes: Buffer): Part {
  const [first0 = 0, first1 = 0, digests = 0, seed = 0, segmentLength = 0, segments = 0] = [0, 4, 8, 12, 16, 20].map(
    (at) => bytes.readUInt32LE(at),
  );
  const offset = Number(bytes.readBigUInt64LE(24));
  return { first0, first1, digests, shape: { seed, segmentLength, segments }, offset, crc: bytes.readUInt32LE(32) };
}

/** The last part that begins at or before a digest. */
function partOf(parts: readonly Part[], word0: number, word1: number): Part | undefined {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first0, first1 } = parts[middle]!;
    if (first0 < word0 || (first0 === word0 && first1 <= word1)) low = middle + 1;
    else high = middle;
  }
  return parts[low - 1];
}
