import type { AccountId, Epoch } from "../kernel/brand.ts";
import { fromDate, parseInstant, toDate, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { splitMacs } from "../keyholder/named-mac.ts";
import type { Locale } from "../wire/common.ts";

export type Role = "viewer" | "operator";

/** Where an account's display name is sealed. */
export const namePlace = (accountId: AccountId): Place => ({ table: "account", column: "sealed_name", accountId });
/** Where an account's address is sealed. */
export const addressPlace = (accountId: AccountId): Place => ({
  table: "account_address",
  column: "sealed",
  accountId,
});

/**
 * Finds the account of an address by its blind index, under whichever key its row was written, and reads the current epoch in
 * the same statement, so that what is made from the answer is no newer than the answer. Always one row, whether or not the
 * account exists.
 */
export async function findAccount(
  tx: Tx,
  addressIndex: Uint8Array,
): Promise<{ readonly accountId: AccountId | null; readonly epoch: Epoch }> {
  const row = await tx.one<{ accountId: AccountId | null; epoch: Epoch }>(
    `select (select account_id from address where blind_index = any($1) limit 1) as "accountId",
            (select max(epoch) from floor) as epoch`,
    [splitMacs(addressIndex)],
  );
  if (row === undefined) throw new Error("a select without a from answers one row");
  return row;
}

export interface NewAccount {
  readonly accountId: AccountId;
  readonly role: Role;
  readonly locale: Locale;
  readonly dataKey: Uint8Array;
  readonly sealedName: Uint8Array;
  readonly now: EpochMs;
}

export async function createAccount(
  tx: Tx,
  { accountId, role, locale, dataKey, sealedName, now }: NewAccount,
): Promise<void> {
  await tx.run(
    `insert into account (id, role, locale, data_key, sealed_name, created_at) values ($1, $2, $3, $4, $5, $6)`,
    [accountId, role, locale, dataKey, sealedName, toDate(now)],
  );
}

export interface ProvenAddress {
  readonly accountId: AccountId;
  readonly addressId: string;
  /** As `Keyholder.index` gave it: one index, or one under each of two keys. */
  readonly addressIndex: Uint8Array;
  readonly sealed: Uint8Array;
  readonly epoch: Epoch;
  readonly now: EpochMs;
}

/**
 * Gives an account an address that was proved; the first is the one it began with. While the key of the index is being
 * changed the address has a row under each of the two keys, so that it is found, and stays unique, whichever of them
 * somebody else has asked with.
 *
 * @returns false if the address belongs to an account already; the caller rolls back then.
 */
export async function addAddress(tx: Tx, proven: ProvenAddress): Promise<boolean> {
  const { accountId, addressId, addressIndex, sealed, epoch, now } = proven;
  const indexes = splitMacs(addressIndex);
  const [newest, former] = indexes;
  if (newest === undefined) throw new Fault("IMPOSSIBLE", "an address without an index");
  const taken = await tx.run(
    `insert into address (blind_index, account_id) select unnest($1::bytea[]), $2
     on conflict (blind_index) do nothing`,
    [indexes, accountId],
  );
  if (taken < indexes.length) return false;
  await tx.run(
    `insert into account_address (account_id, id, sealed, blind_index, former_index, epoch, confirmed_at, founding)
     select $1, $2, $3, $4, $5, $6, $7, not exists (select from account_address where account_id = $1)`,
    [accountId, addressId, sealed, newest, former ?? null, epoch, toDate(now)],
  );
  return true;
}

/** One account's addresses that were added since then do not count until they are confirmed; its first one always does. */
export async function doubtAddresses(tx: Tx, accountId: AccountId, since: EpochMs, now: EpochMs): Promise<void> {
  await tx.run(
    `update account_address set doubted_at = $3
      where account_id = $1 and confirmed_at >= $2 and not founding and doubted_at is null`,
    [accountId, toDate(since), toDate(now)],
  );
  // One that comes back comes back with the doubt.
  await tx.run(
    `update removed_address set doubted_at = $3
      where account_id = $1 and confirmed_at >= $2 and not founding and doubted_at is null`,
    [accountId, toDate(since), toDate(now)],
  );
}

/** Takes an address from an account; it is free again. @returns false if the account does not have it. */
export async function removeAddress(tx: Tx, accountId: AccountId, addressId: string): Promise<boolean> {
  const removed = await tx.one<{ indexes: Buffer[] }>(
    `delete from account_address where account_id = $1 and id = $2 returning array_remove(array[blind_index, former_index], null) as indexes`,
    [accountId, addressId],
  );
  if (removed === undefined) return false;
  await tx.run(`delete from address where blind_index = any($1) and account_id = $2`, [removed.indexes, accountId]);
  return true;
}

/** An address counts again: its owner says so in a session of this epoch. @returns false if it did already, or the account does not have it. */
export const confirmAddressIsOwn = async (
  tx: Tx,
  accountId: AccountId,
  addressId: string,
  epoch: Epoch,
): Promise<boolean> =>
  (await tx.run(
    `update account_address set confirmed_epoch = $3, doubted_at = null
      where account_id = $1 and id = $2 and (confirmed_epoch < $3 or doubted_at is not null)`,
    [accountId, addressId, epoch],
  )) === 1;

/** Makes one address the first that is written to. @returns false if the account does not have it. */
export async function setFirstAddress(tx: Tx, accountId: AccountId, addressId: string): Promise<boolean> {
  const touched = await tx.run(
    `update account_address set used_first = (id = $2)
      where account_id = $1 and exists (select from account_address where account_id = $1 and id = $2)`,
    [accountId, addressId],
  );
  return touched > 0;
}

/** SQL: of an account's addresses, rows of `of`, the one that is written to first is the first. */
export const inOrderOfUse = (of: string): string => `${of}.used_first desc, ${of}.confirmed_at, ${of}.id`;

/** The address of an account that is written to first; `undefined` if it has none. */
export async function readFirstAddress(tx: Tx, accountId: AccountId): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `select d.id from account_address d where d.account_id = $1 order by ${inOrderOfUse("d")} limit 1`,
    [accountId],
  );
  return row?.id;
}

/** An account as its owner may see it, opened. An unreadable value is shown as empty and reported by the keyholder. */
export interface OpenedAccount {
  readonly accountId: AccountId;
  readonly role: Role;
  readonly locale: Locale;
  readonly name: string;
  /** Wrapped, as its row has it: what is sealed for the account is sealed under it. */
  readonly dataKey: Uint8Array;
  /** The one that is used first is first. */
  readonly addresses: readonly { readonly id: string; readonly address: string; readonly confirmedAt: EpochMs }[];
  readonly createdAt: EpochMs;
}

interface AccountRow {
  id: AccountId;
  role: Role;
  locale: Locale;
  dataKey: Buffer;
  sealedName: Buffer;
  createdAt: Date;
  addresses: { id: string; sealed: string; confirmedAt: string }[];
}

/** Opens the accounts asked for, in one statement and one keyholder call for each thousand values. */
export async function openAccounts(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountIds: readonly AccountId[],
): Promise<OpenedAccount[]> {
  const rows = await db.many<AccountRow>(
    `select a.id, a.role, a.locale, a.data_key as "dataKey", a.sealed_name as "sealedName", a.created_at as "createdAt",
            coalesce((select json_agg(json_build_object('id', d.id, 'sealed', encode(d.sealed, 'hex'),
                                                        'confirmedAt', d.confirmed_at) order by ${inOrderOfUse("d")})
                        from account_address d where d.account_id = a.id), '[]') as addresses
       from account a where a.id = any($1) order by a.id`,
    [accountIds],
  );
  const values = rows.flatMap(({ id, dataKey, sealedName, addresses }) => [
    { dataKey, place: namePlace(id), sealed: sealedName },
    ...addresses.map(({ sealed }) => ({ dataKey, place: addressPlace(id), sealed: Buffer.from(sealed, "hex") })),
  ]);
  const opened: (string | null)[] = [];
  for (let from = 0; from < values.length; from += 1_000) {
    opened.push(...(await keyholder.open(values.slice(from, from + 1_000))));
  }
  let next = 0;
  return rows.map(({ id, role, locale, dataKey, createdAt, addresses }) => ({
    accountId: id,
    dataKey,
    role,
    locale,
    name: opened[next++] ?? "",
    createdAt: fromDate(createdAt),
    addresses: addresses.map((address) => ({
      id: address.id,
      address: opened[next++] ?? "",
      confirmedAt: parseInstant(address.confirmedAt),
    })),
  }));
}

/** Where an account is written to. */
export interface OpenedAddresses {
  readonly accountId: AccountId;
  readonly locale: Locale;
  /** The one that is used first is first. One that does not open is empty. */
  readonly addresses: readonly { readonly id: string; readonly address: string }[];
}

/**
 * Opens the addresses of many accounts and nothing else of them, in one statement and one keyholder call for each thousand
 * addresses. An account that is gone is not in the answer.
 */
export async function openAddresses(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "open"> },
  accountIds: readonly AccountId[],
): Promise<OpenedAddresses[]> {
  const rows = await db.many<{
    accountId: AccountId;
    locale: Locale;
    dataKey: Buffer;
    id: string | null;
    sealed: Buffer | null;
  }>(
    `select a.id as "accountId", a.locale, a.data_key as "dataKey", d.id, d.sealed
       from account a left join account_address d on d.account_id = a.id
      where a.id = any($1) order by a.id, ${inOrderOfUse("d")}`,
    [accountIds],
  );
  const values = rows.flatMap(({ accountId, dataKey, sealed }) =>
    sealed === null ? [] : [{ dataKey, place: addressPlace(accountId), sealed }],
  );
  const opened: (string | null)[] = [];
  for (let from = 0; from < values.length; from += 1_000) {
    opened.push(...(await keyholder.open(values.slice(from, from + 1_000))));
  }
  const accounts = new Map<AccountId, OpenedAddresses & { readonly addresses: { id: string; address: string }[] }>();
  let next = 0;
  for (const { accountId, locale, id } of rows) {
    const account = accounts.get(accountId) ?? { accountId, locale, addresses: [] };
    accounts.set(accountId, account);
    if (id !== null) account.addresses.push({ id, address: opened[next++] ?? "" });
  }
  return [...accounts.values()];
}

/** The account's wrapped data key, under which its own values are sealed; `undefined` if there is no such account. */
export async function readDataKey(tx: Tx, accountId: AccountId): Promise<Buffer | undefined> {
  const row = await tx.one<{ dataKey: Buffer }>(`select data_key as "dataKey" from account where id = $1`, [accountId]);
  return row?.dataKey;
}

/**
 * Raises the account's generation, which signs it out everywhere at once: sessions and links carry the generation they
 * were made under. @returns the new generation; `undefined` if `expected` is given and no longer the current one.
 */
export async function raiseGeneration(tx: Tx, accountId: AccountId, expected?: number): Promise<number | undefined> {
  const row = await tx.one<{ generation: number }>(
    `update account set generation = generation + 1
      where id = $1 and ($2::bigint is null or generation = $2) returning generation`,
    [accountId, expected ?? null],
  );
  return row?.generation;
}

/** Whether the account exists, and is still in the generation if one is given; it then stays so until the transaction ends. */
export async function holdAccount(tx: Tx, accountId: AccountId, generation?: number): Promise<boolean> {
  const row = await tx.one(
    `select 1 as held from account where id = $1 and ($2::bigint is null or generation = $2) for no key update`,
    [accountId, generation ?? null],
  );
  return row !== undefined;
}

/** Every account with the role of an operator; there are few. Whose role counts: `operatorsThatCount`. */
export async function operatorIds(tx: Tx): Promise<AccountId[]> {
  const rows = await tx.many<{ id: AccountId }>(`select id from account where role = 'operator' order by id`);
  return rows.map(({ id }) => id);
}

/** Makes an account an operator. @returns false if it was one, or does not exist. */
export async function promote(tx: Tx, accountId: AccountId): Promise<boolean> {
  return (await tx.run(`update account set role = 'operator' where id = $1 and role = 'viewer'`, [accountId])) === 1;
}

/**
 * Makes an operator a viewer again, unless none would be left, or none of those who count (`thatCount`, asked once the rows are
 * locked, so that two removals take turns).
 */
export async function demote(
  tx: Tx,
  accountId: AccountId,
  thatCount: (tx: Tx) => Promise<readonly AccountId[]>,
): Promise<"demoted" | "last" | "not-an-operator"> {
  const operators = await tx.many<{ id: AccountId }>(
    `select id from account where role = 'operator' order by id for update`,
  );
  if (!operators.some(({ id }) => id === accountId)) return "not-an-operator";
  const counting = await thatCount(tx);
  if (operators.length === 1 || (counting.length === 1 && counting[0] === accountId)) return "last";
  await tx.run(`update account set role = 'viewer' where id = $1`, [accountId]);
  return "demoted";
}

/** How many accounts exist, for the console: exact, by an index-only scan. */
export async function countAccounts(db: Db): Promise<number> {
  const row = await db.one<{ count: number }>(`select count(*) as count from account`);
  return row?.count ?? 0;
}
