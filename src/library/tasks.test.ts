import { rmdirSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testLibrary, type TestLibrary } from "../../test/library-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import type { JobContext } from "../jobs/jobs.ts";
import { Fault } from "../kernel/fault.ts";
import { manualClock, sleep, systemClock, type Clock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { openInspector } from "./inspect-file.ts";
import { libraryTasks, requestScan, startLibraryWatch } from "./tasks.ts";

const inspector = openInspector({ log: silentLog });
let db: Db;
let library: TestLibrary;

beforeAll(async () => {
  db = await testDatabase();
  library = await testLibrary(db, inspector);
});
afterAll(async () => {
  await library.remove();
  await inspector.close();
});

const context: JobContext = {
  log: silentLog,
  signal: new AbortController().signal,
  attempt: 1,
  maxAttempts: 5,
  jobId: "1",
};
const waiting = () =>
  db.many<{ runAt: Date }>(
    `select run_at as "runAt" from graphile_worker.jobs where task_identifier = 'scan-library' and locked_at is null`,
  );
const forget = () => db.run(`select graphile_worker.complete_jobs(array(select id from graphile_worker.jobs))`);

test("however often a scan is asked for, one waits", async () => {
  await requestScan({ db, clock: systemClock });
  await requestScan({ db, clock: systemClock }, 60_000);
  await requestScan({ db, clock: systemClock });
  expect(await waiting()).toHaveLength(1);
  await forget();
});

test("the task scans, makes posters, and asks for another scan only while something waits", async () => {
  await library.put("Heat (1995).mp4");
  const [task] = libraryTasks(library.needs);
  await task?.run({}, context);
  expect(await db.one(`select count(*) as count from artwork where digest is not null`)).toEqual({ count: 1 });
  expect(await waiting()).toEqual([]);
  const scanned = await db.one<{ counts: unknown }>(`select counts from scan order by started_at desc limit 1`);
  expect(scanned?.counts).toMatchObject({ files: 1, inspected: 1 });

  await library.put("Ronin (1998).mp4");
  await utimes(join(library.folder, "Ronin (1998).mp4"), new Date(), new Date());
  await task?.run({}, context);
  expect(await waiting()).toHaveLength(1);
  await forget();
});

test("what could not be taken is looked for again: soon where a file is still written, in a minute where a tool is missing", async () => {
  const clock = manualClock(Date.UTC(2030, 0, 1));
  const name = "Written (2003).mp4";
  await library.put(name);
  const writtenAt = new Date(clock.now() - 1_000);
  await utimes(join(library.folder, name), writtenAt, writtenAt);
  const [task] = libraryTasks({ ...library.needs, clock });
  await task?.run({}, context);
  expect(await waiting()).toEqual([{ runAt: new Date(clock.now() + 6_000) }]);
  await forget();

  clock.advance(6_000);
  const inspect = () => Promise.reject(new Fault("MEDIA_TOOL_MISSING", "no such tool"));
  const [without] = libraryTasks({ ...library.needs, clock, inspect });
  await without?.run({}, context);
  expect(await waiting()).toEqual([{ runAt: new Date(clock.now() + 60_000) }]);
  await forget();
});

test("a film under another container's name, which plays, has a poster too", async () => {
  await library.put("Misnamed (2001).mp4", library.otherClip);
  const [task] = libraryTasks(library.needs);
  await task?.run({}, context);
  expect(
    await db.one(
      `select file.state, digest is not null as "hasPoster" from file join artwork using (title_id) where path like 'Misnamed%'`,
    ),
  ).toEqual({ state: "playable", hasPoster: true });
  await forget();
});

test.runIf(process.platform === "linux")("a watch that is stopped leaves nothing that watches", async () => {
  const watchers = async (): Promise<number> => {
    const links = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
    return (await Promise.all(links)).filter((link) => link === "anon_inode:inotify").length;
  };
  const before = await watchers();
  const watch = await startLibraryWatch({ db, clock: systemClock, log: silentLog, libraryDir: library.folder });
  expect(await watchers()).toBe(before + 1);
  await watch.stop();
  expect(await watchers()).toBe(before);
  await forget();
});

test("a new file is noticed without asking, and nothing after the watch is stopped", async () => {
  let requests = 0;
  const counting: Clock = {
    now: () => {
      requests++;
      return systemClock.now();
    },
  };
  const needs = { db, log: silentLog, libraryDir: library.folder };
  const watch = await startLibraryWatch({ ...needs, clock: counting });
  expect(await waiting()).toHaveLength(1);
  await forget();
  await library.put("New/Heat (1995).mp4");
  while ((await waiting()).length === 0) await sleep(50);
  await watch.stop();
  const other = await startLibraryWatch({ ...needs, clock: systemClock });
  await forget();
  const before = requests;
  await library.put("Late (1999).mp4");
  // By the other watch.
  while ((await waiting()).length === 0) await sleep(50);
  await other.stop();
  await forget();
  expect(requests).toBe(before);
});

test("a folder that is not there and cannot be made is looked for all the same, again and again, and whatever the database says", async () => {
  await library.put("No folder (2002).mp4");
  const libraryDir = join(library.folder, "No folder (2002).mp4", "films");
  let refused = 0;
  const away: Db = {
    ...db,
    transaction: (work) => (refused++ === 0 ? Promise.reject(new Error("it is away")) : db.transaction(work)),
  };
  const watch = await startLibraryWatch({ db: away, clock: systemClock, log: silentLog, libraryDir, rescanMs: 50 });
  for (let times = 0; times < 2; times++) {
    await expect.poll(waiting).toHaveLength(1);
    await forget();
  }
  await watch.stop();
  await forget();
});

test("a folder that becomes a file while it is watched ends the watch and nothing else, and the watch begins anew", async () => {
  const folder = join(library.folder, "Swapped (2000).mkv");
  await mkdir(folder);
  const needs = { db, clock: systemClock, log: silentLog, libraryDir: library.folder, rewatchMs: 100 };
  const watch = await startLibraryWatch(needs);
  await forget();
  // In one turn: when the system tells of the folder, it is none any more.
  rmdirSync(folder);
  writeFileSync(folder, "a film");
  // Asked for by this change and by the new beginning: twice at most. From the third on it is what the new watch noticed.
  for (const name of [undefined, "After (2001).mp4", "After (2002).mp4"]) {
    while ((await waiting()).length === 0) {
      // Again and again: of two changes within a second the watch tells the first alone.
      if (name !== undefined) await library.put(name);
      await sleep(200);
    }
    await forget();
  }
  await watch.stop();
  await forget();
});
