import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { makeDemoLibrary, subRip } from "./demo.ts";
import { demoFilms, type DemoFilm } from "./demo-films.ts";
import { readPath } from "./layout.ts";
import { settleMs } from "./scan.ts";

let libraryDir: string;
beforeEach(async () => {
  libraryDir = join(await mkdtemp(join(tmpdir(), "houselights-demo-")), "library");
});
afterEach(() => rm(join(libraryDir, ".."), { recursive: true, force: true }));

/** The real films, shortened: what they look like is not the question here. */
const films = demoFilms
  .slice(0, 2)
  .map((film): DemoFilm => ({ ...film, seconds: 2, chapters: film.chapters.slice(0, 1) }));
const make = (signal = new AbortController().signal, ready?: (film: DemoFilm) => Promise<void>) =>
  makeDemoLibrary({ libraryDir, clock: systemClock, random: systemRandom, log: silentLog }, signal, ready, films);
const tree = async () =>
  (await readdir(libraryDir, { recursive: true })).filter((name) => /\.\w+$/.test(name)).toSorted();

test("every demo film lies where the scan finds it as what it is", () => {
  for (const film of demoFilms) {
    const placement = readPath(`${film.path}.${film.container}`);
    expect(placement).toMatchObject({ name: film.title });
    expect(placement?.kind).toBe(film.path.includes("Season") ? "episode" : "film");
    expect(film.chapters.every(({ atSeconds }) => atSeconds < film.seconds)).toBe(true);
  }
});

test("an empty library is filled with whole films that need no waiting, posters and subtitles", async () => {
  const told: string[] = [];
  expect(await make(undefined, async ({ title }) => void told.push(title))).toEqual({ kind: "made" });
  expect(told).toEqual(films.map(({ title }) => title));
  expect(await tree()).toEqual([
    "Garden of Cells (1970)/Garden of Cells (1970).en.srt",
    "Garden of Cells (1970)/Garden of Cells (1970).fr.srt",
    "Garden of Cells (1970)/Garden of Cells (1970).mkv",
    "Garden of Cells (1970)/poster.jpg",
    "Slow Light (2024)/Slow Light (2024).de.srt",
    "Slow Light (2024)/Slow Light (2024).en.srt",
    "Slow Light (2024)/Slow Light (2024).mp4",
    "Slow Light (2024)/poster.jpg",
  ]);
  const film = await stat(join(libraryDir, "Slow Light (2024)/Slow Light (2024).mp4"));
  expect(film.size).toBeGreaterThan(1_000);
  expect(systemClock.now() - film.mtimeMs).toBeGreaterThan(settleMs);
});

test("a library that holds anything of somebody's is left alone", async () => {
  await mkdir(libraryDir);
  await writeFile(join(libraryDir, "mine.mp4"), "x");
  expect(await make()).toEqual({ kind: "left alone" });
  expect(await readdir(libraryDir)).toEqual(["mine.mp4"]);
});

test("the first thing that somebody puts there ends the making", async () => {
  const outcome = await make(undefined, () => writeFile(join(libraryDir, "mine.mp4"), "x"));
  expect(outcome).toEqual({ kind: "left alone" });
  expect(await tree()).not.toContain("Garden of Cells (1970)/Garden of Cells (1970).mkv");
});

test("a making that was killed goes on with what is missing and sweeps up what was half made", async () => {
  const stop = new AbortController();
  await make(stop.signal, async () => stop.abort());
  await mkdir(join(libraryDir, ".making-left"));
  expect(await tree()).not.toContain("Garden of Cells (1970)/Garden of Cells (1970).mkv");
  const told: string[] = [];
  expect(await make(undefined, async ({ title }) => void told.push(title))).toEqual({ kind: "made" });
  expect(told).toEqual(["Garden of Cells"]);
  expect(await readdir(libraryDir)).not.toContain(".making-left");
});

test("a making that was killed in its first film goes on", async () => {
  expect(await make(AbortSignal.abort())).toEqual({ kind: "stopped" });
  expect(await readdir(libraryDir)).toContain("Slow Light (2024)");
  expect(await make()).toEqual({ kind: "made" });
});

test("a film that somebody deletes is not made again", async () => {
  await make();
  await rm(join(libraryDir, "Slow Light (2024)"), { recursive: true });
  expect(await make()).toEqual({ kind: "made" });
  expect(await readdir(libraryDir)).not.toContain("Slow Light (2024)");
  expect(await readFile(join(libraryDir, ".houselights-demo"), "utf8")).toContain("Slow Light");
});

test("subtitles are written with hours, minutes, seconds and thousandths", () => {
  expect(subRip([{ fromSeconds: 3_661.5, toSeconds: 3_662.25, text: "Hi" }])).toBe(
    "1\n01:01:01,500 --> 01:01:02,250\nHi\n",
  );
});
