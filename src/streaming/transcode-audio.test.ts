import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { makeFixture } from "../../test/media-fixtures.ts";
import { childEnvironment } from "../config/config.ts";
import { transcodeAudio } from "./transcode-audio.ts";

const run = promisify(execFile);
const dir = await mkdtemp(join(tmpdir(), "houselights-audio-"));
afterAll(() => rm(dir, { recursive: true, force: true }));

const needs = { ffmpegPath: "ffmpeg", childEnvironment: childEnvironment() };
const never = new AbortController().signal;

/** AC-3 frames hold 1,536 samples: three AAC frames are two of them. */
const ac3Samples = 1_536;

async function ac3Frames(): Promise<Buffer[]> {
  const path = await makeFixture("mkv-bframes-ac3-51", dir);
  const { stdout } = await run(
    "ffmpeg",
    ["-v", "error", "-i", `file:${path}`, "-map", "0:a", "-c", "copy", "-f", "ac3", "-"],
    {
      encoding: "buffer",
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  // 384 kbit/s at 48 kHz: every frame has 1,536 bytes.
  return Array.from({ length: stdout.length / 1_536 }, (_none, n) => stdout.subarray(n * 1_536, (n + 1) * 1_536));
}

/** ADTS headers put back in front (48 kHz, stereo, AAC-LC), decoded to mono samples. */
async function decode(frames: readonly Buffer[]): Promise<Float32Array> {
  const adts = frames.map((frame) => {
    const size = frame.length + 7;
    const header = [0xff, 0xf1, 0x4c, 0x80 | (size >> 11), (size >> 3) & 0xff, ((size & 7) << 5) | 0x1f, 0xfc];
    return Buffer.concat([Buffer.from(header), frame]);
  });
  return pcm(["-f", "aac"], Buffer.concat(adts));
}

async function pcm(format: readonly string[], bytes: Buffer): Promise<Float32Array> {
  const running = run(
    "ffmpeg",
    [
      "-v",
      "error",
      ...format,
      "-i",
      "pipe:0",
      ..."-af aformat=channel_layouts=stereo,pan=mono|c0=c0 -f f32le -".split(" "),
    ],
    { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 },
  );
  running.child.stdin?.end(bytes);
  const { stdout } = await running;
  return new Float32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
}

test("pieces of a track encoded apart join on the sample", { timeout: 40_000 }, async () => {
  const source = await ac3Frames();
  const pieces: Buffer[] = [];
  for (const [from, to] of [
    [0, 281],
    [281, 562],
    [562, 700],
  ] as const) {
    // Back to a common start of both grids, six AAC frames early at least.
    const firstAacFrame = Math.max(0, Math.floor((from - 6) / 3) * 3);
    const outcome = await transcodeAudio(
      needs,
      {
        codec: "ac3",
        rateHz: 48_000,
        firstAacFrame,
        frames: source.slice((firstAacFrame * 1_024) / ac3Samples, Math.ceil((to * 1_024) / ac3Samples) + 2),
      },
      { from, to },
      never,
    );
    if (outcome.kind !== "transcoded") throw new Error(outcome.message);
    expect(outcome.frames.length).toBe(to - from);
    pieces.push(...outcome.frames);
  }
  const made = await decode(pieces);
  const wanted = await pcm(["-f", "ac3"], Buffer.concat(source));
  // The decoder's first frame is the priming that was left out.
  for (const at of [5, 281, 281.5, 300, 562, 562.5, 600]) {
    let signal = 0;
    let noise = 0;
    const start = Math.round(at * 1_024);
    for (let index = start - 2_048; index < start + 2_048; index++) {
      signal += (wanted[index] ?? 0) ** 2;
      noise += ((wanted[index] ?? 0) - (made[index] ?? 0)) ** 2;
    }
    expect(10 * Math.log10(signal / noise)).toBeGreaterThan(20);
  }
});

test("what is not sound is unreadable, and an abandoned request ends its encoder", { timeout: 40_000 }, async () => {
  const range = { from: 6, to: 20 };
  const source = { codec: "ac3", rateHz: 48_000, firstAacFrame: 0 } as const;
  const noise = await transcodeAudio(needs, { ...source, frames: [Buffer.alloc(9_000, 7)] }, range, never);
  expect(noise.kind).toBe("unreadable");
  const gone = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    gone.abort();
    await new Promise((resolve) => setTimeout(resolve, 200));
    yield Buffer.alloc(10);
  }
  expect((await transcodeAudio(needs, { ...source, frames: endless() }, range, gone.signal)).kind).toBe("unreadable");
});
