import { join } from "node:path";
import { sleep, timeIsOver } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import { lockFile, type FileLock } from "../kernel/file-lock.ts";

/** Whoever is just ending lets go within this. */
const lettingGoMs = 500;
const lookEveryMs = 20;

/** Another process holds a folder of keys: for as long as it runs, or for a moment. */
export class FolderHeld extends Fault {
  constructor(message: string) {
    super("KEYHOLDER_UNAVAILABLE", message);
  }
}

/** Takes the folder of keys for this process alone, or throws `FolderHeld` because another holds it. */
export function lockFolder(folder: string): FileLock {
  let lock: FileLock | undefined;
  try {
    lock = lockFile(join(folder, "lock"));
  } catch (thrown) {
    throw new Fault("KEYHOLDER_UNAVAILABLE", `the keys in ${folder} cannot be locked: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  if (lock === undefined) throw new FolderHeld(`another process holds the keys in ${folder}`);
  return lock;
}

/** The same; a keyholder that commands shared, and that ends once the last of them has, is waited for. */
export async function lockFolderSoon(folder: string): Promise<FileLock> {
  for (const isOver = timeIsOver(lettingGoMs); ;) {
    try {
      return lockFolder(folder);
    } catch (thrown) {
      if (!(thrown instanceof FolderHeld) || isOver()) throw thrown;
    }
    await sleep(lookEveryMs);
  }
}
