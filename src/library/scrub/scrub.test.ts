import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, stat, truncate, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../../test/library-fixture.ts";
import { smallDisk } from "../../../test/small-disk.ts";
import { testDatabase } from "../../db/test-database.ts";
import type { Db } from "../../db/db.ts";
import type { JobContext } from "../../jobs/jobs.ts";
import type { FileId } from "../../kernel/brand.ts";
import { dayMs, hourMs, manualClock, secondMs, type ManualClock } from "../../kernel/clock.ts";
import { silentLog } from "../../kernel/log.ts";
import { systemRandom } from "../../kernel/random.ts";
import { scrubAnswer } from "../../streaming/scrub-answers.ts";
import { fileProblems } from "../file-problems.ts";
import { openInspector } from "../inspect-file.ts";
import { mostTries } from "./keep-pictures.ts";
import { makePictures, placesOf } from "./make-pictures.ts";
import { mostSheetBytes, readLayout, readSheet, scrubFolder, scrubName, writePictures } from "./picture-file.ts";
import { scrubTask, type ScrubTaskNeeds } from "./scrub-task.ts";

const run = promisify(execFile);
const inspector = openInspector({ log: silentLog });
const never = new AbortController().signal;
let db: Db;
let library: TestLibrary;
let clock: ManualClock;
let films: string;
let dataDir: string;
/** What the films show, place after place. */
const colours = ["red", "lime", "blue", "white", "yellow", "magenta"] as const;
const rgbOf: Readonly<Record<(typeof colours)[number], readonly number[]>> = {
  red: [255, 0, 0],
  lime: [0, 255, 0],
  blue: [0, 0, 255],
  white: [255, 255, 255],
  yellow: [255, 255, 0],
  magenta: [255, 0, 255],
};

/** A film whose colour changes every 10 s, with a key frame every `group` frames of 5 a second. */
async function colourFilm(name: string, group: number, output: readonly string[], shown: readonly string[] = colours) {
  const path = join(films, name);
  const sources = shown.flatMap((colour) => ["-f", "lavfi", "-i", `color=${colour}:size=128x72:rate=5:duration=10`]);
  const graph = `${shown.map((_colour, at) => `[${at}:v]`).join("")}concat=n=${shown.length}`;
  const codec = ["-pix_fmt", "yuv420p", "-g", String(group), ...output];
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...sources, "-filter_complex", graph, ...codec, path]);
  return path;
}
/** A film that says where everything is, and has zeros there. */
async function withoutPictures(): Promise<string> {
  const bytes = await readFile(await colourFilm("zeros.mp4", 10, x264));
  const at = bytes.indexOf("mdat");
  bytes.fill(0, at + 4, at - 4 + bytes.readUInt32BE(at - 4));
  const path = join(films, "zeros.mp4");
  await writeFile(path, bytes);
  return path;
}
const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0"];

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
  films = join(library.folder, "..", "films");
  await mkdir(films);
  dataDir = library.needs.dataDir;
});
afterAll(async () => {
  await library.remove();
  await inspector.close();
});
beforeEach(async () => {
  clock = manualClock(Date.now());
  await db.run(`delete from scrub`);
  await rm(library.folder, { recursive: true });
  await rm(scrubFolder(dataDir), { recursive: true, force: true });
  await mkdir(library.folder);
  await library.scan();
});

const needs = () => ({ ...library.needs, clock });
const contextOf = (signal = never): JobContext => ({
  log: silentLog,
  signal,
  attempt: 1,
  maxAttempts: 25,
  jobId: "1",
});
const picture = (signal?: AbortSignal) => scrubTask(needs()).run({}, contextOf(signal));
const rows = () =>
  db.many<{ path: string; state: string; tries: number; problem: string | null }>(
    `select path, scrub.state, tries, scrub.problem from scrub join file on file.id = file_id order by path`,
  );
const files = async () => (await readdir(scrubFolder(dataDir))).toSorted();
const fileOf = async (path: string) =>
  (await db.one<{ fileId: FileId; fingerprint: string }>(
    `select id as "fileId", fingerprint from file where path = $1`,
    [path],
  )) ?? expect.fail(`no ${path}`);

interface Cue {
  readonly begins: string;
  readonly ends: string;
  readonly sheet: number;
  readonly at: readonly number[];
}

async function cuesOf(path: string): Promise<Cue[]> {
  const answer = await scrubAnswer(dataDir, await fileOf(path), "cues.vtt");
  if (answer.kind !== "found") return expect.fail(`no cues of ${path}`);
  const text = String(answer.body);
  expect(text).toMatch(/^WEBVTT\n\n/);
  return [...text.matchAll(/^(\S+) --> (\S+)\n(\d+)\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)$/gm)].map(
    ([, begins = "", ends = "", sheet, ...at]) => ({ begins, ends, sheet: Number(sheet), at: at.map(Number) }),
  );
}

/** The mean colour of the part of a sheet that a cue names, as ffmpeg decodes it. */
async function colourAt(path: string, { sheet, at }: Cue): Promise<readonly number[]> {
  const answer = await scrubAnswer(dataDir, await fileOf(path), `${sheet}.jpg`);
  if (answer.kind !== "found") return expect.fail(`no sheet ${sheet}`);
  expect(answer.contentType).toBe("image/jpeg");
  const jpeg = join(films, "sheet.jpg");
  await writeFile(jpeg, answer.body);
  const [x, y, width, height] = at;
  const filter = `crop=${width}:${height}:${x}:${y},scale=1:1:flags=area,format=rgb24`;
  const { stdout } = await run("ffmpeg", ["-v", "error", "-i", jpeg, "-vf", filter, "-f", "rawvideo", "pipe:1"], {
    encoding: "buffer",
  });
  return [...stdout];
}

function nearest(rgb: readonly number[]): string {
  const distance = (other: readonly number[]) =>
    other.reduce((sum, value, at) => sum + Math.abs(value - (rgb[at] ?? 0)), 0);
  return colours.toSorted((one, other) => distance(rgbOf[one]) - distance(rgbOf[other]))[0] ?? "";
}

test.each([
  ["an MP4 with a key frame every 2 s", "Steady (2001).mp4", 10, x264],
  ["an MP4 with a key frame at each change alone", "Seldom (2002).mp4", 50, x264],
  ["a Matroska whose times begin late", "Late (2003).mkv", 10, [...x264, "-output_ts_offset", "7"]],
  [
    "a broadcast, whose times begin anywhere",
    "Broadcast (2004).ts",
    10,
    ["-c:v", "mpeg2video", "-r", "25", "-output_ts_offset", "40000"],
  ],
  ["an AVI", "Old (2005).avi", 10, ["-c:v", "mpeg4", "-q:v", "5"]],
])("%s has the right picture at the right place", async (_what, name, group, output) => {
  await library.put(name, await colourFilm(name, group, output));
  await library.scan();
  await picture();
  expect(await rows()).toEqual([{ path: name, state: "made", tries: 1, problem: null }]);
  const cues = await cuesOf(name);
  expect(cues.map(({ begins }) => begins)).toEqual(colours.map((_colour, at) => `00:00:${at}0.000`));
  expect(cues.slice(0, -1).map(({ ends }) => ends)).toEqual(cues.slice(1).map(({ begins }) => begins));
  const shown = [];
  for (const cue of cues) shown.push(nearest(await colourAt(name, cue)));
  expect(shown).toEqual(colours);
});

test.each([
  [0.5, 10, 1],
  [10.9, 10, 1],
  [61.5, 10, 7],
  [3_000, 10, 300],
  [6_000, 20, 300],
  [86_400, 288, 300],
])("a film of %d s has a picture every %d s, %d in all", (durationSeconds, everySeconds, count) => {
  expect(placesOf(durationSeconds)).toEqual({ everySeconds, count });
});

test("sheets of noise are not larger than they may be", async () => {
  const path = join(films, "noise.mp4");
  // The worst that a JPEG can be made of: noise in colour, in a shape that fills the sheet.
  const noise = "nullsrc=size=256x192:rate=1,geq=random(1)*255:random(2)*255:random(3)*255";
  const every = [
    "-frames:v",
    "30",
    "-vf",
    "setpts=N*10/TB",
    "-fps_mode",
    "passthrough",
    "-pix_fmt",
    "yuv420p",
    "-g",
    "1",
  ];
  await run("ffmpeg", [
    "-v",
    "error",
    "-nostdin",
    "-y",
    "-f",
    "lavfi",
    "-i",
    noise,
    ...every,
    ...x264,
    "-crf",
    "4",
    path,
  ]);
  const source = { path, durationSeconds: 300, width: 256, height: 192, startSeconds: 0, isIndexed: true };
  const outcome = await makePictures({ clock, pause: async () => undefined }, source, never);
  if (outcome.kind !== "made") return expect.fail(JSON.stringify(outcome));
  const sizes = outcome.pictures.sheets.map(({ length }) => length);
  expect(sizes).toHaveLength(2);
  expect(sizes[0]).toBeLessThanOrEqual(mostSheetBytes);
  expect(sizes[0]).toBeGreaterThan(mostSheetBytes / 4);
});

test.each([
  ["upright", "64x128", 96, 192],
  ["very wide", "640x64", 256, 26],
])("pictures of a film that is %s have its shape", async (_what, size, width, height) => {
  const path = join(films, `${size}.mp4`);
  await run("ffmpeg", [
    "-v",
    "error",
    "-y",
    "-f",
    "lavfi",
    "-i",
    `color=red:size=${size}:rate=5:duration=2`,
    ...x264,
    path,
  ]);
  const [across = 0, down = 0] = size.split("x").map(Number);
  const source = { path, durationSeconds: 2, width: across, height: down, startSeconds: 0, isIndexed: true };
  const outcome = await makePictures({ clock, pause: async () => undefined }, source, never);
  expect(outcome).toMatchObject({ kind: "made", pictures: { layout: { width, height, places: [0] } } });
});

test("a film that changes has new pictures, those of the old one are gone; one that is away keeps them a day", async () => {
  const [one, other] = ["One (2001).mp4", "Other (2002).mp4"];
  await library.put(one, await colourFilm("a.mp4", 10, x264));
  await library.put(other, await colourFilm("b.mp4", 10, x264));
  await library.scan();
  await picture();
  const before = await files();
  expect(before).toHaveLength(2);
  const old = await fileOf(one);
  expect((await scrubAnswer(dataDir, old, "0.jpg")).kind).toBe("found");
  // Nothing to do: nothing is made again.
  const dates = async () =>
    Promise.all((await files()).map(async (name) => (await stat(join(scrubFolder(dataDir), name))).mtimeMs));
  const made = await dates();
  await picture();
  expect(await dates()).toEqual(made);

  await library.put(one, await colourFilm("c.mp4", 10, x264, [...colours].reverse()));
  await library.scan();
  expect(
    await db.many(
      `select 1 from file join scrub on file.id = file_id and file.fingerprint = scrub.fingerprint where path = $1`,
      [one],
    ),
  ).toEqual([]);
  clock.advance(2 * hourMs);
  await picture();
  expect(nearest(await colourAt(one, (await cuesOf(one))[0] ?? expect.fail()))).toBe("magenta");
  expect((await scrubAnswer(dataDir, old, "0.jpg")).kind).toBe("missing");
  expect(await files()).toHaveLength(2);

  await unlink(join(library.folder, other));
  await library.scan();
  await picture();
  clock.advance(dayMs - hourMs);
  await picture();
  expect(await files()).toHaveLength(2);
  clock.advance(2 * hourMs);
  await picture();
  await picture();
  expect(await files()).toEqual([scrubName((await fileOf(one)).fileId, (await fileOf(one)).fingerprint)]);
  expect((await rows()).map(({ path }) => path)).toEqual([one]);
});

test("a disk that was away for less than a day brings its pictures back", async () => {
  const name = "Back (2001).mp4";
  await library.put(name, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  await picture();
  const away = join(films, "away.mp4");
  await rename(join(library.folder, name), away);
  await library.scan();
  await picture();
  clock.advance(dayMs - hourMs);
  await rename(away, join(library.folder, name));
  await library.scan();
  await picture();
  clock.advance(dayMs);
  await picture();
  expect(await files()).toHaveLength(1);
  expect(await cuesOf(name)).toHaveLength(6);
});

test("a film that cannot be read is tried three times, hours apart, and then left until it changes; others have theirs", async () => {
  const [bad, good] = ["Bad (2001).mp4", "Good (2002).mp4"];
  await library.put(bad, await withoutPictures());
  await library.put(good, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  expect(await db.many(`select state from file where state = 'playable'`)).toHaveLength(2);
  for (let tries = 1; tries <= mostTries; tries++) {
    await picture();
    await picture();
    expect(await rows()).toMatchObject([
      { path: bad, state: "failed", tries, problem: expect.stringMatching(/\S/) as unknown },
      { path: good, state: "made", tries: 1 },
    ]);
    clock.advance(7 * hourMs);
  }
  clock.advance(30 * dayMs);
  await picture();
  expect((await rows())[0]?.tries).toBe(mostTries);
  await library.put(bad, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  await picture();
  expect(await rows()).toMatchObject([{ path: bad, state: "made", tries: 1 }, { path: good }]);
});

test("a film that took its process along counts as tried", async () => {
  const name = "Deadly (2001).mp4";
  await library.put(name, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  const { fileId, fingerprint } = await fileOf(name);
  // What a killed worker leaves.
  await db.run(`insert into scrub (file_id, fingerprint, state, tries, tried_at) values ($1, $2, 'making', $3, $4)`, [
    fileId,
    fingerprint,
    mostTries - 1,
    new Date(clock.now()),
  ]);
  await picture();
  expect(await rows()).toMatchObject([{ state: "making", tries: mostTries - 1 }]);
  clock.advance(7 * hourMs);
  await picture();
  expect(await rows()).toMatchObject([{ state: "made", tries: mostTries }]);
});

/** Needs whose clock goes on by a second at each look whether a scan is under way, which `looked` is told before it is answered. */
function needsWatched(looked: (count: number) => Promise<unknown>): ScrubTaskNeeds {
  let count = 0;
  return {
    ...needs(),
    db: {
      ...db,
      one: async (sql, parameters) => {
        if (sql.includes("_private_job_queues")) {
          clock.advance(secondMs);
          await looked(++count);
        }
        return db.one(sql, parameters);
      },
    },
  };
}

test("a worker that stops leaves nothing half, and the try does not count", async () => {
  const name = "Stopped (2001).mp4";
  await library.put(name, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  const stopping = new AbortController();
  const seen: unknown[] = [];
  // Two of its six pictures are taken by then.
  const stopped = needsWatched(async (count) => {
    if (count < 3) return;
    seen.push(...(await rows()));
    stopping.abort();
  });
  await scrubTask(stopped).run({}, contextOf(stopping.signal));
  expect(seen).toMatchObject([{ path: name, state: "making" }]);
  expect([await rows(), await files()]).toEqual([[], []]);
  await picture();
  expect(await rows()).toMatchObject([{ state: "made", tries: 1 }]);
});

test("what a crash leaves in the folder is no film's pictures, and goes once it is old", async () => {
  const name = "Whole (2001).mp4";
  await library.put(name, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  const { fileId, fingerprint } = await fileOf(name);
  const own = scrubName(fileId, fingerprint);
  await mkdir(scrubFolder(dataDir));
  await writeFile(join(scrubFolder(dataDir), ".0123456789abcdef"), "half");
  // Whole, but nobody said so: it is made again and takes its place.
  await writeFile(join(scrubFolder(dataDir), own), "of an earlier try");
  expect(await readLayout(dataDir, own)).toBeUndefined();
  expect(await readSheet(dataDir, own, 0)).toBeUndefined();
  await picture();
  expect(await cuesOf(name)).toHaveLength(6);
  expect(await files()).toEqual([".0123456789abcdef", own]);
  const old = new Date(clock.now() - 2 * hourMs);
  await utimes(join(scrubFolder(dataDir), ".0123456789abcdef"), old, old);
  await picture();
  expect(await files()).toEqual([own]);
  // Emptied by somebody, or made on another host: made again here, and meanwhile the film has none.
  await rm(join(scrubFolder(dataDir), own));
  expect((await scrubAnswer(dataDir, await fileOf(name), "cues.vtt")).kind).toBe("missing");
  await picture();
  expect(await files()).toEqual([own]);
  // Made they were all the time: it is no new try.
  expect(await rows()).toMatchObject([{ state: "made", tries: 1 }]);
});

test("a pipe or another film in the place of a film is not read", async () => {
  const name = "Swapped (2001).mp4";
  await library.put(name, await colourFilm("a.mp4", 10, x264));
  await library.scan();
  await rm(join(library.folder, name));
  await run("mkfifo", [join(library.folder, name)]);
  await picture();
  expect(await rows()).toMatchObject([{ state: "failed", problem: "it is not what the scan found" }]);
  expect(await files()).toEqual([]);
});

test("pictures wait while a scan is under way", async () => {
  const name = "Patient (2001).mp4";
  // One picture, before which alone it is looked.
  await library.put(name, await colourFilm("short.mp4", 10, x264, ["red"]));
  await library.scan();
  await db.run(`select from graphile_worker.add_job('scan-library', '{}'::json, job_key => 'scan-library')`);
  const seen: unknown[] = [];
  const waiting = needsWatched(async (count) => {
    seen.push(...(await rows()), ...(await files()));
    if (count === 3) await db.run(`select graphile_worker.complete_jobs(array(select id from graphile_worker.jobs))`);
  });
  await scrubTask(waiting).run({}, contextOf());
  expect(seen).toMatchObject([{ state: "making" }, { state: "making" }, { state: "making" }]);
  expect(await rows()).toMatchObject([{ state: "made", tries: 1 }]);
  expect(await cuesOf(name)).toHaveLength(1);
});

test("the newest film has its pictures first", async () => {
  // One picture each.
  for (const name of ["Old (2001).mp4", "New (2002).mp4"]) {
    await library.put(name);
    await library.scan();
  }
  const seen: unknown[] = [];
  const watched = needsWatched(async () => seen.push((await rows()).map(({ path, state }) => [path, state])));
  await scrubTask(watched).run({}, contextOf());
  expect(seen).toEqual([
    [["New (2002).mp4", "making"]],
    [
      ["New (2002).mp4", "made"],
      ["Old (2001).mp4", "making"],
    ],
  ]);
});

/** The film, with zeros in the place of all that is shown in these seconds. */
async function withHoles(film: string, holes: readonly (readonly [from: number, to: number])[]): Promise<string> {
  const packets = ["-select_streams", "v", "-show_entries", "packet=pts_time,pos,size", "-of", "json"];
  const { stdout } = await run("ffprobe", ["-v", "error", ...packets, film]);
  const read = JSON.parse(stdout) as { packets: { pts_time: string; pos: string; size: string }[] };
  const bytes = await readFile(film);
  for (const { pts_time: at, pos, size } of read.packets) {
    if (holes.some(([from, to]) => Number(at) >= from && Number(at) < to))
      bytes.fill(0, Number(pos), Number(pos) + Number(size));
  }
  await writeFile(film, bytes);
  return film;
}

test("a place that cannot be read costs its own picture; of a film with more than a quarter of such places there are none", async () => {
  const [one, two] = ["One hole (2001).mp4", "Two holes (2002).mp4"];
  await library.put(one, await withHoles(await colourFilm("one.mp4", 10, x264), [[20, 30]]));
  await library.put(
    two,
    await withHoles(await colourFilm("two.mp4", 10, x264), [
      [20, 30],
      [40, 50],
    ]),
  );
  await library.scan();
  await picture();
  expect(await rows()).toMatchObject([
    { path: one, state: "made" },
    { path: two, state: "failed" },
  ]);
  const cues = await cuesOf(one);
  expect(cues.map(({ begins }) => begins)).toEqual([0, 1, 3, 4, 5].map((place) => `00:00:${place}0.000`));
  const shown = [];
  for (const cue of cues) shown.push(nearest(await colourAt(one, cue)));
  expect(shown).toEqual(colours.filter((colour) => colour !== "blue"));
});

test("a film whose pictures take longer than ten minutes has none, and what they wait for does not count", async () => {
  const path = await colourFilm("a.mp4", 10, x264);
  const source = { path, durationSeconds: 60, width: 128, height: 72, startSeconds: 0, isIndexed: true };
  /** Each picture takes so long, and what it waits for before, an hour. */
  const made = (pictureMs: number) => {
    let isBefore = false;
    const slow = {
      now: () => {
        isBefore = !isBefore;
        if (!isBefore) clock.advance(pictureMs);
        return clock.now();
      },
    };
    return makePictures({ clock: slow, pause: async () => clock.advance(hourMs) }, source, never);
  };
  expect((await made(100 * secondMs)).kind).toBe("made");
  expect(await made(100 * secondMs + 1)).toEqual({ kind: "failed", reason: fileProblems.longMaking });
});

test("after its turn the task asks to be run again, unless nothing is left", async () => {
  const asked = () => db.many(`select from graphile_worker.jobs where task_identifier = 'scrub-pictures'`);
  await library.put("Heat (1995).mp4");
  await library.scan();
  await scrubTask(needs(), 0).run({}, contextOf());
  expect([await rows(), (await asked()).length]).toEqual([[], 1]);
  await db.run(`select graphile_worker.complete_jobs(array(select id from graphile_worker.jobs))`);
  await picture();
  await scrubTask(needs(), 0).run({}, contextOf());
  expect([(await rows()).length, (await asked()).length]).toEqual([1, 0]);
});

test("on a disk with less than 1 GiB free no pictures are made, and no try is counted", async ({ skip }) => {
  const disk = await smallDisk(64);
  if (disk === undefined) return skip("this user may not mount a disk");
  try {
    await library.put("Heat (1995).mp4");
    await library.scan();
    await scrubTask({ ...needs(), dataDir: disk.folder }).run({}, contextOf());
    expect([await rows(), await readdir(scrubFolder(disk.folder))]).toEqual([[], []]);
    await picture();
    expect(await rows()).toMatchObject([{ state: "made", tries: 1 }]);
  } finally {
    await disk.remove();
  }
});

test("each sheet of a film is read by itself, and one that is cut off is none", async () => {
  const sheets = ["first", "second one", "3rd"].map((text) => Buffer.from(text));
  const layout = { durationSeconds: 600, everySeconds: 10, places: [0, 1], width: 16, height: 16 };
  await mkdir(scrubFolder(dataDir));
  await writePictures({ random: systemRandom, dataDir }, "film", { layout, sheets });
  const all = () => Promise.all([0, 1, 2, 3].map((number) => readSheet(dataDir, "film", number)));
  expect(await all()).toEqual([...sheets, undefined]);
  expect(await files()).toEqual(["film"]);
  const path = join(scrubFolder(dataDir), "film");
  await truncate(path, (await stat(path)).size - 1);
  expect(await all()).toEqual([...sheets.slice(0, 2), undefined, undefined]);
});
