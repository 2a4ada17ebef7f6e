import type { AccountId, Epoch } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import type { Locale } from "../wire/common.ts";

export interface MadeAccount {
  readonly accountId: AccountId;
  readonly locale: Locale;
  readonly dataKey: Uint8Array;
  readonly sealedName: Uint8Array;
  /** Null for one that has none. */
  readonly address: {
    readonly addressId: string;
    readonly sealed: Uint8Array;
    readonly addressIndex: Uint8Array;
  } | null;
}

/** Writes viewers' accounts, hundreds in three statements, for a population that is made and not signed up. */
export async function addAccounts(
  tx: Tx,
  accounts: readonly MadeAccount[],
  { epoch, at }: { readonly epoch: Epoch; readonly at: EpochMs },
): Promise<void> {
  await tx.run(
    `insert into account (id, role, locale, data_key, sealed_name, created_at)
     select id, 'viewer', locale, data_key, sealed_name, $5
       from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) as p (id, locale, data_key, sealed_name)`,
    [
      accounts.map(({ accountId }) => accountId),
      accounts.map(({ locale }) => locale),
      accounts.map(({ dataKey }) => dataKey),
      accounts.map(({ sealedName }) => sealedName),
      toDate(at),
    ],
  );
  const reachable = accounts.flatMap(({ accountId, address }) => (address === null ? [] : [{ accountId, ...address }]));
  await tx.run(
    `with p as (
       select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[])
                  as p (account_id, id, sealed, blind_index, former_index)
     ), way as (
       insert into address (blind_index, account_id)
       select blind_index, account_id from p union all
       select former_index, account_id from p where former_index is not null
     )
     insert into account_address (account_id, id, sealed, blind_index, former_index, epoch, confirmed_at)
     select account_id, id, sealed, blind_index, former_index, $6, $7 from p`,
    [
      reachable.map(({ accountId }) => accountId),
      reachable.map(({ addressId }) => addressId),
      reachable.map(({ sealed }) => sealed),
      reachable.map(({ addressIndex }) => splitMacs(addressIndex)[0]),
      reachable.map(({ addressIndex }) => splitMacs(addressIndex)[1] ?? null),
      epoch,
      toDate(at),
    ],
  );
}
