import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../kernel/fault.ts";
import type { Log } from "../../kernel/log.ts";
import { identityOf, openFilterFile, type FilterFile } from "./file.ts";

/** The operator's list of breached passwords, of any size, or none. */
export interface BreachedPasswords {
  /**
   * Whether an entire password, as typed and in NFC, is in the list. Never false for one that is; true for one in 512
   * that is not. Costs one SHA-1 and one read of about 9 KB.
   */
  holds(password: string): boolean;
  close(): void;
}

export const breachedFileIn = (dataDir: string): string => join(dataDir, "breached-passwords");

/** For whoever has no list of their own: the built-in one still stands. */
export const noBreached: BreachedPasswords = { holds: () => false, close: () => undefined };

/**
 * Opens the list in the data folder, if there is one, and takes a new one as soon as it has been put there.
 *
 * @throws Fault CONFIG_INVALID for a file that is not a whole list.
 */
export function openBreached(dataDir: string, log: Log): BreachedPasswords {
  const path = breachedFileIn(dataDir);
  let current: FilterFile | undefined = openFilterFile(path);
  let refused: string | undefined;
  const takeNew = (): void => {
    const found = statSync(path, { throwIfNoEntry: false });
    const identity = found === undefined ? undefined : identityOf(found);
    if (identity === undefined || identity === current?.identity || identity === refused) return;
    try {
      const next = openFilterFile(path);
      if (next === undefined) return;
      current?.close();
      current = next;
    } catch (thrown) {
      // The one in use is still whole; going without would be worse than being late.
      refused = identity;
      log.error({ reason: messageOf(thrown) }, "the new list of breached passwords is not used");
    }
  };
  return {
    holds: (password) => {
      takeNew();
      return current?.holds(createHash("sha1").update(password, "utf8").digest()) ?? false;
    },
    close: () => current?.close(),
  };
}
