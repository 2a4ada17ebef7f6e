import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { Floors } from "../keyholder/keyholder.ts";
import { isDoubted } from "../credentials/added-since.ts";
import { highest } from "../credentials/floors.ts";
import { inUse } from "../sessions/in-use.ts";
import type { Counts } from "../wire/incidents.ts";

/** SQL: how many passkeys still sign in, once those added since `since` count only if they are of `epoch` or confirmed in it. */
const passkeysLeft = (of: string, since: string, epoch: string): string =>
  `(select count(*) from passkey k
     where k.removed_at is null and k.counter_back_at is null and not ${isDoubted("k")}
       and not (k.added_at >= ${since} and greatest(k.epoch, k.confirmed_epoch) < ${epoch}) and ${of})`;

/** What a containment raises: the floors as they were, and as they are then. */
export interface Raised {
  readonly before: Floors;
  readonly after: Floors;
}

/**
 * What raised floors refuse that was good before; and the passkeys that stay good, to which those added since `doubtedSince` do not
 * belong. What an earlier containment refuses is not counted again. A full read, minutes at tens of millions of accounts, so never
 * inside the containment itself; and about a moment that has passed when it arrives.
 */
export async function countRefused(
  tx: Tx,
  { before, after }: Raised,
  now: EpochMs,
  doubtedSince: EpochMs,
): Promise<Counts> {
  const classes = ["browser", "tv", "app", "tool"] as const;
  const row = await tx.one<Counts>(
    `select (select count(*) from password where epoch >= $2 and epoch < $3) as passwords,
            (select count(*) from session s join account a on a.id = s.account_id and a.generation = s.generation
               join unnest($4::text[], $5::bigint[], $6::bigint[]) as f (class, before, after) on f.class = s.class
              where s.ended_at is null and s.expires_at > $1 and ${inUse("$1")}
                and s.epoch >= f.before and s.epoch < f.after) as sessions,
            (select count(*) from link l left join account a on a.id = l.account_id
              where l.claimed_at is null and l.state <> 'denied' and l.expires_at > $1
                and l.generation is not distinct from a.generation
                and l.epoch >= $7 and l.epoch < $8) as links,
            (select count(*) from ticket where used_at is null and expires_at > $1
                and epoch >= $9 and epoch < $10) as tickets,
            (select count(*) from totp where proved_at is not null and removed_at is null
                and greatest(epoch, confirmed_epoch) >= $11 and greatest(epoch, confirmed_epoch) < $12) as totps,
            (select count(*) from recovery_code where used_at is null
                and epoch >= $13 and epoch < $14) as "recoveryCodes",
            ${passkeysLeft("greatest(k.epoch, k.confirmed_epoch) >= $15", "$16", "$17")} as "passkeysStillGood",
            (select count(*) from account) as accounts`,
    [
      toDate(now),
      before.password,
      after.password,
      classes,
      classes.map((one) => before[one]),
      classes.map((one) => after[one]),
      before.link,
      after.link,
      Math.max(before.ticket, before.code),
      Math.max(after.ticket, after.code),
      before.totp,
      after.totp,
      before.recovery,
      after.recovery,
      after.passkey,
      toDate(doubtedSince),
      highest(after),
    ],
  );
  return row ?? nothing;
}

const nothing: Counts = {
  passwords: 0,
  sessions: 0,
  links: 0,
  tickets: 0,
  totps: 0,
  recoveryCodes: 0,
  passkeysStillGood: 0,
  accounts: 0,
};

/** What containing one account refuses that would be good otherwise, and what stays; `undefined` for an id that is nobody. */
export async function countRefusedOf(
  tx: Tx,
  accountId: AccountId,
  now: EpochMs,
  doubtedSince: EpochMs,
): Promise<Counts | undefined> {
  return tx.one<Counts>(
    `select (select count(*) from password p join floor f on f.kind = 'password'
              where p.account_id = a.id and p.epoch >= f.epoch) as passwords,
            (select count(*) from session s join floor f on f.kind = s.class
              where s.account_id = a.id and s.ended_at is null and s.expires_at > $2 and ${inUse("$2")}
                and s.generation = a.generation and s.epoch >= f.epoch) as sessions,
            (select count(*) from link l join floor f on f.kind = 'link'
              where l.account_id = a.id and l.state = 'approved' and l.claimed_at is null and l.expires_at > $2
                and l.generation = a.generation and l.epoch >= f.epoch) as links,
            (select count(*) from ticket t
              where t.account_id = a.id and t.used_at is null and t.expires_at > $2
                and t.epoch >= (select max(epoch) from floor where kind in ('code', 'ticket'))) as tickets,
            0 as totps, 0 as "recoveryCodes",
            (select count(*) from passkey k join floor f on f.kind = 'passkey'
              where k.account_id = a.id and k.removed_at is null and k.counter_back_at is null and not ${isDoubted("k")}
                and k.added_at < $3 and greatest(k.epoch, k.confirmed_epoch) >= f.epoch) as "passkeysStillGood",
            1 as accounts
       from account a where a.id = $1`,
    [accountId, toDate(now), toDate(doubtedSince)],
  );
}
