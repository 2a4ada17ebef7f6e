import { expect, test } from "vitest";
import { picturesOf, sidecarsOf } from "./beside.ts";
import type { Beside } from "./walk.ts";

const beside = (folder: string, more: Partial<Beside> = {}): Beside => ({
  folder,
  subtitles: [],
  pictures: [],
  picturesAbove: null,
  videoCount: 1,
  ...more,
});

test.each([
  ["Heat.en.srt", "en", "", false, false],
  ["Heat.en.forced.srt", "en", "", true, false],
  ["Heat.de.sdh.vtt", "de", "", false, true],
  ["Heat.srt", "und", "", false, false],
  ["Heat.pt_br.srt", "pt-BR", "", false, false],
  ["Heat.zh-hant.srt", "zh-Hant", "", false, false],
  ["Heat.hi.srt", "hi", "", false, false],
  ["Heat.en.hi.srt", "en", "", false, true],
  ["Heat.eng.Commentary by the editor.srt", "eng", "Commentary by the editor", false, false],
])("%j is a subtitle of Heat.mkv", (name, language, label, forced, hearingImpaired) => {
  const [sidecar] = sidecarsOf("Films/Heat.mkv", { folder: "Films", subtitles: [name] });
  expect(sidecar).toMatchObject({ path: `Films/${name}`, language, label, forced, hearingImpaired });
});

test("subtitles of another video, even one whose name begins alike, are not taken", () => {
  const subtitles = ["Heat 2.en.srt", "Heater.srt", "heat.srt", "Hea.srt"];
  expect(sidecarsOf("Heat.mkv", { folder: "", subtitles })).toEqual([]);
});

test("a film's own picture goes before its folder's, and a folder's is taken only if the folder is the film's", () => {
  const pictures = ["fanart.jpg", "Heat (1995)-poster.png", "poster.webp"];
  expect(picturesOf("Heat (1995)/Heat (1995).mkv", beside("Heat (1995)", { pictures }))).toEqual([
    "Heat (1995)/Heat (1995)-poster.png",
    "Heat (1995)/poster.webp",
    "Heat (1995)/fanart.jpg",
  ]);
  expect(picturesOf("Mixed/One.mkv", beside("Mixed", { pictures, videoCount: 2 }))).toEqual([]);
  expect(picturesOf("One.mkv", beside("", { pictures }))).toEqual([]);
});

test("an episode takes its own still, its season's poster, then its series'", () => {
  const found = picturesOf(
    "Show/Season 01/Show S01E01.mkv",
    beside("Show/Season 01", {
      pictures: ["Show S01E01-thumb.jpg"],
      picturesAbove: { folder: "Show", pictures: ["poster.jpg", "Season01-poster.jpg", "Season02-poster.jpg"] },
      videoCount: 8,
    }),
  );
  expect(found).toEqual(["Show/Season 01/Show S01E01-thumb.jpg", "Show/Season01-poster.jpg", "Show/poster.jpg"]);
});
