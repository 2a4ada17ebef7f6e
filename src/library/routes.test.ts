import { mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
import { makeArtwork } from "./artwork.ts";
import { runFfmpeg } from "./ffmpeg.ts";
import { openInspector } from "./inspect-file.ts";
import { libraryRoutes } from "./routes.ts";
import type { ProgressEntry } from "./titles.ts";

let db: Db;
let library: TestLibrary;
const inspector = openInspector({ log: silentLog });
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
    );
    const page = await list("");
    expect(page.continueWatching.map(({ name }) => name)).toEqual(["Third", "The Matrix"]);
    expect(page.continueWatching[1]?.progress).toMatchObject({ positionSeconds: 1, watched: false });
    expect((await list("?search=matrix")).continueWatching).toEqual([]);
    noted.length = 0;
  });

  describe("posters", () => {
    test("come from the film, or from the picture beside it, and are made once", async () => {
      const picture = await runFfmpeg(
        ["-f", "lavfi", "-i", "color=red:size=600x900", "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1"],
        { timeoutMs: 10_000, maxOutputBytes: 1e6, signal: AbortSignal.timeout(10_000) },
      );
      await writeFile(join(library.folder, "Amélie (2001)/poster.png"), picture.output);
      await library.scan();
      expect(await makeArtwork(library.needs, AbortSignal.timeout(60_000))).toBe(8);
      expect(await makeArtwork(library.needs, AbortSignal.timeout(60_000))).toBe(0);
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
      const plain = await app.inject({ url: path.split("?")[0] ?? "", headers });
      expect(plain.headers["cache-control"]).toBe("private, max-age=3600");
    });

    test("that are lost are made again", async () => {
      const folder = join(library.needs.dataDir, "artwork");
      await rm(folder, { recursive: true });
      const path = (await list("?search=matrix")).titles[0]?.poster?.path ?? "";
      expect((await app.inject({ url: path, headers })).statusCode).toBe(404);
      await makeArtwork(library.needs, AbortSignal.timeout(60_000));
      expect((await app.inject({ url: path, headers })).statusCode).toBe(200);
      expect((await readdir(folder)).every((name) => /^[0-9a-f]{64}\.jpg$/.test(name))).toBe(true);
    });

    test("a playlist called poster.jpg opens no other file; the film's own frame is taken", async () => {
      await mkdir(join(library.folder, "Trick (2003)"), { recursive: true });
      await library.put("Trick (2003)/Trick (2003).mp4");
      await writeFile(join(library.folder, "Trick (2003)/poster.jpg"), `#EXTM3U\n#EXTINF:1,\nfile:${library.clip}\n`);
      await library.scan();
      await makeArtwork(library.needs, AbortSignal.timeout(60_000));
      expect((await list("?search=trick")).titles[0]?.poster).toMatchObject({ width: 480, height: 270 });
    });
  });
});
