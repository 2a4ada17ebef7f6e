import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { chmod, lstat, open, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Fault, messageOf } from "../kernel/fault.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { syncFolder, writeWhole } from "../kernel/whole-file.ts";

/** The operating system's code of an error (`ENOENT`, `EACCES`, …); `undefined` for anything else thrown. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A whole number from 0 that JSON carries exactly. */
export const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/**
 * Replaces a file as a whole, mode 0600: after any crash it holds either all of the old bytes or all of the new ones,
 * and once this resolves the new ones survive a power cut (file and folder are fsynced).
 *
 * Callers take turns: the name of the unfinished file is fixed, so that a crash leaves at most one behind.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const unfinished = join(folder, `.${basename(path)}.new`);
  try {
    await unlink(unfinished).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
    });
    await writeWhole(unfinished, path, text);
    await syncFolder(folder);
  } catch (error) {
    const full = systemCode(error) === "ENOSPC" || systemCode(error) === "EDQUOT";
    throw new Fault(full ? "DISK_FULL" : "KEYHOLDER_UNAVAILABLE", `cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** What keeps others out of a file or folder: `undefined` when it is ours and only ours, else what is wrong with it. */
function notPrivate(found: { readonly uid: number; readonly mode: number }, wantedMode: string): string | undefined {
  if (process.getuid === undefined) return undefined;
  if (found.uid !== process.getuid()) return `belongs to user ${found.uid}, not to user ${process.getuid()}`;
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) return `is open to other users (mode ${mode.toString(8)}): chmod ${wantedMode} it`;
  return undefined;
}

/**
 * Makes sure that a folder exists, is ours and is closed to others (0700). A folder that somebody else owns or that is
 * open is refused and not mended: what lies in it may have been read or put there by others.
 */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    const made = await makeFolder(path, 0o700);
    // A process umask can only take bits away from 0700; this gives them back to what was just made.
    if (made !== undefined) await chmod(path, 0o700);
    const found = await lstat(path);
    const wrong = found.isDirectory() ? notPrivate(found, "700") : "is not a folder";
    if (wrong !== undefined) throw new Fault("CONFIG_INVALID", `${path} ${wrong}`);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("CONFIG_INVALID", `cannot use the folder ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads a whole file that must be a plain file, ours, and closed to others.
 *
 * @returns `undefined` when there is no such file. Throws a Fault for anything else than its text.
 */
export async function readPrivateFile(path: string, limitBytes: number): Promise<string | undefined> {
  try {
    // O_NOFOLLOW: a symbolic link could point at a file that others write.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const found = await file.stat();
      const wrong = found.isFile() ? notPrivate(found, "600") : "is not a plain file";
      if (wrong !== undefined) throw new Fault("CONFIG_INVALID", `${path} ${wrong}`);
      if (found.size > limitBytes) throw new Fault("CONFIG_INVALID", `${path} is larger than ${limitBytes} bytes`);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (systemCode(error) === "ENOENT") return undefined;
    throw new Fault("CONFIG_INVALID", `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

const digestOf = (bodyText: string): string => createHash("sha256").update(bodyText).digest("hex");

/** A body with its format's name and a hash, so that a torn or changed file is noticed before a key in it is used. */
export const encodeChecked = (format: string, body: object): string =>
  `${JSON.stringify({ format, sha256: digestOf(JSON.stringify(body)), body })}\n`;

/** Whether a text begins as `encodeChecked` begins one of the format; whether it is whole is another question. */
export const isOfFormat = (format: string, text: string): boolean =>
  text.startsWith(`{"format":${JSON.stringify(format)},`);

/** Reads what `encodeChecked` wrote. The hash finds damage; it does not prove who wrote the file. */
export function decodeChecked(format: string, text: string, path: string): unknown {
  const damaged = (what: string): Fault =>
    new Fault("CONFIG_INVALID", `${path} ${what}; nothing was changed: restore it from a backup of the keys`);
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    // The parser's own message would quote the file's text, which is keys.
    throw damaged("is damaged (it is not whole JSON)");
  }
  if (!isRecord(whole)) throw damaged("is damaged (it is not an object)");
  if (whole["format"] !== format) throw damaged(`is not of the format ${format}`);
  if (whole["sha256"] !== digestOf(JSON.stringify(whole["body"]) ?? "")) throw damaged("is damaged (its hash differs)");
  return whole["body"];
}
