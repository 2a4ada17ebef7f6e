import { constants } from "node:fs";
import { lstat, open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";

const mebibyte = 2 ** 20;

/**
 * What one step gives up: a segment of WAL (16 MiB), which PostgreSQL needs whole to start again after it panicked for want of one,
 * and as much again for pages, the files it writes at each start and each connection, and the witness.
 */
export const stepBytes = 32 * mebibyte;
/** Two steps: what filled the disk may still be writing, and take the first before containment has it. */
export const reserveBytes = 2 * stepBytes;
/** PostgreSQL has panicked for want of a segment of WAL with anything less than one free. */
const fullBelowBytes = 17 * mebibyte;
const lowBelowBytes = 1024 * mebibyte;

/** Beside the cluster, so that it is on the cluster's disk. */
export const reservePath = (dataDir: string): string => join(dataDir, "postgres", "reserve");
/** One that is being made: it becomes the reserve by a rename, and counts for none before. */
export const unfinishedReserve = (dataDir: string): string => `${reservePath(dataDir)}.new`;

/** The disk of the built-in database. */
export interface DatabaseDisk {
  readonly sizeBytes: number;
  /** What PostgreSQL, which never runs as root, can still take. */
  readonly freeBytes: number;
  /** What of the reserve stands on the disk in blocks. */
  readonly reserveBytes: number;
  /** Of `reserveBytes` that there should be. */
  readonly wantedReserveBytes: number;
  readonly state: "well" | "low" | "full";
}

/** @returns `undefined` where no cluster was ever made: the database is elsewhere. */
export async function readDatabaseDisk(dataDir: string): Promise<DatabaseDisk | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(join(dataDir, "postgres", "cluster"));
    const freeBytes = bavail * bsize;
    const file = await lstat(reservePath(dataDir)).catch(() => undefined);
    return {
      sizeBytes: blocks * bsize,
      freeBytes,
      // A file system that rounds up, or counts its own, has more blocks than bytes; one that left holes has fewer.
      reserveBytes: file === undefined ? 0 : Math.min(file.size, file.blocks * 512),
      wantedReserveBytes: reserveBytes,
      state: freeBytes < fullBelowBytes ? "full" : freeBytes < lowBelowBytes ? "low" : "well",
    };
  } catch {
    return undefined;
  }
}

/** Whether the reserve is not whole. */
export const isReserveShort = (disk: DatabaseDisk): boolean => disk.reserveBytes < disk.wantedReserveBytes;

/** Bytes in whole MiB, for a person to read. */
export const mebibytes = (bytes: number): string => `${Math.floor(bytes / mebibyte)} MiB`;

/** The reserve, for the one act that may give it up: docs/decisions/2026-11-27-a-reserve-for-the-full-disk.md. */
export interface Reserve {
  /** Whether there is no room for one more segment of WAL. */
  isDiskFull(): Promise<boolean>;
  /** Gives up the next step of it. @returns how many bytes the disk has got by it; 0 when nothing is left. Throws nothing. */
  giveUp(): Promise<number>;
  /** How many bytes are left to give up. */
  left(): Promise<number>;
}

/** Any number of processes may give up at once: each step is one truncation, to a size that only shrinks. */
export function openReserve({ dataDir, log }: { readonly dataDir: string; readonly log: Log }): Reserve {
  const left = async (): Promise<number> => (await readDatabaseDisk(dataDir))?.reserveBytes ?? 0;
  return {
    left,
    isDiskFull: async () => (await readDatabaseDisk(dataDir))?.state === "full",
    giveUp: async () => {
      try {
        // A making that was cut off keeps room that nobody counts. One under way sees that the disk fills, and ends.
        await rm(unfinishedReserve(dataDir), { force: true });
        const before = await left();
        if (before === 0) return 0;
        await shorten(reservePath(dataDir));
        const bytes = before - (await left());
        log.warn({ givenUp: mebibytes(bytes), left: mebibytes(before - bytes) }, "a part of the reserve was given up");
        return bytes;
      } catch (thrown) {
        log.error({ reason: messageOf(thrown) }, "the reserve could not be given up");
        return 0;
      }
    },
  };
}

async function shorten(path: string): Promise<void> {
  // Run by root it lies in a folder of another user, who could have put a link there: to root's files it leads nobody.
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    const { size, nlink } = await file.stat();
    if (nlink !== 1) throw new Error(`${path} has another name as well`);
    await file.truncate(Math.max(0, size - stepBytes));
    // A journalling file system hands freed blocks out once it has written down that they are free.
    await file.sync().catch(() => undefined);
  } finally {
    await file.close();
  }
}
