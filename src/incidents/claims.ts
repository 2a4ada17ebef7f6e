import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { plus, sleep, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import { isPaused } from "./pause.ts";
import type { Shard } from "./shards.ts";
import { untilItCan } from "./until-it-can.ts";

/** A letter that waits, as it was read. Reading it claims nothing: whoever hands it over claims it first. */
export interface WaitingLetter {
  readonly accountId: AccountId;
  /** How often it was claimed; tells one claim from every other of the same letter. */
  readonly attempts: number;
  /** When the relay first put it off; `null` if it never has. */
  readonly deferredSince: Date | null;
  /** It was tried, or put off, before, and its time has come. */
  readonly isDue: boolean;
  /** A walk had it on its way and has not said what became of it. */
  readonly mayHaveGone: boolean;
}

interface Bounds {
  readonly now: EpochMs;
  readonly most: number;
}

/** The next letters of a range behind `after`, in order of id: never claimed, or claimed by a walk that died. */
export function readFresh(
  db: Db,
  incidentId: IncidentId,
  { upTo }: Pick<Shard, "upTo">,
  after: AccountId,
  { now, most }: Bounds,
): Promise<WaitingLetter[]> {
  return db.many<WaitingLetter>(
    `select account_id as "accountId", attempts, deferred_since as "deferredSince", false as "isDue",
            state = 'claimed' as "mayHaveGone"
       from letter
      where incident_id = $1 and account_id > $4 and account_id <= $5
        and state in ('unclaimed', 'claimed') and (state = 'unclaimed' or lease_until <= $2)
      order by account_id limit $3`,
    [incidentId, toDate(now), most, after, upTo],
  );
}

/**
 * Reserves deferred letters that are due again, the longest overdue first: it makes them due at `until`, so that no other walk
 * reads them before. That claims nothing: a walk that dies with them has sent none of them.
 */
export function reserveDue(
  db: Db,
  incidentId: IncidentId,
  { now, most, until }: Bounds & { readonly until: EpochMs },
): Promise<WaitingLetter[]> {
  return db.many<WaitingLetter>(
    `update letter set due_at = $3
      where incident_id = $1
        and account_id in (
          select account_id from letter
           where incident_id = $1 and state = 'deferred' and due_at <= $2
           order by due_at limit $4
             for update skip locked)
      returning account_id as "accountId", attempts, deferred_since as "deferredSince", true as "isDue",
                lease_until is not null as "mayHaveGone"`,
    [incidentId, toDate(now), toDate(until), most],
  );
}

type Held = ReadonlyMap<AccountId, number>;
const heldParameters = (held: Held): [AccountId[], number[]] => [[...held.keys()], [...held.values()]];

/** Gives back reserved letters that were not claimed: they are due now. */
export async function releaseDue(db: Db, incidentId: IncidentId, reserved: Held, now: EpochMs): Promise<void> {
  if (reserved.size === 0) return;
  await db.run(
    `update letter l set due_at = $4
       from unnest($2::uuid[], $3::integer[]) as reserved (account_id, attempts)
      where l.incident_id = $1 and l.account_id = reserved.account_id and l.attempts = reserved.attempts
        and l.state = 'deferred'`,
    [incidentId, ...heldParameters(reserved), toDate(now)],
  );
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
}

/** Claims that come within this time of each other are one statement. */
const gatherMs = 5;

/** What a walk has on its way. */
export interface Claims {
  /**
   * Claims a letter that goes to a connection next: from the commit on it counts as on its way. @returns the claim;
   * `undefined` when another walk has had it meanwhile, or the campaign is paused.
   */
  claim(letter: WaitingLetter): Promise<WaitingLetter | undefined>;
  /** What became of it is recorded. */
  settled(accountId: AccountId): void;
  /** Whether a letter could not be claimed because the campaign is paused. */
  isPaused(): boolean;
  /** Keeps the leases of what is on its way. */
  renew(): Promise<void>;
}

/**
 * Claims letters as they are ready to go, those of one moment in one statement. A claim whose lease runs out is free
 * again, and the letter counts as possibly twice when somebody else claims it. While the campaign is paused there are none.
 */
export function openClaims(
  { db, clock, log }: Needs,
  incidentId: IncidentId,
  { leaseMs, signal }: { readonly leaseMs: number; readonly signal: AbortSignal | undefined },
): Claims {
  const held = new Map<AccountId, number>();
  let asked = new Map<AccountId, WaitingLetter>();
  let isPausedNow = false;
  let claiming: Promise<ReadonlySet<AccountId>> | undefined;

  async function claimAsked(): Promise<ReadonlySet<AccountId>> {
    await sleep(gatherMs);
    const batch = asked;
    asked = new Map();
    claiming = undefined;
    const claimed = await untilItCan(log, signal, () => claimAll([...batch.values()]));
    for (const accountId of claimed) held.set(accountId, (batch.get(accountId)?.attempts ?? 0) + 1);
    return claimed;
  }

  async function claimAll(letters: readonly WaitingLetter[]): Promise<ReadonlySet<AccountId>> {
    const now = clock.now();
    const rows = await db.many<{ accountId: AccountId }>(
      `update letter
          set possibly_twice = possibly_twice or lease_until is not null,
              state = case when state = 'deferred' then state else 'claimed' end,
              attempts = attempts + 1, lease_until = $5, due_at = case when state = 'deferred' then $5::timestamptz end
        where incident_id = $1
          and not exists (select from campaign where incident_id = $1 and paused_at is not null)
          and account_id in (
            select l.account_id
              from letter l join unnest($2::uuid[], $3::integer[]) as asked (account_id, attempts) using (account_id, attempts)
             where l.incident_id = $1 and l.state in ('unclaimed', 'claimed', 'deferred')
               and (l.lease_until is null or l.lease_until <= $4)
               for update of l skip locked)
        returning account_id as "accountId"`,
      [
        incidentId,
        letters.map(({ accountId }) => accountId),
        letters.map(({ attempts }) => attempts),
        toDate(now),
        toDate(plus(now, leaseMs)),
      ],
    );
    if (rows.length < letters.length) isPausedNow = await isPaused(db, incidentId);
    return new Set(rows.map(({ accountId }) => accountId));
  }

  return {
    claim: async (letter) => {
      asked.set(letter.accountId, letter);
      claiming ??= claimAsked();
      const claimed = await claiming;
      return claimed.has(letter.accountId) ? { ...letter, attempts: letter.attempts + 1 } : undefined;
    },
    isPaused: () => isPausedNow,
    settled: (accountId) => void held.delete(accountId),
    renew: async () => {
      if (held.size === 0) return;
      // Rows that are being recorded at this moment need no lease, and the two would wait for each other.
      await db.run(
        `update letter set lease_until = $4, due_at = case when state = 'deferred' then $4::timestamptz end
          where incident_id = $1 and account_id in (
            select l.account_id from letter l
              join unnest($2::uuid[], $3::integer[]) as held (account_id, attempts) using (account_id, attempts)
             where l.incident_id = $1 and l.state in ('claimed', 'deferred') and l.lease_until is not null
               for update of l skip locked)`,
        [incidentId, ...heldParameters(held), toDate(plus(clock.now(), leaseMs))],
      );
    },
  };
}
