import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import { hasPasskey } from "./passkeys.ts";
import { hasTotp } from "./second-factors.ts";

/** Whether the account has something stronger than a password that counts now. */
export const hasSecondFactor = async (tx: Tx, accountId: AccountId): Promise<boolean> =>
  (await hasPasskey(tx, accountId)) || (await hasTotp(tx, accountId));
