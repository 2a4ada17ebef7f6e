import { createHmac } from "node:crypto";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { impossible } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { parseMac, splitMacs } from "../keyholder/named-mac.ts";
import { newOwnKey, openOwnKey, type OwnKey } from "../keyholder/own-key.ts";

const keyPlace = (incidentId: IncidentId): Place => ({
  table: "campaign",
  column: "sealed_key",
  accountId: incidentId as string as AccountId,
});

/**
 * A key for one campaign's Message-IDs, Return-Paths and hashes of addresses: whoever has two campaigns' timelines cannot tell
 * that an address stands in both. It is random, and outlives the keyholder's own keys: letters come back for two weeks after
 * the last of them, and a receipt is asked for years later.
 */
export const newCampaignKey = (needs: Parameters<typeof newOwnKey>[0], incidentId: IncidentId): Promise<OwnKey> =>
  newOwnKey(needs, keyPlace(incidentId));

/** Reads it. Throws `SEALED_UNREADABLE` for one that does not open. */
export async function campaignKey(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "index" | "open"> },
  incidentId: IncidentId,
): Promise<Uint8Array> {
  const campaign = await db.one<{ dataKey: Buffer | null; sealed: Buffer | null; version: number | null }>(
    `select data_key as "dataKey", sealed_key as sealed, index_version as version from campaign where incident_id = $1`,
    [incidentId],
  );
  const { dataKey, sealed } = campaign ?? {};
  if (dataKey == null || sealed == null) return derivedKey({ db, keyholder }, incidentId, campaign?.version);
  return openOwnKey(keyholder, { dataKey, sealed }, keyPlace(incidentId));
}

/**
 * The key of a campaign that was started before campaigns had keys of their own. It is derived from the key of addresses, always in the
 * version that the campaign began with: otherwise a key changed meanwhile would change Message-IDs, and one letter would pass for two.
 */
async function derivedKey(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "index"> },
  incidentId: IncidentId,
  begunWith: number | null | undefined,
): Promise<Uint8Array> {
  // The leading space keeps it apart from everything a person can be found by: no address begins with one.
  const list = splitMacs(await keyholder.index("address", ` campaign ${incidentId}`)).map(parseMac);
  const versions = list.filter((each) => each !== null);
  const [newest = impossible("a campaign without a key")] = versions;
  let version = begunWith ?? newest.version;
  if (begunWith === null) {
    // Another walk may be first.
    const begun = await db.one<{ version: number }>(
      `update campaign set index_version = coalesce(index_version, $2) where incident_id = $1
       returning index_version as version`,
      [incidentId, newest.version],
    );
    version = begun?.version ?? version;
  }
  return (versions.find((each) => each.version === version) ?? newest).mac;
}

/** HMAC-SHA-256 in hex, for one use within a campaign. */
export const keyed = (key: Uint8Array, use: "address" | "message", value: string): string =>
  createHmac("sha256", key).update(`${use}\0${value}`).digest("hex");

/** The Message-ID of one account's letter, before the `@`: the same at each try, and not to be guessed. */
export const letterMessageId = async (
  needs: Parameters<typeof campaignKey>[0],
  incidentId: IncidentId,
  reference: string,
  accountId: AccountId,
): Promise<string> => messageIdOf(await campaignKey(needs, incidentId), reference, accountId);

export const messageIdOf = (key: Uint8Array, reference: string, accountId: AccountId): string =>
  `${reference}.${keyed(key, "message", accountId).slice(0, 32)}`;
