import { expect, test } from "vitest";
import { mediaIndexVersion, type AudioIndex, type MediaIndex } from "../library/media/media-index.ts";
import { masterPlaylist, type SubtitleEntry } from "./playlists.ts";
import { renditionsOf } from "./transcode-plan.ts";

/** A film that must be encoded, with these tracks. */
function master(labels: readonly string[], subtitles: readonly SubtitleEntry[] = [], defaultAt = -1): string {
  const audio = labels.map((label, at): AudioIndex => ({
    number: at + 1,
    codecName: "ac3",
    language: "de",
    label,
    channels: 6,
    isDefault: at === defaultAt,
    bitsPerSecond: 384_000,
    copy: null,
  }));
  const index: MediaIndex = {
    version: mediaIndexVersion,
    container: "other",
    decision: "transcode",
    reason: "",
    durationSeconds: 100,
    width: 1_280,
    height: 720,
    frameRate: 25,
    videoCodec: "mpeg2video",
    videoStream: 0,
    bitsPerSecond: 0,
    video: null,
    audio,
    subtitles: [],
  };
  const made = renditionsOf({ width: 1_280, height: 720, fps: 25, audioTracks: audio.length });
  return masterPlaylist({
    index,
    video: made.filter((rendition) => rendition.kind === "video"),
    audio: made.filter((rendition) => rendition.kind === "audio"),
    subtitles,
  });
}
const subtitle = (number: number, label: string, more: Partial<SubtitleEntry> = {}): SubtitleEntry => ({
  number,
  language: "en",
  label,
  forced: false,
  hearingImpaired: false,
  ...more,
});
const valuesOf = (playlist: string, type: string, name: string): string[] =>
  playlist
    .split("\n")
    .filter((line) => line.startsWith(`#EXT-X-MEDIA:TYPE=${type},`))
    .map((line) => new Map([...line.matchAll(/([A-Z-]+)=("[^"]*"|[^",]*)/g)].map(([, key, value]) => [key, value])))
    .map((attributes) => attributes.get(name) ?? "");

test("what a film calls its tracks adds no line and no attribute", () => {
  const plain = master(["x"], [subtitle(1, "x")]);
  for (const label of ['",URI="//example.org/x', "\n#EXT-X-ENDLIST\n", "\r\nhttps://example.org/", "\u2028x", "\0"]) {
    const named = master([label], [subtitle(1, label)]);
    expect(named.split(/[\n\r\u2028\u2029]/)).toHaveLength(plain.split("\n").length);
    expect(named.match(/"/g)).toHaveLength(plain.match(/"/g)?.length ?? 0);
    expect(valuesOf(named, "AUDIO", "URI")).toEqual(['"transcode/a1/playlist.m3u8"']);
    expect(valuesOf(named, "SUBTITLES", "URI")).toEqual(['"subtitles/1/playlist.m3u8"']);
  }
});

test("each track of a film has a name of its own, and one sound is what plays", () => {
  const labels = ["Director", "Director", "", "de", "de (2)"];
  const names = ['"Director"', '"Director (2)"', '"de"', '"de (2)"', '"de (2) (2)"'];
  expect(valuesOf(master(labels), "AUDIO", "NAME")).toEqual(names);
  expect(valuesOf(master(labels), "AUDIO", "DEFAULT")).toEqual(["YES", "NO", "NO", "NO", "NO"]);
  expect(valuesOf(master(labels, [], 3), "AUDIO", "DEFAULT")).toEqual(["NO", "NO", "NO", "YES", "NO"]);
  const nameless = [subtitle(1, "", { language: "und" }), subtitle(2, "", { language: "und" })];
  expect(valuesOf(master([], nameless), "SUBTITLES", "NAME")).toEqual(['"1"', '"2"']);
});

test("subtitles are shown by themselves only where the film forces them, and say whom they are for", () => {
  const playlist = master(
    ["x"],
    [subtitle(1, "All"), subtitle(2, "Signs", { forced: true }), subtitle(3, "Sounds", { hearingImpaired: true })],
  );
  expect(valuesOf(playlist, "SUBTITLES", "DEFAULT")).toEqual(["NO", "NO", "NO"]);
  expect(valuesOf(playlist, "SUBTITLES", "AUTOSELECT")).toEqual(["NO", "YES", "NO"]);
  expect(valuesOf(playlist, "SUBTITLES", "FORCED")).toEqual(["NO", "YES", "NO"]);
  expect(valuesOf(playlist, "SUBTITLES", "CHARACTERISTICS").map((value) => value.includes("sound"))).toEqual([
    false,
    false,
    true,
  ]);
});

test("a quality names the groups that there are, and asks for picture and sound together", () => {
  const variants = (playlist: string): string[] =>
    playlist.split("\n").filter((line) => line.startsWith("#EXT-X-STREAM-INF"));
  const [silent = "", spoken = ""] = [master([]), master(["x"], [subtitle(1, "x")])].map((one) => variants(one)[0]);
  expect(silent).not.toMatch(/AUDIO=|SUBTITLES=|mp4a/);
  expect(spoken).toMatch(/CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2".*AUDIO="audio",SUBTITLES="subtitles"/);
  const bandwidth = (line: string): number => Number(/[:,]BANDWIDTH=(\d+)/.exec(line)?.[1]);
  expect(bandwidth(spoken) - bandwidth(silent)).toBe(300_000);
  expect(variants(master([])).map((line) => /RESOLUTION=([^,]+)/.exec(line)?.[1])).toEqual(["854x480", "1280x720"]);
});
