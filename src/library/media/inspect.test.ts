import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { silentLog } from "../../kernel/log.ts";
import { openInspector } from "../inspect-file.ts";
import { readMediaIndex } from "./media-index.ts";

const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "houselights-inspect-"));
const inspector = openInspector({ log: silentLog });
afterAll(async () => {
  await inspector.close();
  await rm(folder, { recursive: true });
});

const words = (text: string): string[] => text.split(" ");
const picture = words("-f lavfi -i testsrc2=size=128x72:rate=12");
const sound = words("-f lavfi -i sine");
const encoded = words("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 12 -c:a aac -t 4");

async function made(name: string, ...parameters: readonly (readonly string[])[]): Promise<string> {
  const path = join(folder, name);
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...parameters.flat(), path]);
  return path;
}
async function inspected(path: string) {
  const inspection = await inspector.inspect(path, new AbortController().signal);
  if (inspection.kind === "damaged") return inspection.reason;
  const index = readMediaIndex(inspection.index);
  return { facts: inspection.facts, ...index };
}

const film = await made("film.mp4", picture, sound, encoded);
const cover = await made("cover.png", words("-f lavfi -i color=red:size=600x900 -frames:v 1"));

test("a cover is no film, and with sound alone it makes none", async () => {
  const parts = ["-i", cover, "-i", film, ...words("-map 0:v -map 1:v -map 1:a -c copy -disposition:v:0 attached_pic")];
  expect(await inspected(await made("covered.mp4", parts))).toMatchObject({
    facts: { width: 128, height: 72, videoCodec: "h264" },
    decision: "remux",
  });
  const album = ["-i", cover, "-i", film, ...words("-map 0:v -map 1:a -c copy -disposition:v:0 attached_pic")];
  expect(await inspected(await made("album.mp4", album))).toBe("it has no video track");
});

test("a film's size is the one that is seen: turned upright, and with square points", async () => {
  const bytes = await readFile(film);
  // The head of its first track says how it is shown: a quarter turn.
  const matrix = bytes.indexOf("tkhd") + 44;
  for (const [at, value] of [0, 0x1_0000, 0, -0x1_0000, 0].entries()) bytes.writeInt32BE(value, matrix + 4 * at);
  const turned = join(folder, "turned.mp4");
  await writeFile(turned, bytes);
  expect(await inspected(turned)).toMatchObject({ facts: { width: 72, height: 128 }, decision: "remux" });
  const narrow = words("-f lavfi -i testsrc2=size=64x72:rate=12,setsar=2");
  expect(await inspected(await made("narrow.mp4", narrow, sound, encoded))).toMatchObject({
    facts: { width: 128, height: 72 },
  });
});

test("sound that begins more than a second after the picture is converted, and that of a second is copied", async () => {
  const from = (seconds: string) => made(`late-${seconds}.mp4`, picture, ["-itsoffset", seconds], sound, encoded);
  expect(await inspected(await from("0.9"))).toMatchObject({ decision: "remux", reason: "" });
  expect(await inspected(await from("1.5"))).toMatchObject({
    decision: "remux video, transcode audio",
    reason: "its sound begins long after the picture",
    audio: [{ copy: null }],
  });
});

test("Opus beside other sound is converted: a player changes between tracks of one codec", async () => {
  const tracks = words("-map 0:v -map 1:a -map 1:a -c:a:0 libopus -strict -2");
  const both = await made("two-codecs.mkv", picture, sound, encoded, tracks);
  expect(await inspected(both)).toMatchObject({
    decision: "remux video, transcode audio",
    audio: [
      { codecName: "opus", copy: null },
      { codecName: "aac", copy: { codec: "mp4a.40.2" } },
    ],
  });
});
