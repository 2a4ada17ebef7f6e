import type { AccountId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { findAccount } from "../accounts/accounts.ts";

/** Whose address it is; `null` for nobody's. */
export async function accountOf(db: Db, keyholder: Keyholder, address: string): Promise<AccountId | null> {
  return (await findAccount(db, await keyholder.index("address", lookUpForm(address)))).accountId;
}
