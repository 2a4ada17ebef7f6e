import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lookHere, lookInThreads, type Looking } from "./looking.ts";
import { pieceBytes, pieceStarts } from "./raw-piece.ts";
import { needlesOf, searchOver } from "./search.ts";

const value = "Zoë.Quill+Feather@Some.Example.org";
const sought = [{ what: "it", value }];
const all = needlesOf(sought);
const plain = needlesOf(sought, { digests: false });
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_none, at) => (at * 197 + 13) & 255));
const here = lookHere(searchOver(all), searchOver(plain));
const threads = lookInThreads({ all, plain }, 2);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-looking-"));
});
afterAll(async () => {
  await threads.close();
  await rm(folder, { recursive: true });
});

test("threads find what one thread finds, each in what it was asked for", async () => {
  const asked = Array.from({ length: 40 }, (_none, at) =>
    Buffer.concat([
      noise(100 + at),
      Buffer.from(at % 3 === 0 ? Buffer.from(value).toString("hex") : "nothing"),
      noise(9),
    ]),
  );
  const look = (looking: Looking) => Promise.all(asked.map((bytes, at) => looking.look(bytes, at % 2 === 0)));
  const found = await look(threads);
  expect(found).toEqual(await look(here));
  // In hex it is found where encodings are read, and not where they are not.
  expect(found.flatMap((whats, at) => (whats.length > 0 ? [at] : []))).toEqual([3, 9, 15, 21, 27, 33, 39]);
});

test("a value that lies over two pieces of a file is found, and one whose file is gone is not", async () => {
  const path = join(folder, "relation");
  const before = pieceBytes - 20;
  await writeFile(path, Buffer.concat([Buffer.alloc(before, 32), Buffer.from(value), Buffer.alloc(50, 32)]));
  const starts = pieceStarts(before + Buffer.byteLength(value) + 50);
  expect(starts).toHaveLength(2);
  const found = await Promise.all(starts.map((position) => threads.lookIn({ path, position, isLog: false })));
  expect(found.map((looked) => looked.found)).toEqual([[], ["it"]]);
  expect(await threads.lookIn({ path: join(folder, "gone"), position: 0, isLog: false })).toEqual({
    found: [],
    bytes: 0,
  });
});

test("a thread that fails is told, and nothing is taken for not found", async () => {
  const failing = lookInThreads({ all, plain }, 1);
  // A folder can be opened and not be read.
  await expect(failing.lookIn({ path: folder, position: 0, isLog: false })).rejects.toThrow("EISDIR");
  await expect(failing.look(Buffer.from(value), false)).rejects.toThrow("EISDIR");
  await failing.close();
});
