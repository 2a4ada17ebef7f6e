import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";

/**
 * Destroys what an account's data can be read with, in the caller's transaction: its data key goes from every row that
 * has it, and with it everything that is sealed under it (names, addresses, devices, networks) is noise, wherever else a
 * copy of those values still lies in this database. The password's record goes too. The rows themselves are their
 * owners' to delete.
 *
 * A backup made before still has the wrapped data key. It is worthless once the key that wraps it has been rotated and
 * retired (`houselights keys retire`), which makes such backups unreadable as a whole.
 *
 * @returns false if there is no such account. Running it twice is running it once.
 */
export async function shredAccount(tx: Tx, accountId: AccountId): Promise<boolean> {
  // Overwritten and not only deleted later: an update leaves no version that a reader of the table can still see.
  const shredded = await tx.run(`update account set data_key = ''::bytea, sealed_name = ''::bytea where id = $1`, [
    accountId,
  ]);
  return shredded === 1;
}
