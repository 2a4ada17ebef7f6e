import { createHmac } from "node:crypto";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { equalBytes } from "../kernel/secret.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { parseMac, splitMacs } from "../keyholder/named-mac.ts";
import { accountIn, readReturnToken, shortMac, withToken, writeReturnToken } from "../mail/return-token.ts";
import { campaignKey } from "./campaign-key.ts";

/** What a MAC is made of: the campaign, the account, and how many of its addresses have failed before this letter. */
const macInput = (incidentId: IncidentId, accountId: AccountId, failed: number): string =>
  `${incidentId} ${accountId} ${failed}`;

const tokenKey = (key: Uint8Array): Buffer => createHmac("sha256", key).update("return path").digest();

/** As many as one call of the keyholder takes. */
const atOnce = 1_000;

/** The Return-Paths of a batch of letters, in their order: one call of the keyholder for a thousand. Mailer's role. */
export async function returnPaths(
  keyholder: Pick<Keyholder, "indexMany">,
  key: Uint8Array,
  address: string,
  incidentId: IncidentId,
  letters: readonly { readonly accountId: AccountId; readonly failed: number }[],
): Promise<string[]> {
  const sealing = tokenKey(key);
  const paths: string[] = [];
  for (let from = 0; from < letters.length; from += atOnce) {
    const batch = letters.slice(from, from + atOnce);
    const inputs = batch.map(({ accountId, failed }) => macInput(incidentId, accountId, failed));
    const lists = await keyholder.indexMany("bounce", inputs);
    for (const [number, { accountId }] of batch.entries()) {
      const mac = newestMac(lists[number] ?? Buffer.alloc(0));
      paths.push(withToken(address, writeReturnToken(sealing, mac, accountId)));
    }
  }
  return paths;
}

const macsOf = (list: Uint8Array): Uint8Array[] => splitMacs(list).flatMap((one) => parseMac(one)?.mac ?? []);

function newestMac(list: Uint8Array): Uint8Array {
  const [newest = Buffer.alloc(32)] = macsOf(list);
  return newest;
}

/** The letter that a token is of. */
export interface ReturnedLetter {
  readonly incidentId: IncidentId;
  readonly accountId: AccountId;
  /** How many of the account's addresses had failed before it was sent. */
  readonly failed: number;
}

/** Campaigns whose letters may still come back are few. */
const campaignsLookedAt = 20;

/**
 * The letter of a token; `undefined` for one that the keyholder has not made: whatever a stranger sends costs two indexed
 * reads and the opening of a key for each recent campaign, and no MAC unless it names an account that was written to.
 */
export async function findReturned(
  needs: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "index" | "open"> },
  text: string,
): Promise<ReturnedLetter | undefined> {
  const token = readReturnToken(text);
  if (token === undefined) return undefined;
  const { db, keyholder } = needs;
  const campaigns = await db.many<{ id: IncidentId }>(
    `select incident_id as id from campaign order by started_at desc limit $1`,
    [campaignsLookedAt],
  );
  for (const { id: incidentId } of campaigns) {
    const accountId = accountIn(token, tokenKey(await campaignKey(needs, incidentId)));
    const letter = await db.one<{ failed: number }>(
      `select cardinality(bounced_addresses) as failed from letter where account_id = $1 and incident_id = $2`,
      [accountId, incidentId],
    );
    for (let failed = letter?.failed ?? -1; failed >= 0; failed--) {
      const macs = macsOf(await keyholder.index("bounce", macInput(incidentId, accountId, failed)));
      if (macs.some((mac) => equalBytes(shortMac(mac), token.mac))) return { incidentId, accountId, failed };
    }
  }
  return undefined;
}
