import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { programEnvironment } from "../../test/program-environment.ts";
import { isWatchable } from "./tasks.ts";
import { walkLibrary, walkLimits, type FoundFile, type Skipped, type WalkEnd, type WalkLimits } from "./walk.ts";

/** A tree that never ends, or that changes while it is read, costs what the limits say and no more. */
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function tree(folderCount: number, filmsEach: number): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "houselights-walk-"));
  folders.push(root);
  for (let at = 0; at < folderCount; at++) {
    const folder = join(root, `Film ${String(at).padStart(3, "0")} (2001)`);
    await mkdir(folder);
    for (let film = 0; film < filmsEach; film++) await writeFile(join(folder, `part ${film}.mp4`), "x");
  }
  return root;
}

async function walked(
  root: string,
  limits: Partial<WalkLimits> = {},
  each: (file: FoundFile) => void = () => undefined,
): Promise<{ readonly found: string[]; readonly skipped: Skipped[]; readonly end: WalkEnd }> {
  const found: string[] = [];
  const skipped: Skipped[] = [];
  const end = await walkLibrary(
    root,
    (file) => {
      found.push(file.path);
      each(file);
    },
    (what) => skipped.push(what),
    new AbortController().signal,
    { ...walkLimits, ...limits },
  );
  return { found, skipped, end };
}

test("a library within the limits is read to its end", async () => {
  const { found, end } = await walked(await tree(30, 2));
  expect(found).toHaveLength(60);
  expect(end).toEqual({ unreadable: [], complete: true, stoppedBy: null });
});

test("names of any kind are counted, and the walk ends at the limit, saying once where", async () => {
  const root = await tree(30, 2);
  const { found, skipped, end } = await walked(root, { entries: 50 });
  expect(found).toHaveLength(20);
  expect(end).toMatchObject({ complete: false, stoppedBy: "too many" });
  expect(skipped).toEqual([{ path: "Film 010 (2001)", reason: "too many" }]);
  expect(await isWatchable(root, 90)).toBe(true);
  expect(await isWatchable(root, 89)).toBe(false);
});

test("the limit of files ends the walk as well, and not one folder alone", async () => {
  const { found, skipped, end } = await walked(await tree(30, 2), { files: 11 });
  expect(found).toHaveLength(11);
  expect(end).toMatchObject({ complete: false, stoppedBy: "too many" });
  expect(skipped).toHaveLength(1);
});

test("a path that is too long is passed by, and what lies beside it is not", async () => {
  const root = await tree(1, 1);
  await writeFile(join(root, "Film 000 (2001)", "part ü.mp4"), "x");
  const pathBytes = Buffer.byteLength("Film 000 (2001)/part 0.mp4");
  const { found, skipped, end } = await walked(root, { pathBytes });
  expect(found).toEqual(["Film 000 (2001)/part 0.mp4"]);
  expect(skipped).toEqual([{ path: "Film 000 (2001)/part ü.mp4", reason: "name too long" }]);
  expect(end).toMatchObject({ complete: true, stoppedBy: null });
});

test("one folder with more names than the limit is not read whole", async () => {
  const { found, end } = await walked(await tree(1, 3_000), { entries: 1_000 });
  expect([found.length, end.stoppedBy]).toEqual([0, "too many"]);
});

test("the walk ends when its time is over", async () => {
  const { found, skipped, end } = await walked(await tree(300, 1), { durationMs: 0 });
  expect(found.length).toBeLessThan(300);
  expect(end).toMatchObject({ complete: false, stoppedBy: "too long" });
  expect(skipped.map(({ reason }) => reason)).toEqual(["too long"]);
});

test("a tree that grows ahead of the walk ends at the depth, and loops of links are not entered", async () => {
  const root = await tree(1, 1);
  await symlink("..", join(root, "Film 000 (2001)", "up"));
  await symlink(".", join(root, "here"));
  await mkdir(join(root, "Film 000 (2001)", "z"));
  // Each film found makes another folder with a film, below the one that is read next.
  const { found, skipped, end } = await walked(root, { depth: 5 }, ({ path }) => {
    const next = join(root, path, "..", "z", "z");
    mkdirSync(next, { recursive: true });
    writeFileSync(join(next, "..", "film.mp4"), "x");
  });
  expect(found).toHaveLength(5);
  expect(skipped.map(({ reason }) => reason).toSorted()).toEqual([
    "leaves the library",
    "leaves the library",
    "too deep",
  ]);
  expect(end).toMatchObject({ complete: true, stoppedBy: null });
});

test.runIf(process.platform === "linux")("what the kernel makes up is neither walked nor watched", async () => {
  await expect(walked("/proc")).rejects.toThrow(/of the kernel's own \(proc\)/);
  expect(await isWatchable("/proc")).toBe(false);
  const root = await tree(1, 1);
  expect(await isWatchable(root)).toBe(true);
});

test.runIf(process.platform === "linux")("the service does not start on it, and says which setting it is", async () => {
  const folder = await tree(0, 0);
  const cli = join(import.meta.dirname, "..", "cli.ts");
  const env = { ...programEnvironment, HOME: folder, DATA_DIR: join(folder, "data"), LIBRARY_DIR: "/proc" };
  const ran = await new Promise<{ code: unknown; err: string }>((resolve) => {
    execFile(process.execPath, [cli, "serve"], { env }, (error, _out, err) => resolve({ code: error?.code, err }));
  });
  expect(ran.code).toBe(1);
  expect(ran.err).toMatch(/^error: .*LIBRARY_DIR: must be a folder on a disk, and this one is .*\(proc\)$/im);
  expect(ran.err).toMatch(/^hint: set it to a folder of films$/m);
});
