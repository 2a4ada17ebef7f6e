import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import { hasPasskey } from "./passkeys.ts";

/** Whether the account has something stronger than a password that counts now. */
export const hasSecondFactor = (tx: Tx, accountId: AccountId): Promise<boolean> => hasPasskey(tx, accountId);
