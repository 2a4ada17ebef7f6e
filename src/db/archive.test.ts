import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archiveWriter, openArchive } from "./archive.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-archive-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file on a disk that takes a few bytes at a time, as one does that is nearly full. */
const sparing = (file: FileHandle): FileHandle => {
  const write = (bytes: Uint8Array, offset: number, length: number, position: number) =>
    file.write(bytes, offset, Math.min(length, 7), position);
  return { write } as unknown as FileHandle;
};

const rows = Buffer.from("as many bytes as COPY would give");

/** Writes an archive of one table that comes in these pieces. @returns its size. */
async function writeArchive(file: FileHandle, pieces: readonly Uint8Array[] = [rows]): Promise<number> {
  const writer = archiveWriter(file);
  await writer.begin({
    migration: 1,
    databaseId: "0198a9a0-0000-7000-8000-000000000001",
    madeAt: "2026-11-27T18:00:00.000Z",
    tables: [{ name: "said", columns: [{ name: "word", type: "text" }] }],
    sequences: [],
  });
  await writer.table(
    (async function* () {
      yield* pieces;
    })(),
  );
  return writer.end({ said: 1 });
}

test("an archive is whole, its checksum included, however little of it the system writes at a time", async () => {
  const file = await open(join(folder, "sparing"), "w+");
  try {
    const sizeBytes = await writeArchive(sparing(file));
    expect((await file.stat()).size).toBe(sizeBytes);
    const opened = await openArchive(file);
    expect(opened.kind).toBe("opened");
    const blocks: Buffer[] = [];
    if (opened.kind === "opened") for await (const block of opened.archive.nextTable()) blocks.push(block);
    expect(Buffer.concat(blocks)).toEqual(rows);
  } finally {
    await file.close();
  }
});

test("a table of more than one block comes back as it was, in whatever pieces it came", async () => {
  const block = 2 ** 18;
  const piece = (length: number) => Buffer.alloc(length, length % 251);
  for (const lengths of [
    [block, 1],
    [block - 1, 2, block],
    [3 * block + 5],
    [1, 2 * block, 1],
    Array(9).fill(block / 4),
  ]) {
    const file = await open(join(folder, "blocks"), "w+");
    try {
      const pieces = lengths.map(piece);
      await writeArchive(file, pieces);
      const opened = await openArchive(file);
      expect([lengths, opened.kind]).toEqual([lengths, "opened"]);
      const blocks: Buffer[] = [];
      if (opened.kind === "opened") for await (const each of opened.archive.nextTable()) blocks.push(each);
      expect(Buffer.concat(blocks).equals(Buffer.concat(pieces))).toBe(true);
    } finally {
      await file.close();
    }
  }
});

test("what is put together wrong is refused, though its sum is right: whoever can write the file can write the sum", async () => {
  const path = join(folder, "put together");
  const file = await open(path, "w+");
  await writeArchive(file).finally(() => file.close());
  const whole = (await readFile(path)).subarray(0, -32);
  const header = whole.indexOf("{") - 4;
  const table = header + 4 + whole.readUInt32BE(header);
  const trailer = whole.lastIndexOf('{"rows"') - 4;
  expect(whole.readUInt32BE(table)).toBe(rows.length);
  const lengthAt = (at: number, length: number): Buffer => {
    const changed = Buffer.from(whole);
    changed.writeUInt32BE(length, at);
    return changed;
  };
  const long = Buffer.alloc(2 ** 18 + 1);
  const longLength = Buffer.alloc(4);
  longLength.writeUInt32BE(long.length);
  const opened = async (bytes: Buffer) => {
    await writeFile(path, Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]));
    const made = await open(path);
    try {
      return await openArchive(made);
    } finally {
      await made.close();
    }
  };
  expect((await opened(whole)).kind).toBe("opened");
  const wrong: readonly (readonly [string, Buffer])[] = [
    ["something behind the trailer", Buffer.concat([whole, Buffer.from("x")])],
    ["no trailer", whole.subarray(0, trailer)],
    ["a header that ends behind the file", lengthAt(header, 2 ** 21)],
    ["a header of no length", lengthAt(header, 0)],
    ["a block that ends behind the file", lengthAt(table, 2 ** 17)],
    [
      "a block that is longer than one may be",
      Buffer.concat([whole.subarray(0, table), longLength, long, whole.subarray(table)]),
    ],
    ["a table without an end", Buffer.concat([whole.subarray(0, trailer - 4), whole.subarray(trailer)])],
    ["a header of other fields", Buffer.from(whole.toString("latin1").replace('"migration"', '"migratiom"'), "latin1")],
    ["a trailer of other fields", Buffer.from(whole.toString("latin1").replace('{"rows"', '{"rowz"'), "latin1")],
  ];
  for (const [what, bytes] of wrong) {
    expect([what, await opened(bytes)]).toEqual([what, { kind: "refused", reason: "damaged" }]);
  }
});
