import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Db, Tx } from "../db/db.ts";

/** Below and above every id. */
const firstId = "00000000-0000-0000-0000-000000000000" as AccountId;
const lastId = "ffffffff-ffff-ffff-ffff-ffffffffffff" as AccountId;

/** A range of accounts, held by one walk. */
export interface Shard {
  readonly shard: number;
  readonly after: AccountId;
  /** Up to here nothing is left that was never tried. */
  readonly resumeAfter: AccountId;
  readonly upTo: AccountId;
}

/** Adds the next range: from where the one before ends to `upTo`, the last account of a frozen page. The last of all has no end. */
export async function addShard(tx: Tx, incidentId: IncidentId, upTo: AccountId | null, isLast: boolean): Promise<void> {
  await tx.run(
    `insert into campaign_shard (incident_id, shard, after_id, up_to_id, resume_after_id)
     select $1, coalesce(last.shard, 0) + 1, coalesce(last.up_to_id, $3), $2, coalesce(last.up_to_id, $3)
       from (select) one
       left join (select shard, up_to_id from campaign_shard where incident_id = $1 order by shard desc limit 1) last
              on true`,
    [incidentId, isLast ? lastId : upTo, firstId],
  );
}

/** Takes the first range that nobody holds and that has letters never tried; `undefined` if there is none. */
export async function leaseShard(
  db: Db,
  incidentId: IncidentId,
  walkId: string,
  now: EpochMs,
  leaseUntil: EpochMs,
): Promise<Shard | undefined> {
  return db.one<Shard>(
    `update campaign_shard set walk_id = $2, lease_until = $4
      where incident_id = $1 and shard = (
        select shard from campaign_shard
         where incident_id = $1 and walked_at is null and (lease_until is null or lease_until <= $3)
         order by shard limit 1 for update skip locked)
      returning shard, after_id as after, resume_after_id as "resumeAfter", up_to_id as "upTo"`,
    [incidentId, walkId, toDate(now), toDate(leaseUntil)],
  );
}

/** Keeps a walk's ranges. */
export const keepShards = (db: Db, incidentId: IncidentId, walkId: string, leaseUntil: EpochMs): Promise<number> =>
  db.run(`update campaign_shard set lease_until = $3 where incident_id = $1 and walk_id = $2`, [
    incidentId,
    walkId,
    toDate(leaseUntil),
  ]);

/** How many walks have ranges of the campaign. */
export async function countWalks(db: Db, incidentId: IncidentId, now: EpochMs): Promise<number> {
  const row = await db.one<{ walks: number }>(
    `select count(distinct walk_id) as walks from campaign_shard
      where incident_id = $1 and walked_at is null and lease_until > $2`,
    [incidentId, toDate(now)],
  );
  return row?.walks ?? 0;
}

/**
 * Gives a range back, with how far it is. It is walked when nothing in it is left that was never tried; letters that a
 * dead walk had claimed keep it open until their lease has run out.
 */
export async function leaveShard(
  db: Db,
  incidentId: IncidentId,
  { shard, after, upTo }: Shard,
  walkId: string,
  now: EpochMs,
): Promise<void> {
  await db.run(
    `with left_over as (
       select account_id, state, lease_until from letter
        where incident_id = $1 and account_id > $5 and account_id <= $6 and state in ('unclaimed', 'claimed')
     ), first_left as (
       select account_id from left_over order by account_id limit 1
     )
     update campaign_shard
        set walk_id = null,
            walked_at = case when not exists (select from left_over) then $4::timestamptz end,
            lease_until = case when not exists (select from left_over where state = 'unclaimed')
                               then (select min(lease_until) from left_over) end,
            resume_after_id = case when not exists (select from left_over) then up_to_id else coalesce(
              (select l.account_id from letter l
                where l.incident_id = $1 and l.account_id > $5 and l.account_id < (select account_id from first_left)
                order by l.account_id desc limit 1), resume_after_id) end
      where incident_id = $1 and shard = $2 and walk_id = $3`,
    [incidentId, shard, walkId, toDate(now), after, upTo],
  );
}
