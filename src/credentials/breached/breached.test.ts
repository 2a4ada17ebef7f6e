import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../kernel/log.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { breachedFileIn, openBreached } from "./breached.ts";
import { openFilterFile } from "./file.ts";
import { loadBreached, passwordsPerPart, type LoadOutcome } from "./load.ts";

const now = Date.UTC(2026, 10, 26) as EpochMs;
let folder: string;
let next = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "breached-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sha1 = (password: string): Buffer => createHash("sha1").update(password).digest();
const hexOf = (password: string): string => sha1(password).toString("hex").toUpperCase();
/** `count` passwords that nobody else in these tests has. */
const some = (count: number, kind = "leaked"): string[] => Array.from({ length: count }, (_, i) => `${kind} ${i}`);
const listOf = (passwords: readonly string[]): string =>
  passwords
    .map((password) => `${hexOf(password)}:7`)
    .toSorted()
    .join("\r\n");

async function file(content: string | Buffer, name = `list-${next++}.txt`): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
async function emptyDataDir(): Promise<string> {
  const dataDir = join(folder, `data-${next++}`);
  await mkdir(dataDir);
  return dataDir;
}
const load = (dataDir: string, ...lists: string[]): Promise<LoadOutcome> =>
  loadBreached({ lists, path: breachedFileIn(dataDir), now });

/** Which of these passwords the list in the folder holds. */
function held(dataDir: string, passwords: readonly string[]): string[] {
  const breached = openBreached(dataDir, silentLog);
  try {
    return passwords.filter((password) => breached.holds(password));
  } finally {
    breached.close();
  }
}

test("no password of the list is ever missed, about 1 stranger in 512 is taken for one, and each costs at most 1.25 bytes", async () => {
  // More than one part, so that the directory and the borders between parts are asked as well.
  const count = passwordsPerPart + 20_000;
  const dataDir = await emptyDataDir();
  const lines: string[] = [];
  for (let i = 0; i < count; i++) lines.push(`${hexOf(`leaked ${i}`)}:${i + 1}`);
  const list = await file(lines.toSorted().join("\n"));
  const outcome = await load(dataDir, list);
  expect(outcome).toMatchObject({ kind: "loaded", passwords: count, ranges: 0 });
  if (outcome.kind !== "loaded") return;
  expect(outcome.bytes / count).toBeLessThanOrEqual(1.25);

  const filter = openFilterFile(breachedFileIn(dataDir));
  expect(filter?.damage()).toBeUndefined();
  let missed = 0;
  for (let i = 0; i < count; i++) if (filter?.holds(sha1(`leaked ${i}`)) !== true) missed++;
  expect(missed).toBe(0);
  let mistaken = 0;
  const strangers = 200_000;
  for (let i = 0; i < strangers; i++) if (filter?.holds(sha1(`stranger ${i}`)) === true) mistaken++;
  filter?.close();
  // 390.6 expected, standard deviation 19.7: five of them either way.
  expect(mistaken).toBeGreaterThan(292);
  expect(mistaken).toBeLessThan(490);
}, 120_000);

test("a load says how many it has, and about how many it will be", async () => {
  const list = await file(listOf(Array.from({ length: 600_000 }, (_, n) => `password ${n}`)));
  const told: [number, number | null][] = [];
  const progress = (done: number, all: number | null) => void told.push([done, all]);
  await loadBreached({ lists: [list], path: breachedFileIn(await emptyDataDir()), now, progress });
  expect(told.length).toBeGreaterThan(1);
  expect(told.at(-1)).toEqual([600_000, expect.any(Number)]);
  for (const [, all] of told) expect(Math.abs(all! - 600_000)).toBeLessThan(10_000);
});

test("small lists of every size from nothing to hundreds are whole", async () => {
  for (const count of [1, 2, 3, 5, 8, 13, 64, 100, 400]) {
    const dataDir = await emptyDataDir();
    expect(await load(dataDir, await file(listOf(some(count))))).toMatchObject({ kind: "loaded", passwords: count });
    expect(held(dataDir, some(count))).toHaveLength(count);
  }
  expect(await load(await emptyDataDir(), await file(""))).toEqual({
    kind: "refused",
    reason: "the lists hold no hashes",
  });
});

test("the downloader's forms are one: a single file, range files, gzipped ones, either line end, lower case, no last line end", async () => {
  const passwords = some(300);
  const list = listOf(passwords);
  const ranges = join(folder, "ranges");
  await mkdir(ranges);
  const byRange = Map.groupBy(list.split("\r\n"), (line) => line.slice(0, 5));
  let isGzip = false;
  for (const [prefix, lines] of byRange) {
    const text = `${lines.map((line) => line.slice(5)).join("\r\n")}`;
    isGzip = !isGzip;
    if (isGzip) await writeFile(join(ranges, `${prefix}.txt.gz`), gzipSync(text));
    else await writeFile(join(ranges, `${prefix}.txt`), text);
  }
  await writeFile(join(ranges, "README"), "not a range");
  const forms = {
    single: [await file(`\uFEFF${list}`)],
    "unix line ends": [await file(list.replaceAll("\r\n", "\n"))],
    "lower case, no counts": [await file(list.toLowerCase().replaceAll(":7", ""))],
    gzip: [await file(gzipSync(list), "pwned.bin")],
    ranges: [ranges],
  };
  const files = new Set<string>();
  for (const [form, lists] of Object.entries(forms)) {
    const dataDir = await emptyDataDir();
    const outcome = await load(dataDir, ...lists);
    expect([form, outcome]).toMatchObject([form, { kind: "loaded", passwords: passwords.length }]);
    expect(outcome).toMatchObject({ ranges: form === "ranges" ? byRange.size : 0 });
    expect(held(dataDir, passwords)).toHaveLength(passwords.length);
    files.add((await readFile(breachedFileIn(dataDir))).toString("base64"));
  }
  // Byte for byte: the same passwords make the same file.
  expect(files.size).toBe(1);
});

test("several lists are merged, and what two hold counts once; padding lines stand for nothing", async () => {
  const dataDir = await emptyDataDir();
  const first = await file(listOf(some(200)));
  const second = await file(listOf([...some(50), ...some(100, "more")]));
  const padded = await file([`${hexOf("real")}:1`, `${hexOf("padding")}:0`].toSorted().join("\n"));
  expect(await load(dataDir, first, second, padded)).toMatchObject({ kind: "loaded", passwords: 301 });
  expect(held(dataDir, [...some(200), ...some(100, "more"), "real"])).toHaveLength(301);
});

test("what is not a list is refused with file, line and rule, without the line, and the list in force stays", async () => {
  const dataDir = await emptyDataDir();
  await load(dataDir, await file(listOf(some(10))));
  const lines = listOf(some(20)).split("\r\n");
  const broken: readonly (readonly [string | Buffer, RegExp])[] = [
    [[...lines.slice(0, 5), "correct horse", ...lines.slice(5)].join("\n"), /, line 6: is not 40 hexadecimal digits/],
    [[lines[1], lines[0]].join("\n"), /, line 2: comes before the line above it/],
    [[...lines.slice(0, 4), `${lines[4]?.slice(0, 40)};3`].join("\n"), /, line 5: is not a hash, a colon and a count/],
    [`${lines[0]?.slice(0, 40)}:`, /, line 1: is not a hash, a colon and a count/],
    [`${lines[0]}\n${lines[1]?.slice(0, 22)}`, /, line 2: is not 40 hexadecimal digits/],
    ["0123456789ABCDEF0123456789ABCDEF:3", /, line 1: holds NTLM hashes/],
    ["A".repeat(3_000_000), /, line 1: has a line that is too long/],
    [gzipSync(lines.join("\n")).subarray(0, 200), /cannot be read to its end/],
    [Buffer.from([0x1f, 0x8b, 1, 2, 3, 4]), /cannot be read to its end/],
  ];
  for (const [content, reason] of broken) {
    const outcome = await load(dataDir, await file(content));
    expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringMatching(reason) });
    expect(JSON.stringify(outcome)).not.toMatch(/correct horse|[0-9A-F]{20}/);
  }
  expect(await load(dataDir, join(folder, "nowhere.txt"))).toMatchObject({ kind: "refused" });
  expect(held(dataDir, some(10))).toHaveLength(10);
  expect(existsSync(`${breachedFileIn(dataDir)}.new`)).toBe(false);
});

test("a half-written, cut, changed or foreign file is refused when it is opened", async () => {
  const dataDir = await emptyDataDir();
  const path = breachedFileIn(dataDir);
  await load(dataDir, await file(listOf(some(500))));
  expect(held(dataDir, some(500))).toHaveLength(500);
  const whole = await readFile(path);
  const damaged: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    [
      "no head yet",
      () => writeFile(path, Buffer.concat([Buffer.alloc(4_096), whole.subarray(4_096)])),
      /is not a list/,
    ],
    ["cut", () => truncate(path, whole.length - 1), /is not whole/],
    ["cut in its head", () => truncate(path, 100), /is not a list/],
    ["longer", () => writeFile(path, Buffer.concat([whole, Buffer.alloc(36)])), /is not whole/],
    ["another count", () => changed(path, 24), /is damaged/],
    ["another directory", () => changed(path, whole.length - 1), /is damaged/],
    ["foreign", () => writeFile(path, "x".repeat(10_000)), /is not a list/],
  ];
  for (const [what, damage, rule] of damaged) {
    await writeFile(path, whole);
    openBreached(dataDir, silentLog).close();
    await damage();
    expect(() => openBreached(dataDir, silentLog), what).toThrow(rule);
  }
  await writeFile(path, whole);
  await changed(path, 4_200);
  expect(openFilterFile(path)?.damage()).toMatch(/not what was written/);
});

async function changed(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

test("a running service takes a new list with the next password, and keeps the old one when the new one is not whole", async () => {
  const dataDir = await emptyDataDir();
  const breached = openBreached(dataDir, silentLog);
  expect(breached.holds("leaked 1")).toBe(false);
  await load(dataDir, await file(listOf(some(100))));
  expect(breached.holds("leaked 1")).toBe(true);
  await load(dataDir, await file(listOf(some(100, "newer"))));
  expect(some(100, "newer").filter((password) => breached.holds(password))).toHaveLength(100);
  await rm(breachedFileIn(dataDir));
  await writeFile(breachedFileIn(dataDir), "something else");
  expect(some(100, "newer").filter((password) => breached.holds(password))).toHaveLength(100);
  breached.close();
});

test("two loads at once: the second is refused, and what a killed one left behind does not matter", async () => {
  const dataDir = await emptyDataDir();
  await writeFile(`${breachedFileIn(dataDir)}.new`, "what a killed load left");
  const list = await file(listOf(some(1_000)));
  const [one, other] = await Promise.allSettled([load(dataDir, list), load(dataDir, list)]);
  expect([one.status, other.status].toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(await load(dataDir, list)).toMatchObject({ kind: "loaded" });
  expect(held(dataDir, some(1_000))).toHaveLength(1_000);
});
