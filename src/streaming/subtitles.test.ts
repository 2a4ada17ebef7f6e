import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, expect, test } from "vitest";
import { fixtureSeconds, makeFixture, spokenSrt } from "../../test/media-fixtures.ts";
import { childEnvironment } from "../config/config.ts";
import type { Sidecar } from "../library/beside.ts";
import type { MediaAnswer } from "./routes.ts";
import { startSubtitles, subtitleTracksOf, type SubtitleFile, type Subtitles } from "./subtitles.ts";

const base = await mkdtemp(join(tmpdir(), "houselights-subtitles-"));
afterAll(() => rm(base, { recursive: true, force: true }));
const dir = join(base, "library");
const path = basename(await makeFixture("h264-23976-subtitles-mkv", dir));
const stem = path.replace(/\.mkv$/, "");

const open: Subtitles[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((subtitles) => subtitles.close()));
});
function subtitlesOf(ffmpegPath = "ffmpeg"): Subtitles {
  const subtitles = startSubtitles({ ffmpegPath, childEnvironment: childEnvironment(), libraryDir: dir });
  open.push(subtitles);
  return subtitles;
}

const sidecar = (name: string, language: string): Sidecar => ({
  path: name,
  format: name.endsWith(".vtt") ? "vtt" : "srt",
  language,
  label: "",
  forced: false,
  hearingImpaired: false,
});
const embedded = { label: "", forced: false, hearingImpaired: false };
const file: SubtitleFile = {
  path,
  fingerprint: "spoken",
  durationSeconds: fixtureSeconds,
  embedded: [
    { ...embedded, number: 1, position: 0, codecName: "subrip", language: "en" },
    { ...embedded, number: 2, position: 1, codecName: "ass", language: "fr", label: "Signs" },
  ],
  sidecars: [sidecar(`${stem}.de.vtt`, "de"), sidecar(`${stem}.en.srt`, "en"), sidecar("gone.srt", "it")],
};
const never = new AbortController().signal;

function textOf(answer: MediaAnswer): string {
  if (answer.kind !== "found") throw new Error(`answered ${JSON.stringify(answer)}`);
  return answer.body.toString();
}

const head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n";

test("tracks inside the film come first, then the files beside it", () => {
  expect(subtitleTracksOf(file).map(({ number, language, label }) => [number, language, label])).toEqual([
    [1, "en", ""],
    [2, "fr", "Signs"],
    [3, "de", ""],
    [4, "en", ""],
    [5, "it", ""],
  ]);
});

test("a track inside the film is read out of it, in the time of its first frame", async () => {
  const subtitles = subtitlesOf();
  // In the container everything lies 21 ms later, the length of the sound's priming; the first frame too.
  expect(textOf(await subtitles.resource(file, 1, "0.vtt", never))).toBe(
    `${head}00:00:01.000 --> 00:00:02.500\nThe lights go <i>down</i>.\n\n` +
      "00:00:07.000 --> 00:00:09.000\nWho is there?\n- Only the usher &amp; his torch.\n\n" +
      "00:00:14.200 --> 00:00:15.700\nThe End\n",
  );
  const styled = textOf(await subtitles.resource(file, 2, "0.vtt", never));
  expect(styled.replaceAll(/<\/?b>/g, "")).toBe(`${head}00:00:03.000 --> 00:00:05.000\nSORTIE de secours\n`);
});

test("many who ask at once cost one reading, and it is kept", async () => {
  const subtitles = subtitlesOf();
  const all = await Promise.all(Array.from({ length: 20 }, () => subtitles.resource(file, 1, "0.vtt", never)));
  expect(new Set(all.map(textOf)).size).toBe(1);
  // Served from memory: the film is no longer asked.
  expect(await subtitles.resource({ ...file, path: "gone.mkv" }, 1, "0.vtt", never)).toEqual(all[0]);
});

test("a track that is being read is read to its end and kept, although whoever asked has left", async () => {
  const subtitles = subtitlesOf();
  const left = AbortSignal.abort();
  expect(await subtitles.resource(file, 1, "0.vtt", left)).toEqual({ kind: "busy" });
  // Who has left waits for nothing: what is found now was kept for somebody else.
  const kept = async () => (await subtitles.resource({ ...file, path: "gone.mkv" }, 1, "0.vtt", left)).kind;
  await expect.poll(kept).toBe("found");
});

test("two films are read at one time, and who asks for a third is told to come back", async () => {
  const subtitles = subtitlesOf();
  const ask = (fingerprint: string) => subtitles.resource({ ...file, fingerprint }, 1, "0.vtt", never);
  const both = [ask("one"), ask("two")];
  expect(await ask("three")).toEqual({ kind: "busy" });
  for (const answer of await Promise.all(both)) expect(answer.kind).toBe("found");
  expect((await ask("three")).kind).toBe("found");
});

test("a track that says more than any film is not read to its end", async () => {
  const subtitles = subtitlesOf();
  const long = join(base, "long.srt");
  const line = "a".repeat(1_000);
  const timeOf = (ms: number): string => `00:00:0${Math.trunc(ms / 1_000)},${String(ms % 1_000).padStart(3, "0")}`;
  const cues = Array.from({ length: 9_000 }, (_none, n) => `${n}\n${timeOf(n)} --> ${timeOf(n + 1)}\n${line}\n\n`);
  await writeFile(long, cues.join(""));
  const film = ["-v", "error", "-y", "-i", join(dir, path), "-i", long, "-map", "0:v", "-map", "1", "-c:v", "copy"];
  await promisify(execFile)("ffmpeg", [...film, "-c:s", "subrip", join(dir, "long.mkv")]);
  const [first] = file.embedded;
  const talks = { ...file, path: "long.mkv", fingerprint: "long", embedded: first === undefined ? [] : [first] };
  const answer = await subtitles.resource(talks, 1, "0.vtt", never);
  expect(answer.kind === "unreadable" && answer.message).toBe("the subtitles are above 8 MB");
});

test("while it closes nothing more is begun, and what is being read is given up", async () => {
  const subtitles = subtitlesOf();
  const reading = subtitles.resource({ ...file, fingerprint: "closing" }, 1, "0.vtt", never);
  await subtitles.close();
  expect((await reading).kind).toBe("unreadable");
  expect(await subtitles.resource({ ...file, fingerprint: "late" }, 1, "0.vtt", never)).toEqual({ kind: "busy" });
});

test("files beside the film are read as they are now", async () => {
  const subtitles = subtitlesOf();
  expect(textOf(await subtitles.resource(file, 3, "0.vtt", never))).toBe(
    `${head}00:00:01.000 --> 00:00:02.500\nDas Licht geht <i>aus</i>.\n\n` +
      "00:00:07.000 --> 00:00:09.000 line:10%\nWer ist da?\n",
  );
  const own = join(dir, `${stem}.en.srt`);
  await writeFile(own, Buffer.from(spokenSrt.replace("The End", "Fin… à bientôt"), "latin1"));
  expect(textOf(await subtitles.resource(file, 4, "0.vtt", never))).toContain("à bientôt");
  expect(await subtitles.resource(file, 5, "0.vtt", never)).toEqual({ kind: "missing" });
});

test("a file beside the film is made into text once, until it has changed", async () => {
  const subtitles = subtitlesOf();
  const own = join(dir, "once.srt");
  const once = { ...file, embedded: [], sidecars: [sidecar("once.srt", "en")] };
  const read = async (): Promise<string> => textOf(await subtitles.resource(once, 1, "0.vtt", never));
  const write = async (word: string, second: number): Promise<void> => {
    await writeFile(own, `1\n00:00:01,000 --> 00:00:02,000\n${word}\n`);
    await utimes(own, second, second);
  };
  await write("one", 1);
  expect(await read()).toContain("one");
  // The same to whoever looks, and so not read again.
  await write("two", 1);
  expect(await read()).toContain("one");
  await write("two", 2);
  expect(await read()).toContain("two");
});

test("what leads out of the library, is no file, or is too large is not read; and nobody waits for a pipe", async () => {
  const subtitles = subtitlesOf();
  const outside = join(base, "outside.srt");
  await writeFile(outside, spokenSrt);
  await symlink(outside, join(dir, "link.srt"));
  await writeFile(join(dir, "inside.srt"), spokenSrt);
  await symlink(join(dir, "inside.srt"), join(dir, "link-inside.srt"));
  await writeFile(join(dir, "huge.srt"), spokenSrt);
  await mkdir(join(dir, "folder.srt"));
  await promisify(execFile)("mkfifo", [join(dir, "pipe.srt")]);
  const names = ["link-inside.srt", "link.srt", "huge.srt", "../outside.srt", ".", "folder.srt", "pipe.srt"];
  const links = names.map((name) => sidecar(name, "en"));
  const linked = { ...file, embedded: [], sidecars: links };
  const kinds = async (): Promise<string[]> =>
    Promise.all(links.map(async (_link, index) => (await subtitles.resource(linked, index + 1, "0.vtt", never)).kind));
  const others = Array.from({ length: 4 }, () => "missing");
  expect(await kinds()).toEqual(["found", "missing", "found", ...others]);
  await truncate(join(dir, "huge.srt"), 9 * 1024 * 1024);
  expect((await kinds())[2]).toBe("unreadable");
});

test("the playlist covers the whole film with one segment", async () => {
  const text = textOf(await subtitlesOf().resource(file, 1, "playlist.m3u8", never));
  expect(text).toContain("#EXT-X-TARGETDURATION:16\n");
  expect(text).toContain("#EXTINF:16.000000,\n0.vtt\n#EXT-X-ENDLIST\n");
});

test("what there is not is missing; what cannot be read is unreadable; no ffmpeg is said so", async () => {
  const subtitles = subtitlesOf();
  for (const [number, name] of [
    [0, "0.vtt"],
    [6, "0.vtt"],
    [-1, "0.vtt"],
    [1.5, "0.vtt"],
    [1, "1.vtt"],
    [1, "master.m3u8"],
  ] as const) {
    expect(await subtitles.resource(file, number, name, never)).toEqual({ kind: "missing" });
  }
  const wrong = [{ ...embedded, number: 1, position: 7, codecName: "subrip", language: "en" }];
  expect((await subtitles.resource({ ...file, embedded: wrong }, 1, "0.vtt", never)).kind).toBe("unreadable");
  await expect(subtitlesOf("no-such-ffmpeg").resource(file, 1, "0.vtt", never)).rejects.toMatchObject({
    code: "MEDIA_TOOL_MISSING",
  });
});
