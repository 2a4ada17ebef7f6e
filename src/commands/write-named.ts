import { randomUUID } from "node:crypto";
import { lstat, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Outcome } from "./command.ts";

/** What the system says of a file or folder that somebody named, in words; anything else is not theirs to mend. */
const refusals: Readonly<Record<string, string>> = {
  ENOENT: "cannot be written: its folder is not there",
  ENOTDIR: "cannot be written: a part of its path is no folder",
  EISDIR: "cannot be written: it is a folder",
  EEXIST: "is there already, and is not replaced",
  EACCES: "cannot be written: this user may not",
  EPERM: "cannot be written: this user may not",
  EROFS: "cannot be written: its disk is read-only",
  ENOSPC: "cannot be written: its disk is full",
  EDQUOT: "cannot be written: the quota of its disk is used up",
  EFBIG: "cannot be written: its disk takes no file of this size",
  ENAMETOOLONG: "cannot be written: its name is too long",
  ELOOP: "cannot be written: its links lead in a circle",
};

/** The answer for what the system refused about `name`, an option or argument; throws what it does not know. */
export function notWritten(name: string, thrown: unknown): Outcome {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const why = refusals[code];
  if (why === undefined) throw thrown;
  return { kind: "refused", error: `${name} ${why}`, hint: "name another place" };
}

/**
 * Writes a file for this user alone. `wx` leaves one that is there as it is; otherwise one that is there is replaced as a whole, or
 * stays as it was. @returns why it could not be written, if the reason is in what was named.
 */
export async function writeNamed(
  name: string,
  path: string,
  text: string,
  flag: "w" | "wx" = "w",
): Promise<Outcome | undefined> {
  try {
    if (flag === "w" && (await isReplaceable(path))) await replace(path, text);
    else await writeFile(path, text, { flag, mode: 0o600 });
    return undefined;
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    // What a full disk left of a file that was made for it would stand in the way of the next try.
    if (flag === "wx" && (code === "ENOSPC" || code === "EDQUOT")) await rm(path, { force: true });
    return notWritten(name, thrown);
  }
}

/** A plain file, or none yet. A device, a pipe or a link is what somebody chose, and is written to. */
async function isReplaceable(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found === undefined || found.isFile();
}

async function replace(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${randomUUID()}.partial`);
  try {
    await writeFile(draft, text, { flag: "wx", mode: 0o600, flush: true });
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true });
    throw thrown;
  }
}
