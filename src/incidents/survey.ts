import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { fromDate, minuteMs, plus, secondMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { addressPlace, inOrderOfUse } from "../accounts/accounts.ts";
import { enqueue } from "../jobs/jobs.ts";
import { domainOf } from "../mail/address.ts";
import { isKnownProvider, providerOf } from "../mail/providers.ts";
import type { Lookup } from "../mail/sender-domain/lookup.ts";
import { accountsInScope } from "./scope.ts";
import { judgeSender, type Finding, type Sender } from "../mail/sender-domain/judge-sender.ts";

/** How many of the accounts in scope have their first address with one provider. */
export interface ProviderCount {
  readonly provider: string;
  readonly accounts: number;
}

/** What the worker found out for a plan: it opens addresses and asks the DNS, which neither web nor a command does. */
export interface Survey {
  /** Accounts looked at so far. */
  readonly counted: number;
  /** Null while it is being made. */
  readonly doneAt: EpochMs | null;
  /** The largest first; small domains, which may be one person's own, are added up as `other`. */
  readonly providers: readonly ProviderCount[];
  readonly findings: readonly Finding[];
}

export async function readSurvey(tx: Tx, incidentId: IncidentId): Promise<Survey | undefined> {
  const row = await tx.one<Omit<Survey, "doneAt"> & { doneAt: Date | null }>(
    `select counted, done_at as "doneAt", providers, findings
       from campaign_survey where incident_id = $1`,
    [incidentId],
  );
  if (row === undefined) return undefined;
  return { ...row, doneAt: row.doneAt === null ? null : fromDate(row.doneAt) };
}

/** A survey older than this is made again when a plan is asked for. */
const freshMs = 10 * minuteMs;
/** One that has not come on for so long is asked for again. */
const patienceMs = minuteMs;

/** Asks the worker for a survey unless a fresh one is there or on its way. */
export async function askForSurvey(
  { db, clock }: { readonly db: Db; readonly clock: Clock },
  incidentId: IncidentId,
): Promise<void> {
  const now = clock.now();
  await db.transaction(async (tx) => {
    const asked = await tx.run(
      `insert into campaign_survey as s (incident_id, asked_at) select id, $2 from incident where id = $1
       on conflict (incident_id) do update set asked_at = $2, counted = 0, done_at = null
        where s.asked_at <= case when s.done_at is null then $3::timestamptz else $4::timestamptz end`,
      [incidentId, toDate(now), toDate(plus(now, -patienceMs)), toDate(plus(now, -freshMs))],
    );
    if (asked > 0) await enqueue(tx, "campaign-survey", { incidentId }, { key: `campaign-survey ${incidentId}` });
  });
}

interface SurveyNeeds {
  readonly db: Db;
  /** Mailer's role. */
  readonly keyholder: Pick<Keyholder, "open">;
  readonly clock: Clock;
  readonly lookup: Lookup;
  readonly sender: () => Promise<Sender>;
}

const pageAccounts = 1_000;
/** Domains told apart at once; people behind rarer ones are added up, so that a list of made-up domains fills no memory. */
const mostDomains = 100_000;
/** A domain that no more accounts than this have is not written down by its name: it may be one family's own. */
const leastNamed = 50;
const mostNamed = 30;
const noteEveryMs = secondMs;

/**
 * Counts the accounts of the scope per receiving provider and looks up what receivers think of the sender. Addresses are
 * opened a thousand at a time and forgotten; only the counts are kept. Killed, it begins again; asked to stop, it throws,
 * so that its job is given to another.
 */
export async function surveyCampaign(
  { db, keyholder, clock, lookup, sender }: SurveyNeeds,
  incidentId: IncidentId,
  signal?: AbortSignal,
): Promise<void> {
  const counts = new Map<string, number>();
  let other = 0;
  let counted = 0;
  let after: AccountId | null = null;
  let notedAt = clock.now();
  for (;;) {
    signal?.throwIfAborted();
    const page: ScopePage = await readPage(db, incidentId, after, clock.now());
    const opened = await keyholder.open(
      page.rows.map(({ id, dataKey, sealed }) => ({ dataKey, place: addressPlace(id), sealed })),
    );
    for (const address of opened) {
      const provider = address === null ? "unreadable addresses" : providerOf(domainOf(address));
      if (counts.size < mostDomains || counts.has(provider)) counts.set(provider, (counts.get(provider) ?? 0) + 1);
      else other++;
    }
    counted += page.accounts;
    if (page.last === null) break;
    after = page.last;
    if (clock.now() >= notedAt + noteEveryMs) {
      notedAt = clock.now();
      // As if asked for now: what comes on is not begun anew.
      await db.run(`update campaign_survey set counted = $2, asked_at = $3 where incident_id = $1`, [
        incidentId,
        counted,
        toDate(notedAt),
      ]);
    }
  }
  const findings = await judgeSender(lookup, await sender());
  await db.run(
    `update campaign_survey set counted = $2, done_at = $3, providers = $4::jsonb, findings = $5::jsonb
      where incident_id = $1`,
    [incidentId, counted, toDate(clock.now()), JSON.stringify(named(counts, other)), JSON.stringify(findings)],
  );
}

function named(counts: ReadonlyMap<string, number>, uncounted: number): ProviderCount[] {
  const sorted = [...counts].toSorted(
    ([name, one], [otherName, another]) => another - one || name.localeCompare(otherName),
  );
  const shown = sorted
    .filter(([provider, accounts]) => isKnownProvider(provider) || accounts > leastNamed)
    .slice(0, mostNamed);
  const kept = new Set(shown.map(([provider]) => provider));
  const rest = sorted
    .filter(([provider]) => !kept.has(provider))
    .reduce((sum, [, accounts]) => sum + accounts, uncounted);
  return [
    ...shown.map(([provider, accounts]) => ({ provider, accounts })),
    ...(rest === 0 ? [] : [{ provider: "other", accounts: rest }]),
  ];
}

interface ScopePage {
  readonly accounts: number;
  /** The last account of the page; null if no page follows. */
  readonly last: AccountId | null;
  readonly rows: readonly { readonly id: AccountId; readonly dataKey: Buffer; readonly sealed: Buffer }[];
}

/** The next accounts in scope with the address that is written to first; those without one are counted and not opened. */
async function readPage(tx: Tx, incidentId: IncidentId, after: AccountId | null, now: EpochMs): Promise<ScopePage> {
  const accounts = await accountsInScope(tx, incidentId);
  const rows = await tx.many<{ id: AccountId; dataKey: Buffer; sealed: Buffer | null }>(
    `select a.id, a.data_key as "dataKey", d.sealed
       from ${accounts}
       left join lateral (
         select sealed from account_address d where d.account_id = a.id
          order by ${inOrderOfUse("d")} limit 1
       ) d on true
      where a.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
      order by a.id limit $4`,
    [incidentId, toDate(now), after, pageAccounts],
  );
  return {
    accounts: rows.length,
    last: rows.length < pageAccounts ? null : (rows.at(-1)?.id ?? null),
    rows: rows.flatMap(({ id, dataKey, sealed }) => (sealed === null ? [] : [{ id, dataKey, sealed }])),
  };
}
