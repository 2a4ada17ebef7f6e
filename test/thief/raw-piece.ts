import { closeSync, openSync, readSync } from "node:fs";
import { formsOf } from "./forms.ts";
import { compressedIn } from "./pglz.ts";
import type { Search } from "./search.ts";

const pageBytes = 8_192;
export const pieceBytes = 4 * 1024 * 1024;
/** A value that lies over two pieces is whole in one of them. */
const overlapBytes = pageBytes;

/** Pages are full of names: shorter base64 than this would be read everywhere. It is 16 bytes, and no address is shorter. */
const rawLetters = 22;

/** Some megabytes of a file. */
export interface Piece {
  readonly path: string;
  readonly position: number;
  /** Whether it is a part of the write-ahead log. */
  readonly isLog: boolean;
}

/** Where the pieces of a file begin that are read after one another. */
export function pieceStarts(fileBytes: number): number[] {
  const starts = [0];
  for (let at = 0; at + pieceBytes <= fileBytes;) starts.push((at += pieceBytes - overlapBytes));
  return starts;
}

/** @returns what is found in the piece, plain, encoded and compressed, and its length: 0 if the file is gone. */
export function searchPiece(search: Search, { path, position, isLog }: Piece): { found: string[]; bytes: number } {
  const piece = read(path, position);
  const found = new Set<string>();
  const readable = isLog ? withoutPageHeaders(piece) : piece;
  for (const form of formsOf(readable, 2, rawLetters)) for (const says of search.findPlain(form)) found.add(says);
  for (const inside of compressedIn(readable, isLog ? 1 : 4)) for (const says of search.findIn(inside)) found.add(says);
  return { found: [...found], bytes: piece.length };
}

function read(path: string, position: number): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    // Temporary files come and go.
    return Buffer.alloc(0);
  }
  try {
    const buffer = Buffer.allocUnsafe(pieceBytes);
    return buffer.subarray(0, readSync(file, buffer, 0, pieceBytes, position));
  } finally {
    closeSync(file);
  }
}

/** A record of the log goes on over the end of its page: 24 bytes of header, 40 at a file's beginning, stand between. */
function withoutPageHeaders(piece: Buffer): Buffer {
  const pages: Buffer[] = [];
  for (let at = 0; at < piece.length; at += pageBytes) {
    // The page's own flags say whether its header is the long one (XLP_LONG_HEADER).
    const isLong = at + 4 <= piece.length && (piece.readUInt16LE(at + 2) & 2) !== 0;
    pages.push(piece.subarray(at + (isLong ? 40 : 24), at + pageBytes));
  }
  return Buffer.concat(pages);
}
