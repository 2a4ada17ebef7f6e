import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-folder-"));
afterAll(() => rm(folder, { recursive: true }));

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

test("a folder and what is missing above it is made, closed as asked, by one of several who come at once", async () => {
  const deep = join(folder, "one", "two", "three");
  const made = await Promise.all(Array.from({ length: 8 }, () => makeFolder(deep, 0o700)));
  expect(made).toContain(join(folder, "one"));
  expect(await Promise.all([deep, join(folder, "one")].map(modeOf))).toEqual([0o700, 0o700]);
  expect(await makeFolder(deep, 0o755)).toBeUndefined();
  expect(await modeOf(deep)).toBe(0o700);
});

test("a file in its place, or above it, is refused as the system does", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(file, "below"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.runIf(process.platform === "linux")("below /proc it ends, with a refusal", async () => {
  await expect(makeFolder("/proc/houselights")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(makeFolder("/proc/houselights/deeper")).rejects.toMatchObject({ code: "ENOENT" });
});
