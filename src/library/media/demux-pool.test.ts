import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { DemuxProgramSays } from "../../../test/demux-program.ts";
import { makeFixture } from "../../../test/media-fixtures.ts";
import { programEnvironment } from "../../../test/program-environment.ts";
import { silentLog } from "../../kernel/log.ts";
import { fingerprintOf } from "../walk.ts";
import { startDemuxPool, type DemuxPool, type DemuxPoolOptions } from "./demux-pool.ts";

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

const never = new AbortController().signal;
function pool(own: Partial<DemuxPoolOptions> = {}): DemuxPool {
  const opened = startDemuxPool({ threads: 1, log: silentLog, ...own });
  onTestFinished(() => opened.close());
  return opened;
}

test("a film that keeps the demuxer busy for ever is unreadable, and the next one has its thread", async () => {
  const bytes = await readFile(film);
  // Each entry says that it is of four thousand million frames.
  const at = bytes.indexOf("ctts") + 8;
  const entries = bytes.readUInt32BE(at);
  expect(entries).toBeGreaterThan(100);
  for (let entry = 0; entry < entries; entry++) bytes.writeUInt32BE(0xffff_ffff, at + 4 + 8 * entry);
  const endless = join(folder, "endless.mp4");
  await writeFile(endless, bytes);
  const demux = pool();
  const both = [demux.describe(endless, never), demux.describe(film, never)];
  expect(await Promise.all(both)).toMatchObject([
    { kind: "unreadable", reason: "the demuxer gave no answer", changed: false },
    { kind: "described", container: "mp4" },
  ]);
});

test("as many reads wait as may, nothing is read for who has left, and all are told when the service stops", async () => {
  const demux = pool({ queueLength: 2 });
  const leaving = new AbortController();
  const first = demux.describe(film, never);
  const left = demux.describe(film, leaving.signal);
  leaving.abort();
  await expect(demux.describe(film, never)).rejects.toMatchObject({ code: "BUSY", message: "too many reads wait" });
  await expect(left).rejects.toMatchObject({ code: "BUSY", message: "nobody waits any more" });
  expect((await first).kind).toBe("described");
  expect((await demux.describe(film, never)).kind).toBe("described");

  const underWay = [demux.describe(film, never), demux.describe(film, never)];
  const stopped = { status: "rejected", reason: { code: "BUSY", message: "the service is stopping" } };
  const [ends] = await Promise.all([Promise.allSettled(underWay), demux.close()]);
  expect(ends).toMatchObject([stopped, stopped]);
  await expect(demux.describe(film, never)).rejects.toMatchObject({ code: "BUSY" });
});

test.runIf(process.platform === "linux")(
  "a thread keeps eight films open, and one that changed is not read",
  async () => {
    const demux = pool();
    const described = await demux.describe(film, never);
    const video = described.kind === "described" ? described.video : described.reason;
    if (typeof video === "string") return expect.fail(video);
    const { timescale, endTicks, keyTicks } = video;
    const [fromKeyTicks = 0, toKeyTicks = null] = keyTicks;
    const part = { timescale, fromKeyTicks, toKeyTicks, endTicks, headroom: { fixedBytes: 0, bytesPerSample: 0 } };
    const read = async (path: string, fingerprint?: string) => {
      const own = fingerprint ?? fingerprintOf(await stat(path, { bigint: true }));
      return demux.read({ kind: "video", path, fingerprint: own, ...part }, never);
    };
    const openNow = async (): Promise<string[]> => {
      const links = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
      return (await Promise.all(links)).filter((path) => dirname(path) === folder).map((path) => basename(path));
    };
    const copies = Array.from({ length: 10 }, (_none, at) => join(folder, `copy-${at}.mp4`));
    for (const [at, path] of copies.entries()) {
      await copyFile(film, path);
      expect((await read(path)).kind).toBe("samples");
      // The one that was opened first has been used since, and so is not the first to go.
      if (at === 7) expect((await read(copies[0] ?? "")).kind).toBe("samples");
    }
    expect((await openNow()).toSorted()).toEqual([0, 3, 4, 5, 6, 7, 8, 9].map((at) => `copy-${at}.mp4`));

    expect(await read(copies[9] ?? "", "of another film")).toMatchObject({ kind: "unreadable", changed: true });
    const old = fingerprintOf(await stat(copies[8] ?? "", { bigint: true }));
    await writeFile(copies[8] ?? "", "another film");
    expect(await read(copies[8] ?? "", old)).toMatchObject({ kind: "unreadable", changed: true });
    expect(await openNow()).not.toContain("copy-8.mp4");
    await demux.close();
    expect(await openNow()).toEqual([]);
  },
);
