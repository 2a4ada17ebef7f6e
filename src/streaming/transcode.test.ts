import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, expect, test } from "vitest";
import { fixtureSeconds, makeFixture, type FixtureKind } from "../../test/media-fixtures.ts";
import { childEnvironment } from "../config/config.ts";
import { manualClock, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import type { MediaAnswer } from "./routes.ts";
import { gridOf, playlistOf, renditionsOf, type TranscodeFile } from "./transcode-plan.ts";
import { startTranscoder, type Transcoder } from "./transcode.ts";

const run = promisify(execFile);
const dir = await mkdtemp(join(tmpdir(), "houselights-transcode-"));
afterAll(() => rm(dir, { recursive: true, force: true }));

const open: Transcoder[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((transcoder) => transcoder.close()));
});

function transcoderOf(overrides: Partial<Parameters<typeof startTranscoder>[0]> = {}): Transcoder {
  const transcoder = startTranscoder({
    log: silentLog,
    clock: systemClock,
    ffmpegPath: "ffmpeg",
    childEnvironment: childEnvironment(),
    maxVideoRuns: 2,
    threads: 1,
    ...overrides,
  });
  open.push(transcoder);
  return transcoder;
}

async function fileOf(kind: FixtureKind, fps: number): Promise<TranscodeFile> {
  const path = await makeFixture(kind, dir);
  return { path, fingerprint: kind, durationSeconds: fixtureSeconds, width: 320, height: 180, fps, audioTracks: 1 };
}

const never = new AbortController().signal;

function bodyOf(answer: MediaAnswer): Buffer {
  if (answer.kind !== "found") throw new Error(`answered ${JSON.stringify(answer)}`);
  return Buffer.from(answer.body);
}

/** Fetches an initialization and segments in the order given. */
async function fetchAll(
  transcoder: Transcoder,
  file: TranscodeFile,
  rendition: string,
  order: readonly number[],
): Promise<{ readonly init: Buffer; readonly segments: ReadonlyMap<number, Buffer> }> {
  const init = bodyOf(await transcoder.resource(file, rendition, "init.mp4", "owner", never));
  const segments = new Map<number, Buffer>();
  for (const n of order) {
    segments.set(n, bodyOf(await transcoder.resource(file, rendition, `s${n}.m4s`, "owner", never)));
  }
  return { init, segments };
}

interface Packet {
  readonly pts: number;
  readonly dts: number;
  readonly duration: number;
  readonly isKey: boolean;
}

/** What ffprobe sees of bytes, in seconds. */
async function packetsOf(name: string, bytes: Buffer): Promise<Packet[]> {
  const path = join(dir, `${name}.mp4`);
  await writeFile(path, bytes);
  const entries = "packet=pts_time,dts_time,duration_time,flags";
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_entries", entries, "-of", "json", path]);
  const { packets }: { packets: Record<"pts_time" | "dts_time" | "duration_time" | "flags", string>[] } =
    JSON.parse(stdout);
  return packets.map((packet) => ({
    pts: Number(packet.pts_time),
    dts: Number(packet.dts_time),
    duration: Number(packet.duration_time),
    isKey: packet.flags.startsWith("K"),
  }));
}

/** Decodes each of the given bytes by itself and strictly: the first damage in any of them fails. */
async function decode(name: string, all: readonly Buffer[]): Promise<void> {
  const inputs = await Promise.all(
    all.map(async (bytes, index) => {
      const path = join(dir, `${name}-${index}.mp4`);
      await writeFile(path, bytes);
      return ["-i", path];
    }),
  );
  const maps = all.flatMap((_bytes, index) => ["-map", String(index)]);
  await run("ffmpeg", ["-v", "error", "-xerror", "-nostdin", ...inputs.flat(), ...maps, "-f", "null", "-"]);
}

/** The lowest similarity (PSNR, dB) of any frame of `path` to the source's frame of the same number. */
async function worstFrame(file: TranscodeFile, path: string, frames: number): Promise<number> {
  const stats = join(dir, "psnr");
  const graph =
    `[0:v]settb=1/25,setpts=N,scale=320:180,trim=end_frame=${frames}[a];` +
    `[1:v]settb=1/25,setpts=N,trim=end_frame=${frames}[b];[a][b]psnr=f=${stats}`;
  await run("ffmpeg", [
    "-v",
    "error",
    "-nostdin",
    "-y",
    "-i",
    path,
    "-i",
    `file:${file.path}`,
    "-lavfi",
    graph,
    "-f",
    "null",
    "-",
  ]);
  const { stdout } = await run("cat", [stats]);
  const values = [...stdout.matchAll(/psnr_avg:(\S+)/g)].map(([, value]) => (value === "inf" ? 99 : Number(value)));
  expect(values.length).toBe(frames);
  return Math.min(...values);
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const sources = [
  ["mpeg2-ts", 25],
  ["h264-23976-subtitles-mkv", 23.976],
  ["vp9-opus-webm", 25],
  ["hostile-name", 24],
] as const;

test.each(sources)(
  "%s: segments asked for in any order are one film, frame for frame",
  { timeout: 60_000 },
  async (kind, fps) => {
    const file = await fileOf(kind, fps);
    const transcoder = transcoderOf();
    const grid = gridOf(file);
    expect(grid.segments).toBe(8);
    // The middle, on from there, back to the start: two restarts.
    const { init, segments } = await fetchAll(transcoder, file, "v180", [4, 5, 0, 1, 2, 3, 7, 6]);
    const ordered = [...segments].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes);
    await decode(
      `alone-${kind}`,
      ordered.map((bytes) => Buffer.concat([init, bytes])),
    );
    // What the master playlist says of the codec is what the initialization holds (ISO/IEC 14496-15 section 5.3.3.1).
    const config = init.indexOf("avcC") + 5;
    expect(renditionsOf(file)[0]?.codecs).toBe(`avc1.${init.toString("hex", config, config + 3)}`);
    const whole = Buffer.concat([init, ...ordered]);
    await decode(`whole-${kind}`, [whole]);
    const packets = await packetsOf(`packets-${kind}`, whole);
    expect(packets.length).toBe(grid.frames);
    packets.forEach((packet, index) => {
      expect(packet.pts).toBe(packet.dts);
      // The last segment takes what does not fill one of its own.
      expect(packet.isKey).toBe(index % grid.frameAt(1) === 0);
      expect(packet.pts).toBeCloseTo((index * grid.frameRate.den) / grid.frameRate.num, 4);
    });
    // A frame beside the right one is below 24 dB on this moving card. The last may be a filler.
    expect(await worstFrame(file, join(dir, `packets-${kind}.mp4`), grid.frames - 1)).toBeGreaterThan(30);
  },
);

test.each(["mpeg2-ts", "mkv-bframes-ac3-51"] as const)(
  "%s: audio segments asked for in any order join without a seam",
  { timeout: 60_000 },
  async (kind) => {
    const file = await fileOf(kind, kind === "mpeg2-ts" ? 25 : 24);
    const transcoder = transcoderOf();
    const { init, segments } = await fetchAll(transcoder, file, "a1", [5, 6, 7, 2, 0, 1, 3, 4]);
    const ordered = [...segments].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes);
    await decode(
      `audio-${kind}`,
      ordered.map((bytes) => Buffer.concat([init, bytes])),
    );
    const whole = Buffer.concat([init, ...ordered]);
    await decode(`sound-${kind}`, [whole]);
    const packets = await packetsOf(`whole-sound-${kind}`, whole);
    const grid = gridOf(file);
    expect(packets.length).toBe(grid.aacAt(grid.segments));
    packets.forEach((packet, index) => expect(packet.pts).toBeCloseTo((index * 1_024) / 48_000, 5));

    // Against the source's own sound: the same distance everywhere, at the seams as well, and the one that the film's
    // first picture and first sound have from each other.
    const made = await samplesOf(join(dir, `whole-sound-${kind}.mp4`));
    const source = await samplesOf(file.path);
    const starts = await startsOf(file.path);
    const expected = Math.round((starts.video - starts.audio) * 48_000);
    for (const seconds of [1, 4, 5, 9, 10, 13]) {
      const { lag, snr } = bestMatch(made, source, seconds * 48_000, expected);
      expect(Math.abs(lag - expected)).toBeLessThanOrEqual(24);
      // One lost or doubled frame would leave about 0 dB.
      expect(snr).toBeGreaterThan(15);
    }
  },
);

test("a session's end ends its encoders and nobody else's", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const slow = { ...file, durationSeconds: 20_000 };
  const transcoder = transcoderOf();
  bodyOf(await transcoder.resource(slow, "v180", "s0.m4s", "first", never));
  const [first] = transcoder.pids();
  bodyOf(await transcoder.resource(slow, "v180", "s0.m4s", "second", never));
  const second = transcoder.pids().find((pid) => pid !== first);
  if (first === undefined || second === undefined) throw new Error("no encoder runs");
  expect([first, second].map(alive)).toEqual([true, true]);
  transcoder.release("first");
  await expect.poll(() => alive(first)).toBe(false);
  expect(alive(second)).toBe(true);
  expect(transcoder.pids()).toEqual([second]);
  await transcoder.close();
  expect(alive(second)).toBe(false);
});

test("what is asked for while everything ends starts no encoder", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf();
  const asked = transcoder.resource(file, "v180", "s0.m4s", "owner", never);
  await transcoder.close();
  expect(await asked).toEqual({ kind: "busy" });
  expect(transcoder.pids()).toEqual([]);
  expect(await transcoder.resource(file, "v180", "s0.m4s", "owner", never)).toEqual({ kind: "busy" });
});

test("who has left waits for nothing, and what they started goes on for who comes", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const transcoder = transcoderOf();
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "owner", never));
  const before = transcoder.pids();
  expect(await transcoder.resource(file, "v180", "s11.m4s", "owner", AbortSignal.abort())).toEqual({ kind: "busy" });
  bodyOf(await transcoder.resource(file, "v180", "s11.m4s", "owner", never));
  expect(transcoder.pids()).toEqual(before);
});

test("what a player asks for at one time is made by one encoder", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const transcoder = transcoderOf();
  const names = ["init.mp4", "s0.m4s", "s1.m4s", "s2.m4s"];
  const answers = await Promise.all(names.map((name) => transcoder.resource(file, "v180", name, "owner", never)));
  expect(answers.map(({ kind }) => kind)).toEqual(names.map(() => "found"));
  expect(transcoder.pids()).toHaveLength(1);
});

test("ffmpeg is given next to no environment, and limits of memory and time", async () => {
  const [ffmpegPath, report] = [join(dir, "says-what-it-has"), join(dir, "has.txt")];
  await writeFile(ffmpegPath, `#!/bin/sh\n{ ulimit -v; ulimit -t; env; } > "${report}"\nexit 1\n`, { mode: 0o755 });
  const transcoder = transcoderOf({ ffmpegPath });
  const answer = await transcoder.resource(await fileOf("mpeg2-ts", 25), "v180", "s0.m4s", "owner", never);
  expect(answer.kind).toBe("unreadable");
  const [memoryKb, seconds, ...variables] = (await readFile(report, "utf8")).trim().split("\n");
  expect([memoryKb, seconds]).toEqual(["4000000", "43200"]);
  const names = variables.map((line) => line.split("=")[0] ?? "");
  const ofShells = ["PWD", "OLDPWD", "SHLVL", "_"];
  const given = [...Object.keys(childEnvironment()), "LC_ALL", "TZ"];
  expect(names.filter((name) => !ofShells.includes(name)).toSorted()).toEqual([...new Set(given)].toSorted());
  expect(Object.keys(process.env).length).toBeGreaterThan(names.length);
});

test("an initialization that was made once is given without an encoder", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf();
  const init = bodyOf(await transcoder.resource(file, "v180", "init.mp4", "owner", never));
  transcoder.release("owner");
  expect(bodyOf(await transcoder.resource(file, "v180", "init.mp4", "other", never))).toEqual(init);
  expect(transcoder.pids()).toEqual([]);
});

test("four sounds are encoded for each picture that may be, and no picture waits for a sound", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const transcoder = transcoderOf({ maxVideoRuns: 1, clock: manualClock(systemClock.now()) });
  for (const owner of ["1", "2", "3", "4"]) {
    bodyOf(await transcoder.resource(file, "a1", "s0.m4s", owner, never));
  }
  expect(await transcoder.resource(file, "a1", "s0.m4s", "5", never)).toEqual({ kind: "busy" });
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "5", never));
});

test("a session that ends while its encoder is being started gets none", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf();
  const asked = transcoder.resource(file, "v180", "s0.m4s", "owner", never);
  transcoder.release("owner");
  expect(await asked).toEqual({ kind: "busy" });
  expect(transcoder.pids()).toEqual([]);
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "owner", never));
});

test("an encoder waits for its player, and goes on when the player does", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const transcoder = transcoderOf();
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "owner", never));
  const [pid] = transcoder.pids();
  if (pid === undefined) throw new Error("no encoder runs");
  // Stands still in a write once the pipe is full: its processor time does not grow any more.
  const cpu = async (): Promise<number> => {
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  let before = -1;
  let same = 0;
  for (let tries = 0; same < 3; tries++) {
    if (tries > 100) throw new Error("it never waits");
    await new Promise((resolve) => setTimeout(resolve, 150));
    const now = await cpu();
    same = now === before ? same + 1 : 0;
    before = now;
  }
  bodyOf(await transcoder.resource(file, "v180", "s12.m4s", "owner", never));
  bodyOf(await transcoder.resource(file, "v180", "s24.m4s", "owner", never));
  expect(transcoder.pids()).toEqual([pid]);
  // What lies well behind has been let go: another encoder makes it again.
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "owner", never));
  expect(transcoder.pids()).toEqual([expect.not.toSatisfy((other: number) => other === pid)]);
});

test("without a free encoder a player is asked to come back, and a place nobody uses is given away", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const clock = manualClock(systemClock.now());
  const transcoder = transcoderOf({ maxVideoRuns: 1, clock });
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "first", never));
  expect(await transcoder.resource(file, "v180", "s0.m4s", "second", never)).toEqual({ kind: "busy" });
  // Another quality, or another place, is not another player.
  bodyOf(await transcoder.resource({ ...file, height: 720, width: 1_280 }, "v480", "s0.m4s", "first", never));
  bodyOf(await transcoder.resource(file, "v180", "s3.m4s", "first", never));
  clock.advance(16_000);
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "second", never));
  expect(transcoder.pids().length).toBe(1);
});

test("an encoder that nobody asks is ended after a minute, counted from when somebody last did", async () => {
  const file = { ...(await fileOf("mpeg2-ts", 25)), durationSeconds: 20_000 };
  const clock = manualClock(systemClock.now());
  const transcoder = transcoderOf({ clock, sweepMs: 5 });
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "idle", never));
  const [idle] = transcoder.pids();
  bodyOf(await transcoder.resource(file, "v180", "s0.m4s", "asked", never));
  const asked = transcoder.pids().find((pid) => pid !== idle);
  if (idle === undefined || asked === undefined) throw new Error("no encoder runs");
  clock.advance(59_000);
  bodyOf(await transcoder.resource(file, "v180", "s1.m4s", "asked", never));
  clock.advance(2_000);
  await expect.poll(() => alive(idle)).toBe(false);
  expect(transcoder.pids()).toEqual([asked]);
});

test("a file that is not a film is unreadable, and is not tried at every request", async () => {
  const film = await fileOf("mpeg2-ts", 25);
  const path = join(dir, "letter.mkv");
  const letter = { ...film, path, fingerprint: "letter" };
  const clock = manualClock(systemClock.now());
  const transcoder = transcoderOf({ clock });
  const ask = (file: TranscodeFile, name = "s0.m4s", owner = "owner") =>
    transcoder.resource(file, "v180", name, owner, never);
  // A list of films, one of which could be played.
  await writeFile(path, `#EXTM3U\n#EXT-X-TARGETDURATION:16\n#EXTINF:16,\n${film.path}\n#EXT-X-ENDLIST\n`);
  const first = await ask(letter);
  expect(first.kind).toBe("unreadable");
  await copyFile(film.path, path);
  clock.advance(10_000);
  expect(await ask(letter)).toEqual(first);
  clock.advance(1);
  expect((await ask(letter)).kind).toBe("found");
  await run("mkfifo", [join(dir, "pipe")]);
  for (const name of ["none", "pipe"]) {
    expect((await ask({ ...film, path: join(dir, name), fingerprint: name })).kind).toBe("unreadable");
  }
});

test("a film that was renamed is made from its new place, although the old one failed a moment ago", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf({ clock: manualClock(systemClock.now()) });
  const before = { ...file, path: join(dir, "Before.ts") };
  expect((await transcoder.resource(before, "v180", "s0.m4s", "owner", never)).kind).toBe("unreadable");
  expect((await transcoder.resource(file, "v180", "s0.m4s", "owner", never)).kind).toBe("found");
});

test(
  "a film cut short is filled with its last frame, and unreadable where nothing is left",
  { timeout: 30_000 },
  async () => {
    const file = await fileOf("truncated-mp4", 24);
    const transcoder = transcoderOf();
    const { init, segments } = await fetchAll(transcoder, file, "v180", [0, 3, 4, 5]);
    await decode("cut", [Buffer.concat([init, ...segments.values()])]);
    expect((await transcoder.resource(file, "v180", "s7.m4s", "other", never)).kind).toBe("unreadable");
  },
);

test("a machine without ffmpeg says so", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf({ ffmpegPath: "no-such-ffmpeg" });
  await expect(transcoder.resource(file, "v180", "s0.m4s", "owner", never)).rejects.toMatchObject({
    code: "MEDIA_TOOL_MISSING",
  });
});

test("what a file does not have is missing", async () => {
  const file = await fileOf("mpeg2-ts", 25);
  const transcoder = transcoderOf();
  for (const [rendition, name] of [
    ["v720", "s0.m4s"],
    ["a2", "s0.m4s"],
    ["v180", "s8.m4s"],
    ["v180", "s-1.m4s"],
    ["v180", "s01.m4s"],
    ["v180", "../s1.m4s"],
    ["constructor", "init.mp4"],
  ] as const) {
    expect(await transcoder.resource(file, rendition, name, "owner", never)).toEqual({ kind: "missing" });
  }
  expect(transcoder.playlist(file, "v720")).toEqual({ kind: "missing" });
  expect(transcoder.pids()).toEqual([]);
});

test("renditions follow the height of the film", () => {
  const of = (width: number, height: number, fps = 24): string[] =>
    renditionsOf({ width, height, fps, audioTracks: 0 }).map((rendition) =>
      rendition.kind === "video" ? `${rendition.id} ${rendition.width} ${rendition.codecs}` : rendition.id,
    );
  expect(of(320, 180)).toEqual(["v180 320 avc1.64001f"]);
  expect(of(720, 576, 25)).toEqual(["v480 600 avc1.64001f", "v576 720 avc1.64001f"]);
  expect(of(1_920, 1_080)).toEqual(["v480 854 avc1.64001f", "v720 1280 avc1.64001f", "v1080 1920 avc1.640028"]);
  expect(of(3_840, 2_160, 60)).toEqual(["v480 854 avc1.64001f", "v720 1280 avc1.640020", "v1080 1920 avc1.64002a"]);
  expect(of(1_920, 803)).toEqual(["v480 1148 avc1.64001f", "v720 1722 avc1.640020", "v804 1922 avc1.640028"]);
  expect(of(0, 0)).toEqual([]);
});

test("a playlist's durations sum to the film's, and none is longer than it states", async () => {
  for (const fps of [23.976, 24, 25, 29.97, 50, 59.94, 0, 1_000]) {
    for (const durationSeconds of [0.1, 1, 3, 16, 5_400.3]) {
      const file = { ...(await fileOf("mpeg2-ts", fps)), durationSeconds };
      for (const rendition of renditionsOf(file)) {
        const text = playlistOf(file, rendition);
        const each = [...text.matchAll(/#EXTINF:([\d.]+),\ns(\d+)\.m4s/g)];
        expect(each.map(([, , n]) => Number(n))).toEqual(each.map((_one, index) => index));
        const target = Number(/TARGETDURATION:(\d+)/.exec(text)?.[1]);
        expect(Math.max(...each.map(([, seconds]) => Math.round(Number(seconds))))).toBeLessThanOrEqual(target);
        const sum = each.reduce((total, [, seconds]) => total + Number(seconds), 0);
        expect(Math.abs(sum - durationSeconds)).toBeLessThan(rendition.kind === "video" ? 0.06 : 0.08);
      }
    }
  }
});

/** Mono at 48 kHz as ffmpeg decodes it. */
async function samplesOf(path: string): Promise<Float32Array> {
  const { stdout } = await run(
    "ffmpeg",
    [
      "-v",
      "error",
      "-nostdin",
      "-i",
      `file:${path}`,
      ..."-map 0:a:0 -af aresample=48000,aformat=channel_layouts=stereo,pan=mono|c0=c0 -f f32le -".split(" "),
    ],
    { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 },
  );
  return new Float32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + stdout.length));
}

async function startsOf(path: string): Promise<{ readonly video: number; readonly audio: number }> {
  const start = async (stream: string): Promise<number> => {
    const entries = ["-select_streams", stream, "-show_entries", "stream=start_time", "-of", "csv=p=0"];
    const { stdout } = await run("ffprobe", ["-v", "error", ...entries, `file:${path}`]);
    return Number.parseFloat(stdout);
  };
  return { video: await start("v:0"), audio: await start("a:0") };
}

/** Where around `at + guess` the source says what was made at `at`, and how well, over 0.1 s. */
function bestMatch(
  made: Float32Array,
  source: Float32Array,
  at: number,
  guess: number,
): { readonly lag: number; readonly snr: number } {
  const count = 4_800;
  let best = { lag: Number.NaN, snr: Number.NEGATIVE_INFINITY };
  // Less than half a period of the tone to each side, else it matches everywhere.
  for (let lag = guess - 54; lag <= guess + 54; lag++) {
    let signal = 0;
    let noise = 0;
    for (let index = at - count / 2; index < at + count / 2; index++) {
      const wanted = source[index + lag] ?? 0;
      signal += wanted ** 2;
      noise += (wanted - (made[index] ?? 0)) ** 2;
    }
    const snr = 10 * Math.log10(signal / Math.max(noise, 1e-12));
    if (snr > best.snr) best = { lag, snr };
  }
  return best;
}
