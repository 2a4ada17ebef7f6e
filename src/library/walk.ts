import type { BigIntStats, Dirent } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
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
  readonly reason: "leaves the library" | "link" | "unreadable" | "name too long" | "too deep" | "too many";
}

export interface WalkLimits {
  /** Folders inside folders. */
  readonly depth: number;
  readonly files: number;
  readonly pathBytes: number;
}

export const walkLimits: WalkLimits = { depth: 12, files: 500_000, pathBytes: 1_024 };

/** What the walk came to, once it is over. */
export interface WalkEnd {
  /** Folders that could not be read: nothing below them is known to be gone. */
  readonly unreadable: readonly string[];
  /** Whether every folder that could be read was read. */
  readonly complete: boolean;
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

/**
 * Walks the library and calls `found` for each video, folder by folder in order of name. Hidden names, folders marked by
 * `.nomedia` or `.ignore`, extras and samples are passed by. Symbolic links are never followed: one that leaves the
 * library is refused, and what one inside the library points at is listed where it is.
 *
 * @throws what reading the root throws: a library that is away is not an empty one.
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
  let complete = true;

  async function enter(folder: string, depth: number, above: Beside["picturesAbove"]): Promise<void> {
    if (signal.aborted) {
      complete = false;
      return;
    }
    let entries: Dirent<Buffer>[];
    try {
      entries = await readdir(join(realRoot, folder), { encoding: "buffer", withFileTypes: true });
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
        else await enter(path, depth + 1, { folder, pictures });
      } else if (entry.isFile() && videoExtensions.has(splitExtension(shown).extension)) {
        // A sample or a trailer.
        if (name !== undefined && readPath(path) === undefined) continue;
        if (Buffer.byteLength(path) > limits.pathBytes) {
          skipped({ path: path.slice(0, 200), reason: "name too long" });
          continue;
        }
        fileCount++;
        if (fileCount > limits.files) {
          if (fileCount === limits.files + 1) skipped({ path, reason: "too many" });
          complete = false;
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
          problem: name === undefined ? "its name is not UTF-8; rename it" : null,
        });
      }
    }
  }

  await enter("", 0, null);
  return { unreadable, complete };
}

async function linkReason(realRoot: string, path: string): Promise<Skipped["reason"]> {
  const target = await realpath(join(realRoot, path)).catch(() => undefined);
  return target !== undefined && target.startsWith(realRoot + sep) ? "link" : "leaves the library";
}
