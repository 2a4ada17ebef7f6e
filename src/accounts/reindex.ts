import type { AccountId } from "../kernel/brand.ts";
import { equalBytes } from "../kernel/secret.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { parseMac, splitMacs } from "../keyholder/named-mac.ts";
import { lookUpForm } from "../mail/address.ts";
import { addressPlace } from "./accounts.ts";

interface Needs {
  readonly db: Db;
  /** Mailer's role: an index is made of the address, which is opened for it. */
  readonly keyholder: Pick<Keyholder, "open" | "indexMany">;
}

/** Addresses that one batch gives a new index. */
const batch = 500;

interface AddressRow {
  accountId: AccountId;
  id: string;
  dataKey: Buffer;
  sealed: Buffer;
  blindIndex: Buffer;
}

/** One batch of addresses: how it went, and the key of the last one; `undefined` at the end. */
export interface ReindexedBatch {
  readonly lastKey: readonly [accountId: string, addressId: string];
  readonly reindexed: number;
  /** Addresses that do not open, or that open to another than the one they are found by. */
  readonly unreadable: number;
}

const namesOther = `case when octet_length(blind_index) = 32 then 1
                         else (get_byte(blind_index, 0)::bigint << 24) | (get_byte(blind_index, 1) << 16)
                              | (get_byte(blind_index, 2) << 8) | get_byte(blind_index, 3) end <> $1`;

/**
 * Gives the next addresses after a key their index under the newest version: a second row beside the one they are found
 * by, which stays until its key is retired. `note` runs in the same transaction, with what was done.
 */
export async function reindexBatch(
  { db, keyholder }: Needs,
  toVersion: number,
  after: readonly string[] | null,
  note: (tx: Tx, done: ReindexedBatch) => Promise<void>,
): Promise<ReindexedBatch | undefined> {
  const rows = await db.many<AddressRow>(
    `select d.account_id as "accountId", d.id, a.data_key as "dataKey", d.sealed, d.blind_index as "blindIndex"
       from account_address d join account a on a.id = d.account_id
      where ${namesOther} ${after === null ? "" : "and (d.account_id, d.id) > (($3::text[])[1]::uuid, ($3::text[])[2]::uuid)"}
      order by d.account_id, d.id limit $2`,
    after === null ? [toVersion, batch] : [toVersion, batch, after],
  );
  const last = rows.at(-1);
  if (last === undefined) return undefined;
  const opened = await keyholder.open(
    rows.map(({ accountId, dataKey, sealed }) => ({ dataKey, place: addressPlace(accountId), sealed })),
  );
  const lists = await keyholder.indexMany(
    "address",
    opened.map((address) => lookUpForm(address ?? "")),
  );
  const ready = rows.flatMap((row, n) => {
    const macs = opened[n] === null ? [] : splitMacs(lists[n] ?? Buffer.alloc(0));
    const newest = macs.find((mac) => parseMac(mac)?.version === toVersion);
    // What opens must be what it was found by until now: an address that was changed under us is nobody's to look up.
    const isItself = macs.some((mac) => equalBytes(mac, row.blindIndex));
    return newest === undefined || !isItself ? [] : [{ ...row, newest }];
  });
  const done = {
    lastKey: [last.accountId, last.id] as const,
    reindexed: ready.length,
    unreadable: rows.length - ready.length,
  };
  await db.transaction(async (tx) => {
    // Always in one order, so that no two of these wait for each other.
    const ordered = ready.toSorted((one, other) => Buffer.compare(one.newest, other.newest));
    await tx.run(
      `with asked as (
         select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) as n (account_id, id, former, newest)
       ), moved as (
         update account_address d set former_index = d.blind_index, blind_index = n.newest
           from asked n where d.account_id = n.account_id and d.id = n.id and d.blind_index = n.former
         returning d.account_id, n.newest
       )
       insert into address (blind_index, account_id) select newest, account_id from moved order by newest
       on conflict (blind_index) do nothing`,
      [
        ordered.map(({ accountId }) => accountId),
        ordered.map(({ id }) => id),
        ordered.map(({ blindIndex }) => blindIndex),
        ordered.map(({ newest }) => newest),
      ],
    );
    await note(tx, done);
  });
  return done;
}

/** Takes rows away by which addresses were found under the key before, some thousands at once. @returns how many addresses. */
export async function dropFormerIndexes(db: Db): Promise<number> {
  return db.transaction(async (tx) =>
    tx.run(
      `with former as (
         select account_id, id, former_index from account_address where former_index is not null
          limit 5000 for update skip locked
       ), gone as (
         delete from address a using former s where a.blind_index = s.former_index and a.account_id = s.account_id
       )
       update account_address d set former_index = null from former s where d.account_id = s.account_id and d.id = s.id`,
    ),
  );
}
