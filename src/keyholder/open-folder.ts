import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { FileLock } from "../kernel/file-lock.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { ensurePrivateFolder, writeDurably } from "./durable-file.ts";
import { openExactKeys } from "./exact-key.ts";
import type { ExactKeys } from "./exact-key.ts";
import { lockFolderSoon } from "./folder-lock.ts";
import { readGeneration, writeGeneration } from "./generation.ts";
import { inTurn } from "./in-turn.ts";
import type { KeySeal } from "./key-seal.ts";
import type { RsaPurpose } from "./keyholder.ts";
import { decodeKeys, encodeKeysText, keysPath, readKeysText, ringOf, sealOf, withMissing, withRsa } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { openFollowed, type Followed } from "./followed.ts";
import { openWitness, readBook, writeBook, type WitnessBook } from "./witness.ts";

interface Needs {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenFolder {
  readonly lock: FileLock;
  readonly witness: ReturnType<typeof openWitness>;
  readonly exact: ExactKeys;
  /** Each change of the witness goes through it to the standby, if one follows. */
  readonly followed: Followed;
  readonly keys: () => Keys;
  /**
   * Changes the keys, one change after another: resolves once the new ones are on disk, from when on they are the ones
   * that `keys` gives. A change that returns the keys it was given writes nothing, and neither does one whose seal does not
   * answer. `first` runs when the seal has answered, before the new keys are on disk.
   */
  readonly change: (next: (keys: Keys) => Keys | Promise<Keys>, first?: () => Promise<void>) => Promise<Keys>;
  /** Makes an RSA key when it is first asked for: it takes long, and many a service signs neither mail nor signals. */
  readonly keysWith: (purpose: RsaPurpose) => Promise<Keys>;
}

/**
 * Opens the folder of keys for this process alone, and makes keys if there are none. Keys are made on the first start
 * only: a folder with a witness and no keys has lost them, and one with keys that knew a witness and has none has lost
 * its memory. Both are Faults, and so is any file that is damaged or open to others, and a file of keys that is older
 * than one that was here before; nothing is overwritten. With a seal every writing is sealed, and a file that lies there
 * in clear is sealed at once.
 */
export async function openFolder(needs: Needs, folder: string, seal?: KeySeal): Promise<OpenFolder> {
  const { log } = needs;
  await ensurePrivateFolder(folder);
  const lock = await lockFolderSoon(folder);
  try {
    const text = await readKeysText(folder);
    const found = text === undefined ? undefined : await decodeKeys(text, keysPath(folder), seal);
    const book = await readBook(folder);
    const lost = (what: string): Fault =>
      new Fault("CONFIG_INVALID", `${folder} ${what}; nothing was changed: restore it from a backup of the keys`);
    if (found === undefined && book !== undefined) throw lost("has a witness and no keys");
    if (found?.witnessed === true && book === undefined) throw lost("has keys and no witness");
    const remembered = await readGeneration(folder);
    if (found !== undefined && found.generation < remembered) {
      throw lost(
        `has keys of generation ${found.generation} where ${remembered} was the last: an older file was put back`,
      );
    }

    let keys = withMissing(needs, found);
    async function write(next: Keys, first?: () => Promise<void>): Promise<void> {
      const sealed = await encodeKeysText(next, seal);
      await first?.();
      // The keys first: a generation that no file has would refuse a file that nobody took back.
      await writeDurably(keysPath(folder), sealed);
      await writeGeneration(folder, next.generation);
      keys = next;
    }
    const isSealedNow = seal !== undefined && text !== undefined && sealOf(text, keysPath(folder)) === undefined;
    if (isSealedNow) log.warn({ folder, by: seal.by }, "the keys were in clear and are sealed");
    if (isSealedNow || keys !== found) {
      await write({ ...keys, generation: keys.generation + 1 });
      if (found === undefined) log.info({ folder }, "new keys are made");
    }
    if (book === undefined) await writeBook(folder, new Map());
    if (!keys.witnessed) await write({ ...keys, witnessed: true, generation: keys.generation + 1 });
    if (keys.generation > remembered) await writeGeneration(folder, keys.generation);

    const exact = await openExactKeys(needs, folder);

    const afterOthers = inTurn();
    const change: OpenFolder["change"] = (next, first) =>
      afterOthers(async () => {
        const changed = await next(keys);
        // One that takes over has set it to that of the one it followed, which may be ahead of its own.
        const generation = Math.max(keys.generation, changed.generation) + 1;
        if (changed !== keys) await write({ ...changed, generation }, first);
        return keys;
      });
    const followed = openFollowed({ log }, book ?? new Map());
    async function writeWitness(changed: WitnessBook): Promise<void> {
      await writeBook(folder, changed);
      await followed.tell(changed);
    }
    return {
      lock,
      exact,
      followed,
      witness: openWitness({ log, write: writeWitness }, book ?? new Map()),
      keys: () => keys,
      change,
      keysWith: async (purpose) => {
        if (ringOf(keys, purpose).newest > 0) return keys;
        return change(async (now) => {
          const complete = await withRsa(needs, now, purpose);
          if (complete !== now) log.info({ purpose }, "a key is made");
          return complete;
        });
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
