import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { fromDate, parseInstant, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { openAccounts } from "../accounts/accounts.ts";
import type { MailTransport, SendOutcome } from "../mail/mail.ts";
import type { Random } from "../kernel/random.ts";
import { locales } from "../mail/locale.ts";
import { writeLetter, type NoticeFacts, type ServiceFacts } from "../mail/templates.ts";
import { readNotices, type NoticeText } from "./notice.ts";
import { readContainment } from "./read-containment.ts";

export interface NoticeNeeds {
  readonly db: Tx;
  readonly service: ServiceFacts;
}

/** What the letter of this case has to say; `undefined` for an id that is no case. */
export async function noticeFacts(tx: Tx, incidentId: IncidentId): Promise<NoticeFacts | undefined> {
  const row = await tx.one<
    Omit<NoticeFacts, "foundAt" | "copiedAt" | "containedAt" | "wayInClosedAt" | "keptTools"> & {
      foundAt: Date;
      copiedAt: Date | null;
      containedAt: Date | null;
      wayInClosedAt: Date | null;
    }
  >(
    `select reference, found_at as "foundAt", copied_at as "copiedAt", contained_at as "containedAt", containment,
            way_in_closed_at as "wayInClosedAt", data_classes as "dataClasses", keys_reachable as "keysReachable"
       from incident where id = $1`,
    [incidentId],
  );
  if (row === undefined) return undefined;
  const { foundAt, copiedAt, wayInClosedAt, ...rest } = row;
  const { containment, containmentAt, keptTools } = await readContainment(tx, incidentId, row);
  const orNull = (date: Date | null): EpochMs | null => (date === null ? null : fromDate(date));
  return {
    ...rest,
    foundAt: fromDate(foundAt),
    copiedAt: orNull(copiedAt),
    containment,
    // Of the containment that the letter describes: earlier ones may have refused less.
    containedAt: containmentAt === null ? null : parseInstant(containmentAt),
    keptTools,
    wayInClosedAt: orNull(wayInClosedAt),
  };
}

/**
 * The letter in every language, as it is: the words fixed at the start once a campaign runs, else what would be fixed
 * now. `undefined` for an id that is no case.
 */
export async function previewNotices(needs: NoticeNeeds, incidentId: IncidentId): Promise<NoticeText[] | undefined> {
  const told = await needs.db.one(`select 1 as told from incident where id = $1 and notified_at is not null`, [
    incidentId,
  ]);
  const stored = told === undefined ? [] : await readNotices(needs.db, incidentId);
  if (stored.length > 0) return stored;
  const facts = await noticeFacts(needs.db, incidentId);
  if (facts === undefined) return undefined;
  return locales.map((locale) => ({
    locale,
    ...writeLetter(needs.service, locale, { kind: "incident letter", notice: facts }),
  }));
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
  const written = writeLetter(needs.service, account.locale, { kind: "incident test send", notice });
  const messageId = `test.${needs.random.bytes(16).toString("hex")}`;
  return { kind: "test-sent", outcome: await needs.transport.send({ to, written, messageId }) };
}
