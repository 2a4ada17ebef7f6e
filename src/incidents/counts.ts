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
