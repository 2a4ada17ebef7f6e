import { createHash, timingSafeEqual } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";

/*
 * The file that a backup is, in order:
 *
 *   magic line, with the format's version in it
 *   header    length (u32, big-endian) and JSON
 *   per table blocks: length (u32, 1 to maxBlockBytes) and bytes of COPY's binary format; then a length of 0
 *   trailer   length and JSON: how many rows each table had
 *   SHA-256 of everything before it
 *
 * The sum guards against damage and truncation; it is no signature. Who can write the file can write the sum.
 */

const magicPrefix = "houselights backup ";
const formatVersion = 1;
const magic = Buffer.from(`${magicPrefix}${formatVersion}\n`);
const maxBlockBytes = 1 << 18;
const maxJsonBytes = 1 << 22;
const digestBytes = 32;

const Column = Type.Object({ name: Type.String(), type: Type.String() }, { additionalProperties: false });
const Header = Type.Object({
  /** The newest migration that the schema had. */
  migration: Type.Integer({ minimum: 1 }),
  databaseId: Type.String({ format: "uuid" }),
  /** ISO 8601: the instant of the snapshot. */
  madeAt: Type.String(),
  tables: Type.Array(Type.Object({ name: Type.String(), columns: Type.Array(Column) })),
  sequences: Type.Array(Type.Object({ name: Type.String(), value: Type.Integer(), isCalled: Type.Boolean() })),
});
const Trailer = Type.Object({ rows: Type.Record(Type.String(), Type.Integer({ minimum: 0 })) });

/** Whether a file begins as an archive of any version does, or is empty: one of ours that may be unfinished. */
export async function isArchiveBegun(path: string): Promise<boolean> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(magicPrefix.length), 0, magicPrefix.length, 0);
    return bytesRead === 0 || buffer.subarray(0, bytesRead).equals(Buffer.from(magicPrefix));
  } finally {
    await file.close();
  }
}

/** What the archive says about itself before its tables. */
export type ArchiveHeader = Static<typeof Header>;
export type ArchiveTable = ArchiveHeader["tables"][number];

/** Writes an archive in order, in blocks of a quarter of a megabyte, so memory stays flat. */
export function archiveWriter(file: FileHandle) {
  const hash = createHash("sha256");
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let position = 0;

  /** One call may write less than it was given: a disk that fills up takes what still fits, and refuses the next. */
  async function writeAll(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.byteLength;) {
      const done = await file.write(bytes, written, bytes.byteLength - written, position);
      written += done.bytesWritten;
      position += done.bytesWritten;
    }
  }
  async function put(bytes: Uint8Array): Promise<void> {
    hash.update(bytes);
    await writeAll(bytes);
  }
  async function putBlock(): Promise<void> {
    if (waitingBytes === 0) return;
    await put(Buffer.concat([u32(waitingBytes), ...waiting]));
    waiting = [];
    waitingBytes = 0;
  }
  async function putJson(value: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(value));
    await put(Buffer.concat([u32(bytes.byteLength), bytes]));
  }

  return {
    begin: async (header: ArchiveHeader): Promise<void> => {
      await put(magic);
      await putJson(header);
    },
    table: async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of chunks) {
        for (let start = 0; start < chunk.byteLength; start += maxBlockBytes) {
          const piece = Buffer.from(chunk.subarray(start, start + maxBlockBytes));
          if (waitingBytes + piece.byteLength > maxBlockBytes) await putBlock();
          waiting.push(piece);
          waitingBytes += piece.byteLength;
        }
      }
      await putBlock();
      await put(u32(0));
    },
    /** @returns the size of the whole file. */
    end: async (rows: Readonly<Record<string, number>>): Promise<number> => {
      await putJson({ rows });
      await writeAll(hash.digest());
      return position;
    },
  };
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** An archive that has been read to its end once and is whole. */
export interface OpenedArchive {
  readonly header: ArchiveHeader;
  readonly rows: Readonly<Record<string, number>>;
  /** The blocks of the header's tables, one table per call, in the header's order. */
  nextTable(): AsyncGenerator<Buffer, void, void>;
}

export type OpenOutcome =
  | { readonly kind: "opened"; readonly archive: OpenedArchive }
  | { readonly kind: "refused"; readonly reason: "not a backup" | "another format" | "damaged" };

/** What a file says of itself, before anything in it was checked; `undefined` for one that is no backup of this format. */
export async function readArchiveHeader(file: FileHandle): Promise<ArchiveHeader | undefined> {
  const { size } = await file.stat();
  const start = await readAt(file, 0, Math.min(magic.byteLength, size));
  if (!start.equals(magic)) return undefined;
  try {
    return Value.Parse(Header, await sequential(file, magic.byteLength, size).json());
  } catch {
    return undefined;
  }
}

/** Reads the file to its end, checking sum and structure, before anything is believed. The file must not change meanwhile. */
export async function openArchive(file: FileHandle): Promise<OpenOutcome> {
  const { size } = await file.stat();
  const start = await readAt(file, 0, Math.min(magic.byteLength, size));
  if (!start.equals(magic)) {
    const isOther = start.toString("latin1").startsWith(magicPrefix);
    return { kind: "refused", reason: isOther ? "another format" : "not a backup" };
  }
  const sumAt = size - digestBytes;
  if (sumAt <= magic.byteLength || !(await sumIsRight(file, sumAt))) return { kind: "refused", reason: "damaged" };

  // The sum is right, so a structure that is wrong was made on purpose: it is refused all the same.
  try {
    const reader = sequential(file, magic.byteLength, sumAt);
    const header = Value.Parse(Header, await reader.json());
    const tablesAt = reader.position();
    for (let index = 0; index < header.tables.length; index++) {
      for (let bytes = await reader.length(maxBlockBytes); bytes > 0; bytes = await reader.length(maxBlockBytes)) {
        reader.skip(bytes);
      }
    }
    const { rows } = Value.Parse(Trailer, await reader.json());
    if (reader.position() !== sumAt) return { kind: "refused", reason: "damaged" };

    const again = sequential(file, tablesAt, sumAt);
    return {
      kind: "opened",
      archive: {
        header,
        rows,
        nextTable: async function* () {
          for (let bytes = await again.length(maxBlockBytes); bytes > 0; bytes = await again.length(maxBlockBytes)) {
            yield await again.take(bytes);
          }
        },
      },
    };
  } catch {
    return { kind: "refused", reason: "damaged" };
  }
}

async function sumIsRight(file: FileHandle, sumAt: number): Promise<boolean> {
  const hash = createHash("sha256");
  for (let at = 0; at < sumAt; at += maxBlockBytes) {
    hash.update(await readAt(file, at, Math.min(maxBlockBytes, sumAt - at)));
  }
  return timingSafeEqual(hash.digest(), await readAt(file, sumAt, digestBytes));
}

function sequential(file: FileHandle, start: number, end: number) {
  let position = start;
  const take = async (bytes: number): Promise<Buffer> => {
    if (position + bytes > end) throw new RangeError("past the end");
    const taken = await readAt(file, position, bytes);
    position += bytes;
    return taken;
  };
  const length = async (most: number): Promise<number> => {
    const value = (await take(4)).readUInt32BE();
    if (value > most) throw new RangeError("too long");
    return value;
  };
  return {
    take,
    length,
    skip: (bytes: number): void => {
      position += bytes;
    },
    json: async (): Promise<unknown> => JSON.parse((await take(await length(maxJsonBytes))).toString("utf8")),
    position: (): number => position,
  };
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  for (let read = 0; read < bytes;) {
    const { bytesRead } = await file.read(buffer, read, bytes - read, position + read);
    if (bytesRead === 0) throw new RangeError("past the end");
    read += bytesRead;
  }
  return buffer;
}
