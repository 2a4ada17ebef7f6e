import type { AccountId } from "../kernel/brand.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { parseAddress } from "../mail/address.ts";
import { addressPlace, openAddresses, readDataKey } from "../accounts/accounts.ts";

/**
 * An address as its owner proved it, by what somebody typed to ask for a renewal; that of a recovery under way counts too.
 * What differs in case alone finds the same account, and may be another mailbox (RFC 5321 section 2.4): a code is mailed
 * to the one that was proved. `undefined` if the account has it no more. For the mailer.
 */
export async function addressOnFile(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountId: AccountId,
  typed: string,
): Promise<string | undefined> {
  const form = (text: string): string | undefined => {
    const parsed = parseAddress(text);
    return parsed.kind === "address" ? parsed.normalised : undefined;
  };
  const [account] = await openAddresses({ db, keyholder }, [accountId]);
  const own = account?.addresses.find(({ address }) => form(address) === form(typed));
  if (account === undefined || own !== undefined) return own?.address;
  const [dataKey, recovery] = await Promise.all([
    readDataKey(db, accountId),
    db.one<{ sealed: Buffer }>(`select sealed from recovery where account_id = $1`, [accountId]),
  ]);
  if (dataKey === undefined || recovery === undefined) return undefined;
  const [address] = await keyholder.open([{ dataKey, place: addressPlace(accountId), sealed: recovery.sealed }]);
  return typeof address === "string" && form(address) === form(typed) ? address : undefined;
}
