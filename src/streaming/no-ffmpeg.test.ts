import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../test/library-fixture.ts";
import { testViewers } from "../../test/viewers-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import { newServer, type App } from "../http/server.ts";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { openInspector } from "../library/inspect-file.ts";
import type { Grant } from "../wire/titles.ts";
import { openEngine, type MediaEngine } from "./engine.ts";
import { newGrants } from "./grants.ts";
import { streamingRoutes } from "./routes.ts";

/** ffmpeg was there when the library was scanned, and is gone now. */
const viewers = testViewers(systemClock);
const inspector = openInspector({ log: silentLog });
let db: Db;
let library: TestLibrary;
let app: App;
let keys: TestKeyholder;
let engine: MediaEngine;

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
  await library.put("Heat (1995).mp4");
  const old = join(library.folder, "..", "old.avi");
  await promisify(execFile)("ffmpeg", ["-v", "error", "-y", "-i", library.clip, "-c:v", "mpeg4", "-c:a", "mp2", old]);
  await library.put("Broadcast (1998).avi", old);
  await library.scan();
  keys = await testKeyholder();
  const keyholder = await keys.connect("web");
  engine = await openEngine({
    log: silentLog,
    libraryDir: library.folder,
    environment: { PATH: "/nowhere" },
    ffmpegPath: "/nowhere/ffmpeg",
  });
  app = newServer({
    hasSecondFactor: () => Promise.resolve(false),
    publicOrigin: "http://localhost:8080",
    trustProxy: false,
    tls: null,
    check: viewers.check,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  const grants = newGrants({ keyholder, clock: systemClock });
  streamingRoutes(app, { db, clock: systemClock, log: silentLog, check: viewers.check, grants, media: engine });
});
afterAll(async () => {
  await app.close();
  await engine.close();
  await inspector.close();
  await keys.stop();
  await library.remove();
});

const read = (path: string) => app.inject({ url: path });
const linesOf = (playlist: string): string[] =>
  playlist.split("\n").flatMap((line) => /URI="([^"]+)"/.exec(line)?.[1] ?? (/^[^#\s]/.test(line) ? line : []));

async function segmentsOf(name: string): Promise<{ path: string; status: number; body: string }[]> {
  const title = await db.one<{ id: string }>(`select id from title where name = $1`, [name]);
  const { headers } = viewers.signIn();
  const granted = await app.inject({ method: "POST", url: `/api/titles/${title?.id}/grants`, headers });
  const found: { path: string; status: number; body: string }[] = [];
  const follow = async (path: string): Promise<void> => {
    const answer = await read(path);
    found.push({ path, status: answer.statusCode, body: answer.body });
    if (answer.statusCode !== 200 || !path.endsWith(".m3u8")) return;
    for (const next of linesOf(answer.body)) await follow(new URL(next, `http://x${path}`).pathname);
  };
  await follow(granted.json<Grant>().playlist);
  return found;
}

test("a film that browsers play is played to its last segment", async () => {
  const found = await segmentsOf("Heat");
  expect(found.length).toBeGreaterThanOrEqual(5);
  expect(found.filter(({ path, status }) => status !== 200 && !path.includes("/transcode/"))).toEqual([]);
});

test("a film that must be converted is refused in words, with a reference for the operator", async () => {
  const found = await segmentsOf("Broadcast");
  const refused = found.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, body } of refused) {
    expect([status, body]).toEqual([501, expect.stringContaining('"code":"tool-missing"')]);
    expect(JSON.parse(body)).toMatchObject({ reference: expect.stringMatching(/./) as unknown });
    expect(body).not.toContain("nowhere");
  }
  // Nothing else of it suffers: the other film still plays.
  expect((await segmentsOf("Heat"))[0]?.status).toBe(200);
});
