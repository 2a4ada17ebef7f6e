import { expect, test } from "vitest";
import type { TitleSummary } from "../src/wire/titles.ts";
import { newestOf } from "../web/library/series.ts";

const title = (id: string, minute: number, of: Partial<TitleSummary> = {}): TitleSummary => ({
  id,
  kind: "film",
  name: id,
  year: null,
  seriesId: null,
  seriesName: null,
  season: null,
  episode: null,
  durationSeconds: 60,
  addedAt: `2026-11-26T20:${String(minute).padStart(2, "0")}:00.000Z`,
  playable: true,
  problem: null,
  poster: null,
  progress: null,
  ...of,
});
const episode = (number: number, minute: number, watched: boolean): TitleSummary =>
  title(`episode ${number}`, minute, {
    kind: "episode",
    seriesId: "series",
    seriesName: "Series",
    season: 1,
    episode: number,
    progress: watched
      ? { positionSeconds: 60, durationSeconds: 60, watched, updatedAt: "2026-11-26T21:00:00.000Z" }
      : null,
  });

test("among the newest a series stands once, where its newest episode belongs, by the episode to go on with", () => {
  const titles = [
    title("old film", 1),
    episode(1, 10, true),
    episode(2, 11, false),
    title("film between", 12),
    episode(3, 13, false),
    title("new film", 14),
  ];
  const names = (most: number) => newestOf(titles, most).map(({ id }) => id);
  expect(names(10)).toEqual(["new film", "episode 2", "film between", "old film"]);
  expect(names(2)).toEqual(["new film", "episode 2"]);
});
