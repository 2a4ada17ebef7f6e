import { rm, writeFile } from "node:fs/promises";
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
 * Writes a file for this user alone. `wx` leaves one that is there as it is. @returns why it could not be written, if the
 * reason is in what was named.
 */
export const writeNamed = (
  name: string,
  path: string,
  text: string,
  flag: "w" | "wx" = "w",
): Promise<Outcome | undefined> =>
  writeFile(path, text, { flag, mode: 0o600 }).then(
    () => undefined,
    async (thrown: NodeJS.ErrnoException) => {
      // What a full disk left of a file that was made for it would stand in the way of the next try.
      const isLeft = flag === "wx" && (thrown.code === "ENOSPC" || thrown.code === "EDQUOT");
      if (isLeft) await rm(path, { force: true });
      return notWritten(name, thrown);
    },
  );
