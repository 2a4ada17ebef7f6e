import { constants } from "node:fs";
import { link, lstat, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { minuteMs } from "./clock.ts";

/**
 * Writes a file (mode 0600) wholly or not at all, whatever ends the process: the bytes go to `draft`, a name in the same folder, are
 * flushed, and are renamed into place. A power cut may undo the renaming until `syncFolder` has run. With `isNew` a file that is there
 * is left as it is (`EEXIST`). Throws what the system says, and removes the draft then.
 */
export async function writeWhole(
  draft: string,
  path: string,
  bytes: string | Uint8Array,
  { isNew = false }: { readonly isNew?: boolean } = {},
): Promise<void> {
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (isNew) await giveNewName(draft, path);
    else await rename(draft, path);
  } catch (thrown) {
    // A draft may hold keys, on a medium that is carried away; and a full disk needs its room.
    await rm(draft, { force: true }).catch(() => undefined);
    throw thrown;
  }
}

/** Errors of file systems that have no hard links. */
const noLinks: ReadonlySet<unknown> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** Renaming would replace what somebody else has put there meanwhile. */
async function giveNewName(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && noLinks.has(thrown.code))) throw thrown;
    const reserved = await open(path, "wx", 0o600);
    await reserved.close();
    await rename(draft, path);
    return;
  }
  await unlink(draft);
}

/** Makes what happened to the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder; there the rename itself is as durable as it gets.
  if (process.platform === "win32") return;
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** No writer of a draft pauses for so long. */
const idleMs = 10 * minuteMs;

export interface LeftDrafts {
  readonly removed: readonly string[];
  /** Somebody may be writing them. */
  readonly kept: readonly string[];
}

/**
 * Removes drafts that killed writers have left in the folder of `fresh`, a file that was written this moment: plain files which
 * `isNamed` takes for drafts by their name, which `isOurs` finds to be ours, and to which nobody has written for ten minutes. That is
 * told by the times of the files alone: the disk may be another machine's, with a clock of its own, and so may be the writers. A draft
 * that cannot be removed is kept, and so is one that `isWritten` says is being written.
 */
export async function clearDrafts(
  fresh: string,
  isNamed: (name: string) => boolean,
  {
    isOurs = () => Promise.resolve(true),
    isWritten = () => false,
  }: { readonly isOurs?: (path: string) => Promise<boolean>; readonly isWritten?: (name: string) => boolean } = {},
): Promise<LeftDrafts> {
  const folder = dirname(fresh);
  const { mtimeMs: now } = await lstat(fresh);
  const [removed, kept]: [string[], string[]] = [[], []];
  for (const name of await readdir(folder).catch(() => [])) {
    if (name === basename(fresh) || !isNamed(name)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() !== true || !(await isOurs(path))) continue;
    const isGone =
      !isWritten(name) &&
      now - found.mtimeMs > idleMs &&
      (await unlink(path).then(
        () => true,
        () => false,
      ));
    (isGone ? removed : kept).push(name);
  }
  return { removed: removed.toSorted(), kept: kept.toSorted() };
}
