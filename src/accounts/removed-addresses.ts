import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { addressPlace, removeAddress, type OpenedAccount } from "./accounts.ts";

/** Removes an address and keeps it aside, so that the removal can be taken back. @returns false if it is not there. */
export async function setAddressAside(tx: Tx, accountId: AccountId, id: string, now: EpochMs): Promise<boolean> {
  await tx.run(
    `insert into removed_address (account_id, id, sealed, epoch, confirmed_at, founding, confirmed_epoch, doubted_at, removed_at)
     select account_id, id, sealed, epoch, confirmed_at, founding, confirmed_epoch, doubted_at, $3
       from account_address where account_id = $1 and id = $2`,
    [accountId, id, toDate(now)],
  );
  return removeAddress(tx, accountId, id);
}

/** An address that was removed, with the blind index that would lead to the account again. */
export interface RemovedAddress {
  readonly id: string;
  readonly address: string;
  readonly index: Buffer;
}

/** Opens what an account has aside, which is little. An unreadable one is left out. */
export async function openRemovedAddresses(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open" | "index"> },
  { accountId, dataKey }: Pick<OpenedAccount, "accountId" | "dataKey">,
): Promise<RemovedAddress[]> {
  const rows = await db.many<{ id: string; sealed: Buffer }>(
    `select id, sealed from removed_address where account_id = $1 order by removed_at desc limit 100`,
    [accountId],
  );
  if (rows.length === 0) return [];
  const place = addressPlace(accountId);
  const opened = await keyholder.open(rows.map(({ sealed }) => ({ dataKey, place, sealed })));
  const readable = rows.flatMap(({ id }, i) => {
    const address = opened[i];
    return typeof address === "string" && address !== "" ? [{ id, address }] : [];
  });
  return Promise.all(
    readable.map(async (one) => ({ ...one, index: await keyholder.index("address", lookUpForm(one.address)) })),
  );
}

/** The ids of what an account has aside, as the transaction sees it. */
export async function removedAddressIds(tx: Tx, accountId: AccountId): Promise<string[]> {
  const rows = await tx.many<{ id: string }>(`select id from removed_address where account_id = $1`, [accountId]);
  return rows.map(({ id }) => id);
}

/**
 * Gives a removed address back to its account, as it was: with its age, and with the doubt that was on it. @returns
 * false if it is not there any more, or another account has the address by now.
 */
export async function bringAddressBack(tx: Tx, accountId: AccountId, { id, index }: RemovedAddress): Promise<boolean> {
  const indexes = splitMacs(index);
  const [newest, former] = indexes;
  if (newest === undefined) return false;
  const taken = await tx.run(
    `with asked as (select unnest($3::bytea[]) as blind_index)
     insert into address (blind_index, account_id)
     select asked.blind_index, r.account_id from asked cross join removed_address r
      where r.account_id = $1 and r.id = $2
        and not exists (select from address join asked on asked.blind_index = address.blind_index)
     on conflict (blind_index) do nothing`,
    [accountId, id, indexes],
  );
  if (taken === 0) return false;
  // Under one key it was free, and under the other somebody took it in this moment.
  if (taken < indexes.length) throw new Fault("BUSY", "an address was taken at the same moment");
  await tx.run(
    `insert into account_address (account_id, id, sealed, blind_index, former_index, epoch, confirmed_at, founding, confirmed_epoch, doubted_at)
     select account_id, id, sealed, $3, $4, epoch, confirmed_at, founding, confirmed_epoch, doubted_at
       from removed_address where account_id = $1 and id = $2`,
    [accountId, id, newest, former ?? null],
  );
  await tx.run(`delete from removed_address where account_id = $1 and id = $2`, [accountId, id]);
  return true;
}

/** Removes for good what was removed before an instant, at most `batchRows` a call. @returns how many rows went. */
export const forgetRemovedAddresses = (tx: Tx, before: EpochMs): Promise<number> =>
  tx.run(
    `delete from removed_address where (account_id, id) in (
       select account_id, id from removed_address where removed_at < $1 order by removed_at limit $2)`,
    [toDate(before), batchRows],
  );
