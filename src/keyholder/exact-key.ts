import { join } from "node:path";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { equalBytes } from "../kernel/secret.ts";
import {
  decodeChecked,
  encodeChecked,
  ensurePrivateFolder,
  isOfFormat,
  isRecord,
  readPrivateFile,
  writeDurably,
} from "./durable-file.ts";
import { lockFolderSoon } from "./folder-lock.ts";
import { exactKeyOf, type ExactKey } from "./honeywords.ts";

const format = "houselights exact keys 2";
/** One key, before it was rotated. Read, and written as 2 with the next change. */
const firstFormat = "houselights exact key 1";
const limitBytes = 64 * 1024;
const keyBytes = 32;
/** Far above what anybody rotates; a file of so many is still within its limit. */
const mostKeys = 1_000;

/** A file of its own, which the backup of the other keys does not take: it must not be where they leak from. */
export const exactKeyPath = (folder: string): string => join(folder, "exact.key");

/** The keys of the exact check of password records, the newest first. */
export interface ExactKeys {
  readonly all: () => readonly ExactKey[];
  /** Makes a new one, and resolves once it is on disk. The older ones stay, since records need them. */
  readonly rotate: () => Promise<void>;
}

const encode = (keys: readonly Buffer[]): string =>
  encodeChecked(format, { keys: keys.map((key) => key.toString("base64")) });

/** Oldest first. Throws CONFIG_INVALID for anything that is not whole. */
function decode(text: string, path: string): Buffer[] {
  const isFirst = isOfFormat(firstFormat, text);
  const body = decodeChecked(isFirst ? firstFormat : format, text, path);
  const given: unknown = isRecord(body) ? (isFirst ? [body["key"]] : body["keys"]) : undefined;
  const keys = Array.isArray(given)
    ? given.map((each: unknown) => Buffer.from(typeof each === "string" ? each : "", "base64"))
    : [];
  if (keys.length === 0 || keys.length > mostKeys || keys.some(({ length }) => length !== keyBytes)) {
    throw new Fault("CONFIG_INVALID", `${path} holds no exact keys of ours: move it away, and a new one is made`);
  }
  return keys;
}

async function read(path: string): Promise<Buffer[] | undefined> {
  const text = await readPrivateFile(path, limitBytes);
  return text === undefined ? undefined : decode(text, path);
}

/**
 * Opens the exact keys of a folder; one is made if there is none, and older records are then judged by their filter.
 * Throws CONFIG_INVALID for a damaged file.
 */
export async function openExactKeys({ random }: { readonly random: Random }, folder: string): Promise<ExactKeys> {
  const path = exactKeyPath(folder);
  let keys = (await read(path)) ?? [];
  let all = keys.map(exactKeyOf).toReversed();
  async function rotate(): Promise<void> {
    if (keys.length >= mostKeys)
      throw new Fault("KEYHOLDER_REFUSED", `${path} holds ${mostKeys} keys, and takes no more`);
    const next = [...keys, random.bytes(keyBytes)];
    await writeDurably(path, encode(next));
    keys = next;
    all = next.map(exactKeyOf).toReversed();
  }
  if (keys.length === 0) await rotate();
  return { all: () => all, rotate };
}

/**
 * Writes the exact keys into a file of their own (0600). The keyholder may be running. Whoever has it with the backup of
 * the other keys and of the database rings no bell with what they crack: it belongs apart from both.
 *
 * Throws CONFIG_INVALID when there are none, or the file exists already.
 */
export async function backupExactKeys(keysDir: string, toFile: string): Promise<void> {
  const keys = await read(exactKeyPath(keysDir));
  if (keys === undefined) throw new Fault("CONFIG_INVALID", `${keysDir} holds no exact keys`);
  if ((await readPrivateFile(toFile, limitBytes)) !== undefined) {
    throw new Fault("CONFIG_INVALID", `${toFile} exists already`);
  }
  await writeDurably(toFile, encode(keys));
}

/**
 * Brings back what `backupExactKeys` wrote. The keyholder must not be running. Keys that are there stay, and the newest of
 * them stays the newest. Throws CONFIG_INVALID for a damaged file; KEYHOLDER_UNAVAILABLE when the folder is in use.
 */
export async function restoreExactKeys(fromFile: string, keysDir: string): Promise<void> {
  const restored = await read(fromFile);
  if (restored === undefined) throw new Fault("CONFIG_INVALID", `there is no file ${fromFile}`);
  await ensurePrivateFolder(keysDir);
  const lock = await lockFolderSoon(keysDir);
  try {
    const present = (await read(exactKeyPath(keysDir))) ?? [];
    const missing = restored.filter((key) => !present.some((each) => equalBytes(each, key)));
    if (missing.length + present.length > mostKeys) {
      throw new Fault("CONFIG_INVALID", `${keysDir} would hold more than ${mostKeys} exact keys; nothing was changed`);
    }
    if (missing.length > 0) await writeDurably(exactKeyPath(keysDir), encode([...missing, ...present]));
  } finally {
    lock.release();
  }
}
