import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { fromDate, hourMs, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAccounts } from "../accounts/accounts.ts";
import type { MailTransport, SendOutcome } from "../mail/mail.ts";
import type { Random } from "../kernel/random.ts";
import { locales } from "../mail/locale.ts";
import { writeLetter, type NoticeFacts, type ServiceFacts } from "../mail/templates.ts";
import { readNotices, type NoticeText } from "./notice.ts";

export interface NoticeNeeds {
  readonly db: Tx;
  readonly service: ServiceFacts;
}

/** What the letter of this case has to say; `undefined` for an id that is no case. */
export async function noticeFacts(tx: Tx, incidentId: IncidentId): Promise<NoticeFacts | undefined> {
  const row = await tx.one<
    Omit<NoticeFacts, "foundAt" | "copiedAt" | "containedAt" | "wayInClosedAt"> & {
      foundAt: Date;
      copiedAt: Date | null;
      containedAt: Date | null;
      wayInClosedAt: Date | null;
    }
  >(
    `select reference, found_at as "foundAt", copied_at as "copiedAt", contained_at as "containedAt", containment,
            way_in_closed_at as "wayInClosedAt", data_classes as "dataClasses", keys_reachable as "keysReachable", coalesce(kept_tools, false) as "keptTools"
       from incident where id = $1`,
    [incidentId],
  );
  if (row === undefined) return undefined;
  const { foundAt, copiedAt, containedAt, wayInClosedAt, ...rest } = row;
  const orNull = (date: Date | null): EpochMs | null => (date === null ? null : fromDate(date));
  return {
    ...rest,
    foundAt: fromDate(foundAt),
    copiedAt: orNull(copiedAt),
    containedAt: orNull(containedAt),
    wayInClosedAt: orNull(wayInClosedAt),
  };
}

/**
 * The letter in every language, as it is: the words fixed at the start once a campaign runs, else what would be fixed
 * now. `undefined` for an id that is no case.
 */
export async function previewNotices(needs: NoticeNeeds, incidentId: IncidentId): Promise<NoticeText[] | undefined> {
  const stored = await readNotices(needs.db, incidentId);
  if (stored.length > 0) return stored;
  const facts = await noticeFacts(needs.db, incidentId);
  if (facts === undefined) return undefined;
  return locales.map((locale) => ({
    locale,
    ...writeLetter(needs.service, locale, { kind: "incident letter", notice: facts }),
  }));
}

/** What a campaign would do, with no figure that was not counted or measured. */
export interface Plan {
  readonly inScope: number;
  readonly withAddress: number;
  readonly withoutAddress: number;
  /** How many accounts read the letter in which language. */
  readonly byLocale: readonly { readonly locale: string; readonly accounts: number }[];
  readonly leavesBy: "relay" | "mailbox";
  /**
   * Letters an hour that this service's relay took in the last campaign hour on record, and how long the letters would
   * take at that rate; null when none was ever measured. Nothing is promised without a figure.
   */
  readonly measured: { readonly lettersPerHour: number; readonly hours: number } | null;
}

/**
 * Counts what a campaign started now would take: a full read, seconds at millions of accounts. Receiving providers are
 * not counted: that would mean opening every address before a letter is decided on.
 *
 * `undefined` for an id that is no case.
 */
export async function planCampaign(
  { db, clock, leavesBy }: { readonly db: Tx; readonly clock: Clock; readonly leavesBy: Plan["leavesBy"] },
  incidentId: IncidentId,
): Promise<Plan | undefined> {
  const rows = await db.many<{ locale: string; accounts: number; withAddress: number }>(
    `select a.locale, count(*) as accounts,
            count(*) filter (where exists (select from account_address d where d.account_id = a.id)) as "withAddress"
       from account a join incident i on i.id = $1
      where case when i.scope_accounts is null then a.created_at <= coalesce(i.copied_at, i.contained_at, $2)
                 else a.id = any(i.scope_accounts) end
      group by a.locale order by accounts desc, a.locale`,
    [incidentId, toDate(clock.now())],
  );
  if (rows.length === 0 && (await noticeFacts(db, incidentId)) === undefined) return undefined;
  const inScope = rows.reduce((total, { accounts }) => total + accounts, 0);
  const withAddress = rows.reduce((total, row) => total + row.withAddress, 0);
  const lettersPerHour = await measuredRate(db);
  return {
    inScope,
    withAddress,
    withoutAddress: inScope - withAddress,
    byLocale: rows.map(({ locale, accounts }) => ({ locale, accounts })),
    leavesBy,
    measured: lettersPerHour === null ? null : { lettersPerHour, hours: Math.ceil(withAddress / lettersPerHour) },
  };
}

/** What the newest campaign handed over in the hour before its last letter; `null` if none ever handed one over. */
async function measuredRate(tx: Tx): Promise<number | null> {
  const row = await tx.one<{ count: number; firstAt: Date | null; lastAt: Date | null }>(
    `with last as (
       select incident_id, max(settled_at) as at from letter
        where state = 'handed over' group by incident_id order by at desc limit 1
     )
     select count(*) as count, min(l.settled_at) as "firstAt", max(l.settled_at) as "lastAt"
       from letter l join last on last.incident_id = l.incident_id
      where l.state = 'handed over' and l.settled_at > last.at - interval '1 hour'`,
  );
  if (row === undefined || row.firstAt === null || row.lastAt === null || row.count < 100) return null;
  const spanMs = Math.max(1_000, row.lastAt.getTime() - row.firstAt.getTime());
  return Math.floor((row.count / spanMs) * hourMs);
}

export type TestSent =
  | { readonly kind: "test-sent"; readonly outcome: SendOutcome }
  | { readonly kind: "refused"; readonly reason: "no such case" | "no address" };

/**
 * Sends the letter, marked as a test, to the operator who asks and to nobody else. Its Message-ID is its own: the
 * operator's real letter must not look like a repetition.
 */
export async function sendTestLetter(
  needs: NoticeNeeds & {
    /** Mailer's role. */
    readonly keyholder: Pick<Keyholder, "open">;
    readonly transport: MailTransport;
    readonly random: Random;
  },
  incidentId: IncidentId,
  operator: AccountId,
): Promise<TestSent> {
  const [notice, [account]] = await Promise.all([noticeFacts(needs.db, incidentId), openAccounts(needs, [operator])]);
  if (notice === undefined) return { kind: "refused", reason: "no such case" };
  const to = account?.addresses.find(({ address }) => address !== "")?.address;
  if (account === undefined || to === undefined) return { kind: "refused", reason: "no address" };
  const letter = writeLetter(needs.service, account.locale, { kind: "incident test send", notice });
  const messageId = `test.${needs.random.bytes(16).toString("hex")}`;
  return { kind: "test-sent", outcome: await needs.transport.send({ to, ...letter, messageId }) };
}
