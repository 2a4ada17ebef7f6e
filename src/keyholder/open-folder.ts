import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { ensurePrivateFolder } from "./durable-file.ts";
import { openExactKey } from "./exact-key.ts";
import { lockFolder } from "./folder-lock.ts";
import type { FolderLock } from "./folder-lock.ts";
import type { ExactKey } from "./honeywords.ts";
import type { Witness } from "./keyholder.ts";
import { newKeys, readKeys, ringOf, withDkim, writeKeys } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { openWitness, readBook, writeBook } from "./witness.ts";

interface Needs {
  readonly random: Random;
  readonly log: Log;
}

export interface OpenFolder {
  readonly lock: FolderLock;
  readonly witness: Witness;
  readonly exact: ExactKey;
  readonly keys: () => Keys;
  /** Makes the DKIM key when it is first asked for: it takes long, and many a service has its relay sign. */
  readonly keysWithDkim: () => Promise<Keys>;
}

/**
 * Opens the folder of keys for this process alone, and makes keys if there are none. Keys are made on the first start
 * only: a folder with a witness and no keys has lost them, and one with keys that knew a witness and has none has lost
 * its memory. Both are Faults, and so is any file that is damaged or open to others; nothing is overwritten.
 */
export async function openFolder({ random, log }: Needs, folder: string): Promise<OpenFolder> {
  await ensurePrivateFolder(folder);
  const lock = lockFolder(folder);
  try {
    const found = await readKeys(folder);
    const book = await readBook(folder);
    const lost = (what: string): Fault =>
      new Fault("CONFIG_INVALID", `${folder} ${what}; nothing was changed: restore it from a backup of the keys`);
    if (found === undefined && book !== undefined) throw lost("has a witness and no keys");
    if (found?.witnessed === true && book === undefined) throw lost("has keys and no witness");

    let keys = found ?? newKeys({ random });
    if (found === undefined) {
      await writeKeys(folder, keys);
      log.info({ folder }, "new keys are made");
    }
    if (book === undefined) await writeBook(folder, new Map());
    if (!keys.witnessed) {
      keys = { ...keys, witnessed: true };
      await writeKeys(folder, keys);
    }

    const exact = await openExactKey({ random }, folder);

    let makingDkim: Promise<Keys> | undefined;
    async function makeDkim(): Promise<Keys> {
      const complete = await withDkim(keys);
      await writeKeys(folder, complete);
      keys = complete;
      log.info("a DKIM key is made");
      return keys;
    }
    return {
      lock,
      exact,
      witness: openWitness({ log, write: (changed) => writeBook(folder, changed) }, book ?? new Map()),
      keys: () => keys,
      keysWithDkim: async () => {
        if (ringOf(keys, "dkim").newest > 0) return keys;
        makingDkim ??= makeDkim();
        try {
          return await makingDkim;
        } finally {
          makingDkim = undefined;
        }
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
