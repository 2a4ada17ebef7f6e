import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { DemuxProgramSays } from "../../../test/demux-program.ts";
import { makeFixture } from "../../../test/media-fixtures.ts";
import { programEnvironment } from "../../../test/program-environment.ts";

let folder: string;
let film: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-demux-"));
  film = await makeFixture("h264-aac-mp4", folder);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(import.meta.dirname, "..", "..", "..", "test", name);

/** A film on a disk that sleeps at one of its reads: what is said of it, and what wakes the disk. */
async function asleep(sleepsAt: number, settings: Readonly<Record<string, string>> = {}) {
  const pipe = join(folder, `wake-${sleepsAt}-${Object.keys(settings).length}`);
  await promisify(execFile)("mkfifo", [pipe]);
  const child = fork(file("demux-program.ts"), {
    execArgv: ["--import", file("sleeping-disk.ts")],
    env: { ...programEnvironment, FILM: film, WAKE: pipe, SLEEPS_AT: String(sleepsAt), ...settings },
  });
  const said: DemuxProgramSays[] = [];
  child.on("message", (what) => said.push(what as DemuxProgramSays));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { said, wake: () => writeFile(pipe, "awake") };
}

test.each([2, 6])(
  "a disk that has to wake is waited for, though memory has given the film's beginning: asleep at read %i",
  async (sleepsAt) => {
    const { said, wake } = await asleep(sleepsAt);
    await expect.poll(() => said).toEqual(["waits for the disk"]);
    await wake();
    await expect.poll(() => said).toEqual(["waits for the disk", "described"]);
  },
);

test.each([1, 2])("a disk that does not wake is not the film's fault: asleep at read %i", async (sleepsAt) => {
  const { said } = await asleep(sleepsAt, { GIVES_UP: "yes" });
  await expect.poll(() => said).toEqual(["BUSY"]);
});
