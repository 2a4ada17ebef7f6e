import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fault, messageOf } from "../kernel/fault.ts";

export interface FolderLock {
  release(): void;
}

/** SQLITE_BUSY: somebody else has the lock. */
const sqliteBusy = 5;

/**
 * Takes the folder of keys for this process alone, or throws a Fault because another holds it. The operating system
 * ends the lock with the process, kill -9 included, so it is never stale.
 *
 * Node has no flock; a transaction in an empty SQLite file holds the same kind of lock. Rejected: a file with a process
 * id, which goes stale and which two starters can both judge stale.
 */
export function lockFolder(folder: string): FolderLock {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(join(folder, "lock"));
    // Nothing is ever written, so no journal is needed beside it.
    database.exec("pragma journal_mode = memory; begin exclusive");
  } catch (error) {
    const isHeld = error instanceof Error && "errcode" in error && error.errcode === sqliteBusy;
    const why = isHeld ? `another process holds the keys in ${folder}` : `the keys in ${folder} cannot be locked`;
    throw new Fault("KEYHOLDER_UNAVAILABLE", isHeld ? why : `${why}: ${messageOf(error)}`, { cause: error });
  }
  return { release: () => database.close() };
}
