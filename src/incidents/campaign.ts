import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { plus, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { enqueue } from "../jobs/jobs.ts";
import { append } from "../timeline/append.ts";
import type { LetterSum } from "../wire/incidents.ts";
import { newCampaignKey } from "./campaign-key.ts";
import { letterLacks, type LetterSettings } from "./letter-lacks.ts";
import { letterSum } from "./letter-sum.ts";
import { noticeHash, storeNotices } from "./notice.ts";
import { previewNotices, type NoticeNeeds } from "./preview.ts";
import { isCopiedSince } from "./read-containment.ts";
import { accountsInScope } from "./scope.ts";
import { addShard } from "./shards.ts";
import { unfit } from "./unfit-letter.ts";

export interface CampaignNeeds extends NoticeNeeds {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly keyholder: Pick<Keyholder, "newDataKey" | "seal">;
  /** Where letters go out to people, and whether they name somebody to ask. */
  readonly wayOut?: LetterSettings;
}

export type StartOutcome =
  /** `sum.scope` is still growing when `isFrozen` is false: the walk goes on with the freezing. */
  | { readonly kind: "started" | "already-started"; readonly isFrozen: boolean; readonly sum: LetterSum }
  | {
      readonly kind: "refused";
      readonly reason:
        "no such case" | "not contained" | "copied since" | "closed" | "unfit letter" | "no relay" | "no contact";
    };

/** Walks that share a campaign; each is a job of its own, so that several workers take part. */
export const walkers = 2;

/** How long a start freezes before it answers; what is left then is done by the walk. */
const freezeWithinMs = 5 * secondMs;

/**
 * Starts the campaign of a contained case: fixes the letter's words, freezes the scope and queues the walk. Once: a
 * second start, also one that comes at the same moment, answers "already-started" and changes nothing. A case that has become
 * about more accounts since is started once more, for those who have no letter yet.
 *
 * What was decided commits first, with the queued walk; then the scope is frozen in batches. Killed in between, the walk
 * goes on freezing where it stopped, and hands no letter over before it is done.
 */
export async function startCampaign(
  needs: CampaignNeeds,
  incidentId: IncidentId,
  operator: string,
): Promise<StartOutcome> {
  const { db, clock, random, wayOut } = needs;
  const lacks = wayOut === undefined ? [] : letterLacks(wayOut);
  const notices = await previewNotices(needs, incidentId);
  const unfits = await Promise.all((notices ?? []).map(unfit));
  if (unfits.some((why) => why !== undefined)) return { kind: "refused", reason: "unfit letter" };
  const ownKey = await newCampaignKey(needs, incidentId);
  const now = clock.now();
  const begun = await db.transaction(async (tx): Promise<"started" | "already-started" | StartRefusal> => {
    const incident = await tx.one<{ state: string; isContained: boolean; isTold: boolean; isCopiedSince: boolean }>(
      `select state, contained_at is not null as "isContained", notified_at is not null as "isTold",
              ${isCopiedSince("i")} as "isCopiedSince"
         from incident i where id = $1 for update of i`,
      [incidentId],
    );
    if (incident === undefined || notices === undefined) return "no such case";
    // A statement of its own, after the lock: one that waited for the lock would look with the eyes of before.
    const campaign = await tx.one(`select 1 as started from campaign where incident_id = $1`, [incidentId]);
    if (campaign !== undefined && incident.isTold) return "already-started";
    if (incident.state === "closed") return "closed";
    if (!incident.isContained) return "not contained";
    // The letter would say that what was copied is refused.
    if (incident.isCopiedSince) return "copied since";
    const stopping = lacks.find(({ stops }) => stops);
    if (stopping !== undefined) return `no ${stopping.kind}`;
    await tx.run(`delete from campaign_shard where incident_id = $1`, [incidentId]);
    // One that begins once more keeps when it began, and its key: letters of it have gone.
    await tx.run(
      `insert into campaign (incident_id, started_at, started_by, scope_at, data_key, sealed_key)
       select id, $2, $3, coalesce(copied_at, contained_at), $4, $5 from incident where id = $1
       on conflict (incident_id) do update
         set started_by = excluded.started_by, scope_at = excluded.scope_at, frozen_up_to = null, frozen_at = null,
             paused_at = null, paused_by = null, paused_why = null`,
      [incidentId, toDate(now), operator, ownKey.dataKey, ownKey.sealed],
    );
    await storeNotices(tx, incidentId, notices);
    await tx.run(
      `update incident set notified_at = $2, state = case when state = 'contained' then 'notifying' else state end
        where id = $1`,
      [incidentId, toDate(now)],
    );
    const templates = notices.map((notice) => `${notice.locale} ${noticeHash(notice).toString("hex")}`);
    await append(tx, now, { kind: "campaign planned", incidentId, detail: { operator, templates } }, random);
    await enqueueWalks(tx, incidentId);
    return "started";
  });
  if (begun !== "started" && begun !== "already-started") return { kind: "refused", reason: begun };
  const isFrozen = begun === "started" ? await freezeScope(needs, incidentId, plus(now, freezeWithinMs)) : undefined;
  const sum = await letterSum(db, incidentId);
  if (sum === undefined) throw new Fault("IMPOSSIBLE", "a campaign that was started has no letters to count");
  return { kind: begun, isFrozen: isFrozen ?? (await isScopeFrozen(db, incidentId)), sum };
}

export type StartRefusal = Extract<StartOutcome, { kind: "refused" }>["reason"];

async function isScopeFrozen(tx: Tx, incidentId: IncidentId): Promise<boolean> {
  const row = await tx.one<{ isFrozen: boolean }>(
    `select frozen_at is not null as "isFrozen" from campaign where incident_id = $1`,
    [incidentId],
  );
  return row?.isFrozen ?? false;
}

const freezeBatch = 5_000;

/**
 * Gives every account in scope its letter, in order of id, a bounded batch for each transaction; goes on where an earlier
 * run was killed, and does nothing when all is done. Runs that meet take turns. Accounts without an address have their
 * outcome at once. The scope's number is stored with the last batch, and not before. Who is in scope: `accountsInScope`.
 *
 * @returns whether the scope is frozen; false if `until` came first, or there is no such campaign.
 */
export async function freezeScope(
  { db, clock, random }: Pick<CampaignNeeds, "db" | "clock" | "random">,
  incidentId: IncidentId,
  until: EpochMs,
): Promise<boolean> {
  for (;;) {
    const now = clock.now();
    const done = await db.transaction((tx) => freezeNext(tx, incidentId, now, random));
    // The planner has not seen these rows: without statistics each claim reads and sorts all that is left (measured:
    // 180 ms instead of 1 ms at 100,000 letters).
    if (done === "just frozen") await db.run(`analyze letter`);
    if (done !== "more") return done !== "no campaign";
    if (clock.now() >= until) return false;
  }
}

async function freezeNext(
  tx: Tx,
  incidentId: IncidentId,
  now: EpochMs,
  random: Random,
): Promise<"just frozen" | "frozen" | "more" | "no campaign"> {
  const campaign = await tx.one<{ frozenUpTo: AccountId | null; isFrozen: boolean }>(
    `select frozen_up_to as "frozenUpTo", frozen_at is not null as "isFrozen"
       from campaign where incident_id = $1 for update`,
    [incidentId],
  );
  if (campaign === undefined) return "no campaign";
  if (campaign.isFrozen) return "frozen";
  const accounts = await accountsInScope(tx, incidentId);
  // One statement that says what the scope is, for whoever has to check it: accounts and letters are read and written
  // together here, although they have different owners.
  const page = await tx.one<{ rows: number; last: AccountId | null }>(
    `with page as (
       select a.id, exists (select from account_address d where d.account_id = a.id) as reachable
         from ${accounts}
        where a.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
        order by a.id limit $4
     ), written as (
       insert into letter (account_id, incident_id, state, reply, settled_at)
       select id, $1,
              case when reachable then 'unclaimed' else 'no address' end,
              case when reachable then null else 'no address on record' end,
              case when reachable then null else $2::timestamptz end
         from page
       on conflict do nothing
     )
     select count(*) as rows, (array_agg(id order by id desc))[1] as last from page`,
    [incidentId, toDate(now), campaign.frozenUpTo, freezeBatch],
  );
  const isLast = page === undefined || page.rows < freezeBatch;
  await addShard(tx, incidentId, page?.last ?? null, isLast);
  await tx.run(`update campaign set frozen_up_to = coalesce($2, frozen_up_to), frozen_at = $3 where incident_id = $1`, [
    incidentId,
    page?.last ?? null,
    isLast ? toDate(now) : null,
  ]);
  if (!isLast) return "more";
  const counted = await tx.one<{ scope: number; noAddress: number }>(
    `select count(*) as scope, count(*) filter (where state = 'no address') as "noAddress"
       from letter where incident_id = $1`,
    [incidentId],
  );
  const { scope, noAddress } = counted ?? { scope: 0, noAddress: 0 };
  await tx.run(`update incident set scope_count = $2 where id = $1`, [incidentId, scope]);
  const detail = { scope, "no address": noAddress };
  await append(tx, now, { kind: "campaign started", incidentId, detail }, random);
  return "just frozen";
}

/** Queues all of a campaign's walks; waiting jobs of the same are replaced. */
export async function enqueueWalks(tx: Tx, incidentId: IncidentId): Promise<void> {
  for (let number = 0; number < walkers; number++) await enqueueWalk(tx, incidentId, number);
}

/** Queues one of a campaign's walks by its number, which is no range's; a waiting job of the same walk is replaced. */
export async function enqueueWalk(tx: Tx, incidentId: IncidentId, number: number, runAt?: EpochMs): Promise<void> {
  await enqueue(
    tx,
    "campaign",
    { incidentId, shard: number },
    { key: `campaign ${incidentId} ${number}`, ...(runAt === undefined ? {} : { runAt }) },
  );
}

/**
 * Queues the walks of every campaign that is not finished: at start, in case the queue was lost or restored.
 * @returns how many campaigns there are.
 */
export async function resumeCampaigns({ db }: Pick<CampaignNeeds, "db">): Promise<number> {
  return db.transaction(async (tx) => {
    const open = await tx.many<{ id: IncidentId }>(
      `select i.id from incident i join campaign c on c.incident_id = i.id
        where i.letters_finished_at is null and i.state <> 'closed'`,
    );
    for (const { id } of open) await enqueueWalks(tx, id);
    return open.length;
  });
}
