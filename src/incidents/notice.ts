import { createHash } from "node:crypto";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { fromDate, toDate, type EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Tx } from "../db/db.ts";
import type { Locale } from "../wire/common.ts";

/** The letter's words in one language, as they are mailed. No person is in them: everybody gets the same. */
export interface NoticeText {
  readonly locale: Locale;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface StoredNotice extends NoticeText {
  /** SHA-256 of subject, text and HTML: what the timeline names with each letter. */
  readonly hash: Buffer;
}

/** Each part after its length in bytes (8, big-endian), so that no two letters have one hash by moving a word. */
export function noticeHash({ subject, text, html }: Pick<NoticeText, "subject" | "text" | "html">): Buffer {
  const hash = createHash("sha256");
  for (const part of [subject, text, html]) {
    const bytes = Buffer.from(part, "utf8");
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  }
  return hash.digest();
}

/** Fixes the letter's words for the campaign: what was sent cannot change with the next version of the templates. */
export async function storeNotices(tx: Tx, incidentId: IncidentId, notices: readonly NoticeText[]): Promise<void> {
  await tx.run(
    `insert into notice (incident_id, locale, subject, text, html, hash)
     select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
     on conflict (incident_id, locale) do update
       set subject = excluded.subject, text = excluded.text, html = excluded.html, hash = excluded.hash`,
    [
      incidentId,
      notices.map(({ locale }) => locale),
      notices.map(({ subject }) => subject),
      notices.map(({ text }) => text),
      notices.map(({ html }) => html),
      notices.map(noticeHash),
    ],
  );
}

/** The campaign's words in every language; empty before it starts. */
export async function readNotices(tx: Tx, incidentId: IncidentId): Promise<StoredNotice[]> {
  return tx.many<StoredNotice>(
    `select locale, subject, text, html, hash from notice where incident_id = $1 order by locale`,
    [incidentId],
  );
}

/** In the language asked for, or else in English. */
export function noticeIn<Notice extends NoticeText>(notices: readonly Notice[], locale: string | undefined): Notice {
  const found =
    notices.find((one) => one.locale === locale) ?? notices.find((one) => one.locale === "en") ?? notices[0];
  if (found === undefined) throw new Fault("IMPOSSIBLE", "a campaign has no letter in any language");
  return found;
}

/** What `/notice/REFERENCE` shows. A reference that is found is genuine. */
export type PublicNotice =
  | {
      readonly kind: "genuine";
      readonly reference: string;
      readonly state: "contained" | "notifying" | "readmitting" | "closed";
      readonly containedAt: EpochMs;
      /** Null while no letter has gone. */
      readonly notifiedAt: EpochMs | null;
      /** When the way in was closed, as the case records it; null while that is being examined. What it was stays with the case. */
      readonly wayInClosedAt: EpochMs | null;
      readonly closedAt: EpochMs | null;
      /** The letter as sent, one for each language; empty while none has gone. */
      readonly letters: readonly StoredNotice[];
    }
  | { readonly kind: "not found" };

const referencePattern = /^[A-Z0-9._-]{1,60}$/;

/** A reference in the form that the letter prints: a genuine one must not be called a fraud for the hyphens or spaces it is typed with. */
const asPrinted = (typed: string): string => {
  const text = typed.toUpperCase();
  const [, first, last] = /^HL([A-Z0-9]{4})([A-Z0-9]{4})$/.exec(text.replace(/[\s\p{Pd}]/gu, "")) ?? [];
  return first === undefined || last === undefined ? text : `HL-${first}-${last}`;
};

/**
 * Looks a reference up as anybody may. A case that is open and not contained is not found: nothing has been said of it
 * yet. Nothing personal is in the answer.
 */
export async function readNotice(tx: Tx, typed: string): Promise<PublicNotice> {
  const reference = asPrinted(typed);
  if (!referencePattern.test(reference)) return { kind: "not found" };
  const row = await tx.one<{
    id: IncidentId;
    reference: string;
    state: "contained" | "notifying" | "readmitting" | "closed";
    containedAt: Date;
    notifiedAt: Date | null;
    wayInClosedAt: Date | null;
    closedAt: Date | null;
  }>(
    `select id, reference, state, contained_at as "containedAt", notified_at as "notifiedAt",
            way_in_closed_at as "wayInClosedAt", closed_at as "closedAt"
       from incident where reference = $1 and state <> 'open' and contained_at is not null`,
    [reference],
  );
  if (row === undefined) return { kind: "not found" };
  const { id, containedAt, notifiedAt, wayInClosedAt, closedAt, ...rest } = row;
  return {
    kind: "genuine",
    ...rest,
    containedAt: fromDate(containedAt),
    notifiedAt: notifiedAt === null ? null : fromDate(notifiedAt),
    wayInClosedAt: wayInClosedAt === null ? null : fromDate(wayInClosedAt),
    closedAt: closedAt === null ? null : fromDate(closedAt),
    letters: await readNotices(tx, id),
  };
}

/**
 * The containments of everybody since an instant, for one account's own page: at most 100, the newest first. `receipt`: the
 * account's letter has an outcome, which stands in the timeline.
 */
export async function containmentsSince(
  tx: Tx,
  since: EpochMs,
  accountId: AccountId,
): Promise<{ readonly id: IncidentId; readonly at: EpochMs; readonly reference: string; readonly receipt: boolean }[]> {
  const rows = await tx.many<{ id: IncidentId; at: Date; reference: string; receipt: boolean }>(
    `select id, contained_at as at, reference,
            exists (select from letter l where l.account_id = $2 and l.incident_id = incident.id
                       and l.state in ('handed over', 'bounced', 'refused')) as receipt
       from incident
      where contained_at >= $1 and containment in ('everyone-out', 'with-renewal')
      order by contained_at desc limit 100`,
    [toDate(since), accountId],
  );
  return rows.map(({ at, ...rest }) => ({ ...rest, at: fromDate(at) }));
}

/** The case of a reference, whatever its state; `undefined`: there is none. */
export async function incidentOf(tx: Tx, reference: string): Promise<IncidentId | undefined> {
  const row = await tx.one<{ id: IncidentId }>(`select id from incident where reference = upper($1)`, [reference]);
  return row?.id;
}

/** The letters about incidents that one account was owed, for its owner's own copy. */
export async function noticesTo(
  tx: Tx,
  accountId: AccountId,
): Promise<{ readonly reference: string; readonly outcome: string; readonly at: EpochMs | null }[]> {
  const rows = await tx.many<{ reference: string; outcome: string; at: Date | null }>(
    `select i.reference, l.state as outcome, l.settled_at as at
       from letter l join incident i on i.id = l.incident_id where l.account_id = $1 order by i.opened_at`,
    [accountId],
  );
  return rows.map(({ at, ...rest }) => ({ ...rest, at: at === null ? null : fromDate(at) }));
}

/** The case that people come back from: contained, of everybody, and not closed; `null` on other days. */
export async function caseInHand(tx: Tx): Promise<IncidentId | null> {
  const row = await tx.one<{ id: IncidentId }>(
    `select id from incident
      where state <> 'closed' and contained_at is not null and containment in ('everyone-out', 'with-renewal')`,
  );
  return row?.id ?? null;
}

/** The letter of the case in hand as it was sent, in a language or else in English; `null` before the first has gone. */
export async function currentLetter(
  tx: Tx,
  locale: Locale,
): Promise<Pick<NoticeText, "locale" | "subject" | "text"> | null> {
  const row = await tx.one<Pick<NoticeText, "locale" | "subject" | "text">>(
    `select n.locale, n.subject, n.text from notice n join incident i on i.id = n.incident_id
      where i.state <> 'closed' and i.containment in ('everyone-out', 'with-renewal') and i.notified_at is not null
        and n.locale in ($1, 'en')
      order by n.locale = $1 desc limit 1`,
    [locale],
  );
  return row ?? null;
}

/** What sign-in pages and televisions say while a case is in hand. */
export interface CurrentNotice {
  readonly reference: string;
  /** Passwords set before this instant must be renewed. */
  readonly renewPasswordsSetBefore: EpochMs;
}

/**
 * The notice of the case in hand, from containment until it closes; `null` otherwise, and for a case that contained one
 * account only, which is nobody else's business. One indexed read of a table with one such row.
 */
export async function currentNotice(tx: Tx): Promise<CurrentNotice | null> {
  const row = await tx.one<{ reference: string; containedAt: Date }>(
    // A second containment, or a copy that was noticed, raises the floor again: passwords set in between are old too.
    `select i.reference, greatest(i.contained_at, f.raised_at) as "containedAt"
       from incident i join floor f on f.kind = 'password'
      where i.state <> 'closed' and i.contained_at is not null and i.containment in ('everyone-out', 'with-renewal')`,
  );
  return row === undefined ? null : { reference: row.reference, renewPasswordsSetBefore: fromDate(row.containedAt) };
}
