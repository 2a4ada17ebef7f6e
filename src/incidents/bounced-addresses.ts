import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** An address that bounced for good gets no campaign's letter for so long; renewal mail always. */
const suppressedForMs = 180 * dayMs;

/** Addresses of these accounts that no campaign writes to, because a letter to them came back for good not long ago. */
export async function bouncedAddresses(
  tx: Tx,
  accountIds: readonly AccountId[],
  now: EpochMs,
): Promise<ReadonlySet<string>> {
  const rows = await tx.many<{ addressId: string }>(
    `select address_id as "addressId" from address_bounce where account_id = any($1) and at > $2`,
    [accountIds, toDate(plus(now, -suppressedForMs))],
  );
  return new Set(rows.map(({ addressId }) => addressId));
}

/** Which address of an account a letter was written to last. */
export interface Tried {
  readonly accountId: AccountId;
  /** `null`: to one that nobody has recorded. */
  readonly sentTo: string | null;
}

/** Those accounts that have a further address, which this campaign has not tried and no bounce speaks against. */
export async function withFurtherAddress(
  tx: Tx,
  incidentId: IncidentId,
  tried: readonly Tried[],
  now: EpochMs,
): Promise<ReadonlySet<AccountId>> {
  if (tried.length === 0) return new Set();
  const rows = await tx.many<{ accountId: AccountId }>(
    `select distinct d.account_id as "accountId"
       from unnest($2::uuid[], $3::uuid[]) as tried (account_id, sent_to)
       join letter l on l.account_id = tried.account_id and l.incident_id = $1
       join account_address d on d.account_id = tried.account_id
      where d.id <> all(l.bounced_addresses) and d.id is distinct from tried.sent_to
        and not exists (select from address_bounce b
                         where b.account_id = d.account_id and b.address_id = d.id and b.at > $4)`,
    [
      incidentId,
      tried.map(({ accountId }) => accountId),
      tried.map(({ sentTo }) => sentTo),
      toDate(plus(now, -suppressedForMs)),
    ],
  );
  return new Set(rows.map(({ accountId }) => accountId));
}

/** Forgets what is remembered of one account's addresses. */
export const forgetBouncesOf = (tx: Tx, accountId: AccountId): Promise<number> =>
  tx.run(`delete from address_bounce where account_id = $1`, [accountId]);
