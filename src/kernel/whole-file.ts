import { constants } from "node:fs";
import { link, lstat, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { minuteMs } from "./clock.ts";

/**
 * Writes a file, mode 0600, that is there as a whole or stays as it was, whatever ends the process: all of it goes to `draft`, a name in
 * the same folder, which is flushed and then takes its place. That the name lasts through a power cut is `syncFolder`'s part.
 * With `isNew` a file that is there is left as it is (`EEXIST`). Throws what the system says, and leaves no draft then.
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
    // It may be a part of keys, on a medium that is carried away; and a full disk needs what it holds.
    await rm(draft, { force: true }).catch(() => undefined);
    throw thrown;
  }
}

/** What file systems say that know no second name of a file. */
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

/** Longer than any writer of a draft pauses. */
const idleMs = 10 * minuteMs;

export interface LeftDrafts {
  readonly removed: readonly string[];
  /** Somebody may be writing them. */
  readonly kept: readonly string[];
}

/**
 * Removes what writers that were killed left beside `fresh`, a file that was written this moment: plain files that are named as drafts
 * of ours and, where that can be seen, are some, to which nobody has written for ten minutes. Both are told by the clock of the disk that they lie on, which may
 * be another machine's, as may be whoever writes them. What cannot be removed is kept, and so is what `isWritten` knows of.
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
