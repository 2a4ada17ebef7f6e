import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canMakeFixture, makeFixture, type FixtureKind } from "../../test/media-fixtures.ts";
import { parseId, type FileId, type TitleId } from "../kernel/brand.ts";
import { silentLog } from "../kernel/log.ts";
import { openInspector, type Inspector } from "../library/inspect-file.ts";
import { readMediaIndex, type MediaIndex } from "../library/media/media-index.ts";
import type { PlayableFile } from "../library/titles.ts";
import { fingerprintOf } from "../library/walk.ts";
import { openEngine, type MediaEngine } from "./engine.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
const owner = "0190a0a0-0000-7000-8000-000000000001";

let dir: string;
let inspector: Inspector;
let engine: MediaEngine;

const newEngine = (): Promise<MediaEngine> =>
  openEngine({
    log: silentLog,
    libraryDir: dir,
    dataDir: dir,
    environment: { PATH: process.env["PATH"] ?? "" },
    demuxThreads: 1,
    maxVideoRuns: 2,
  });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "houselights-remux-"));
  inspector = openInspector({ log: silentLog });
  engine = await newEngine();
});

afterAll(async () => {
  await Promise.all([inspector.close(), engine.close()]);
  await rm(dir, { recursive: true, force: true });
});

/** As the scan writes it and the route reads it: the index goes through JSON. */
async function scanned(path: string): Promise<{ readonly file: PlayableFile; readonly index: MediaIndex }> {
  const inspection = await inspector.inspect(path, signal);
  if (inspection.kind !== "playable") throw new Error(`damaged: ${inspection.reason}`);
  const stored: unknown = JSON.parse(JSON.stringify(inspection.index));
  const index = readMediaIndex(stored);
  if (index === undefined) throw new Error("the index does not read back");
  const file: PlayableFile = {
    fileId: parseId<FileId>("0190a0a0-0000-7000-8000-000000000002")!,
    titleId: parseId<TitleId>("0190a0a0-0000-7000-8000-000000000003")!,
    path: basename(path),
    fingerprint: fingerprintOf(await stat(path, { bigint: true })),
    index: stored,
    sidecars: [],
  };
  return { file, index };
}

async function bytesOf(file: PlayableFile, name: string, from = engine): Promise<Buffer> {
  const answer = await from.resource(file, name, owner, signal);
  if (answer.kind !== "found") throw new Error(`${name}: ${JSON.stringify(answer)}`);
  return Buffer.from(answer.body);
}

const lines = (playlist: string): string[] =>
  playlist.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
const uris = (playlist: string): string[] => [...playlist.matchAll(/URI="([^"]+)"/g)].map(([, uri]) => uri ?? "");

/** Saves the master playlist and what `takes` of it, and all they name. @returns the names of the media playlists. */
async function save(
  file: PlayableFile,
  folder: string,
  takes: (uri: string) => boolean = (uri) => !uri.startsWith("transcode/v"),
): Promise<string[]> {
  const put = async (name: string): Promise<string> => {
    const bytes = await bytesOf(file, name);
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
    return bytes.toString("utf8");
  };
  const master = (await bytesOf(file, "master.m3u8")).toString("utf8");
  const playlists = [...uris(master), ...lines(master)].filter(takes);
  for (const name of playlists) {
    const playlist = await put(name);
    for (const part of [...uris(playlist), ...lines(playlist)]) await put(join(dirname(name), part));
  }
  const kept = master.split("\n");
  const own = kept.filter((line, at) => {
    const uri = line.startsWith("#EXT-X-STREAM-INF") ? (kept[at + 1] ?? "") : (uris(line)[0] ?? line);
    return uri.startsWith("#") || uri === "" || takes(uri);
  });
  await writeFile(join(folder, "master.m3u8"), own.join("\n"));
  return playlists;
}

async function frameHashes(input: string): Promise<string[]> {
  const passthrough = ["-map", "0:v:0", "-vsync", "passthrough", "-f", "framemd5", "-"];
  const { stdout } = await run("ffmpeg", ["-v", "quiet", "-nostdin", "-i", `file:${input}`, ...passthrough], {
    maxBuffer: 2 ** 24,
  });
  return stdout
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(",").at(-1)?.trim() ?? "");
}

/** Of each file the first packet, as ffmpeg reads it; `framecrc` names the flags of all that are no key frames. */
async function firstPackets(paths: readonly string[]): Promise<string[]> {
  const inputs = paths.flatMap((path) => ["-i", `file:${path}`]);
  const first = ["-c", "copy", "-copyinkf", "-frames:v", "1", "-f", "framecrc"];
  const outputs = paths.flatMap((path, at) => ["-map", `${at}:v`, ...first, `file:${path}.first`]);
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...inputs, ...outputs]);
  return Promise.all(
    paths.map(async (path) => {
      const packets = (await readFile(`${path}.first`, "utf8")).split("\n").filter((line) => /^\d+,/.test(line));
      return packets.map((line) => (/F=0x/.test(line) ? "dependent" : "key")).join(", ");
    }),
  );
}

const decodeAll = (playlist: string) =>
  run("ffmpeg", ["-v", "error", "-nostdin", "-xerror", "-i", playlist, "-map", "0", "-f", "framecrc", "-"], {
    maxBuffer: 2 ** 24,
  });

const durationsOf = (playlist: string): number[] =>
  [...playlist.matchAll(/#EXTINF:([\d.]+),/g)].map(([, text]) => Math.round(Number(text) * 1e6));

interface Source {
  readonly name: string;
  readonly make: () => Promise<string>;
  readonly decision: MediaIndex["decision"];
}

const fixture = (kind: FixtureKind, decision: MediaIndex["decision"]): Source => ({
  name: kind,
  make: () => makeFixture(kind, dir),
  decision,
});

/** Another container or another beat, from ffmpeg's own sources. */
const made = (name: string, parameters: readonly string[], decision: MediaIndex["decision"] = "remux"): Source => ({
  name,
  decision,
  make: async () => {
    const path = join(dir, name);
    await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...parameters, path]);
    return path;
  },
});

const words = (text: string): string[] => text.split(" ");
const tone = words("-f lavfi -i sine=frequency=440:sample_rate=48000");
const x264 = words("-c:v libx264 -preset superfast -threads 1 -bf 3 -g 48 -pix_fmt yuv420p -c:a aac -ac 2 -t 14");
const card = (rate: string): string[] => ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=${rate}`];
const uneven = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24,select='not(eq(mod(n,7),3))'"];

const copied: readonly Source[] = [
  fixture("h264-aac-mp4", "remux"),
  fixture("h264-23976-subtitles-mkv", "remux"),
  fixture("vp9-opus-webm", "remux"),
  fixture("av1-opus-mp4", "remux"),
  fixture("hevc-mp4", "remux"),
  fixture("hostile-name", "remux"),
  fixture("mkv-bframes-ac3-51", "remux video, transcode audio"),
  made("fragmented.mp4", [...card("25"), ...tone, ...x264, "-movflags", "frag_keyframe+empty_moov"]),
  made("ntsc.mp4", [...card("30000/1001"), ...tone, ...x264]),
  made("uneven.mp4", [...uneven, ...tone, "-vsync", "vfr", ...x264]),
  made("late-sound.mp4", [...card("24"), "-itsoffset", "0.75", ...tone, ...x264]),
  made("late-picture.mp4", ["-itsoffset", "0.5", ...card("24"), ...tone, ...x264]),
  made("silent.mkv", [...card("24"), ...x264]),
];

describe.each(copied)("$name", ({ name, make, decision }) => {
  let path: string;
  let file: PlayableFile;
  let index: MediaIndex;
  let folder: string;
  let isMade = true;

  beforeAll(async () => {
    isMade = name !== "av1-opus-mp4" && name !== "hevc-mp4" ? true : await canMakeFixture(name);
    if (!isMade) return;
    path = await make();
    ({ file, index } = await scanned(path));
    folder = join(dir, `out-${name}`);
    await save(file, folder);
  });

  test("is copied, not transcoded, wherever a browser can decode it", ({ skip }) => {
    skip(!isMade);
    expect(index.decision).toBe(decision);
  });

  test("every segment decodes, and every frame is the file's own", async ({ skip }) => {
    skip(!isMade);
    await decodeAll(join(folder, "master.m3u8"));
    const own = await frameHashes(path);
    expect(own.length).toBeGreaterThan(200);
    expect(await frameHashes(join(folder, "master.m3u8"))).toEqual(own);
  });

  test("each video segment begins with a key frame, alone", async ({ skip }) => {
    skip(!isMade);
    const init = await readFile(join(folder, "video/init.mp4"));
    const segments = lines(await readFile(join(folder, "video/playlist.m3u8"), "utf8"));
    expect(segments.length).toBeGreaterThan(1);
    const inputs: string[] = [];
    for (const segment of segments) {
      const alone = join(folder, `alone-${segment}`);
      await writeFile(alone, Buffer.concat([init, await readFile(join(folder, "video", segment))]));
      inputs.push(alone);
    }
    expect(await firstPackets(inputs)).toEqual(segments.map(() => "key"));
  });

  test("the durations add up to the film's, and none exceeds the target", async ({ skip }) => {
    skip(!isMade);
    const playlist = await readFile(join(folder, "video/playlist.m3u8"), "utf8");
    const durations = durationsOf(playlist);
    const target = Number(/TARGETDURATION:(\d+)/.exec(playlist)?.[1]);
    expect(durations.reduce((sum, duration) => sum + duration, 0)).toBe(Math.round(index.durationSeconds * 1e6));
    for (const duration of durations) expect(Math.round(duration / 1e6)).toBeLessThanOrEqual(target);
  });

  test("no segment of it takes more than the master playlist says", async ({ skip }) => {
    skip(!isMade);
    const peakOf = async (playlist: string): Promise<number> => {
      const text = await readFile(join(folder, playlist), "utf8");
      const durations = durationsOf(text);
      const rates = lines(text).map(async (name, at) => {
        const seconds = (durations[at] ?? 0) / 1e6;
        const { size } = await stat(join(folder, dirname(playlist), name));
        return seconds < 1 ? 0 : (8 * size) / seconds;
      });
      return Math.max(...(await Promise.all(rates)));
    };
    const master = await readFile(join(folder, "master.m3u8"), "utf8");
    const stated = Number(/[:,]BANDWIDTH=(\d+)/.exec(master)?.[1]);
    const sounds = await Promise.all(
      uris(master)
        .filter((uri) => !uri.startsWith("subtitles/"))
        .map(peakOf),
    );
    const sent = (await peakOf("video/playlist.m3u8")) + Math.max(0, ...sounds);
    // Segments have heads, and a sound has louder seconds: together less than 2 %.
    expect(sent).toBeLessThan(1.02 * stated);
  });

  test("the same bytes come in any order and from another engine", async ({ skip }) => {
    skip(!isMade);
    const names = lines(await readFile(join(folder, "video/playlist.m3u8"), "utf8")).map((name) => `video/${name}`);
    if (index.audio.some(({ copy }) => copy !== null)) {
      const sounds = lines(await readFile(join(folder, "audio/1/playlist.m3u8"), "utf8"));
      names.push(...sounds.map((name) => `audio/1/${name}`), "audio/1/init.mp4");
    }
    const other = await newEngine();
    try {
      for (const name of ["video/init.mp4", ...names].toReversed()) {
        expect((await bytesOf(file, name, other)).equals(await readFile(join(folder, name))), name).toBe(true);
      }
      const atOnce = await Promise.all(names.map((name) => bytesOf(file, name, other)));
      for (const [at, bytes] of atOnce.entries()) {
        expect(bytes.equals(await readFile(join(folder, names[at] ?? ""))), names[at]).toBe(true);
      }
    } finally {
      await other.close();
    }
  });
});

test("sound and picture of the first frame begin together", async () => {
  const { file } = await scanned(await makeFixture("h264-aac-mp4", dir));
  const folder = join(dir, "sync");
  await save(file, folder);
  const shown = ["-show_entries", "stream=codec_type,start_time", "-of", "json"];
  const { stdout } = await run("ffprobe", ["-v", "error", ...shown, join(folder, "master.m3u8")]);
  const { streams } = JSON.parse(stdout) as { streams: { codec_type: string; start_time: string }[] };
  for (const { start_time: start } of streams) expect(Math.abs(Number(start))).toBeLessThan(0.03);
});

test("subtitles inside a film and beside it are in its playlist and can be read", async () => {
  const { file, index } = await scanned(await makeFixture("h264-23976-subtitles-mkv", dir));
  expect(index.subtitles.map(({ language }) => language)).toEqual(["eng", "fre"]);
  const beside = { format: "vtt", language: "de", label: "", forced: false, hearingImpaired: false } as const;
  const withSidecar = { ...file, sidecars: [{ ...beside, path: "Spoken (2022).de.vtt" }] };
  const master = (await bytesOf(withSidecar, "master.m3u8")).toString("utf8");
  const names = uris(master).filter((uri) => uri.startsWith("subtitles/"));
  expect(names).toEqual([1, 2, 3].map((number) => `subtitles/${number}/playlist.m3u8`));
  const texts: string[] = [];
  for (const name of names) {
    const playlist = (await bytesOf(withSidecar, name)).toString("utf8");
    for (const part of lines(playlist))
      texts.push((await bytesOf(withSidecar, join(dirname(name), part))).toString("utf8"));
  }
  expect(texts[0]).toContain("Who is there?");
  expect(texts[1]).toContain("SORTIE");
  expect(texts[2]).toContain("Wer ist da?");
});

test("H.264 with open groups is transcoded: browsers stop at a seek into one", async () => {
  const open = made("open.mp4", [...card("24"), ...tone, ...x264, "-x264-params", "open-gop=1"]);
  const { index } = await scanned(await open.make());
  expect(index).toMatchObject({ decision: "transcode", reason: expect.stringContaining("open") });
});

test("key frames a minute apart are transcoded", async () => {
  const rare = words("-c:v libx264 -preset ultrafast -threads 1 -g 9999 -sc_threshold 0 -pix_fmt yuv420p -t 40");
  const { index } = await scanned(await made("rare.mp4", [...card("5"), ...rare]).make());
  expect(index).toMatchObject({ decision: "transcode", reason: expect.stringContaining("30 s") });
});

test("what no browser knows is transcoded and plays", async () => {
  const { file, index } = await scanned(await makeFixture("mpeg2-ts", dir));
  expect(index.decision).toBe("transcode");
  const folder = join(dir, "out-ts");
  await save(file, folder, () => true);
  engine.release(owner);
  await decodeAll(join(folder, "master.m3u8"));
});

test("what is encoded for a session is told, and ends with it", async () => {
  const { file, index } = await scanned(await makeFixture("mpeg2-ts", dir));
  const long = { ...file, index: { ...index, durationSeconds: 20_000 } };
  for (const name of ["transcode/v180/s0.m4s", "transcode/a1/s0.m4s"]) await bytesOf(long, name);
  expect(engine.transcoding()).toEqual([{ path: file.path, encoders: 2 }]);
  engine.release(owner);
  expect(engine.transcoding()).toEqual([]);
});

test("HEVC, which some browsers refuse, is offered encoded as well; what all of them play is not", async () => {
  const { file, index } = await scanned(await makeFixture("h264-aac-mp4", dir));
  const offered = async (codecName: string) => {
    const changed = { ...file, index: { ...index, video: { ...index.video, codecName } } };
    return lines((await bytesOf(changed, "master.m3u8")).toString("utf8"));
  };
  expect(await offered("h264")).toEqual(["video/playlist.m3u8"]);
  expect(await offered("hevc")).toEqual(["video/playlist.m3u8", "transcode/v180/playlist.m3u8"]);
});

test("a film that is cut off plays as far as it goes, sound and picture alike", async () => {
  const { file, index } = await scanned(await makeFixture("truncated-mp4", dir));
  expect(index.decision).toBe("remux");
  expect(index.durationSeconds).toBeGreaterThan(5);
  expect(index.durationSeconds).toBeLessThan(12);
  const folder = join(dir, "out-cut");
  await save(file, folder);
  await decodeAll(join(folder, "master.m3u8"));
});

test("an MP4 that was not written to its end is damaged, with the reason", async () => {
  const path = join(dir, "unfinished.mp4");
  await copyFile(await made("whole.mp4", [...card("24"), ...tone, ...x264]).make(), path);
  await truncate(path, 20_000);
  expect(await inspector.inspect(path, signal)).toMatchObject({ kind: "damaged", reason: expect.stringMatching(/\w/) });
});

test("a file that changes after its scan is refused, not mixed", async () => {
  const path = join(dir, "changing.mp4");
  await copyFile(await makeFixture("h264-aac-mp4", dir), path);
  const { file } = await scanned(path);
  expect((await engine.resource(file, "video/0.m4s", owner, signal)).kind).toBe("found");
  await truncate(path, 100_000);
  expect((await engine.resource(file, "video/1.m4s", owner, signal)).kind).toBe("unreadable");
  await rm(path);
  const fresh = await newEngine();
  expect((await fresh.resource(file, "video/0.m4s", owner, signal)).kind).toBe("unreadable");
  await fresh.close();
});

test.each([
  "video/99.m4s",
  "video/00.m4s",
  "video/-1.m4s",
  "video/1e0.m4s",
  "video/x/0.m4s",
  "audio/9/0.m4s",
  "audio/1/99.m4s",
  "transcode/v9999/init.mp4",
  "master.m3u8/x",
  "nothing",
])("%s is missing", async (name) => {
  const { file } = await scanned(await makeFixture("h264-aac-mp4", dir));
  expect(await engine.resource(file, name, owner, signal)).toEqual({ kind: "missing" });
});

test("an index of another version is refused", async () => {
  const { file } = await scanned(await makeFixture("h264-aac-mp4", dir));
  for (const index of [{ a: 1 }, null, { ...Object(file.index), version: 0 }]) {
    expect((await engine.resource({ ...file, index }, "master.m3u8", owner, signal)).kind).toBe("unreadable");
  }
});

/** A small generator with a seed, so that a failing mutation can be made again. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

test("changed header bytes never hang: each file is playable or damaged, and the next one is read", async () => {
  const whole = await readFile(await makeFixture("h264-aac-mp4", dir));
  const movie = whole.indexOf("moov");
  const next = numbers(7);
  const below = (limit: number): number => next.next().value % limit;
  for (let round = 0; round < 20; round++) {
    const bytes = Buffer.from(whole);
    const changes = 1 + below(6);
    for (let i = 0; i < changes; i++) bytes[movie + below(6_000)] = below(256);
    const path = join(dir, `mutated-${round}.mp4`);
    await writeFile(path, bytes);
    const inspection = await inspector.inspect(path, signal);
    expect(["playable", "damaged"]).toContain(inspection.kind);
    await rm(path);
  }
  const { index } = await scanned(await makeFixture("h264-aac-mp4", dir));
  expect(index.decision).toBe("remux");
}, 120_000);
