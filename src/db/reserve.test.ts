import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { link, mkdir, mkdtemp, open, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { smallDisk } from "../../test/small-disk.ts";
import { newLog, silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { keepReserve } from "./keep-reserve.ts";
import { openReserve, readDatabaseDisk, reserveBytes, reservePath, stepBytes, unfinishedReserve } from "./reserve.ts";

let dataDir = "";
let stops: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "houselights-reserve-"));
  await mkdir(join(dataDir, "postgres", "cluster"), { recursive: true });
});
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  await rm(dataDir, { recursive: true, force: true });
});

const keep = (folder = dataDir, log = silentLog) => {
  const kept = keepReserve({ dataDir: folder, log, random: systemRandom, pauseMs: 5 });
  stops.push(() => kept.stop());
  return kept;
};
const opened = (folder = dataDir) => openReserve({ dataDir: folder, log: silentLog });
const heldBytes = async (folder = dataDir) => (await readDatabaseDisk(folder))?.reserveBytes;

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 2_000) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("it is made of blocks that no file system can pack, closed to others, and made again after it was given up", async () => {
  keep();
  await until("the reserve", async () => (await heldBytes()) === reserveBytes);
  const { size, blocks, mode } = await stat(reservePath(dataDir));
  expect([size, mode & 0o777]).toEqual([reserveBytes, 0o600]);
  expect(blocks * 512).toBeGreaterThanOrEqual(reserveBytes);
  const file = await open(reservePath(dataDir));
  const { buffer } = await file.read(Buffer.alloc(2 ** 20), 0, 2 ** 20, 7 * 2 ** 20);
  await file.close();
  expect(gzipSync(buffer).length).toBeGreaterThan(2 ** 20);
  expect(existsSync(unfinishedReserve(dataDir))).toBe(false);

  expect(await opened().giveUp()).toBe(stepBytes);
  await until("the reserve again", async () => (await heldBytes()) === reserveBytes);
});

test("it is given up in two steps, and then there is nothing left", async () => {
  const kept = keep();
  await until("the reserve", async () => (await heldBytes()) === reserveBytes);
  await kept.stop();
  const reserve = opened();
  expect([await reserve.giveUp(), await reserve.left()]).toEqual([stepBytes, reserveBytes - stepBytes]);
  expect([await reserve.giveUp(), await reserve.left()]).toEqual([stepBytes, 0]);
  expect([await reserve.giveUp(), await reserve.left()]).toEqual([0, 0]);
});

test("processes that give up at once give up no more than each a step", async () => {
  const kept = keep();
  await until("the reserve", async () => (await heldBytes()) === reserveBytes);
  await kept.stop();
  await Promise.all([opened().giveUp(), opened().giveUp()]);
  expect([0, stepBytes]).toContain(await heldBytes());
});

test("what a kill left half made counts for nothing, and is given up with the first step", async () => {
  await writeFile(unfinishedReserve(dataDir), systemRandom.bytes(2 ** 20));
  expect(await heldBytes()).toBe(0);
  await opened().giveUp();
  expect(existsSync(unfinishedReserve(dataDir))).toBe(false);

  await writeFile(unfinishedReserve(dataDir), systemRandom.bytes(2 ** 20));
  const kept = keep();
  await until("the reserve", async () => (await heldBytes()) === reserveBytes);
  await kept.stop();
  expect(existsSync(unfinishedReserve(dataDir))).toBe(false);
});

test("stopped while it is being made, it leaves nothing behind", async () => {
  const kept = keep();
  await until("a beginning", async () => existsSync(unfinishedReserve(dataDir)));
  await kept.stop();
  expect(existsSync(unfinishedReserve(dataDir))).toBe(false);
});

test("a file that only looks long holds no room: it does not count, and is made anew", async () => {
  await writeFile(reservePath(dataDir), "");
  await truncate(reservePath(dataDir), reserveBytes);
  expect(await heldBytes()).toBe(0);
  keep();
  await until("the reserve", async () => (await heldBytes()) === reserveBytes);
});

test("a link in its place leads nowhere: what it names is left as it is", async () => {
  const precious = join(dataDir, "precious");
  await writeFile(precious, systemRandom.bytes(2 ** 20));
  const before = await readFile(precious);
  for (const put of [symlink, link]) {
    await rm(reservePath(dataDir), { force: true });
    await put(precious, reservePath(dataDir));
    expect(await opened().giveUp()).toBe(0);
    expect((await readFile(precious)).equals(before)).toBe(true);
  }
});

test("where no cluster was ever made there is nothing to keep or to give up: the database is elsewhere", async () => {
  await rm(join(dataDir, "postgres"), { recursive: true });
  expect(await readDatabaseDisk(dataDir)).toBeUndefined();
  expect(await opened().giveUp()).toBe(0);
  expect(await opened().isDiskFull()).toBe(false);
});

const disk = await smallDisk(200);
afterAll(async () => disk?.remove());

// Mounting asks for root.
test.skipIf(disk === undefined)(
  "it is not made where that would fill the disk, and what has changed is said once",
  async () => {
    if (disk === undefined) return;
    await mkdir(join(disk.folder, "postgres", "cluster"), { recursive: true });
    const filler = join(disk.folder, "filler");
    await promisify(execFile)("fallocate", ["-l", "100M", filler]);
    // What a kill has left half made would take the room that is wanted.
    await writeFile(unfinishedReserve(disk.folder), systemRandom.bytes(2 ** 20));
    const said: (readonly [level: number, says: string])[] = [];
    const log = newLog("serve", "info", {
      write: (line) => {
        const { level, msg } = JSON.parse(line) as { level: number; msg: string };
        said.push([level, msg]);
      },
    });
    const kept = keep(disk.folder, log);
    const saysNext = (place: number) => until("the log", async () => said.length > place);
    await saysNext(0);
    expect(await readDatabaseDisk(disk.folder)).toMatchObject({ reserveBytes: 0, state: "low" });
    expect(existsSync(unfinishedReserve(disk.folder))).toBe(false);

    await truncate(filler, 60 * 2 ** 20);
    await until("the reserve", async () => (await heldBytes(disk.folder)) === reserveBytes);
    expect(await opened(disk.folder).isDiskFull()).toBe(false);
    await saysNext(1);
    await promisify(execFile)("fallocate", ["-l", "130M", filler]);
    expect(await readDatabaseDisk(disk.folder)).toMatchObject({ reserveBytes, state: "full" });
    await saysNext(2);
    await opened(disk.folder).giveUp();
    expect(await opened(disk.folder).isDiskFull()).toBe(false);
    await saysNext(3);
    await kept.stop();
    // A look comes every five milliseconds: what has not changed was found again and again, and not said.
    const short = expect.stringMatching(/; what is kept to contain on when it is full is not whole/) as string;
    const low = expect.stringMatching(/^less than 1 GiB is free[^;]*; when it is full nobody/) as string;
    const full = [50, expect.stringMatching(/^the database's disk is full: nobody can sign in/)];
    // A look may fall into the moment in which the reserve is given up and the disk is still full.
    const besides = said.filter(([, line]) => !/^the database's disk is full: .*is not whole/.test(line));
    expect(besides).toEqual([[50, short], [40, low], full, [50, short]]);
    expect(said[1]?.[1]).not.toContain("is not whole");
  },
);
