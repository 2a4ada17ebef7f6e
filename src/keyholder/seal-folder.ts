import { Fault } from "../kernel/fault.ts";
import { lockFolderSoon } from "./folder-lock.ts";
import { readGeneration, writeGeneration } from "./generation.ts";
import type { KeySeal } from "./key-seal.ts";
import { decodeKeys, keysPath, readKeysText, writeKeys } from "./keys.ts";

/**
 * Seals the file of keys in a folder, seals it anew, or, without `to`, puts it there in clear. The keyholder must not be
 * running. `from` opens a file that is sealed now; the file is opened again as it was written before this answers.
 *
 * Throws CONFIG_INVALID for a file that `from` does not open; KEYHOLDER_UNAVAILABLE when the folder is in use, or a
 * hardware module is away. Nothing is changed then.
 */
export async function sealFolder(folder: string, from: KeySeal | undefined, to: KeySeal | undefined): Promise<void> {
  const nothing = (): Fault => new Fault("CONFIG_INVALID", `${folder} holds no keys`);
  // There may be no folder to lock.
  if ((await readKeysText(folder)) === undefined) throw nothing();
  const lock = await lockFolderSoon(folder);
  try {
    const text = await readKeysText(folder);
    if (text === undefined) throw nothing();
    const keys = await decodeKeys(text, keysPath(folder), from);
    const generation = Math.max(keys.generation, await readGeneration(folder)) + 1;
    await writeKeys(folder, { ...keys, generation }, to);
    await writeGeneration(folder, generation);
    await decodeKeys((await readKeysText(folder)) ?? "", keysPath(folder), to);
  } finally {
    lock.release();
  }
}
