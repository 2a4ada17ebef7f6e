import type { AccountId, IncidentId } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { OpenedAddresses } from "../accounts/accounts.ts";
import { doubtedAddresses } from "../credentials/added-since.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { domainOf, parseAddress } from "../mail/address.ts";
import { providerOf } from "../mail/providers.ts";
import { bouncedAddresses } from "./bounced-addresses.ts";
import { returnPaths } from "./return-path.ts";

/** Where one letter goes. */
export interface Chosen {
  readonly addressId: string;
  readonly to: string;
  /** `to` as its keyed hash is made of it. */
  readonly normalised: string;
  /** Who receives it, for the pace: see `providerOf`. */
  readonly provider: string;
  /** Where it comes back to; `undefined` when nothing takes bounces. */
  readonly returnPath: string | undefined;
}

interface Needs {
  readonly db: Tx;
  /** Mailer's role. */
  readonly keyholder: Pick<Keyholder, "indexMany">;
  readonly clock: Clock;
  /** BOUNCE_ADDRESS. */
  readonly bounceAddress?: string | null;
}

/**
 * Chooses the address of each account's letter: the first that this campaign has not tried and from which nothing came
 * back for good. What was added since the copy was taken comes last: a thief who had slipped an address in, and chosen it to
 * be written to first, would get the letter in the owner's place. `bounced` for an account that has none but those; nothing
 * for one that has no readable address. One statement for the letters, one each for doubts and bounces, and one call of the
 * keyholder for the Return-Paths of all.
 */
export async function chooseAddresses(
  { db, keyholder, clock, bounceAddress = null }: Needs,
  incidentId: IncidentId,
  key: Uint8Array,
  accounts: readonly OpenedAddresses[],
): Promise<ReadonlyMap<AccountId, Chosen | "bounced">> {
  const ids = accounts.map(({ accountId }) => accountId);
  const [tried, bounced, doubted] = await Promise.all([
    triedAddresses(db, incidentId, ids),
    bouncedAddresses(db, ids, clock.now()),
    doubtedAddresses(db, ids),
  ]);
  const chosen = new Map<AccountId, Omit<Chosen, "returnPath"> & { failed: number }>();
  const without = new Map<AccountId, "bounced">();
  for (const { accountId, addresses } of accounts) {
    const readable = addresses
      .filter(({ address }) => address !== "")
      .toSorted((one, other) => Number(doubted.has(one.id)) - Number(doubted.has(other.id)));
    const failed = tried.get(accountId) ?? [];
    const next = readable.find(({ id }) => !failed.includes(id) && !bounced.has(id));
    if (next !== undefined) chosen.set(accountId, { ...whereTo(next), failed: failed.length });
    else if (readable.length > 0) without.set(accountId, "bounced");
  }
  const letters = [...chosen].map(([accountId, { failed }]) => ({ accountId, failed }));
  const paths = bounceAddress === null ? [] : await returnPaths(keyholder, key, bounceAddress, incidentId, letters);
  const withPaths = [...chosen].map(
    ([accountId, { failed: _failed, ...where }], number) =>
      [accountId, { ...where, returnPath: paths[number] }] as const,
  );
  return new Map<AccountId, Chosen | "bounced">([...withPaths, ...without]);
}

/** Reads an address once, for everything that asks about it later. */
function whereTo({ id, address }: { readonly id: string; readonly address: string }): Omit<Chosen, "returnPath"> {
  const parsed = parseAddress(address);
  const normalised = parsed.kind === "address" ? parsed.normalised : address;
  return { addressId: id, to: address, normalised, provider: providerOf(domainOf(normalised)) };
}

async function triedAddresses(
  db: Tx,
  incidentId: IncidentId,
  accountIds: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, readonly string[]>> {
  const rows = await db.many<{ accountId: AccountId; tried: string[] }>(
    `select account_id as "accountId", bounced_addresses as tried
       from letter where account_id = any($1) and incident_id = $2 and bounced_addresses <> '{}'`,
    [accountIds, incidentId],
  );
  return new Map(rows.map(({ accountId, tried }) => [accountId, tried]));
}
