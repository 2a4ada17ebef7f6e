import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../test/library-fixture.ts";
import { roomServer } from "../../test/room-server.ts";
import { testViewers } from "../../test/viewers-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import type { App } from "../http/server.ts";
import type { TitleId } from "../kernel/brand.ts";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import type { TitleDetail, TitleList } from "../wire/titles.ts";
import { makeArtwork, posterOfPicture } from "./artwork.ts";
import { runFfmpeg } from "./ffmpeg.ts";
import { openInspector } from "./inspect-file.ts";
import { libraryRoutes } from "./routes.ts";
import { chooseFile, readPlayableFile, type ProgressEntry } from "./titles.ts";

let db: Db;
let library: TestLibrary;
const inspector = openInspector({ log: silentLog });
const never = new AbortController().signal;
let app: App;
const viewers = testViewers(systemClock);
const { headers } = viewers.signIn();
const operator = viewers.signIn(undefined, "operator").headers;
const noted: ProgressEntry[] = [];

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
  app = roomServer(viewers.check);
  libraryRoutes(app, {
    db,
    dataDir: library.needs.dataDir,
    progress: {
      of: (_account, ids) =>
        Promise.resolve(new Map(noted.filter((e) => ids.includes(e.titleId)).map((e) => [e.titleId, e]))),
      latest: (_account, limit) => Promise.resolve(noted.slice(0, limit)),
    },
  });
  for (const path of [
    "The Matrix (1999).mp4",
    "Amélie (2001)/Amélie (2001).mp4",
    "Amazing Grace (2006).mp4",
    "100% Wolf (2020).mp4",
    "Show (2010)/Specials/Show S00E01 - Extra.mp4",
    "Show (2010)/Season 01/Show S01E01 - First.mp4",
    "Show (2010)/Season 01/Show S01E02 - Second.mp4",
    "Show (2010)/Season 02/Show S02E01 - Third.mp4",
  ]) {
    await library.put(path);
  }
  await writeFile(join(library.folder, "Broken (2002).mp4"), "x".repeat(50));
  await utimes(join(library.folder, "Broken (2002).mp4"), 1, 1);
});
afterAll(async () => {
  await app.close();
  await library.remove();
  await inspector.close();
});

const get = async <Body>(url: string, as = headers): Promise<{ status: number; body: Body }> => {
  const reply = await app.inject({ url, headers: as });
  return { status: reply.statusCode, body: reply.json<Body>() };
};
const list = async (query: string, as = headers): Promise<TitleList> => {
  const { status, body } = await get<TitleList>(`/api/titles${query}`, as);
  expect(status).toBe(200);
  return body;
};
const names = (page: TitleList): string[] => page.titles.map(({ name }) => name);
const idOf = async (name: string): Promise<TitleId> =>
  (await db.one<{ id: TitleId }>(`select id from title where name = $1`, [name]))?.id ?? expect.fail(`no ${name}`);

describe("with a scanned library", () => {
  beforeAll(async () => {
    await library.scan();
  });

  test("nobody sees anything without a session", async () => {
    expect((await list("")).titles).toHaveLength(9);
    for (const path of [
      "/api/titles",
      `/api/titles/${await idOf("Amélie")}`,
      `/api/titles/${await idOf("Amélie")}/poster`,
    ]) {
      expect((await app.inject({ url: path })).statusCode).toBe(401);
    }
  });

  test.each([
    ["amelie", ["Amélie"]],
    ["AMÉLIE", ["Amélie"]],
    ["am", ["Amazing Grace", "Amélie"]],
    ["gra am", ["Amazing Grace"]],
    ["trix", ["The Matrix"]],
    ["the mat", ["The Matrix"]],
    ["1999", ["The Matrix"]],
    ["show", ["First", "Second", "Third", "Extra"]],
    ["s02", ["Third"]],
    ["100%", ["100% Wolf"]],
    ["%", []],
    ["_", []],
    ["'; drop table title; --", []],
    ["zzz", []],
    // Twelve words are enough for any name.
    [`${"the matrix ".repeat(6)}zzz`, ["The Matrix"]],
  ])("searching %j finds %j", async (search, found) => {
    expect(names(await list(`?search=${encodeURIComponent(search)}`))).toEqual(found);
  });

  test("what begins like the search comes before what only holds it", async () => {
    expect(names(await list("?search=m&kind=film"))[0]).toBe("The Matrix");
  });

  test.each(["", "&order=name", "&search=o"])(
    "pages by %j hold every title once, in the same order as one page",
    async (more) => {
      const whole = names(await list(`?limit=200${more}`));
      expect(whole.length).toBeGreaterThan(2);
      const seen: string[] = [];
      let after = "";
      for (;;) {
        const page = await list(`?limit=2${more}${after}`);
        seen.push(...names(page));
        if (page.next === null) break;
        after = `&after=${page.next}`;
      }
      expect(seen).toEqual(whole);
    },
  );

  test("a place to go on from that is no place gives an empty page", async () => {
    expect(await list("?after=nonsense")).toEqual({ titles: [], continueWatching: [], next: null });
  });

  test("a damaged file is listed; only the operator is told why", async () => {
    const seen = (await list("?search=broken")).titles[0];
    expect(seen).toMatchObject({ playable: false, problem: "damaged" });
    const mended = (await list("?search=broken", operator)).titles[0];
    expect(mended?.playable).toBe(false);
    expect(mended?.problem).not.toBe("damaged");
  });

  test("an episode knows its series, its fellows in order, and the next one", async () => {
    const { body } = await get<TitleDetail>(`/api/titles/${await idOf("Second")}`);
    expect(body).toMatchObject({ kind: "episode", seriesName: "Show", season: 1, episode: 2, width: 128, height: 72 });
    expect(body.episodes.map(({ name }) => name)).toEqual(["First", "Second", "Third", "Extra"]);
    expect(body.nextEpisodeId).toBe(await idOf("Third"));
    const last = await get<TitleDetail>(`/api/titles/${await idOf("Third")}`);
    expect(last.body.nextEpisodeId).toBeNull();
  });

  test("a title that is not there answers 404, a bad id 400", async () => {
    expect((await get("/api/titles/00000000-0000-7000-8000-000000000000")).status).toBe(404);
    expect((await get("/api/titles/x")).status).toBe(400);
  });

  test("going on is offered for what was begun, and the next episode for one watched to its end", async () => {
    const entry = (titleId: TitleId, positionSeconds: number, watched: boolean): ProgressEntry => ({
      titleId,
      positionSeconds,
      durationSeconds: 2,
      updatedAt: "2026-11-22T20:00:00.000Z",
      watched,
    });
    noted.push(
      entry(await idOf("Second"), 2, true),
      entry(await idOf("The Matrix"), 1, false),
      entry(await idOf("First"), 1, false),
      entry(await idOf("Amélie"), 2, true),
      entry(await idOf("Broken"), 1, false),
      entry(await idOf("100% Wolf"), 0, false),
    );
    const page = await list("");
    expect(page.continueWatching.map(({ name }) => name)).toEqual(["Third", "The Matrix"]);
    expect(page.continueWatching[1]?.progress).toMatchObject({ positionSeconds: 1, watched: false });
    expect((await list("?search=matrix")).continueWatching).toEqual([]);
    const begun = entry(await idOf("The Matrix"), 1, false);
    noted.splice(0, noted.length, ...Array.from({ length: 21 }, () => begun));
    expect((await list("")).continueWatching).toHaveLength(20);
    noted.length = 0;
  });

  describe("posters", () => {
    test("come from the film, or from the picture beside it, and are made once", async () => {
      const picture = await runFfmpeg(
        ["-f", "lavfi", "-i", "color=red:size=600x900", "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1"],
        { timeoutMs: 60_000, maxOutputBytes: 1e6, signal: never },
      );
      await writeFile(join(library.folder, "Amélie (2001)/poster.png"), picture.output);
      await library.scan();
      expect(await makeArtwork(library.needs, never)).toBe(8);
      expect(await makeArtwork(library.needs, never)).toBe(0);
      const { poster } = (await list("?search=amelie")).titles[0] ?? {};
      expect(poster).toMatchObject({ width: 480, height: 720, colour: "#fe0000" });
      expect((await list("?search=matrix")).titles[0]?.poster).toMatchObject({ width: 480, height: 270 });
      expect((await list("?search=broken")).titles[0]?.poster).toBeNull();
    });

    test("are JPEGs with a tag, kept by the asking browser alone", async () => {
      const path = (await list("?search=matrix")).titles[0]?.poster?.path ?? "";
      const reply = await app.inject({ url: path, headers });
      expect(reply.statusCode).toBe(200);
      expect(reply.headers["content-type"]).toBe("image/jpeg");
      expect(reply.headers["cache-control"]).toBe("private, max-age=604800, immutable");
      expect(reply.rawPayload.readUInt16BE(0)).toBe(0xffd8);
      const again = await app.inject({
        url: path,
        headers: { ...headers, "if-none-match": String(reply.headers.etag) },
      });
      expect(again.statusCode).toBe(304);
      const [plain = "", version = ""] = path.split("?v=");
      const otherVersion = `${version.startsWith("0") ? "1" : "0"}${version.slice(1)}`;
      for (const query of ["", "?v=", `?v=${otherVersion}`]) {
        const short = await app.inject({ url: `${plain}${query}`, headers });
        expect([short.statusCode, short.headers["cache-control"]]).toEqual([200, "private, max-age=3600"]);
      }
    });

    test("that are lost are made again", async () => {
      const folder = join(library.needs.dataDir, "artwork");
      await rm(folder, { recursive: true });
      const path = (await list("?search=matrix")).titles[0]?.poster?.path ?? "";
      const lost = await app.inject({ url: path, headers });
      expect([lost.statusCode, lost.headers["cache-control"], lost.headers.etag]).toEqual([404, "no-store", undefined]);
      await makeArtwork(library.needs, never);
      expect((await app.inject({ url: path, headers })).statusCode).toBe(200);
      expect((await readdir(folder)).every((name) => /^[0-9a-f]{64}\.jpg$/.test(name))).toBe(true);
    });

    test("that no title has any more are removed once they are old, and no others", async () => {
      const folder = join(library.needs.dataDir, "artwork");
      const own = (await readdir(folder)).toSorted();
      expect(own.length).toBeGreaterThan(1);
      const [old, young] = [`${"0".repeat(64)}.jpg`, `${"1".repeat(64)}.jpg`];
      for (const name of [old, young]) await writeFile(join(folder, name), "x");
      for (const name of [old, ...own]) await utimes(join(folder, name), 1, 1);
      await makeArtwork(library.needs, never);
      expect((await readdir(folder)).toSorted()).toEqual([...own, young].toSorted());
      await rm(join(folder, young));
    });

    test("change with the picture that they are made from, and come from the film where that cannot be one", async () => {
      const picture = join(library.folder, "Amélie (2001)/poster.png");
      const shape = async () => (await list("?search=amelie")).titles[0]?.poster;
      const before = await shape();
      expect(before).toMatchObject({ width: 480, height: 720 });
      const draw = async (colour: string) => {
        const drawn = await runFfmpeg(
          [
            "-f",
            "lavfi",
            "-i",
            `color=${colour}:size=100x100`,
            "-frames:v",
            "1",
            "-c:v",
            "png",
            "-f",
            "image2pipe",
            "pipe:1",
          ],
          { timeoutMs: 60_000, maxOutputBytes: 1e6, signal: never },
        );
        await writeFile(picture, drawn.output);
      };
      await draw("blue");
      expect(await makeArtwork(library.needs, never)).toBe(1);
      const blue = await shape();
      expect(blue).toMatchObject({ width: 480, height: 480, colour: expect.stringMatching(/^#00/) as unknown });
      expect(blue?.path).not.toBe(before?.path);
      // Of a size that no picture has; the bytes at its beginning still are one.
      await truncate(picture, 20 * 1_048_576 + 1);
      expect(await posterOfPicture(picture, never)).toBe("it is no file of at most 20 MB");
      await makeArtwork(library.needs, never);
      expect(await shape()).toMatchObject({ width: 480, height: 270 });
      await truncate(picture, 20 * 1_048_576);
      expect(await posterOfPicture(picture, never)).toMatchObject({ width: 480, height: 480 });
    });

    test("are made of no link: it may lead out of the library", async () => {
      const [real, linked] = [join(library.folder, "real.png"), join(library.folder, "linked.png")];
      await writeFile(real, await readFile(join(library.folder, "Amélie (2001)/poster.png")));
      await symlink(real, linked);
      expect(await posterOfPicture(real, never)).toMatchObject({ width: 480 });
      expect(await posterOfPicture(linked, never)).toMatch(/^ELOOP/);
      expect(await posterOfPicture(join(library.folder, "real.svg"), never)).toBe("not a picture by its name");
    });

    test("a playlist called poster.jpg opens no other file; the film's own frame is taken", async () => {
      await mkdir(join(library.folder, "Trick (2003)"), { recursive: true });
      await library.put("Trick (2003)/Trick (2003).mp4");
      await writeFile(join(library.folder, "Trick (2003)/poster.jpg"), `#EXTM3U\n#EXTINF:1,\nfile:${library.clip}\n`);
      await library.scan();
      await makeArtwork(library.needs, never);
      expect((await list("?search=trick")).titles[0]?.poster).toMatchObject({ width: 480, height: 270 });
    });
  });

  test("a title whose file is away is in no list, has no page and no poster, and leaves its place between pages", async () => {
    const id = await idOf("Amélie");
    const seen = async () => ({
      plain: names(await list("?order=name&kind=film")),
      search: names(await list("?search=amelie")),
      page: (await get(`/api/titles/${id}`)).status,
      poster: (await app.inject({ url: `/api/titles/${id}/poster`, headers })).statusCode,
      after: names(await list(`?order=name&kind=film&limit=2&after=${id}`)),
    });
    const before = await seen();
    expect(before).toMatchObject({ search: ["Amélie"], page: 200, poster: 200 });
    noted.push({
      titleId: id,
      positionSeconds: 1,
      durationSeconds: 2,
      updatedAt: "2026-11-22T20:00:00.000Z",
      watched: false,
    });
    expect(names({ ...(await list("")), titles: (await list("")).continueWatching })).toEqual(["Amélie"]);

    const [there, away] = [join(library.folder, "Amélie (2001)"), `${library.folder}-away`];
    await rename(there, away);
    await library.scan();
    expect(await seen()).toEqual({
      plain: before.plain.filter((name) => name !== "Amélie"),
      search: [],
      page: 404,
      poster: 404,
      after: before.after,
    });
    // A page is as full as it is asked for, and says that there is more.
    const page = await list("?order=name&kind=film&limit=3");
    expect([page.titles.length, page.next === null]).toEqual([3, false]);
    expect((await list("")).continueWatching).toEqual([]);
    noted.length = 0;
    await rename(away, there);
    await library.scan();
    expect(await seen()).toEqual(before);
  });

  test("of a film's versions the tallest that plays is shown", async () => {
    const tall = join(library.folder, "..", "tall.mp4");
    const scaled = [
      "-i",
      library.clip,
      "-vf",
      "scale=64:144,setsar=1",
      "-c:v",
      "libx264",
      "-preset",
      "ultrafast",
      "-c:a",
      "copy",
    ];
    await promisify(execFile)("ffmpeg", ["-v", "error", "-nostdin", "-y", ...scaled, tall]);
    const versions = { a: library.clip, b: tall, c: library.otherClip };
    for (const [name, from] of Object.entries(versions))
      await library.put(`Tall (2004)/Tall (2004) - ${name}.mp4`, from);
    await library.scan();
    const id = await idOf("Tall");
    expect((await get<TitleDetail>(`/api/titles/${id}`)).body).toMatchObject({
      width: 64,
      height: 144,
      playable: true,
    });
    const best = await chooseFile(db, id);
    const file = best.kind === "playable" ? await readPlayableFile(db, best.fileId, id) : undefined;
    expect(file?.path).toBe("Tall (2004)/Tall (2004) - b.mp4");
    // A damaged one says nothing of its height, and a height that is left over of it does not count.
    await db.run(`update file set state = 'damaged', problem = 'broken' where path like '%- b.mp4'`);
    expect((await get<TitleDetail>(`/api/titles/${id}`)).body).toMatchObject({
      height: 90,
      playable: true,
      problem: null,
    });
    expect(file === undefined ? "none" : await readPlayableFile(db, file.fileId, id)).toBeUndefined();
    expect((await chooseFile(db, id)).kind).toBe("playable");
    await db.run(`update file set state = 'damaged', problem = 'broken' where path like 'Tall%'`);
    expect((await chooseFile(db, id)).kind).toBe("damaged");
    await db.run(`update file set state = 'missing' where path like 'Tall%'`);
    expect((await chooseFile(db, id)).kind).toBe("missing");
  });
});
