import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
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

test("an archive is whole, its checksum included, however little of it the system writes at a time", async () => {
  const file = await open(join(folder, "sparing"), "w+");
  try {
    const writer = archiveWriter(sparing(file));
    await writer.begin({
      migration: 1,
      databaseId: "0198a9a0-0000-7000-8000-000000000001",
      madeAt: "2026-11-27T18:00:00.000Z",
      tables: [{ name: "said", columns: [{ name: "word", type: "text" }] }],
      sequences: [],
    });
    const rows = Buffer.from("as many bytes as COPY would give");
    await writer.table(
      (async function* () {
        yield rows;
      })(),
    );
    const sizeBytes = await writer.end({ said: 1 });
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
