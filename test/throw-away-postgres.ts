import { mkdtemp, readdir, readFile, realpath, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDb } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import type { RunningPostgres } from "../src/db/embedded.ts";
import { processesIn, readOwner, signal, waitForEnd } from "../src/db/embedded-process.ts";
import { migrate } from "../src/db/migrate.ts";
import { silentLog } from "../src/kernel/log.ts";

const prefix = "houselights-test-";

/** A run that was killed could not stop its cluster: the next run does. */
async function sweep(parent: string): Promise<void> {
  const folder = await realpath(parent);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const ownerFile = join(folder, name, "postgres.owner");
    const hadOwner = (await readFile(ownerFile, "utf8").catch(() => "")) !== "";
    if (!hadOwner || (await readOwner(ownerFile)) !== undefined) continue;
    for (const pid of await processesIn(join(folder, name, "postgres", "cluster"))) {
      signal(pid, "SIGKILL");
      await waitForEnd(pid, 2_000);
    }
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

const memory = "/dev/shm";

/** Some dozens of databases of 11 MB at once, the log of a gigabyte at most, and as much again. */
const roomBytes = 4 * 2 ** 30;

/** Whether there is a folder in memory with room: what waits for no disk need not write to one. */
async function hasMemory(): Promise<boolean> {
  const tmpfs = 0x0102_1994;
  const found = await statfs(memory).catch(() => undefined);
  return found?.type === tmpfs && found.bavail * found.bsize >= roomBytes && process.availableMemory() >= 2 * roomBytes;
}

const forgetful = { fsync: "off", full_page_writes: "off", synchronous_commit: "off", max_connections: "500" };

/**
 * A cluster whose folder goes when it stops. Without other settings it does not wait for the disk either, and lies in memory
 * where there is room; benchmarks give none at all, to have the service's own.
 */
export async function startThrowAwayPostgres(
  settings: Readonly<Record<string, string>> = forgetful,
): Promise<RunningPostgres> {
  const folders = [tmpdir(), ...((await hasMemory()) ? [memory] : [])];
  for (const folder of folders) await sweep(folder);
  const folder = settings === forgetful ? (folders.at(-1) ?? tmpdir()) : tmpdir();
  const dataDir = await mkdtemp(join(folder, prefix));
  try {
    const postgres = await startPostgres({
      dataDir,
      log: silentLog,
      throwAway: true,
      settings,
    });
    return {
      ...postgres,
      stop: async () => {
        await postgres.stop();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (thrown) {
    await rm(dataDir, { recursive: true, force: true });
    throw thrown;
  }
}

/** Makes a database by the real migrations. */
export async function migratedDatabase({ connection }: RunningPostgres, name: string): Promise<void> {
  const admin = openDb({ connection: { ...connection, database: "postgres" }, log: silentLog });
  await admin.pool.query(`create database ${name}`);
  await admin.close();
  const db = openDb({ connection: { ...connection, database: name }, log: silentLog });
  try {
    await migrate(db);
  } finally {
    await db.close();
  }
}
