import { execFile } from "node:child_process";
import { readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { testLibrary } from "../../test/library-fixture.ts";
import { element, float, hostileMatroska, unsigned } from "../../test/matroska.ts";
import { roomServer } from "../../test/room-server.ts";
import { testViewers } from "../../test/viewers-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import type { TitleList } from "../wire/titles.ts";
import { makeArtwork, posterOfPicture } from "./artwork.ts";
import { openInspector } from "./inspect-file.ts";
import type { DemuxJob, DemuxMessage } from "./media/demux-jobs.ts";
import { startDemuxPool } from "./media/demux-pool.ts";
import { newReadCount } from "./media/disk-reads.ts";
import { groupsOf, thinned } from "./media/groups.ts";
import { readMediaIndex } from "./media/media-index.ts";
import { libraryRoutes } from "./routes.ts";
import { scanLibrary } from "./scan.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const inspector = openInspector({ log: silentLog });
const db = await testDatabase();
const library = await testLibrary(db, inspector);
const viewers = testViewers(systemClock);
const { headers } = viewers.signIn();
const app = roomServer(viewers.check);
libraryRoutes(app, {
  db,
  dataDir: library.needs.dataDir,
  progress: { of: () => Promise.resolve(new Map()), latest: () => Promise.resolve([]) },
});
afterAll(async () => {
  await app.close();
  await library.remove();
  await inspector.close();
});

async function putBytes(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(library.folder, name);
  await writeFile(path, bytes);
  await utimes(path, 1, 1);
  return path;
}

async function listed(): Promise<readonly string[]> {
  const reply = await app.inject({ method: "GET", url: "/api/titles?order=name", headers });
  expect([reply.statusCode, reply.body]).toEqual([200, reply.body]);
  return reply.json<TitleList>().titles.map(({ name, playable }) => `${name}${playable ? "" : " (damaged)"}`);
}

/** Two thousand million pixels wide, shown four times as wide, and turned: its height fits no 32 bits. */
const immense = {
  width: 2_000_000_000,
  height: 64,
  more: [
    element("54b0", unsigned(2_000_000_000)),
    element("54ba", unsigned(16)),
    element("7670", element("7671", unsigned(0)), element("7675", float(90))),
  ],
};

test("a film whose header says any number hides no other: the list is there for everybody", async () => {
  await library.put("Heat (1995).mp4");
  await library.scan();
  expect(await listed()).toEqual(["Heat"]);

  const clusterMs = [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000];
  await putBytes("Immense (2001).mkv", await hostileMatroska({ codec: "V_VP9", ...immense, clusterMs }));
  // No decoder says what its size really is.
  await putBytes("Unknown (2002).mkv", await hostileMatroska({ codec: "V_NONE", ...immense, clusterMs }));
  await library.scan();
  expect(await listed()).toEqual(["Heat", "Immense", "Unknown (damaged)"]);
  expect(await db.one(`select problem from file where path like 'Unknown%'`)).toEqual({
    problem: "its video codec is not known",
  });
  // A row of an earlier version may hold what is refused now.
  await db.run(`update file set facts = jsonb_set(facts, '{height}', '8000000000') where path like 'Immense%'`);
  expect(await listed()).toEqual(["Heat", "Immense", "Unknown (damaged)"]);
  expect(await makeArtwork(library.needs, never)).toBeGreaterThan(0);
});

test.each([
  ["key frames that go back in time", [7_000, 6_000, 5_000, 4_000, 3_000, 2_000, 1_000, 0]],
  ["key frames all at one time", [0, 0, 0, 0]],
])("a film of %s is not cut by an index that cannot be read back", async (_what, clusterMs) => {
  const path = await putBytes("Odd.mkv", await hostileMatroska({ codec: "V_VP9", width: 64, height: 64, clusterMs }));
  const inspection = await inspector.inspect(path, never);
  await rm(path);
  if (inspection.kind !== "playable") throw new Error(inspection.reason);
  expect(readMediaIndex(JSON.parse(JSON.stringify(inspection.index)))).toMatchObject({
    decision: "transcode",
    reason: "its key frames are not in the order of time",
  });
});

test("a film whose decoder's setup is larger than an index holds is transcoded, not refused at every play", async () => {
  const whole = await readFile(library.clip);
  const at = whole.indexOf("avcC");
  // Everything that holds it grows too; the frames stand before, and keep their places.
  const extra = Buffer.alloc(200_000, 1);
  const end = at - 4 + whole.readUInt32BE(at - 4);
  const fat = Buffer.concat([whole.subarray(0, end), extra, whole.subarray(end)]);
  for (const box of ["moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1", "avcC"]) {
    const start = whole.lastIndexOf(box, at) - 4;
    fat.writeUInt32BE(whole.readUInt32BE(start) + extra.length, start);
  }
  const path = await putBytes("Fat.mp4", fat);
  const inspection = await inspector.inspect(path, never);
  await rm(path);
  if (inspection.kind !== "playable") throw new Error(inspection.reason);
  expect(readMediaIndex(inspection.index)).toMatchObject({
    decision: "transcode",
    reason: "its headers say more than a film has",
  });
});

test("a film of key frames alone has an index of one a second, with all their bytes", () => {
  const frames = (count: number) =>
    groupsOf(Array.from({ length: count }, (_none, at) => ({ ticks: at * 40, duration: 40, bytes: 10, key: true })));
  expect(thinned(frames(20_000).groups, 1_000).length).toBe(20_000);
  const { groups, durations } = frames(250_000);
  const kept = thinned(groups, 1_000);
  expect([kept.length, kept[1]?.key, kept.reduce((sum, { bytes }) => sum + bytes, 0)]).toEqual([
    10_000, 1_000, 2_500_000,
  ]);
  expect(durations.length).toBe(250_000);
});

test("a demuxing thread says that it has a file open before the demuxer sees it, which may hang", async () => {
  const thread = new Worker(new URL("./media/demux-worker.ts", import.meta.url), { workerData: newReadCount() });
  const said: string[] = [];
  const done = new Promise<void>((resolve) => {
    thread.on("message", ({ kind }: DemuxMessage) => {
      said.push(kind);
      if (kind === "unreadable") resolve();
    });
  });
  const path = await putBytes("No film (2003).mkv", Buffer.from("no film"));
  thread.postMessage({ kind: "describe", path } satisfies DemuxJob);
  await done;
  await thread.terminate();
  await rm(path);
  expect(said).toEqual(["ready", "alive", "unreadable"]);
});

test("a pipe in the place of a film or a picture is not waited for", async () => {
  const film = join(library.folder, "Pipe (2003).mkv");
  const picture = join(library.folder, "pipe.jpg");
  await run("mkfifo", [film, picture]);
  expect(await posterOfPicture(picture, never)).toBe("it is no file of at most 20 MB");
  expect(await inspector.inspect(film, never)).toEqual({ kind: "damaged", reason: "it is not a file" });
  const demux = startDemuxPool({ threads: 1, log: silentLog });
  expect(await demux.describe(film, never)).toMatchObject({ kind: "unreadable", reason: "it is not a file" });
  await demux.close();
  await rm(film);
  await rm(picture);
});

test("what cannot be stored of one file ends with that file", async () => {
  await library.put("Unstorable (2004).mp4");
  await library.put("Last (2005).mp4");
  const inspect: typeof inspector.inspect = async (path, signal) => {
    const inspection = await inspector.inspect(path, signal);
    // What JSON has no form for.
    return path.includes("Unstorable") && inspection.kind === "playable"
      ? { ...inspection, index: { version: 1n } }
      : inspection;
  };
  const scanned = await scanLibrary({ ...library.needs, inspect }, never);
  expect(scanned).toMatchObject({ kind: "scanned", counts: { inspected: 2, damaged: 1 } });
  expect(await listed()).toEqual(["Heat", "Immense", "Last", "Unknown (damaged)", "Unstorable (damaged)"]);
});
