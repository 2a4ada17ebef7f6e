import { createHash } from "node:crypto";
import { copyFile, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault, messageOf } from "../kernel/fault.ts";
import { syncFolder } from "../kernel/whole-file.ts";
import {
  decodeChecked,
  encodeChecked,
  isOfFormat,
  ensurePrivateFolder,
  isRecord,
  readPrivateFile,
  systemCode,
  writeDurably,
} from "./durable-file.ts";
import { lockFolderSoon } from "./folder-lock.ts";
import { readGeneration, writeGeneration } from "./generation.ts";
import type { KeySeal } from "./key-seal.ts";
import { decodeKeys, keysPath, parseKeys, readKeysText, writeKeys } from "./keys.ts";
import { encodeBook, mergeBooks, parseBook, readBook, writeBook } from "./witness.ts";

const format = "houselights keys backup 2";
/** Its keys stand in it in clear, without ages. */
const firstFormat = "houselights keys backup 1";
const limitBytes = 8 * 1024 * 1024;

/**
 * Writes every key and the witness into one file (0600, with a hash), sealed as the keys are sealed: what opens them opens
 * it. The keyholder may be running. The file opens all that the database holds: it belongs apart from the database's backup.
 *
 * Throws CONFIG_INVALID when there are no keys, or the file exists already.
 */
export async function backupKeys(keysDir: string, toFile: string): Promise<void> {
  const keys = await readKeysText(keysDir);
  const book = await readBook(keysDir);
  if (keys === undefined || book === undefined) throw new Fault("CONFIG_INVALID", `${keysDir} holds no keys`);
  if ((await readPrivateFile(toFile, limitBytes)) !== undefined) {
    throw new Fault("CONFIG_INVALID", `${toFile} exists already`);
  }
  await writeDurably(toFile, encodeChecked(format, { keys, witness: encodeBook(book) }));
}

/**
 * Brings back what `backupKeys` wrote. The keyholder must not be running. Keys that are there already are kept unless
 * `replace` is true, and then they are put beside (`keys.replaced-….json`), since a database may still need them. The
 * witness never goes backwards: higher floors and longer timelines that the folder remembers stay. A backup that is sealed
 * needs its seal, and comes back sealed.
 *
 * Throws CONFIG_INVALID for a damaged file, or keys in the way; KEYHOLDER_UNAVAILABLE when the folder is in use.
 */
export async function restoreKeys(
  fromFile: string,
  keysDir: string,
  { replace = false, seal }: { readonly replace?: boolean; readonly seal?: KeySeal | undefined } = {},
): Promise<void> {
  const text = await readPrivateFile(fromFile, limitBytes);
  if (text === undefined) throw new Fault("CONFIG_INVALID", `there is no file ${fromFile}`);
  const body = decodeChecked(isOfFormat(firstFormat, text) ? firstFormat : format, text, fromFile);
  if (!isRecord(body)) throw new Fault("CONFIG_INVALID", `${fromFile} is not a backup of keys`);
  const given = body["keys"];
  const keys = typeof given === "string" ? await decodeKeys(given, fromFile, seal) : parseKeys(given, fromFile);
  const restored = parseBook(body["witness"], fromFile);

  await ensurePrivateFolder(keysDir);
  const lock = await lockFolderSoon(keysDir);
  try {
    // A damaged file in the way is moved aside like any other, if that was asked for: it is why people restore.
    const inTheWay = await readPrivateFile(keysPath(keysDir), limitBytes);
    if (inTheWay !== undefined && !replace) throw new Fault("CONFIG_INVALID", `${keysDir} holds keys already`);
    const present = await readBook(keysDir);
    // Witness first: keys without it would start with no memory, and it without keys refuses to start.
    await writeBook(keysDir, present === undefined ? restored : mergeBooks(present, restored));
    if (inTheWay !== undefined) {
      // Named by their content, so that restoring twice keeps both.
      const name = createHash("sha256").update(inTheWay).digest("hex").slice(0, 12);
      // A copy: what is there stays in its place until the restored keys are, whatever comes between.
      await keepCopy(keysPath(keysDir), join(keysDir, `keys.replaced-${name}.json`));
    }
    // Going back to older keys is what was asked for: the file is newer than any before, and says so.
    const generation = Math.max(keys.generation, await readGeneration(keysDir)) + 1;
    await writeKeys(keysDir, { ...keys, witnessed: true, generation }, seal);
    await writeGeneration(keysDir, generation);
  } finally {
    lock.release();
  }
}

async function keepCopy(path: string, beside: string): Promise<void> {
  try {
    await copyFile(path, beside);
    const copy = await open(beside, "r+");
    await copy.sync().finally(() => copy.close());
    await syncFolder(dirname(beside));
  } catch (thrown) {
    const isFull = systemCode(thrown) === "ENOSPC" || systemCode(thrown) === "EDQUOT";
    throw new Fault(isFull ? "DISK_FULL" : "CONFIG_INVALID", `cannot write ${beside}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
