import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entersFolder, readPath } from "./layout.ts";
import { displayName, fold, sortKeyOf } from "./names.ts";

describe("a path says what the video is", () => {
  test.each([
    ["Heat (1995)/Heat (1995).mkv", "Heat", 1995],
    ["Heat (1995).mkv", "Heat", 1995],
    ["Heat (1995)/Heat (1995) - 1080p.mkv", "Heat", 1995],
    ["Heat (1995)/Heat (1995) - Director's Cut.mkv", "Heat", 1995],
    ["Heat (1995) [imdbid-tt0113277]/Heat (1995) [imdbid-tt0113277] - 4K.mp4", "Heat", 1995],
    ["Films/Crime/Heat (1995) {edition-Final}.mp4", "Heat", 1995],
    ["Heat (1995)/movie.mkv", "Heat", 1995],
    ["Heat (1995)/Heat.mkv", "Heat", 1995],
    ["Heat.1995.1080p.BluRay.x264-GROUP.mkv", "Heat", 1995],
    ["Blade.Runner.2049.2017.2160p.mkv", "Blade Runner 2049", 2017],
    ["2001 A Space Odyssey (1968).mkv", "2001 A Space Odyssey", 1968],
    ["1917.mkv", "1917", null],
    ["4x100 (2015)/4x100 (2015).mkv", "4x100", 2015],
    ["Holiday (2020)/day one.mp4", "day one", null],
    ["clip_from_phone.mov", "clip from phone", null],
    ["Amélie (2001).webm", "Amélie", 2001],
    ["-rf (2001).mp4", "-rf", 2001],
    ["Quote \"x\" & 'y' (2003).mkv", "Quote \"x\" & 'y'", 2003],
    ["New\nline\u0007 (2003).mkv", "New line", 2003],
    ["Right\u202e4pm. (2003).mkv", "Right 4pm", 2003],
    ["千と千尋の神隠し (2001).mkv", "千と千尋の神隠し", 2001],
    ["(1999).mkv", "(1999)", null],
    ["Sample.mkv", "Sample", null],
  ])("%j is a film", (path, name, year) => {
    expect(readPath(path)).toEqual({ kind: "film", name, year });
  });

  test.each([
    ["Show (2010)/Season 01/Show S01E02 - The Name.mkv", "Show", 2010, 1, 2, 2, "The Name"],
    ["Show (2010)/Season 1/Show.S01E02.The.Name.1080p.WEB-DL.mkv", "Show", 2010, 1, 2, 2, "The Name"],
    ["Show/S01/Show - s01e02.mp4", "Show", null, 1, 2, 2, "Episode 2"],
    ["Show (2010)/Specials/Show S00E03 - Behind.mkv", "Show", 2010, 0, 3, 3, "Behind"],
    ["Show (2010)/Specials/03 - Behind.mkv", "Show", 2010, 0, 3, 3, "Behind"],
    ["Show/Show 1x02 - Name.mkv", "Show", null, 1, 2, 2, "Name"],
    ["Show/Season 02/02 - Name.mkv", "Show", null, 2, 2, 2, "Name"],
    ["Show/Season 02/Episode 7.mkv", "Show", null, 2, 7, 7, "Episode 7"],
    ["Show/Season 01/Show S01E01-E02 - Double.mkv", "Show", null, 1, 1, 2, "Double"],
    ["Show/Season 01/Show S01E01E02.mkv", "Show", null, 1, 1, 2, "Episode 1"],
    ["Show/Season 01/Show S01E01-02.mkv", "Show", null, 1, 1, 2, "Episode 1"],
    ["Show/Season 01/Show S01E01-1080.mkv", "Show", null, 1, 1, 1, "Episode 1"],
    ["TV/Show (2010)/Season 1/Show S01E02.mkv", "Show", 2010, 1, 2, 2, "Episode 2"],
    ["Series/Other Show S03E04 - X.mkv", "Other Show", null, 3, 4, 4, "X"],
    ["Show S01E02 - Name.mkv", "Show", null, 1, 2, 2, "Name"],
    ["Staffel (2012)/Staffel 2/Staffel S02E10.mkv", "Staffel", 2012, 2, 10, 10, "Episode 10"],
  ])("%j is an episode", (path, series, seriesYear, season, episode, lastEpisode, name) => {
    expect(readPath(path)).toEqual({ kind: "episode", series, seriesYear, season, episode, lastEpisode, name });
  });

  test.each([
    "Heat (1995)/Heat (1995)-trailer.mp4",
    "Heat (1995)/sample.mkv",
    "Heat (1995)/Heat.sample.mkv",
    "Heat (1995)/Heat (1995).srt",
    "Heat (1995)/notes.txt",
    "Heat (1995)/.Heat (1995).mkv",
    "Heat (1995)/mkv",
    "",
    "/",
  ])("%j is no title", (path) => {
    expect(readPath(path)).toBeUndefined();
  });

  test.each([
    [".hidden", 0, false],
    ["Extras", 1, false],
    ["Behind The Scenes", 2, false],
    ["Shorts", 0, true],
    ["@eaDir", 0, false],
    ["lost+found", 0, false],
    ["Season 01", 1, true],
  ])("the scan's way into %j at depth %i", (name, depth, enters) => {
    expect(entersFolder(name, depth)).toBe(enters);
  });
});

test("whatever the path, a placement's names can be shown and its numbers make sense", () => {
  const part = fc.string({ unit: "binary", maxLength: 60 });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), fc.constantFrom("mkv", "mp4", "MKV"), (parts, extension) => {
      const placement = readPath(`${parts.join("/")}.${extension}`);
      if (placement === undefined) return;
      expect(placement.name).not.toBe("");
      expect(placement.name).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
      expect(Array.from(placement.name).length).toBeLessThanOrEqual(200);
      if (placement.kind === "film") return;
      expect(placement.lastEpisode).toBeGreaterThanOrEqual(placement.episode);
      expect(placement.series).not.toBe("");
    }),
  );
});

test("a name of 40,000 characters is read in no time to speak of", () => {
  for (const unit of ["s01", "1x", " - ", "[", "(1999", "._", "e1-"]) {
    readPath(`${unit.repeat(10_000)}.mkv`);
    readPath(`Show/${unit.repeat(10_000)}.mkv`);
  }
});

test.each([
  ["Amélie", "amelie"],
  ["STRASSE Straße", "strasse strasse"],
  ["Ærø & Øl", "aero ol"],
  ["Don't  Look—Up!", "dont look up"],
  ["Łódź", "lodz"],
  ["İstanbul", "istanbul"],
  ["進撃の巨人", "進撃の巨人"],
  ["!!!", ""],
])("%j is searched as %j", (name, folded) => {
  expect(fold(name)).toBe(folded);
  expect(fold(fold(name))).toBe(folded);
});

test("an English article does not decide the order, unless it is the whole name", () => {
  expect([sortKeyOf("The Matrix"), sortKeyOf("A"), sortKeyOf("Anna"), sortKeyOf("The")]).toEqual([
    "matrix",
    "a",
    "anna",
    "the",
  ]);
});

test("a long name is shortened by characters, not by halves of them", () => {
  expect(Array.from(displayName("🎬".repeat(500)))).toHaveLength(200);
});
