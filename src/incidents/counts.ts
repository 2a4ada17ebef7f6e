import type { AccountId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { Floors } from "../keyholder/keyholder.ts";
import type { Counts } from "../wire/incidents.ts";

/**
 * What the given floors refuse that would be good otherwise. A full read, seconds at millions of accounts, so never
 * inside the containment itself; an answer about a moment that has passed when it arrives.
 */
export async function countRefused(tx: Tx, floors: Floors, now: EpochMs): Promise<Counts> {
  const row = await tx.one<Counts>(
    `select (select count(*) from password where epoch < $2) as passwords,
            (select count(*) from session
              where ended_at is null and expires_at > $1
                and epoch < case class when 'browser' then $3::bigint when 'tv' then $4 when 'app' then $5 else $6 end
            ) as sessions,
            (select count(*) from link where claimed_at is null and expires_at > $1 and epoch < $7) as links,
            (select count(*) from ticket where used_at is null and expires_at > $1 and epoch < $8) as tickets,
            (select count(*) from account) as accounts`,
    [
      toDate(now),
      floors.password,
      floors.browser,
      floors.tv,
      floors.app,
      floors.tool,
      floors.link,
      Math.max(floors.ticket, floors.code),
    ],
  );
  return row ?? { passwords: 0, sessions: 0, links: 0, tickets: 0, accounts: 0 };
}

/** What containing one account refuses that would be good otherwise; `undefined` for an id that is nobody. */
export async function countRefusedOf(tx: Tx, accountId: AccountId, now: EpochMs): Promise<Counts | undefined> {
  return tx.one<Counts>(
    `select (select count(*) from password p join floor f on f.kind = 'password'
              where p.account_id = a.id and p.epoch >= f.epoch) as passwords,
            (select count(*) from session s join floor f on f.kind = s.class
              where s.account_id = a.id and s.ended_at is null and s.expires_at > $2 and s.generation = a.generation
                and s.epoch >= f.epoch) as sessions,
            (select count(*) from link l join floor f on f.kind = 'link'
              where l.account_id = a.id and l.state = 'approved' and l.claimed_at is null and l.expires_at > $2
                and l.generation = a.generation and l.epoch >= f.epoch) as links,
            (select count(*) from ticket t
              where t.account_id = a.id and t.used_at is null and t.expires_at > $2
                and t.epoch >= (select max(epoch) from floor where kind in ('code', 'ticket'))) as tickets,
            1 as accounts
       from account a where a.id = $1`,
    [accountId, toDate(now)],
  );
}
