import { randomUUID } from "node:crypto";
import { access, constants, lstat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { clearDrafts, syncFolder, writeWhole } from "../kernel/whole-file.ts";
import type { Outcome } from "./command.ts";

const isThereAlready = "is there already, and is not replaced";

/** What the system says of a file or folder that somebody named, in words; anything else is not theirs to mend. */
const refusals: Readonly<Record<string, string>> = {
  ENOENT: "cannot be written: its folder is not there",
  ENOTDIR: "cannot be written: a part of its path is no folder",
  EISDIR: "cannot be written: it is a folder",
  EEXIST: isThereAlready,
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
  return refusal(name, why);
}

const refusal = (name: string, why: string): Outcome => ({
  kind: "refused",
  error: `${name} ${why}`,
  hint: "name another place",
});

/**
 * Why no new file can be made at `path`, as far as that is seen without making it: for a command that has more to do before it
 * writes. `undefined` if nothing speaks against it.
 */
export async function refuseNew(name: string, path: string): Promise<Outcome | undefined> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return refusal(name, isThereAlready);
  return access(dirname(path), constants.W_OK).then(
    () => undefined,
    (thrown: unknown) => notWritten(name, thrown),
  );
}

const draftStart = ".houselights-";
const draftEnd = ".partial";

/**
 * Writes a file for this user alone, as a whole: whatever ends the process, one that was there is as it was, or one that was not is not
 * there. `wx` leaves one that is there as it is. @returns why it could not be written, if the reason is in what was named.
 */
export async function writeNamed(
  name: string,
  path: string,
  text: string,
  flag: "w" | "wx" = "w",
): Promise<Outcome | undefined> {
  try {
    if (flag === "wx" || (await isReplaceable(path))) await writeBeside(path, text, flag === "wx");
    else await writeFile(path, text, { flag, mode: 0o600 });
    return undefined;
  } catch (thrown) {
    return notWritten(name, thrown);
  }
}

/** A plain file, or none yet. A device, a pipe or a link is what somebody chose, and is written to. */
async function isReplaceable(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found === undefined || found.isFile();
}

/** What a kill leaves of a report or an export is a part of what was meant for somebody: the next one written there removes it. */
async function writeBeside(path: string, text: string, isNew: boolean): Promise<void> {
  const draft = join(dirname(path), `${draftStart}${randomUUID()}${draftEnd}`);
  await writeWhole(draft, path, text, { isNew });
  await syncFolder(dirname(path)).catch(() => undefined);
  await clearDrafts(path, (name) => name.startsWith(draftStart) && name.endsWith(draftEnd)).catch(() => undefined);
}
