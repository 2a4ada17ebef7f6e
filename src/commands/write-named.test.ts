import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeNamed } from "./write-named.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-write-"));
  await writeFile(join(folder, "there"), "as it was");
});
afterAll(() => rm(folder, { recursive: true }));

test("what is written is for this user alone, and replaces only where that was meant", async () => {
  expect(await writeNamed("--output", join(folder, "new"), "text")).toBeUndefined();
  expect((await stat(join(folder, "new"))).mode & 0o777).toBe(0o600);
  expect(await writeNamed("--output", join(folder, "new"), "other text")).toBeUndefined();
  expect(await readFile(join(folder, "new"), "utf8")).toBe("other text");
  expect(await writeNamed("--output", join(folder, "there"), "text", "wx")).toMatchObject({ kind: "refused" });
  expect(await readFile(join(folder, "there"), "utf8")).toBe("as it was");
});

test.each([
  ["a folder that is not there", "nowhere/report.html", /its folder is not there/],
  ["a folder", ".", /it is a folder/],
  ["a file as a folder", "there/report.html", /a part of its path is no folder/],
  ["a name that is too long", "x".repeat(300), /its name is too long/],
])("%s is said in words, by the option and not by the path", async (_, path, says) => {
  const refused = await writeNamed("--output", join(folder, path), "text");
  expect(refused).toMatchObject({ kind: "refused", error: expect.stringMatching(says) as unknown });
  expect(JSON.stringify(refused)).not.toContain(folder);
});

test.runIf(process.platform === "linux")("a disk that is full is said, and is nothing unexpected", async () => {
  // By a link, so that a mistake here replaces that, and not the device of the whole machine.
  const device = join(folder, "full");
  await symlink("/dev/full", device);
  const refused = await writeNamed("--output", device, "text");
  expect(refused).toMatchObject({ kind: "refused", error: "--output cannot be written: its disk is full" });
  // What stood there before stands there still.
  expect((await stat(device)).isCharacterDevice()).toBe(true);
});

// A shell's limit on the size of files, which meets a write as a disk does that is full.
test.runIf(process.platform === "linux")(
  "a report that cannot be written leaves the one before as it was, and nothing beside it",
  async () => {
    const place = join(folder, "reports");
    await mkdir(place);
    const report = join(place, "report.html");
    await writeFile(report, "the report of yesterday");
    const program = `
    import { writeNamed } from ${JSON.stringify(join(import.meta.dirname, "write-named.ts"))};
    const text = "x".repeat(Number(process.argv[1]));
    console.log(JSON.stringify(await writeNamed("--output", ${JSON.stringify(report)}, text)));
  `;
    const write = async (bytes: number) => {
      const words = [
        "-c",
        'ulimit -f 8; exec "$@"',
        "sh",
        process.execPath,
        "--input-type=module",
        "-e",
        program,
        `${bytes}`,
      ];
      return (await promisify(execFile)("sh", words)).stdout;
    };
    expect(await write(100_000)).toContain("--output cannot be written: its disk takes no file of this size");
    expect(await readFile(report, "utf8")).toBe("the report of yesterday");
    expect(await readdir(place)).toEqual(["report.html"]);
    await write(1_000);
    expect(await readFile(report, "utf8")).toBe("x".repeat(1_000));
  },
);

// A program that is killed as soon as its draft is there; the next one comes a quarter of an hour later.
test.each(["w", "wx"])(
  "what was killed on the way leaves nothing for good: the next one removes it (%s)",
  async (flag) => {
    const place = join(folder, `exports-${flag}`);
    await mkdir(place);
    await writeFile(join(place, "notes.partial"), "of somebody else");
    const program = `
    import { writeNamed } from ${JSON.stringify(join(import.meta.dirname, "write-named.ts"))};
    import { watch } from "node:fs";
    watch(${JSON.stringify(place)}, () => process.kill(process.pid, "SIGKILL"));
    setTimeout(() => writeNamed("--output", ${JSON.stringify(join(place, "ada.json"))}, "x".repeat(200_000_000), ${JSON.stringify(flag)}), 100);
  `;
    const died = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    await expect(died).rejects.toMatchObject({ signal: "SIGKILL" });
    const left = (await readdir(place)).filter((name) => name.startsWith("."));
    expect(left).toHaveLength(1);
    const [draft = ""] = left;
    expect(await writeNamed("--output", join(place, "bob.json"), "{}")).toBeUndefined();
    // It might be another's, who writes it now.
    expect((await readdir(place)).toSorted()).toEqual([draft, "bob.json", "notes.partial"].toSorted());
    const before = new Date(Date.now() - 15 * 60_000);
    await utimes(join(place, draft), before, before);
    await utimes(join(place, "notes.partial"), before, before);
    expect(await writeNamed("--output", join(place, "bob.json"), "{}")).toBeUndefined();
    expect((await readdir(place)).toSorted()).toEqual(["bob.json", "notes.partial"]);
  },
);

test("a link that somebody made is written through", async () => {
  await writeFile(join(folder, "elsewhere"), "");
  await symlink(join(folder, "elsewhere"), join(folder, "link"));
  expect(await writeNamed("--output", join(folder, "link"), "text")).toBeUndefined();
  expect(await readFile(join(folder, "elsewhere"), "utf8")).toBe("text");
});
