import type { IncidentId } from "../kernel/brand.ts";
import { hourMs, minuteOf, parseInstant, plus, toDate, toIso, type Clock, type EpochMs } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";
import { lettersLeaveBy, type Config } from "../config/config.ts";
import type { LetterPrice, RelayAllowance } from "../config/mail-settings.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Plan } from "../wire/campaign.ts";
import { campaignShare, campaignShareText } from "./campaign-share.ts";
import { deadlinesOf, type Deadline, type DeadlineRule } from "./deadlines.ts";
import { letterLacks, type LetterSettings } from "./letter-lacks.ts";
import { rareReadingOf, type RareReadingNeeds } from "./rare-reading.ts";
import { accountsInScope } from "./scope.ts";
import { spanWords } from "./span-words.ts";
import type { Survey } from "./survey.ts";

/** What is known of the way out before anything is sent. */
export interface WayOut extends LetterSettings {
  readonly allowance: RelayAllowance | null;
  readonly price: LetterPrice | null;
}

export const wayOutOf = (config: Config): WayOut => ({
  leavesBy: lettersLeaveBy(config),
  contact: config.contactAddress,
  allowance: config.relayAllowance,
  price: config.letterPrice,
});

interface Needs extends WayOut {
  readonly db: Tx;
  readonly clock: Clock;
  /** Those that are counted: see `readDeadlines`. */
  readonly deadlines: readonly DeadlineRule[];
  /** `sharedScopeCounts`, where many look; without it the scope is counted anew. */
  readonly scopeCounts?: CountScope;
}

/** The accounts of a scope that have one language. */
export interface ScopeCount {
  readonly locale: string;
  readonly accounts: number;
  readonly withAddress: number;
}

/** A full read, seconds at millions of accounts. */
async function countScope(db: Tx, incidentId: IncidentId | null, now: EpochMs): Promise<ScopeCount[]> {
  const accounts = await accountsInScope(db, incidentId);
  return db.many<ScopeCount>(
    `select a.locale, count(*) as accounts,
            count(*) filter (where exists (select from account_address d where d.account_id = a.id)) as "withAddress"
       from ${accounts}
      group by a.locale order by accounts desc, a.locale`,
    [incidentId, toDate(now)],
  );
}

export type CountScope = (incidentId: IncidentId | null) => Promise<readonly ScopeCount[]>;

/** A scope changes with each account that is made, and nobody plans by single ones. */
const goodFor = 20;

/** Counts for everybody who looks at a plan, which a console does again and again while the worker finds out the rest. */
export function sharedScopeCounts(needs: RareReadingNeeds & { readonly db: Db }): CountScope {
  const { db, clock } = needs;
  const read = rareReadingOf(needs, goodFor, async (incidentId: IncidentId | null) => ({
    rows: await countScope(db, incidentId, clock.now()),
  }));
  return async (incidentId) => (await read(incidentId)).rows;
}

/**
 * Counts what a campaign started now would take, and says what can be promised of it. Without a case the scope is
 * everybody. No figure that was not counted, measured or set. `undefined` for an id that is no case.
 */
export async function planCampaign(
  { db, clock, leavesBy, contact, allowance, price, deadlines, scopeCounts }: Needs,
  incidentId: IncidentId | null,
  survey?: Survey,
): Promise<Plan | undefined> {
  const way = { leavesBy, contact, allowance, price };
  const now = clock.now();
  const rows = await (scopeCounts?.(incidentId) ?? countScope(db, incidentId, now));
  const times = await caseTimes(db, incidentId, now);
  if (times === undefined) return undefined;
  const inScope = rows.reduce((total, { accounts }) => total + accounts, 0);
  const withAddress = rows.reduce((total, row) => total + row.withAddress, 0);
  const lettersPerHour = await measuredRate(db);
  const terms = termsOf(way, withAddress, lettersPerHour);
  const end = endOf(way, terms, lettersPerHour !== null, now, survey);
  return {
    inScope,
    withAddress,
    withoutAddress: inScope - withAddress,
    lacks: letterLacks(way),
    byLocale: rows.map(({ locale, accounts }) => ({ locale, accounts })),
    leavesBy,
    allowance: allowance === null ? null : { ...allowance, campaignPercent: campaignShare * 100 },
    price: price === null ? null : priceText(price),
    measured: lettersPerHour === null ? null : { lettersPerHour, hours: Math.ceil(withAddress / lettersPerHour) },
    terms,
    end,
    cost: costOf(way, withAddress),
    deadlines: deadlinesOf(times, now, deadlines)
      .filter(({ state }) => state !== "met" && state !== "told")
      .map((deadline) => judgeDeadline(deadline, end)),
    survey:
      survey === undefined
        ? null
        : {
            counted: survey.counted,
            doneAt: survey.doneAt === null ? null : toIso(survey.doneAt),
            providers: [...survey.providers],
            findings: [...survey.findings],
          },
  };
}

async function caseTimes(tx: Tx, incidentId: IncidentId | null, now: EpochMs) {
  if (incidentId === null) return { foundAt: toDate(now), notifiedAt: toDate(now), finishedAt: null };
  const row = await tx.one<{ foundAt: Date; notifiedAt: Date | null; finishedAt: Date | null }>(
    `select found_at as "foundAt", notified_at as "notifiedAt", letters_finished_at as "finishedAt"
       from incident where id = $1`,
    [incidentId],
  );
  // Limits that count from the first letter are shown as if it left now.
  return row === undefined ? undefined : { ...row, notifiedAt: row.notifiedAt ?? toDate(now) };
}

/** What the newest campaign handed over in the hour before its last letter; `null` if none ever handed one over. */
async function measuredRate(tx: Tx): Promise<number | null> {
  const row = await tx.one<{ count: number; firstAt: Date | null; lastAt: Date | null }>(
    `with last as materialized (
       select i.id, (select max(settled_at) from letter l where l.incident_id = i.id and l.state = 'handed over') as at
         from incident i order by at desc nulls last limit 1
     )
     select count(*) as count, min(l.settled_at) as "firstAt", max(l.settled_at) as "lastAt"
       from letter l join last on last.id = l.incident_id
      where l.state = 'handed over' and l.settled_at > last.at - interval '1 hour'`,
  );
  if (row === undefined || row.firstAt === null || row.lastAt === null || row.count < 100) return null;
  const spanMs = Math.max(1_000, row.lastAt.getTime() - row.firstAt.getTime());
  return Math.floor((row.count / spanMs) * hourMs);
}

const whole = (value: number): string => value.toLocaleString("en");
const hoursText = (hours: number): string => (hours < 1 ? "less than an hour" : `${whole(Math.ceil(hours))} h`);

/** What the time depends on, each with its reason; `hours` is null where nobody knows. */
function termsOf({ leavesBy, allowance }: WayOut, letters: number, lettersPerHour: number | null): Plan["terms"] {
  if (leavesBy !== "relay") {
    return [
      {
        kind: "no relay",
        term: "way out",
        hours: null,
        reason: "there is no relay (SMTP_URL): letters stay on this machine",
      },
    ];
  }
  const perHour =
    allowance === null ? null : (allowance.per === "hour" ? allowance.letters : allowance.letters / 24) * campaignShare;
  return [
    perHour === null || allowance === null
      ? {
          kind: "allowance",
          term: "the relay's allowance",
          hours: null,
          reason: "not known: RELAY_ALLOWANCE says what your contract with the relay allows",
        }
      : {
          kind: "allowance",
          term: "the relay's allowance",
          hours: letters / perHour,
          reason: `${numbered(letters, "letter")} at ${whole(allowance.letters)} a${allowance.per === "hour" ? "n hour" : " day"}, of which a campaign uses ${campaignShareText}: ${hoursText(letters / perHour)}`,
        },
    lettersPerHour === null
      ? {
          kind: "speed",
          term: "this relay's speed",
          hours: null,
          reason: "not known: no campaign of a hundred letters or more was ever handed to it",
        }
      : {
          kind: "speed",
          term: "this relay's speed",
          hours: letters / Math.max(1, lettersPerHour),
          reason: `${numbered(lettersPerHour, "letter")} an hour, measured in the last campaign: ${hoursText(letters / Math.max(1, lettersPerHour))}`,
        },
    {
      kind: "providers",
      term: "receiving providers",
      hours: null,
      reason: "not known before it is tried: what they put off is tried again for five days, and comes on top",
    },
  ];
}

/** The projected end, as far as something is known; and in one sentence what is promised, which may be nothing. */
function endOf(
  { leavesBy }: WayOut,
  terms: Plan["terms"],
  isMeasured: boolean,
  now: EpochMs,
  survey: Survey | undefined,
): Plan["end"] {
  const known = terms.flatMap(({ hours }) => (hours === null ? [] : [hours]));
  if (leavesBy !== "relay") {
    return {
      kind: "no relay",
      notBefore: null,
      isLikely: false,
      says: "nothing can be promised: without a relay no letter leaves this machine",
    };
  }
  if (known.length === 0) {
    return {
      kind: "nothing known",
      notBefore: null,
      isLikely: false,
      says: "no end can be promised: neither the relay's allowance nor its speed is known",
    };
  }
  const at = plus(now, Math.ceil(Math.max(...known) * hourMs));
  const notBefore = toIso(at);
  const bad = survey?.findings.some(({ verdict }) => verdict === "bad") === true;
  if (bad) {
    return {
      kind: "sender doubted",
      notBefore,
      isLikely: false,
      says: `not before ${shown(at)}; no end can be promised while receivers have a reason to refuse the letters (see the sender's domain)`,
    };
  }
  if (!isMeasured) {
    return {
      kind: "allowance alone",
      notBefore,
      isLikely: false,
      says: `not before ${shown(at)}, by the relay's allowance alone; that it ends then cannot be promised, since nobody has measured how fast the relay takes letters`,
    };
  }
  return {
    kind: "likely",
    notBefore,
    isLikely: true,
    says: `about ${shown(at)}, if relay and providers take letters as fast as last time; what providers put off comes later`,
  };
}

const shown = (at: EpochMs): string => minuteOf(toIso(at));

const priceText = ({ perThousand, currency }: LetterPrice): string => `${perThousand} ${currency}`;

/** To the cent, or the smallest part that shows something. */
function costOf({ price, leavesBy }: WayOut, letters: number): Plan["cost"] {
  if (leavesBy !== "relay")
    return { kind: "no relay", amount: null, says: "letters that stay on this machine cost nothing" };
  if (price === null) {
    return { kind: "price unknown", amount: null, says: "not known: LETTER_PRICE says what a thousand letters cost" };
  }
  const amount = ((letters / 1_000) * price.perThousand).toFixed(2);
  return {
    kind: "price",
    amount: `${amount} ${price.currency}`,
    says: `${amount} ${price.currency}: ${numbered(letters, "letter")} at ${priceText(price)} a thousand; a second address, or a letter tried again after its answer was lost, costs again`,
  };
}

/** What the plan can say of a limit: never more than the projection carries. */
function judgeDeadline({ rule, title, whom, dueAt, state }: Deadline, end: Plan["end"]): Plan["deadlines"][number] {
  const limit = { rule, title, dueAt };
  const over = { kind: "over", says: "its time is over" } as const;
  if (whom === "authority") {
    if (state === "past") return { ...limit, outlook: "yours", ...over };
    return {
      ...limit,
      outlook: "yours",
      kind: "authority",
      says: "letters do not meet it: the authority is told by you",
    };
  }
  if (dueAt === null) {
    const says = "it sets no time, and each hour until the letters end has to have its reason";
    return { ...limit, outlook: "not known", kind: "no time", says };
  }
  if (state === "missed") return { ...limit, outlook: "cannot be met", ...over };
  const { notBefore, isLikely } = end;
  if (notBefore === null) {
    return { ...limit, outlook: "not known", kind: "no end", says: "no end is known, so neither is this" };
  }
  const leftMs = parseInstant(dueAt) - parseInstant(notBefore);
  const span = spanWords(Math.abs(leftMs));
  if (leftMs < 0) {
    const says = `the letters end ${span} after it at the earliest`;
    return { ...limit, outlook: "cannot be met", kind: "too late", says };
  }
  if (isLikely) return { ...limit, outlook: "can be met", kind: "to spare", says: `with ${span} to spare` };
  const says = "nothing known speaks against it, and nothing is promised";
  return { ...limit, outlook: "not known", kind: "unpromised", says };
}
