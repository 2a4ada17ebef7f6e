import { accessSync, constants } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** A lock that this process holds until it lets go or ends. */
export interface FileLock {
  release(): void;
}

/** SQLITE_BUSY: somebody else has the lock. */
const sqliteBusy = 5;

/**
 * Takes the lock of a file, which is made if need be and stays empty. The operating system ends the lock with the process, kill -9
 * included, so it is never stale.
 *
 * Node has no flock; a transaction in an empty SQLite file holds the same kind of lock. Rejected: a file with a process
 * id, which goes stale and which two starters can both judge stale.
 *
 * @returns `undefined` while somebody else, in this process or another, holds it.
 * @throws what SQLite or the system says when the file cannot be made, opened or written.
 */
export function lockFile(path: string): FileLock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    // Nothing is ever written, so no journal is needed beside it.
    database.exec("pragma journal_mode = memory; begin exclusive");
    // A file that may only be read is opened for reading, and what is locked then keeps nobody out. Asked by name: to close another
    // handle of the file would end this process's locks on it (POSIX.1-2024, fcntl).
    accessSync(path, constants.W_OK);
    const held = database;
    return { release: () => held.close() };
  } catch (thrown) {
    database?.close();
    if (thrown instanceof Error && "errcode" in thrown && thrown.errcode === sqliteBusy) return undefined;
    throw thrown;
  }
}
