import type { AccountId } from "../kernel/brand.ts";
import { dayMs, fromDate, plus, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAccounts } from "../accounts/accounts.ts";
import { parseAddress } from "../mail/address.ts";
import { append } from "../timeline/append.ts";
import { withFurtherAddress } from "./bounced-addresses.ts";
import { enqueueWalks } from "./campaign.ts";
import { campaignKey, keyed } from "./campaign-key.ts";
import { findReturned } from "./return-path.ts";

/** What became of a report that a letter came back. */
export type BounceOutcome =
  /** The account has no further address: its outcome is `bounced`. */
  | "bounced"
  /** The letter goes to the account's next address, and waits again. */
  | "second address"
  /** Not for good: the outcome stays. */
  | "not permanent"
  /** The same letter came back before, or was never handed over. */
  | "not waited for"
  /** That it was handed over is not recorded yet, or never will be: the report has to come again. */
  | "not recorded yet"
  | "too late"
  /** The address that it came back to is none that the keyholder made. */
  | "not ours";

/** A bounce counts for so long after the letter was handed over. */
const countedForMs = 14 * dayMs;

interface Needs {
  readonly db: Db;
  /** Mailer's role. */
  readonly keyholder: Pick<Keyholder, "index" | "open">;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Records that a letter came back. Only a permanent failure (5.x.x) counts, once, and only for the address that the letter
 * was sent to last: the account's next confirmed address is written to, or the outcome becomes `bounced`. The row, the
 * timeline's entry, what is remembered of the address, and the walk that goes on commit together.
 */
export async function recordBounce(needs: Needs, token: string, status: string): Promise<BounceOutcome> {
  const { db, clock, random } = needs;
  const returned = await findReturned(needs, token);
  if (returned === undefined) return "not ours";
  if (!/^5\.\d{1,3}\.\d{1,3}$/.test(status)) return "not permanent";
  const { incidentId, accountId, failed } = returned;
  const key = await campaignKey(needs, incidentId);
  const [account] = await openAccounts(needs, [accountId]);
  const now = clock.now();
  return db.transaction(async (tx): Promise<BounceOutcome> => {
    const letter = await tx.one<{
      state: string;
      isOnItsWay: boolean;
      failed: number;
      sentTo: string | null;
      settledAt: Date | null;
    }>(
      // A letter that goes once more is still called deferred, and leased, until its outcome is recorded.
      `select state, state in ('claimed', 'deferred') and lease_until is not null as "isOnItsWay",
              cardinality(bounced_addresses) as failed, sent_to as "sentTo", settled_at as "settledAt"
         from letter where account_id = $1 and incident_id = $2 for update`,
      [accountId, incidentId],
    );
    // A report may overtake the answer: if it counted for nothing, the letter would stay handed over for ever.
    if (letter?.isOnItsWay === true && letter.failed === failed) return "not recorded yet";
    const isLast = letter?.state === "handed over" && letter.failed === failed && letter.settledAt !== null;
    if (letter === undefined || !isLast || letter.settledAt === null) return "not waited for";
    if (now >= plus(fromDate(letter.settledAt), countedForMs)) return "too late";
    const isOpen =
      (await tx.one(`select 1 as open from incident where id = $1 and state <> 'closed' for update`, [incidentId])) !==
      undefined;
    if (letter.sentTo !== null && isOfMailbox(status)) await rememberBounce(tx, accountId, letter.sentTo, status, now);
    const tried = isOpen ? [{ accountId, sentTo: letter.sentTo }] : [];
    const hasNext = (await withFurtherAddress(tx, incidentId, tried, now)).has(accountId);
    await tx.run(
      `update letter
          set bounced_addresses = array_append(bounced_addresses, $3::uuid), reply = $4, queue_id = null,
              -- The next address has been put off by nobody yet.
              deferred_since = null,
              state = case when $5 then 'deferred' else 'bounced' end,
              due_at = case when $5 then $6::timestamptz end, settled_at = case when $5 then null else $6::timestamptz end
        where account_id = $1 and incident_id = $2`,
      [accountId, incidentId, letter.sentTo ?? noAddress, `bounced: ${status}`, hasNext, toDate(now)],
    );
    const address = account?.addresses.find(({ id }) => id === letter.sentTo)?.address ?? "";
    const detail = {
      address: keyed(key, "address", normalised(address)),
      status,
      outcome: hasNext ? "second address" : "bounced",
    };
    await append(tx, now, { kind: "bounce", incidentId, detail }, random);
    if (!hasNext) return "bounced";
    // A campaign that had finished has something waiting again.
    await tx.run(
      `update incident set letters_finished_at = null, state = case when state = 'readmitting' then 'notifying' else state end
        where id = $1`,
      [incidentId],
    );
    await enqueueWalks(tx, incidentId);
    return "second address";
  });
}

const noAddress = "00000000-0000-0000-0000-000000000000";

function normalised(address: string): string {
  const parsed = parseAddress(address);
  return parsed.kind === "address" ? parsed.normalised : address;
}

/**
 * What is said of the mailbox itself: it is not there, has moved, takes no mail at all, or is disabled (RFC 3463 sections 3.2
 * and 3.3; 5.1.10 is RFC 7505). A sender who is not trusted, a policy, a route or a full mailbox says nothing of the next campaign,
 * and whoever is left out of it for that is not told.
 */
const isOfMailbox = (status: string): boolean => /^5\.(?:1\.(?:[0-46]|10)|2\.1)$/.test(status);

const rememberBounce = (tx: Tx, accountId: AccountId, addressId: string, status: string, now: EpochMs) =>
  tx.run(
    // An address that was removed meanwhile is not remembered.
    `insert into address_bounce (account_id, address_id, status, at)
     select account_id, id, $3, $4 from account_address where account_id = $1 and id = $2
     on conflict (account_id, address_id) do update set status = excluded.status, at = excluded.at`,
    [accountId, addressId, status, toDate(now)],
  );
