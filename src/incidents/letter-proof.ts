import type { AccountId, IncidentId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { parseAddress } from "../mail/address.ts";
import { prove } from "../timeline/proof.ts";
import { detailOf } from "../timeline/read.ts";
import { writeTlogProof } from "../timeline/tlog-proof.ts";
import { campaignKey, keyed } from "./campaign-key.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "index" | "open">;
}

export type LetterProof =
  | { readonly kind: "proved"; readonly fileName: string; readonly proof: string }
  /** No letter of this case went to an address that the account has, so that its entry cannot be told from others. */
  | { readonly kind: "no-letter" }
  /** It went, and no signature covers its entry yet: a second later one does. */
  | { readonly kind: "not-signed-yet" };

/**
 * The receipt of one account's letter (C2SP tlog-proof): its entry in the timeline, with outcome, language and the hash of
 * what was sent, and the way from there to a signed checkpoint. The entry names the address by a keyed hash, which is
 * computed here from the addresses that the account has now; for an account that is deleted there is no way to it any more.
 */
export async function proveLetter(needs: Needs, incidentId: IncidentId, accountId: AccountId): Promise<LetterProof> {
  const { db } = needs;
  const letter = await db.one<{ reference: string; enteredAt: Date }>(
    `select i.reference, l.entered_at as "enteredAt"
       from letter l join incident i on i.id = l.incident_id where l.account_id = $1 and l.incident_id = $2
        and l.entered_at is not null`,
    [accountId, incidentId],
  );
  const [account] = letter === undefined ? [] : await openAccounts(needs, [accountId]);
  if (letter === undefined || account === undefined) return { kind: "no-letter" };
  const key = await campaignKey(needs, incidentId);
  const hashes = account.addresses.map(({ address }) => {
    const parsed = parseAddress(address);
    return keyed(key, "address", parsed.kind === "address" ? parsed.normalised : address);
  });
  // By its instant: a batch of letters has the same, and a case has one for each of millions.
  const found = await db.one<{ index: number | null }>(
    `select leaf_index as index from timeline_entry
      where incident_id = $1 and kind = 'letter' and at = $3 and (${detailOf}) ->> 'address' = any($2)
      order by id desc limit 1`,
    [incidentId, hashes, letter.enteredAt],
  );
  if (found === undefined) return { kind: "no-letter" };
  const proof = found.index === null ? undefined : await prove(db, found.index);
  if (proof === undefined) return { kind: "not-signed-yet" };
  return {
    kind: "proved",
    fileName: `${letter.reference}-${proof.index}.tlog-proof`,
    proof: writeTlogProof({ ...proof, checkpoint: proof.note, entry: proof.body }),
  };
}
