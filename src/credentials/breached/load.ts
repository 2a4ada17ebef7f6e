import { rmSync } from "node:fs";
import { rename, unlink, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { Fault, messageOf } from "../../kernel/fault.ts";
import { lockFile, type FileLock } from "../../kernel/file-lock.ts";
import type { Progress } from "../../kernel/progress.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { syncFolder } from "../../kernel/whole-file.ts";
import { systemCode } from "../../keyholder/durable-file.ts";
import { encodeDirectory, encodeHead, headBytes, openFilterFile, type Part, type Summary } from "./file.ts";
import { buildFilter, wordsPerDigest } from "./fuse.ts";
import { findLists, ListRefused, merge } from "./hash-lists.ts";

/** Passwords in one part. At this size a filter needs 9.7 bits each, and building one takes about 25 MB. */
export const passwordsPerPart = 2 ** 19;

export type LoadOutcome =
  | ({ readonly kind: "loaded"; readonly ranges: number } & Summary)
  | { readonly kind: "refused"; readonly reason: string; readonly hint?: string };

export interface LoadOrder {
  /** Files and folders of the Pwned Passwords format: see `HashRun`. */
  readonly lists: readonly string[];
  /** The file that the service reads. */
  readonly path: string;
  readonly now: EpochMs;
  /** Called after each part with the passwords so far, and how many it will be if the rest lies as close as they do. */
  readonly progress?: Progress;
  /** When it aborts, what is written so far is removed at once: the process may be about to end, and it can be a gigabyte. */
  readonly signal?: AbortSignal;
}

/**
 * Builds the file of breached passwords from lists of any length, in memory that does not grow with them. The new file
 * is written beside the old one, read back, and renamed over it: killed at any point, a load leaves the old one in
 * force, and can be started again. A running service takes the new file with the next password that somebody chooses.
 *
 * @throws Fault when the disk is full or another load is under way.
 */
export async function loadBreached({ lists, path, now, progress, signal }: LoadOrder): Promise<LoadOutcome> {
  const lock = lockLoading(`${path}.lock`);
  const unfinished = `${path}.new`;
  const giveUp = (): void => rmSync(unfinished, { force: true });
  signal?.addEventListener("abort", giveUp);
  try {
    signal?.throwIfAborted();
    const { runs, ranges } = await findLists(lists);
    await removed(unfinished);
    signal?.throwIfAborted();
    const file = await open(unfinished, "wx", 0o600);
    try {
      await writeParts(file, now, (take) => merge(runs, take), progress);
    } finally {
      await file.close();
    }
    const written = openFilterFile(unfinished);
    const damage = written?.damage();
    written?.close();
    if (written === undefined || damage !== undefined) {
      throw new Fault("DISK_FULL", `the disk did not keep what was written to ${unfinished}`);
    }
    if (written.summary.passwords === 0) return { kind: "refused", reason: "the lists hold no hashes" };
    await rename(unfinished, path);
    await syncFolder(dirname(path));
    return { kind: "loaded", ranges, ...written.summary };
  } catch (thrown) {
    if (thrown instanceof ListRefused) {
      return { kind: "refused", reason: thrown.message, ...(thrown.hint === undefined ? {} : { hint: thrown.hint }) };
    }
    const isFull = systemCode(thrown) === "ENOSPC" || systemCode(thrown) === "EDQUOT";
    if (isFull) throw new Fault("DISK_FULL", `cannot write ${unfinished}: the disk is full`, { cause: thrown });
    throw thrown;
  } finally {
    signal?.removeEventListener("abort", giveUp);
    await removed(unfinished);
    lock.release();
  }
}

async function writeParts(
  file: FileHandle,
  now: EpochMs,
  mergeInto: (take: (words: Uint32Array) => Promise<void> | undefined) => Promise<void>,
  progress: LoadOrder["progress"],
): Promise<void> {
  // Not the head: until the end the file is not one of ours.
  let position = headBytes;
  const parts: Part[] = [];
  let total = 0;
  // A few more than a part holds, since digests that begin alike stay together.
  const words = new Uint32Array((passwordsPerPart + 64) * wordsPerDigest);
  let digests = 0;
  const finish = async (): Promise<void> => {
    const { shape, bytes } = buildFilter(words, digests);
    await writeAll(file, bytes, position);
    const [first0 = 0, first1 = 0] = words;
    parts.push({ first0, first1, digests, shape, offset: position, crc: crc32(bytes) });
    position += bytes.length;
    total += digests;
    // Hashes are spread evenly, and come in their order: how far the last one is, is how far the list is.
    const share = ((words[(digests - 1) * wordsPerDigest] ?? 0) + 1) / 2 ** 32;
    digests = 0;
    progress?.(total, Math.round(total / share));
  };
  await mergeInto((next) => {
    const at = digests * wordsPerDigest;
    const isFull = digests >= passwordsPerPart && (next[0] !== words[at - wordsPerDigest] || next[1] !== words[at - 4]);
    if (isFull) {
      const first = next.slice();
      return finish().then(() => {
        words.set(first);
        digests = 1;
      });
    }
    if (at >= words.length) throw new ListRefused("too many hashes begin alike: this is not a list of SHA-1 hashes");
    words.set(next, at);
    digests++;
    return undefined;
  });
  if (digests > 0) await finish();
  const directory = encodeDirectory(parts);
  await writeAll(file, directory, position);
  await file.sync();
  await writeAll(file, encodeHead(parts, directory, position, now), 0);
  await file.sync();
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** One load at a time. */
function lockLoading(path: string): FileLock {
  let lock: FileLock | undefined;
  try {
    lock = lockFile(path);
  } catch (thrown) {
    throw new Fault("CONFIG_INVALID", `the data folder cannot be written: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (lock === undefined) throw new Fault("BUSY", "another load is under way");
  return lock;
}

const removed = (path: string): Promise<void> =>
  unlink(path).catch((thrown: unknown) => {
    if (systemCode(thrown) !== "ENOENT")
      throw new Fault("CONFIG_INVALID", `cannot remove ${path}: ${messageOf(thrown)}`);
  });
