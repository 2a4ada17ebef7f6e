import { join } from "node:path";
import { Fault, messageOf } from "../kernel/fault.ts";
import { lockFile, type FileLock } from "../kernel/file-lock.ts";

/** Takes the folder of keys for this process alone, or throws a Fault because another holds it. */
export function lockFolder(folder: string): FileLock {
  let lock: FileLock | undefined;
  try {
    lock = lockFile(join(folder, "lock"));
  } catch (thrown) {
    throw new Fault("KEYHOLDER_UNAVAILABLE", `the keys in ${folder} cannot be locked: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  if (lock === undefined) throw new Fault("KEYHOLDER_UNAVAILABLE", `another process holds the keys in ${folder}`);
  return lock;
}
