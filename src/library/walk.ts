import type { BigIntStats, Dirent } from "node:fs";
import { lstat, opendir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { minuteMs, sleep } from "../kernel/clock.ts";
import { fileProblems } from "./file-problems.ts";
import { kernelFileSystem } from "./kernel-file-system.ts";
import {
  entersFolder,
  pictureExtensions,
  readPath,
  splitExtension,
  subtitleExtensions,
  videoExtensions,
} from "./layout.ts";

/** One video as it lies on the disk, with what lies beside it. */
export interface FoundFile {
  /** Relative to the library's root, parts joined by '/'. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Milliseconds since the Unix epoch. */
  readonly modifiedMs: number;
  /** The same for the same bytes in the same inode, wherever the file moves inside its file system. */
  readonly fingerprint: string;
  /** Names of the folder's subtitles and pictures, of all its videos. */
  readonly beside: Beside;
  /** Why it cannot be opened although it is there. */
  readonly problem: string | null;
}

export interface Beside {
  /** Relative to the root; empty for the root itself. */
  readonly folder: string;
  readonly subtitles: readonly string[];
  readonly pictures: readonly string[];
  /** Pictures of the folder above: a series' own, above its seasons. */
  readonly picturesAbove: { readonly folder: string; readonly pictures: readonly string[] } | null;
  /** How many videos the folder holds: a picture called `poster` is the video's own if it is alone. */
  readonly videoCount: number;
}

/** Something the walk passed by, for the operator's log. */
export interface Skipped {
  readonly path: string;
  readonly reason:
    | "leaves the library"
    | "link"
    | "unreadable"
    | "name too long"
    | "too deep"
    | "too many"
    | "too long"
    | "not a disk";
}

export interface WalkLimits {
  /** Folders inside folders. */
  readonly depth: number;
  readonly files: number;
  /** Names of any kind, folders and what is passed by included: a tree may grow while it is read, or never end. */
  readonly entries: number;
  readonly durationMs: number;
  readonly pathBytes: number;
}

export const walkLimits: WalkLimits = {
  depth: 12,
  files: 500_000,
  entries: 5_000_000,
  durationMs: 30 * minuteMs,
  pathBytes: 1_024,
};

/** What the walk came to, once it is over. */
export interface WalkEnd {
  /** Folders that could not be read: nothing below them is known to be gone. */
  readonly unreadable: readonly string[];
  /** Whether every folder that could be read was read. */
  readonly complete: boolean;
  /** The limit that ended the walk, if one did. */
  readonly stoppedBy: "too many" | "too long" | null;
}

/** The bytes of a name as text, or `undefined` when they are not UTF-8. */
function decodeName(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Unreadable bytes as `\xNN`, so that an operator can find the file by what the library shows. */
function escapeName(bytes: Buffer): string {
  return [...bytes]
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`))
    .join("");
}

export const fingerprintOf = (stats: Pick<BigIntStats, "size" | "mtimeNs" | "ino">): string =>
  `${stats.size}-${stats.mtimeNs}-${stats.ino}`;

/** Names in a folder, one more than `limit` at most: an endless one is not read to an end that it has not. */
export async function readNames(folder: string | Buffer, limit: number): Promise<Dirent<Buffer>[]> {
  const names: Dirent<Buffer>[] = [];
  // The types know text alone; the system takes "buffer", and a name need not be text.
  const listing = await opendir(folder, { encoding: "buffer" as BufferEncoding, bufferSize: 256 });
  for await (const entry of listing) {
    names.push(entry as unknown as Dirent<Buffer>);
    if (names.length > limit) break;
  }
  return names;
}

/**
 * Walks the library and calls `found` for each video, folder by folder in order of name. Hidden names, folders marked by
 * `.nomedia` or `.ignore`, extras and samples are passed by. Symbolic links are never followed: one that leaves the
 * library is refused, and what one inside the library points at is listed where it is. File systems that the kernel
 * makes up (/proc, /sys) are not entered. What the limits cut off is not known to be gone.
 *
 * @throws what reading the root throws: a library that is away is not an empty one. So is one that the kernel makes up.
 */
export async function walkLibrary(
  root: string,
  found: (file: FoundFile) => void,
  skipped: (what: Skipped) => void,
  signal: AbortSignal,
  limits: WalkLimits = walkLimits,
): Promise<WalkEnd> {
  const realRoot = await realpath(root);
  const unreadable: string[] = [];
  let fileCount = 0;
  let entryCount = 0;
  let stoppedBy: WalkEnd["stoppedBy"] = null;
  let complete = true;
  const over = new AbortController();
  let isLate = false;
  void sleep(limits.durationMs, over.signal).then(() => {
    isLate = true;
  });
  function stop(path: string, reason: "too many" | "too long"): void {
    if (stoppedBy === null) skipped({ path, reason });
    stoppedBy ??= reason;
    complete = false;
  }

  async function enter(folder: string, depth: number, device: bigint, above: Beside["picturesAbove"]): Promise<void> {
    if (signal.aborted) complete = false;
    else if (isLate) stop(folder, "too long");
    if (signal.aborted || stoppedBy !== null) return;
    let entries: Dirent<Buffer>[];
    let deviceHere: bigint;
    try {
      deviceHere = (await lstat(join(realRoot, folder), { bigint: true })).dev;
      // Another device than the folder above: something is mounted here.
      const madeUp = deviceHere === device ? undefined : await kernelFileSystem(join(realRoot, folder));
      if (madeUp !== undefined) {
        if (folder === "") throw new Error(`it is no folder of a disk but of the kernel's own (${madeUp})`);
        unreadable.push(folder);
        skipped({ path: folder, reason: "not a disk" });
        return;
      }
      entries = await readNames(join(realRoot, folder), limits.entries - entryCount);
      entryCount += entries.length;
      if (entryCount > limits.entries) {
        stop(folder, "too many");
        return;
      }
    } catch (thrown) {
      if (folder === "") throw thrown;
      unreadable.push(folder);
      skipped({ path: folder, reason: "unreadable" });
      return;
    }
    const named = entries
      .map((entry) => ({ entry, name: decodeName(entry.name) }))
      .toSorted((one, other) => Buffer.compare(one.entry.name, other.entry.name));
    if (named.some(({ name }) => name === ".nomedia" || name === ".ignore")) return;

    const plain = named.filter(({ entry }) => entry.isFile());
    const ofKind = (extensions: ReadonlySet<string>) =>
      plain.flatMap(({ name }) =>
        name !== undefined && !name.startsWith(".") && extensions.has(splitExtension(name).extension) ? [name] : [],
      );
    const pictures = ofKind(pictureExtensions);
    const beside: Beside = {
      folder,
      subtitles: ofKind(subtitleExtensions),
      pictures,
      picturesAbove: above,
      videoCount: ofKind(videoExtensions).filter((name) => readPath(`${folder}/${name}`) !== undefined).length,
    };

    for (const { entry, name } of named) {
      if (stoppedBy !== null || signal.aborted) return;
      const shown = name ?? escapeName(entry.name);
      const path = folder === "" ? shown : `${folder}/${shown}`;
      if (shown.startsWith(".")) continue;
      if (entry.isSymbolicLink()) {
        skipped({ path, reason: await linkReason(realRoot, path) });
      } else if (entry.isDirectory()) {
        // A folder whose name is no text is not entered: nothing in it could be named.
        if (name === undefined) skipped({ path, reason: "unreadable" });
        else if (!entersFolder(name, depth)) continue;
        else if (depth + 1 > limits.depth) skipped({ path, reason: "too deep" });
        else await enter(path, depth + 1, deviceHere, { folder, pictures });
      } else if (entry.isFile() && videoExtensions.has(splitExtension(shown).extension)) {
        // A sample or a trailer.
        if (name !== undefined && readPath(path) === undefined) continue;
        if (Buffer.byteLength(path) > limits.pathBytes) {
          skipped({ path: path.slice(0, 200), reason: "name too long" });
          continue;
        }
        fileCount++;
        if (fileCount > limits.files) {
          stop(path, "too many");
          return;
        }
        const stats = await lstat(Buffer.concat([Buffer.from(join(realRoot, folder) + sep), entry.name]), {
          bigint: true,
        }).catch(() => undefined);
        // Gone between the listing and now, or swapped for something else: the next walk sees what it has become.
        if (stats === undefined || !stats.isFile()) continue;
        found({
          path,
          sizeBytes: Number(stats.size),
          modifiedMs: Number(stats.mtimeMs),
          fingerprint: fingerprintOf(stats),
          beside,
          problem: name === undefined ? fileProblems.notUtf8 : null,
        });
      }
    }
  }

  try {
    await enter("", 0, -1n, null);
  } finally {
    over.abort();
  }
  return { unreadable, complete, stoppedBy };
}

async function linkReason(realRoot: string, path: string): Promise<Skipped["reason"]> {
  const target = await realpath(join(realRoot, path)).catch(() => undefined);
  return target !== undefined && target.startsWith(realRoot + sep) ? "link" : "leaves the library";
}
