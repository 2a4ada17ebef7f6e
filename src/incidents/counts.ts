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

/**
 * What the given floors refuse and would be good without them, whichever containment raised them; and the passkeys that stay good,
 * to which those added since `doubtedSince` do not belong. A full read, minutes at tens of millions of accounts, so never inside
 * the containment itself; and about a moment that has passed when it arrives.
 */
export async function countRefused(tx: Tx, floors: Floors, now: EpochMs, doubtedSince: EpochMs): Promise<Counts> {
  const row = await tx.one<Counts>(
    `select (select count(*) from password where epoch < $2) as passwords,
            (select count(*) from session s join account a on a.id = s.account_id and a.generation = s.generation
              where s.ended_at is null and s.expires_at > $1 and ${inUse("$1")}
                and s.epoch < case s.class when 'browser' then $3::bigint when 'tv' then $4 when 'app' then $5 else $6 end
            ) as sessions,
            (select count(*) from link where claimed_at is null and expires_at > $1 and epoch < $7) as links,
            (select count(*) from ticket where used_at is null and expires_at > $1 and epoch < $8) as tickets,
            (select count(*) from totp where proved_at is not null and removed_at is null
                and greatest(epoch, confirmed_epoch) < $9) as totps,
            (select count(*) from recovery_code where used_at is null and epoch < $10) as "recoveryCodes",
            ${passkeysLeft("greatest(k.epoch, k.confirmed_epoch) >= $11", "$12", "$13")} as "passkeysStillGood",
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
      floors.totp,
      floors.recovery,
      floors.passkey,
      toDate(doubtedSince),
      highest(floors),
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
