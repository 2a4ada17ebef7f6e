import { unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { testLibrary } from "../../test/library-fixture.ts";
import { testDatabase } from "../db/test-database.ts";
import { startWorker, type Worker } from "../jobs/worker.ts";
import { silentLog } from "../kernel/log.ts";
import { openInspector } from "./inspect-file.ts";
import { readLibraryJobs } from "./library-jobs.ts";
import { isUnderWay } from "../jobs/queue.ts";
import { tidyPictures } from "./scrub/keep-pictures.ts";
import { libraryTasks, requestScan } from "./tasks.ts";
import { requestPictures } from "./scrub/scrub-task.ts";

const inspector = openInspector({ log: silentLog });
const db = await testDatabase();
const library = await testLibrary(db, inspector);
let worker: Worker | undefined;
afterAll(async () => {
  await worker?.stop();
  await library.remove();
  await inspector.close();
});
const jobs = async () => (await readLibraryJobs(db)).jobs;
const titles = async () => (await readLibraryJobs(db)).titles;

test("an empty library has nothing to tell, and nothing fails", async () => {
  expect(await readLibraryJobs(db)).toEqual({
    titles: [],
    jobs: {
      scan: {
        isRunning: false,
        isWaiting: false,
        startedAt: null,
        finishedAt: null,
        files: 0,
        toInspect: 0,
        inspected: 0,
        inspecting: [],
        stillWritten: 0,
        notInspected: 0,
      },
      pictures: { now: null, made: 0, waiting: 0, failed: 0 },
      failed: [],
      broken: [],
    },
  });
});

/** A database that writes the first note of what is inspected after the second, if both are under way at once. */
function withLateNote(own: typeof db): typeof db {
  const second = Promise.withResolvers<void>();
  let notes = 0;
  return {
    ...own,
    run: async (sql, parameters) => {
      const number = sql.startsWith("update scan set counts") ? ++notes : 0;
      if (number === 1) {
        await new Promise((resolve) => setImmediate(resolve));
        if (notes > 1) await second.promise;
      }
      const rows = await own.run(sql, parameters);
      if (number === 2) second.resolve();
      return rows;
    },
  };
}

test("what is scanned, inspected and pictured is told while it is, then what became of it", async () => {
  await library.put("Heat (1995).mp4");
  await library.put("Ronin (1998).mp4", library.otherClip);
  await writeFile(join(library.folder, "Half (2001).mp4"), "no film");
  await library.put("Half (2001).mp4", join(library.folder, "Half (2001).mp4"));
  const held: (() => void)[] = [];
  const inspect: typeof inspector.inspect = async (path, signal) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return inspector.inspect(path, signal);
  };
  await requestScan(library.needs);
  expect((await jobs()).scan).toMatchObject({ isRunning: false, isWaiting: true });
  expect(await isUnderWay(db, "scan-library")).toBe(true);
  worker = await startWorker({
    db,
    log: silentLog,
    tasks: [...libraryTasks({ ...library.needs, db: withLateNote(db), inspect })],
    concurrency: { letters: 1, work: 1 },
  });
  await expect.poll(async () => (await jobs()).scan.inspecting.length).toBe(2);
  // Asked for once more, and not yet due: the one that runs is seen all the same.
  await requestScan(library.needs, 3_600_000);
  expect(await isUnderWay(db, "scan-library")).toBe(true);
  expect((await jobs()).scan).toMatchObject({
    isRunning: true,
    isWaiting: false,
    finishedAt: null,
    files: 3,
    toInspect: 3,
    inspected: 0,
    inspecting: expect.arrayContaining(["Heat (1995).mp4", "Half (2001).mp4"]) as unknown,
  });
  held[0]?.();
  await expect.poll(async () => (await jobs()).scan.inspected).toBe(1);
  await expect.poll(() => held.length).toBe(3);
  expect((await jobs()).scan.inspecting).toHaveLength(2);
  for (const release of held) release();
  await expect.poll(async () => (await jobs()).pictures.made, { timeout: 20_000 }).toBe(2);
  await expect.poll(async () => (await jobs()).scan.isRunning).toBe(false);

  expect(await titles()).toEqual([
    { state: "damaged", count: 1 },
    { state: "playable", count: 2 },
  ]);
  const over = await jobs();
  expect(over.scan).toMatchObject({ isRunning: false, inspected: 3, inspecting: [], notInspected: 0 });
  expect(over.scan.finishedAt).not.toBeNull();
  expect(over.pictures).toEqual({ now: null, made: 2, waiting: 0, failed: 0 });
  expect(over.failed).toEqual([
    { kind: "film", path: "Half (2001).mp4", problem: "Invalid data found when processing input", againAt: null },
  ]);
  expect(over.broken).toEqual([]);
  expect(await isUnderWay(db, "scan-library")).toBe(false);
  await worker.stop();
  worker = undefined;
});

test("what waits, what is made and what failed of the pictures are apart, and a film that is gone is none of them", async () => {
  const set = (state: string, tries: number, path: string) =>
    db.run(
      `update scrub set state = $1, tries = $2, problem = case when $1 = 'failed' then 'its pictures take too long' end,
              tried_at = '2026-11-27 10:00+00' from file where file.id = file_id and path = $3`,
      [state, tries, path],
    );
  await set("failed", 1, "Heat (1995).mp4");
  await set("failed", 3, "Ronin (1998).mp4");
  const problem = "its pictures take too long";
  expect(await jobs()).toMatchObject({ pictures: { made: 0, waiting: 0, failed: 2 } });
  expect((await jobs()).failed.slice(1).toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { kind: "pictures", path: "Heat (1995).mp4", problem, againAt: "2026-11-27T16:00:00.000Z" },
    { kind: "pictures", path: "Ronin (1998).mp4", problem, againAt: null },
  ]);
  await set("making", 1, "Heat (1995).mp4");
  // A worker that was killed left it so: nobody makes it now.
  expect(await jobs()).toMatchObject({ pictures: { now: null, waiting: 1, failed: 1 } });
  await db.run(`update file set fingerprint = 'changed' where path like 'Ronin%'`);
  await tidyPictures(library.needs);
  expect(await jobs()).toMatchObject({ pictures: { waiting: 2, failed: 0 } });
  await unlink(join(library.folder, "Ronin (1998).mp4"));
  await library.scan();
  await tidyPictures(library.needs);
  expect(await jobs()).toMatchObject({ pictures: { waiting: 1, failed: 0 } });
});

test("a job that ends in a fault of ours is told with its words until it is asked for anew", async () => {
  await db.run(`select graphile_worker.complete_jobs(array(select id from graphile_worker.jobs))`);
  await requestPictures({ db });
  await db.run(`update graphile_worker._private_jobs set last_error = 'ffmpeg is not installed', attempts = 1`);
  expect((await jobs()).broken).toEqual([{ task: "scrub-pictures", error: "ffmpeg is not installed" }]);
  await requestPictures({ db });
  expect((await jobs()).broken).toEqual([]);
});
