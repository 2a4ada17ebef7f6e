import { execFile } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { programEnvironment } from "../../test/program-environment.ts";
import { runFfmpeg, type FfmpegLimits } from "./ffmpeg.ts";
import { fileProblems } from "./file-problems.ts";
import { limitedCommand } from "./limited-child.ts";

/** What a hostile file can make ffmpeg and ffprobe do ends at their limits. */
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "houselights-ffmpeg-"));
afterAll(() => rm(folder, { recursive: true }));

test("a program runs under the limits that it is started with, and its parameters are no shell's", async () => {
  const limits = { addressSpaceKb: 123_456, cpuSeconds: 7 };
  const [program, parameters] = limitedCommand(
    "/bin/sh",
    ["-c", "ulimit -v; ulimit -t; echo $1", "sh", "$(id)"],
    limits,
  );
  expect((await run(program, [...parameters])).stdout).toBe("123456\n7\n$(id)\n");
});

/** A film without an end, from ffmpeg itself. */
const endless = ["-f", "lavfi", "-i", "testsrc2=size=640x360", "-f"];
const limits = (own: Partial<FfmpegLimits>): FfmpegLimits => ({
  timeoutMs: 60_000,
  maxOutputBytes: 1_000_000,
  signal: new AbortController().signal,
  ...own,
});

test("ffmpeg is ended at the first byte too many, and nothing of it is used", async () => {
  const exactly = [
    "-f",
    "lavfi",
    "-i",
    "color=size=100x10:rate=1",
    "-frames:v",
    "1",
    "-f",
    "rawvideo",
    "-pix_fmt",
    "gray",
  ];
  const whole = await runFfmpeg([...exactly, "pipe:1"], limits({ maxOutputBytes: 1_000 }));
  expect([whole.kind, whole.output.length]).toEqual(["done", 1_000]);
  const cut = await runFfmpeg([...exactly, "pipe:1"], limits({ maxOutputBytes: 999 }));
  expect(cut).toMatchObject({ kind: "failed", reason: fileProblems.large, output: Buffer.alloc(0) });
  const never = await runFfmpeg([...endless, "rawvideo", "pipe:1"], limits({}));
  expect(never).toMatchObject({ kind: "failed", reason: fileProblems.large });
});

test("ffmpeg that does not end by itself is ended by its time, by its processor time, or by who waits for it", async () => {
  const forEver = [...endless, "null", "-"];
  expect(await runFfmpeg(forEver, limits({ timeoutMs: 200 }))).toMatchObject({
    kind: "failed",
    reason: fileProblems.slow,
  });
  expect(await runFfmpeg(forEver, limits({ cpuSeconds: 1 }))).toMatchObject({
    kind: "failed",
    reason: fileProblems.heavy,
  });
  const waiting = new AbortController();
  const ended = runFfmpeg(forEver, limits({ signal: waiting.signal }));
  waiting.abort();
  expect((await ended).kind).toBe("failed");
});

test("nothing of the service's environment reaches ffmpeg or ffprobe", async () => {
  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  const report = (name: string): string => join(folder, name);
  // Both write a report where this variable says, if they see it.
  const by = (name: string) => ({ env: { ...programEnvironment, FFREPORT: `file=${report(name)}` } });
  for (const program of ["ffmpeg", "ffprobe"]) {
    await run(program, ["-version"], by(program));
    expect(await exists(report(program))).toBe(true);
  }
  const at = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    const { runFfmpeg } = await import(${at("./ffmpeg.ts")});
    const { probe } = await import(${at("./media/probe.ts")});
    const signal = new AbortController().signal;
    const ran = await runFfmpeg(["-version"], { timeoutMs: 60_000, maxOutputBytes: 1e6, signal });
    const probed = await probe(process.execPath, signal);
    console.log(ran.kind, probed.kind, process.env.FFREPORT);
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], by("ours"));
  expect(stdout).toBe(`done damaged file=${report("ours")}\n`);
  expect(await exists(report("ours"))).toBe(false);
});
