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
  ["Heat.cc.srt", "und", "", false, true],
  ["Heat.sdh.en.srt", "en", "", false, true],
  ["Heat.default.fr.srt", "fr", "", false, false],
  ["Heat.eng.Commentary by the editor.srt", "eng", "Commentary by the editor", false, false],
])("%j is a subtitle of Heat.mkv", (name, language, label, forced, hearingImpaired) => {
  const [sidecar] = sidecarsOf("Films/Heat.mkv", { folder: "Films", subtitles: [name] });
  expect(sidecar).toMatchObject({ path: `Films/${name}`, language, label, forced, hearingImpaired });
});

test("subtitles of another video, even one whose name begins alike, are not taken", () => {
  const subtitles = ["Heat 2.en.srt", "Heater.srt", "heat.srt", "Hea.srt"];
  expect(sidecarsOf("Heat.mkv", { folder: "", subtitles })).toEqual([]);
});

test("at most forty subtitles of one video are taken", () => {
  const subtitles = Array.from({ length: 41 }, (_none, at) => `Heat.${at + 10}.srt`);
  expect(sidecarsOf("Heat.mkv", { folder: "", subtitles }).map(({ path }) => path)).toEqual(subtitles.slice(0, 40));
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

test("versions of one film share the picture of its folder, another film in it has none of it", () => {
  const both = beside("Heat (1995)", { pictures: ["poster.jpg"], videoCount: 2 });
  expect(picturesOf("Heat (1995)/Heat (1995) - 4K.mkv", both)).toEqual(["Heat (1995)/poster.jpg"]);
  expect(picturesOf("Heat (1995)/Heat (1986).mkv", both)).toEqual([]);
  expect(picturesOf("Heat (1995)/Ronin (1995).mkv", both)).toEqual([]);
});

test("specials have posters of their own, and what lies at the library's top is no series'", () => {
  const pictures = ["poster.jpg", "season00-poster.jpg", "season-specials-poster.jpg", "season0-poster.jpg"];
  expect(
    picturesOf(
      "Show/Specials/Show S00E01.mkv",
      beside("Show/Specials", { picturesAbove: { folder: "Show", pictures } }),
    ),
  ).toEqual([
    "Show/season00-poster.jpg",
    "Show/season0-poster.jpg",
    "Show/season-specials-poster.jpg",
    "Show/poster.jpg",
  ]);
  const top = { folder: "", pictures };
  expect(picturesOf("Specials/Show S00E01.mkv", beside("Specials", { picturesAbove: top }))).toEqual([]);
  expect(picturesOf("Show S00E01.mkv", beside("", { pictures: ["poster.jpg"] }))).toEqual([]);
  // What lies above a folder that is no season's is not of the series.
  expect(picturesOf("A/Show/Show S01E01.mkv", beside("A/Show", { picturesAbove: { folder: "A", pictures } }))).toEqual(
    [],
  );
});
