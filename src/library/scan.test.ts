import { execFile } from "node:child_process";
import { renameSync } from "node:fs";
import { appendFile, link, mkdir, rename, rm, symlink, truncate, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../test/library-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog, type Log } from "../kernel/log.ts";
import { fileProblems } from "./file-problems.ts";
import { openInspector } from "./inspect-file.ts";
import { scanLibrary } from "./scan.ts";
import { walkLimits } from "./walk.ts";

let db: Db;
let library: TestLibrary;
const inspector = openInspector({ log: silentLog });
const never = new AbortController().signal;

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
});
afterAll(async () => {
  await library.remove();
  await inspector.close();
});

beforeEach(async () => {
  await rm(library.folder, { recursive: true, force: true });
  await mkdir(library.folder);
  await db.run(`truncate series, title, file, artwork, scan, scrub`);
});

const titles = () =>
  db.many<{ id: string; name: string; year: number | null; visible: boolean; state: string; path: string }>(
    `select title.id, title.name, title.year, visible, state, path from title join file on title_id = title.id
      order by path collate "C"`,
  );

test("films and episodes become titles, and a second scan reads nothing again", async () => {
  await library.put("Heat (1995)/Heat (1995).mp4");
  await library.put("Show (2010)/Season 01/Show S01E01 - One.mp4");
  await library.put("Show (2010)/Season 01/Show S01E02 - Two.mp4");
  await library.put("Bare (2001).mkv", library.otherClip);
  expect(await library.scan()).toMatchObject({ files: 4, inspected: 4, damaged: 0, failed: 0 });
  expect((await titles()).map(({ name, year, state }) => [name, year, state])).toEqual([
    ["Bare", 2001, "playable"],
    ["Heat", 1995, "playable"],
    ["One", 2010, "playable"],
    ["Two", 2010, "playable"],
  ]);
  expect(await db.many(`select name, year from series`)).toEqual([{ name: "Show", year: 2010 }]);
  expect(await library.scan()).toMatchObject({ unchanged: 4, inspected: 0, updated: 0, missing: 0 });
});

test("what a file is comes from the file", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  const row = await db.one<{ facts: unknown; sizeBytes: number }>(`select facts, size_bytes as "sizeBytes" from file`);
  expect(row?.facts).toMatchObject({ width: 128, height: 72, audio: [{ channels: 1 }] });
  expect(row?.sizeBytes).toBeGreaterThan(1_000);
});

test("two qualities of a film are one title", async () => {
  await library.put("Heat (1995)/Heat (1995) - 1080p.mp4");
  await library.put("Heat (1995)/Heat (1995) - 4K.mp4", library.clip);
  await library.scan();
  expect(await db.one(`select count(*) as count from title`)).toEqual({ count: 1 });
  expect(await db.one(`select count(*) as count from file`)).toEqual({ count: 2 });
});

test("films without a year are one title within a folder alone", async () => {
  for (const path of ["Rome/clip.mp4", "Rome/clip.mkv", "Oslo/clip.mp4"]) await library.put(path);
  await library.scan();
  const [oslo, ...rome] = await titles();
  expect(new Set(rome.map(({ id }) => id)).size).toBe(1);
  expect(rome[0]?.id).not.toBe(oslo?.id);
});

describe("a hostile name", () => {
  test.each([
    ["quotes", `It's "x" \`y\` $(z) (2001).mp4`],
    ["newline", "New\nline (2002).mp4"],
    ["leading dash", "-i etc passwd (2003).mp4"],
    ["backslashes and percent", "a..\\..\\%2e%2e (2004).mp4"],
    ["control characters", "a\u0001\u001b[31mb (2005).mp4"],
    ["255 bytes", `${"ü".repeat(121)} (2006).mp4`],
    ["protocol-like", "http:concat|x (2007).mp4"],
    ["right-to-left override", "x\u202e4pm (2008).mp4"],
  ])("%s is scanned as a name and nothing else", async (_what, name) => {
    await library.put(name);
    expect(await library.scan()).toMatchObject({ files: 1, inspected: 1, damaged: 0 });
    const [title] = await titles();
    expect(title).toMatchObject({ path: name, state: "playable" });
    expect(title?.name).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test("that is not UTF-8 is listed with the reason, and the file beside it is scanned", async () => {
    await library.put("Heat (1995).mp4");
    const bytes = Buffer.concat([Buffer.from(`${library.folder}/bad`), Buffer.from([0xff, 0xfe]), Buffer.from(".mp4")]);
    await writeFile(bytes, "x");
    await utimes(bytes, 1, 1);
    expect(await library.scan()).toMatchObject({ files: 2, inspected: 2, damaged: 1 });
    expect((await titles()).map(({ path, state }) => [path, state])).toEqual([
      ["Heat (1995).mp4", "playable"],
      ["bad\\xff\\xfe.mp4", "damaged"],
    ]);
  });
});

test("a broken file is listed with its error and disturbs nothing", async () => {
  await library.put("Good (2001).mp4");
  await library.put("Cut (2002).mp4");
  await truncate(join(library.folder, "Cut (2002).mp4"), 300);
  await writeFile(join(library.folder, "Text (2003).mkv"), "not a film");
  await writeFile(join(library.folder, "Empty (2004).webm"), "");
  for (const name of ["Cut (2002).mp4", "Text (2003).mkv", "Empty (2004).webm"]) {
    await utimes(join(library.folder, name), 1, 1);
  }
  expect(await library.scan()).toMatchObject({ files: 4, inspected: 4, damaged: 3 });
  const rows = await db.many<{ path: string; problem: string | null }>(`select path, problem from file order by path`);
  for (const { path, problem } of rows) {
    if (path.startsWith("Good")) expect(problem).toBeNull();
    else expect(problem).toMatch(/\w/);
  }
  // Nothing about them has changed, so nothing is read again.
  expect(await library.scan()).toMatchObject({ unchanged: 4, inspected: 0 });
});

test("the name of a chapter is as fit to be shown as that of a file, and no character is cut in two", async () => {
  const chapters = join(library.folder, "chapters.txt");
  const chapter = (title: string) => `[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=${title}\n`;
  await writeFile(
    chapters,
    `;FFMETADATA1\n${chapter("to the\u202e dne\u0007")}${chapter(`${"a".repeat(198)}\u{1f3ac}bcd`)}`,
  );
  const film = join(library.folder, "Named (2001).mkv");
  const both = ["-i", library.clip, "-i", chapters, "-map_metadata", "1", "-map_chapters", "1", "-c", "copy"];
  await promisify(execFile)("ffmpeg", ["-v", "error", "-nostdin", ...both, film]);
  await utimes(film, 1, 1);
  expect(await library.scan()).toMatchObject({ files: 1, damaged: 0 });
  const row = await db.one<{ names: string[] }>(
    `select array(select one->>'name' from jsonb_array_elements(facts->'chapters') one) as names from file`,
  );
  expect(row?.names).toEqual(["to the dne", `${"a".repeat(198)}\u{1f3ac}…`]);
});

test("a list of other files in a film's clothes opens none of them", async () => {
  // The same file in the library by itself is a film.
  await library.put("Own (2001).mp4");
  const lists = {
    "Hls (2002).mkv": `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://${library.clip}\n#EXT-X-ENDLIST\n`,
    "Concat (2003).mp4": "ffconcat version 1.0\nfile 'Own (2001).mp4'\n",
  };
  for (const [name, text] of Object.entries(lists)) {
    await writeFile(join(library.folder, name), text);
    await utimes(join(library.folder, name), 1, 1);
  }
  expect(await library.scan()).toMatchObject({ files: 3, inspected: 3, damaged: 2 });
  expect((await titles()).filter(({ state }) => state === "playable").map(({ path }) => path)).toEqual([
    "Own (2001).mp4",
  ]);
});

test("a broken file that is replaced by a good one plays", async () => {
  await writeFile(join(library.folder, "Heat (1995).mp4"), "x");
  await utimes(join(library.folder, "Heat (1995).mp4"), 1, 1);
  await library.scan();
  const before = await titles();
  expect(before[0]?.state).toBe("damaged");
  await library.put("Heat (1995).mp4");
  await library.scan();
  expect(await titles()).toEqual([{ ...before[0], state: "playable" }]);
});

test("a file that becomes another film is known as that one in everything", async () => {
  const path = "Heat (1995).mp4";
  // Without the heads of segments, which say in which second they were made.
  const known = () =>
    db.many(
      `select problem, size_bytes as "sizeBytes", facts,
              index #- '{video,init}' #- '{audio,0,copy,init}' as index from file order by path desc`,
    );
  await writeFile(join(library.folder, path), "x");
  await utimes(join(library.folder, path), 1, 1);
  await library.scan();
  expect(await known()).toMatchObject([{ problem: expect.stringMatching(/\w/) as unknown, facts: null, index: null }]);
  for (const film of [library.clip, library.otherClip]) {
    await library.put(path, film);
    await library.put("Never before (2001).mp4", film);
    await library.scan();
    const [one, other] = await known();
    expect(one).toMatchObject({ problem: null, facts: { durationSeconds: expect.any(Number) as unknown } });
    expect(other).toEqual(one);
    await unlink(join(library.folder, "Never before (2001).mp4"));
    await library.scan();
    await db.run(`delete from file where path like 'Never%'`);
  }
});

test("a file that has just changed waits, and is taken when it has settled", async () => {
  await library.put("Heat (1995).mp4");
  const path = join(library.folder, "Heat (1995).mp4");
  await utimes(path, new Date(), new Date());
  expect(await library.scan()).toMatchObject({ waiting: 1, inspected: 0 });
  expect(await titles()).toEqual([]);
  await utimes(path, 1, 1);
  expect(await library.scan()).toMatchObject({ waiting: 0, inspected: 1 });
});

test.each([
  ["grows", (path: string) => appendFile(path, "more")],
  ["vanishes", (path: string) => unlink(path)],
])("a file that %s while it is inspected is not recorded", async (_what, change) => {
  await library.put("Heat (1995).mp4");
  const inspect: typeof inspector.inspect = async (path, signal) => {
    const inspection = await inspector.inspect(path, signal);
    await change(path);
    return inspection;
  };
  const outcome = await scanLibrary({ ...library.needs, inspect }, never);
  expect(outcome).toMatchObject({ kind: "scanned", counts: { waiting: 1, inspected: 0 } });
  expect(await titles()).toEqual([]);
});

test("a file that vanishes hides its title, and brings back the same one when it returns", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  const [before] = await titles();
  await rename(join(library.folder, "Heat (1995).mp4"), `${library.folder}-away`);
  expect(await library.scan()).toMatchObject({ missing: 1 });
  expect(await titles()).toEqual([{ ...before, visible: false, state: "missing" }]);
  await rename(`${library.folder}-away`, join(library.folder, "Heat (1995).mp4"));
  expect(await library.scan()).toMatchObject({ inspected: 0, updated: 1 });
  expect(await titles()).toEqual([before]);
});

test("a renamed file keeps its title's id under the new name, and is not read again", async () => {
  await library.put("Haet.mp4");
  await library.scan();
  const [before] = await titles();
  await mkdir(join(library.folder, "Heat (1995)"));
  await rename(join(library.folder, "Haet.mp4"), join(library.folder, "Heat (1995)/Heat (1995).mp4"));
  expect(await library.scan()).toMatchObject({ inspected: 0, updated: 1, missing: 0 });
  expect(await titles()).toEqual([
    { ...before, name: "Heat", year: 1995, path: "Heat (1995)/Heat (1995).mp4", visible: true },
  ]);
});

test("a file that was away and comes back under another name keeps its title's id", async () => {
  await library.put("Haet.mp4");
  await library.scan();
  const [before] = await titles();
  await rename(join(library.folder, "Haet.mp4"), `${library.folder}-away`);
  await library.scan();
  await rename(`${library.folder}-away`, join(library.folder, "Heat (1995).mp4"));
  await library.scan();
  expect(await titles()).toEqual([{ ...before, name: "Heat", year: 1995, path: "Heat (1995).mp4" }]);
});

test("one of two versions that is renamed to another film becomes that film and leaves the other its title", async () => {
  await library.put("Heat (1995)/Heat (1995) - a.mp4");
  await library.put("Heat (1995)/Heat (1995) - b.mp4");
  await library.scan();
  const [first] = await titles();
  await rename(join(library.folder, "Heat (1995)/Heat (1995) - b.mp4"), join(library.folder, "Ronin (1998).mp4"));
  await library.scan();
  const after = await titles();
  expect(after.map(({ name, visible }) => [name, visible])).toEqual([
    ["Heat", true],
    ["Ronin", true],
  ]);
  expect(after[0]?.id).toBe(first?.id);
});

test("a film that is renamed to a version of another leaves no title that nothing can be played of", async () => {
  await library.put("Haet.mp4");
  await library.put("Heat (1995)/Heat (1995) - a.mp4", library.otherClip);
  await library.scan();
  const shown = async () =>
    (await db.many<{ name: string }>(`select name from title where visible order by name`)).map(({ name }) => name);
  expect(await shown()).toEqual(["Haet", "Heat"]);
  await rename(join(library.folder, "Haet.mp4"), join(library.folder, "Heat (1995)/Heat (1995) - b.mp4"));
  expect(await library.scan()).toMatchObject({ updated: 1, missing: 0 });
  expect(await shown()).toEqual(["Heat"]);
  expect((await titles()).map(({ name, state }) => [name, state])).toEqual([
    ["Heat", "playable"],
    ["Heat", "playable"],
  ]);
});

test("names that are links to one file vanish and move one by one", async () => {
  await library.put("Heat (1995).mp4");
  const full = (path: string) => join(library.folder, path);
  await link(full("Heat (1995).mp4"), full("Ronin (1998).mp4"));
  await library.scan();
  const before = await titles();
  expect(before.map(({ name, visible }) => [name, visible])).toEqual([
    ["Heat", true],
    ["Ronin", true],
  ]);
  await mkdir(full("Films"));
  for (const { path } of before) await rename(full(path), full(`Films/${path}`));
  expect(await library.scan()).toMatchObject({ inspected: 0, updated: 2, missing: 0 });
  expect((await titles()).map(({ id }) => id).toSorted()).toEqual(before.map(({ id }) => id).toSorted());
  await rm(full("Films"), { recursive: true });
  expect(await library.scan()).toMatchObject({ missing: 2 });
  expect((await titles()).map(({ visible, state }) => [visible, state])).toEqual([
    [false, "missing"],
    [false, "missing"],
  ]);
});

test("a library that is away is not an empty one", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  const outcome = await scanLibrary({ ...library.needs, libraryDir: `${library.folder}-unmounted` }, never);
  expect(outcome).toEqual({ kind: "away" });
  expect((await titles())[0]).toMatchObject({ visible: true });
});

test("films in a folder that cannot be read are not gone, and neither is what the walk did not come to", async () => {
  for (const path of ["A/Heat (1995).mp4", "B/Ronin (1998).mp4", "C/Alien (1979).mp4"]) await library.put(path);
  await library.scan();
  await unlink(join(library.folder, "A/Heat (1995).mp4"));
  await symlink("/nowhere", join(library.folder, "A/link"));
  const states = async () => (await titles()).map(({ state, visible }) => [state, visible]);
  const there = ["playable", true];

  const away = `${library.folder}-away`;
  // The walk tells of the link after it has listed the folder B, and before it opens it.
  const log = Object.assign(Object.create(silentLog) as Log, {
    info: ({ reason }: { reason?: string }) => {
      if (reason === "leaves the library") renameSync(join(library.folder, "B"), away);
    },
  });
  expect(await scanLibrary({ ...library.needs, log }, never)).toMatchObject({ counts: { files: 1, missing: 1 } });
  expect(await states()).toEqual([["missing", false], there, there]);

  await rename(away, join(library.folder, "B"));
  await library.put("A/Heat (1995).mp4");
  await library.scan();
  await unlink(join(library.folder, "A/Heat (1995).mp4"));
  const limited = { ...library.needs, walkLimits: { ...walkLimits, files: 1 } };
  expect(await scanLibrary(limited, never)).toMatchObject({ counts: { files: 1, missing: 0 } });
  expect(await states()).toEqual([there, there, there]);
  expect(await library.scan()).toMatchObject({ files: 2, missing: 1 });
  expect(await states()).toEqual([["missing", false], there, there]);
});

test("what lies beside a film is its own: hidden files are nobody's, and a sample is no second film", async () => {
  for (const path of ["Holiday/day one.mp4", "Holiday/day-sample.mp4", "Show/Season 01/Show S01E01.mp4"]) {
    await library.put(path);
  }
  for (const path of [
    "Holiday/poster.jpg",
    "Holiday/.folder.jpg",
    "Holiday/day one.en.srt",
    "Holiday/.day one.de.srt",
    "Show/poster.jpg",
    "Show/Season 01/Show S01E01.jpg",
    "folder.jpg",
  ]) {
    await writeFile(join(library.folder, path), "x");
  }
  await library.scan();
  expect(
    await db.many(
      `select path, pictures, array(select one->>'path' from jsonb_array_elements(sidecars) one) as subtitles
         from file order by path`,
    ),
  ).toEqual([
    {
      path: "Holiday/day one.mp4",
      pictures: ["Holiday/poster.jpg"],
      subtitles: ["Holiday/day one.en.srt"],
    },
    {
      path: "Show/Season 01/Show S01E01.mp4",
      pictures: ["Show/Season 01/Show S01E01.jpg", "Show/poster.jpg"],
      subtitles: [],
    },
  ]);
});

test("a title that older rules read otherwise is named anew, keeps its id, and its file is not read again", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  const [before] = await titles();
  await db.run(`update title set name = 'Heat (1995)', year = null, identity = sha256('older rules')`);
  expect(await library.scan()).toMatchObject({ inspected: 0, updated: 1 });
  expect(await titles()).toEqual([before]);
  expect(await library.scan()).toMatchObject({ unchanged: 1, updated: 0 });
});

test("a file with an index of an older version is read again", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  await db.run(`update file set index = jsonb_set(index, '{version}', '0')`);
  expect(await library.scan()).toMatchObject({ inspected: 1, unchanged: 0 });
  expect(await library.scan()).toMatchObject({ inspected: 0, unchanged: 1 });
});

test("a file whose date lies ahead is taken: it would wait for ever", async () => {
  await library.put("Heat (1995).mp4");
  const ahead = new Date(Date.now() + 86_400_000);
  await utimes(join(library.folder, "Heat (1995).mp4"), ahead, ahead);
  expect(await library.scan()).toMatchObject({ waiting: 0, inspected: 1 });
});

test("of two rows of one file that is renamed, the one that was there until now follows it", async () => {
  const full = (path: string) => join(library.folder, path);
  await library.put("Heat (1995).mp4");
  await link(full("Heat (1995).mp4"), full("Ronin (1998).mp4"));
  await library.scan();
  // Whichever of the two the database tells first.
  for (const [gone, kept] of [
    ["Heat (1995).mp4", "Ronin (1998).mp4"],
    ["Ronin (1998).mp4", "Heat (1995).mp4"],
  ] as const) {
    const idOf = async (path: string) => (await titles()).find((title) => title.path === path)?.id;
    const id = await idOf(kept);
    await unlink(full(gone));
    await library.scan();
    await rename(full(kept), full("Alien (1979).mp4"));
    expect(await library.scan()).toMatchObject({ updated: 1, missing: 0 });
    expect(await idOf("Alien (1979).mp4")).toBe(id);
    await rename(full("Alien (1979).mp4"), full(kept));
    await link(full(kept), full(gone));
    await library.scan();
    await library.scan();
    expect((await titles()).map(({ path, state }) => [path, state])).toEqual([
      ["Heat (1995).mp4", "playable"],
      ["Ronin (1998).mp4", "playable"],
    ]);
  }
});

test("of fifty scans the rows are kept, and no more", async () => {
  await db.run(
    `insert into scan (id, started_at, counts)
     select gen_random_uuid(), timestamptz '2026-01-01' + n * interval '1 minute', '{}' from generate_series(1, 60) n`,
  );
  await library.scan();
  expect(
    await db.one(`select count(*) as count, min(started_at) = '2026-01-01 00:12+00' as "isOldest" from scan`),
  ).toEqual({ count: 50, isOldest: true });
});

test("links are not followed, in or out of the library", async () => {
  await library.put("Heat (1995).mp4");
  await symlink(library.otherClip, join(library.folder, "Out (2001).mkv"));
  await symlink("/", join(library.folder, "Everything"));
  await symlink(join(library.folder, "Heat (1995).mp4"), join(library.folder, "In (2002).mp4"));
  await symlink(library.folder, join(library.folder, "Round"));
  expect(await library.scan()).toMatchObject({ files: 1, skipped: 4 });
});

test("hidden files, marked folders, samples and extras are passed by", async () => {
  for (const path of [
    ".hidden (2001).mp4",
    ".cache/x (2001).mp4",
    "Private/x (2001).mp4",
    "Ignored/x (2001).mp4",
    "Heat (1995)/Extras/making of.mp4",
    "Heat (1995)/Heat (1995)-trailer.mp4",
    "Heat (1995)/sample.mp4",
  ]) {
    await library.put(path);
  }
  expect(await library.scan()).toMatchObject({ files: 2 });
  await writeFile(join(library.folder, "Private/.nomedia"), "");
  await writeFile(join(library.folder, "Ignored/.ignore"), "");
  await library.put("Heat (1995)/Heat (1995).mp4");
  expect(await library.scan()).toMatchObject({ files: 1 });
});

test("a subtitle that arrives later is noticed without reading the film again", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  await writeFile(join(library.folder, "Heat (1995).en.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHi\n");
  expect(await library.scan()).toMatchObject({ inspected: 0, updated: 1 });
  expect(await db.one(`select sidecars->0->>'language' as language from file`)).toEqual({ language: "en" });
  await unlink(join(library.folder, "Heat (1995).en.srt"));
  await library.scan();
  expect(await db.one(`select jsonb_array_length(sidecars) as count from file`)).toEqual({ count: 0 });
});

test("two scans at once make each title once", async () => {
  for (let n = 1; n <= 6; n++) await library.put(`Show/Season 01/Show S01E0${n}.mp4`);
  const [one, other] = await Promise.all([library.scan(), library.scan()]);
  expect(one.failed + other.failed).toBe(0);
  expect(await db.one(`select count(*) as count from title`)).toEqual({ count: 6 });
  expect(await db.one(`select count(*) as count from file`)).toEqual({ count: 6 });
  expect(await db.one(`select count(*) as count from series`)).toEqual({ count: 1 });
  for (let n = 1; n <= 6; n++) {
    await rename(
      join(library.folder, `Show/Season 01/Show S01E0${n}.mp4`),
      join(library.folder, `Show/Season 01/Show S01E0${n} - Name.mp4`),
    );
  }
  await Promise.all([library.scan(), library.scan()]);
  expect(await db.one(`select count(*) as count from file where state = 'playable'`)).toEqual({ count: 6 });
  expect(await db.one(`select count(*) as count from title where visible`)).toEqual({ count: 6 });
});

test("a scan that is stopped goes on where it was", async () => {
  for (let n = 1; n <= 4; n++) await library.put(`Film ${n} (200${n}).mp4`);
  const stop = new AbortController();
  let seen = 0;
  const inspect: typeof inspector.inspect = async (path, signal) => {
    if (++seen === 2) stop.abort();
    return inspector.inspect(path, signal);
  };
  await scanLibrary({ ...library.needs, inspect }, stop.signal);
  const rest = await library.scan();
  expect(rest.unchanged + rest.inspected).toBe(4);
  expect(await db.one(`select count(*) as count from file where state = 'playable'`)).toEqual({ count: 4 });
});

test("with one of our tools missing a file is tried again instead of being called damaged", async () => {
  await library.put("Heat (1995).mp4");
  const inspect = () => Promise.reject(new Fault("MEDIA_TOOL_MISSING", "no such tool"));
  const outcome = await scanLibrary({ ...library.needs, inspect }, never);
  expect(outcome).toMatchObject({ counts: { failed: 1, inspected: 0 } });
  expect(await library.scan()).toMatchObject({ inspected: 1 });
});

test("with one of our tools missing one file says so for all, and all are tried again", async () => {
  for (let n = 1; n <= 6; n++) await library.put(`Film ${n} (200${n}).mp4`);
  let asked = 0;
  const inspect = () => {
    asked++;
    return Promise.reject(new Fault("MEDIA_TOOL_MISSING", "no such tool"));
  };
  const outcome = await scanLibrary({ ...library.needs, inspect }, never);
  expect(outcome).toMatchObject({ counts: { failed: 6, inspected: 0 } });
  // Two are inspected at once.
  expect(asked).toBeLessThanOrEqual(2);
  expect(await library.scan()).toMatchObject({ inspected: 6, failed: 0 });
});

test("a file that the service may not read is read once it may, although the file is as it was", async () => {
  await library.put("Heat (1995).mp4");
  const inspect: typeof inspector.inspect = () =>
    Promise.resolve({ kind: "damaged", reason: fileProblems.forbidden } as const);
  await scanLibrary({ ...library.needs, inspect }, never);
  const [before] = await titles();
  expect(before?.state).toBe("damaged");
  expect(await library.scan()).toMatchObject({ inspected: 1, damaged: 0 });
  expect(await titles()).toEqual([{ ...before, state: "playable" }]);
});

test("text from inside a file that the database cannot hold is mended, not fatal", async () => {
  await library.put("Heat (1995).mp4");
  const inspect: typeof inspector.inspect = async (path, signal) => {
    const inspection = await inspector.inspect(path, signal);
    if (inspection.kind === "damaged") return inspection;
    const chapters = [{ startSeconds: 0, name: "nul\0 and half \ud800" }];
    return { ...inspection, facts: { ...inspection.facts, chapters } };
  };
  await scanLibrary({ ...library.needs, inspect }, never);
  expect(await db.one(`select facts->'chapters'->0->>'name' as name from file`)).toEqual({
    name: "nul and half \ufffd",
  });
});
