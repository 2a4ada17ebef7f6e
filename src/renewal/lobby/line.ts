import type { AccountId, IncidentId } from "../../kernel/brand.ts";
import { minuteMs, plus, toDate, type EpochMs } from "../../kernel/clock.ts";
import { Fault } from "../../kernel/fault.ts";
import type { Random } from "../../kernel/random.ts";
import { Secret } from "../../kernel/secret.ts";
import type { Db, Tx } from "../../db/db.ts";
import type { Keyholder, Place } from "../../keyholder/keyholder.ts";
import { newOwnKey, openOwnKey, type OwnKey } from "../../keyholder/own-key.ts";

/** The line of days without a case. */
export const noCase = "00000000-0000-0000-0000-000000000000" as IncidentId;

/** The two counters of a line, and with them how many wait. */
export interface LineCounts {
  readonly given: number;
  readonly called: number;
}

const keyPlace = (caseId: IncidentId): Place => ({
  table: "lobby",
  column: "sealed_key",
  // The line has a data key of its own, as a link has, under its case's id.
  accountId: caseId as string as AccountId,
});

/**
 * Opens the line of a case, whoever comes first; its key is random, sealed in its row, and the same for every node. Nobody who
 * copies the database can make a place with it.
 */
export async function openLine(
  { db, keyholder, random }: { readonly db: Db; readonly keyholder: Keyholder; readonly random: Random },
  caseId: IncidentId,
  now: EpochMs,
): Promise<LineCounts & { readonly key: Secret }> {
  const read = () =>
    db.one<LineCounts & OwnKey>(
      `select data_key as "dataKey", sealed_key as sealed, given, called from lobby where case_id = $1`,
      [caseId],
    );
  let row = await read();
  if (row === undefined) {
    const { dataKey, sealed } = await newOwnKey({ keyholder, random }, keyPlace(caseId));
    await db.run(
      `insert into lobby (case_id, data_key, sealed_key, opened_at) values ($1, $2, $3, $4) on conflict do nothing`,
      [caseId, dataKey, sealed, toDate(now)],
    );
    row = await read();
  }
  if (row === undefined) throw new Fault("IMPOSSIBLE", "a line that was opened is there");
  return { key: new Secret(await openOwnKey(keyholder, row, keyPlace(caseId))), given: row.given, called: row.called };
}

/** When the stretch of time began in which a network's places are counted. */
export const windowOf = (now: EpochMs): EpochMs => plus(now, -(now % placesPerNetwork.windowMs));

/** Places of one network in ten minutes: a household or an office, and not a machine that takes the line over. */
export const placesPerNetwork = { limit: 300, windowMs: 10 * minuteMs } as const;
/**
 * And of all networks of one IPv6 /48 together: a rented machine may have 65,536 of them, and a mobile carrier's is a town. As
 * many shares as `http/throttle.ts` gives one.
 */
export const placesPerSite = 100 * placesPerNetwork.limit;

/** Where somebody asks from: keyed marks of the network, and of the IPv6 /48 around it. */
export interface Counted {
  readonly network: Buffer;
  readonly site: Buffer | null;
}

/**
 * Gives the next numbers out, for many who came in the same moment, in one statement: each number goes to one of them, on
 * whatever node. `askers` holds for each where they ask from, or `null` for who is not counted. What a network is refused counts
 * for no /48: one machine cannot use up a town's. @returns for each its number, or `null` when its network, or the /48 around it,
 * has as many as it may have; and the counters afterwards.
 */
export async function takeNumbers(
  tx: Tx,
  caseId: IncidentId,
  askers: readonly (Counted | null)[],
  now: EpochMs,
): Promise<LineCounts & { readonly numbers: readonly (number | null)[] }> {
  const counted = askers.filter((one) => one !== null);
  const rows = await tx.many<LineCounts & { network: Buffer | null; places: number | null }>(
    `with asked as (
       -- Every node takes the rows in one order, so that none waits for another: networks, then sites.
       select network, site, count(*)::int as wanted
         from unnest($3::bytea[], $4::bytea[]) as one (network, site) group by network, site order by network
     ), counted as (
       insert into lobby_network as before (case_id, window_start, network, taken)
       select $1, $2, network, wanted from asked
       on conflict (case_id, window_start, network) do update set taken = before.taken + excluded.taken
       returning network, taken
     ), own as (
       select network, site, least(wanted, greatest(0, $5 - (taken - wanted)))::int as places
         from counted join asked using (network)
     ), of_sites as (
       insert into lobby_network as before (case_id, window_start, network, taken)
       select $1, $2, site, sum(places)::int from own where site is not null group by site having sum(places) > 0 order by site
       on conflict (case_id, window_start, network) do update set taken = before.taken + excluded.taken
       returning network as site, taken
     ), allowed as (
       -- Of what a site has left, the networks before take theirs first.
       select network, least(places, greatest(0, coalesce(
                $6 - (taken - sum(places) over (partition by site)) - (sum(places) over (partition by site order by network) - places),
                places)))::int as places
         from own left join of_sites using (site)
     ), moved as (
       update lobby set given = given + $7 + (select coalesce(sum(places), 0) from allowed) where case_id = $1
       returning given, called
     )
     select given, called, network, places from moved left join allowed on true`,
    [
      caseId,
      toDate(windowOf(now)),
      counted.map(({ network }) => network),
      counted.map(({ site }) => site),
      placesPerNetwork.limit,
      placesPerSite,
      askers.length - counted.length,
    ],
  );
  const [first] = rows;
  if (first === undefined) throw new Fault("IMPOSSIBLE", "the line is gone");
  const left = new Map(rows.map(({ network, places }) => [network?.toString("hex") ?? "", places ?? 0]));
  const isGiven = askers.map((asker) => {
    if (asker === null) return true;
    const key = asker.network.toString("hex");
    const places = left.get(key) ?? 0;
    left.set(key, places - 1);
    return places > 0;
  });
  let number = first.given - isGiven.filter(Boolean).length;
  return { given: first.given, called: first.called, numbers: isGiven.map((is) => (is ? ++number : null)) };
}

/** Calls up to so many more numbers, of those that are given. @returns the counters afterwards. */
export async function callNumbers(tx: Tx, caseId: IncidentId, calls: number): Promise<LineCounts> {
  const row =
    calls > 0
      ? await tx.one<LineCounts>(
          `update lobby set called = least(given, called + $2) where case_id = $1 returning given, called`,
          [caseId, calls],
        )
      : await tx.one<LineCounts>(`select given, called from lobby where case_id = $1`, [caseId]);
  if (row === undefined) throw new Fault("IMPOSSIBLE", "the line is gone");
  return row;
}

/**
 * Lets the holder of a called number in: the number is claimed by one browser, in one statement, and by that browser
 * again without effect. A ticket whose mailbox was proved before the wait lives until `ticketUntil` at least: its clock
 * starts now. @returns when the number came in; `undefined` when another browser has it.
 */
export async function enterBy(
  tx: Tx,
  {
    caseId,
    number,
    browser,
    ticketBrowsers,
    now,
    ticketUntil,
  }: {
    readonly caseId: IncidentId;
    readonly number: number;
    readonly browser: Secret;
    /** What the mailed codes are bound to that the browser has asked for. */
    readonly ticketBrowsers: readonly Secret[];
    readonly now: EpochMs;
    readonly ticketUntil: EpochMs;
  },
): Promise<{ readonly enteredAt: Date; readonly isFirst: boolean } | undefined> {
  const digest = browser.digest();
  const row = await tx.one<{ enteredAt: Date; isFirst: boolean }>(
    `with entered as (
       insert into lobby_entry (case_id, number, browser_digest, entered_at) values ($1, $2, $3, $4)
       on conflict (case_id, number) do nothing returning entered_at
     ), started as (
       update ticket set expires_at = greatest(expires_at, $6)
        where browser_digest = any($5) and proved_at is not null and used_at is null and exists (select from entered)
     )
     select entered_at as "enteredAt", true as "isFirst" from entered
     union all
     select entered_at, false from lobby_entry where case_id = $1 and number = $2 and browser_digest = $3`,
    [caseId, number, digest, toDate(now), ticketBrowsers.map((one) => one.digest()), toDate(ticketUntil)],
  );
  return row;
}

/** What happened in a minute, to be added to what all nodes have noted. */
export interface MinuteCounts {
  readonly given: number;
  readonly called: number;
  readonly entered: number;
  readonly walkedIn: number;
}

export async function noteMinute(tx: Tx, caseId: IncidentId, now: EpochMs, counts: MinuteCounts): Promise<void> {
  await tx.run(
    `insert into lobby_minute as before (case_id, minute, given, called, entered, walked_in)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (case_id, minute) do update
       set given = before.given + excluded.given, called = before.called + excluded.called,
           entered = before.entered + excluded.entered, walked_in = before.walked_in + excluded.walked_in`,
    [caseId, toDate(plus(now, -(now % minuteMs))), counts.given, counts.called, counts.entered, counts.walkedIn],
  );
}
