import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageFile, packagesToPack, packList, packName } from "./packed-packages.ts";

const run = promisify(execFile);
const here = import.meta.dirname;

let packs: string;
beforeAll(async () => {
  packs = await mkdtemp(join(tmpdir(), "houselights-packs-"));
  await mkdir(join(packs, "1_typebox-0.0.1_kysely-0.0.1"));
  await run(process.execPath, [join(here, "pack-packages.ts"), packs]);
});
afterAll(() => rm(packs, { recursive: true, force: true }));

const read = async (): Promise<Record<string, string>> =>
  JSON.parse(await readFile(join(packs, packName(), packList), "utf8")) as Record<string, string>;

/** Where a process that reads packs from a folder finds what it imports. */
async function found(folder: string, ...specifiers: readonly string[]): Promise<string[]> {
  const program = `
    import { readPackedPackages } from ${JSON.stringify(pathToFileURL(join(here, "packed-packages.ts")).href)};
    readPackedPackages(${JSON.stringify(folder)});
    for (const specifier of ${JSON.stringify(specifiers)}) console.log(import.meta.resolve(specifier));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: here });
  return stdout.trim().split("\n");
}

test("packs of other versions are taken away, and nothing half made stays", async () => {
  expect(await readdir(packs)).toEqual([packName()]);
});

test("a pack has every export of every entry of its packages", async () => {
  const files = await read();
  const entries = packagesToPack.flatMap((name) =>
    Object.keys(packageFile(name).exports).map((path) => name + path.slice(1)),
  );
  expect(Object.keys(files).toSorted()).toEqual(entries.toSorted());
  expect(entries.length).toBeGreaterThan(10);
  for (const [specifier, file] of Object.entries(files)) {
    const [packed, own] = (await Promise.all([
      import(pathToFileURL(join(packs, packName(), file)).href),
      import(import.meta.resolve(specifier)),
    ])) as [object, object];
    expect([specifier, Object.keys(packed).toSorted()]).toEqual([specifier, Object.keys(own).toSorted()]);
  }
});

test("a process reads the pack of what is installed, and the packages where there is none or it is damaged", async () => {
  const own = await found(join(packs, "nowhere"), "typebox/value", "kysely", "pg");
  expect(own[0]).toMatch(/node_modules\/typebox\//);
  const packed = await found(packs, "typebox/value", "kysely", "pg");
  expect(packed.slice(0, 2).every((url) => url.startsWith(pathToFileURL(join(packs, packName())).href))).toBe(true);
  expect(packed[2]).toBe(own[2]);
  await writeFile(join(packs, packName(), packList), "{");
  expect(await found(packs, "typebox/value", "kysely", "pg")).toEqual(own);
});
