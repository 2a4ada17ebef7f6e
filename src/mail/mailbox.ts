import { Type } from "typebox";
import { Check } from "typebox/value";
import type { Brand } from "../kernel/brand.ts";
import { dayMs, fromDate, plus, toDate } from "../kernel/clock.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newId } from "../kernel/random.ts";
import type { Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { batchRows } from "../db/batch.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { heldBack, type MailTransport } from "./mail.ts";

export type MailboxLetterId = Brand<string, "MailboxLetterId">;

/** A letter that the service would have sent. */
export interface MailboxLetter {
  readonly id: MailboxLetterId;
  readonly at: EpochMs;
  readonly messageId: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const stored = Type.Object({ to: Type.String(), subject: Type.String(), text: Type.String(), html: Type.String() });

/** Kept letters have this length or a multiple of it, so that a copy does not show what kind of letter each is. */
const blockBytes = 4_096;
/** Spaces after JSON mean nothing (RFC 8259 section 2). */
const padded = (json: string): string =>
  json + " ".repeat((blockBytes - (Buffer.byteLength(json) % blockBytes)) % blockBytes);

const contextOf = (id: MailboxLetterId): string => `mailbox:${id}`;

interface Needs {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "sealForMailer">;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The built-in mailbox, for a service without a relay: keeps letters, sealed, instead of sending them. Only the mailer's
 * role of the keyholder opens them again.
 */
export function openMailbox({ db, keyholder, clock, random }: Needs): MailTransport {
  return {
    send: async ({ to, written: { subject, text, html }, messageId, whenReady }) => {
      const now = clock.now();
      const id = newId<MailboxLetterId>(random, now);
      let isOnItsWay = false;
      try {
        const sealed = await keyholder.sealForMailer(
          contextOf(id),
          Secret.fromText(padded(JSON.stringify({ to, subject, text, html }))),
        );
        if ((await whenReady?.()) === false) return heldBack;
        isOnItsWay = true;
        await db.run(`insert into mailbox_letter (id, at, message_id, sealed) values ($1, $2, $3, $4)`, [
          id,
          toDate(now),
          messageId,
          sealed,
        ]);
      } catch (thrown) {
        if (thrown instanceof Fault && (thrown.code === "DB_UNAVAILABLE" || thrown.code === "KEYHOLDER_UNAVAILABLE")) {
          return {
            kind: "deferred",
            reply: "the built-in mailbox is not reachable",
            // A database that is lost may have written what it did not answer.
            mayHaveArrived: isOnItsWay,
            cause: "relay",
          };
        }
        throw thrown;
      }
      return { kind: "handed over", reply: "kept in the built-in mailbox", queueId: id };
    },
    close: () => Promise.resolve(),
  };
}

export interface MailboxPage {
  /** 1 to 100. */
  readonly limit: number;
  /** Letters before this one, for the next page. */
  readonly before?: MailboxLetterId;
}

/** The newest letters first. The keyholder's client must have the mailer's role. One that does not open is left out. */
export async function listMailbox(
  { db, keyholder }: { readonly db: Tx; readonly keyholder: Pick<Keyholder, "openForMailer"> },
  { limit, before }: MailboxPage,
): Promise<MailboxLetter[]> {
  const rows = await db.many<{ id: MailboxLetterId; at: Date; messageId: string; sealed: Buffer }>(
    `select id, at, message_id as "messageId", sealed from mailbox_letter
      where $2::uuid is null or id < $2 order by id desc limit $1`,
    [Math.min(Math.max(1, limit), 100), before ?? null],
  );
  const letters = await Promise.all(
    rows.map(async ({ id, at, messageId, sealed }): Promise<MailboxLetter | undefined> => {
      try {
        const opened = await keyholder.openForMailer(contextOf(id), sealed);
        const content: unknown = JSON.parse(opened.revealText());
        return Check(stored, content) ? { id, at: fromDate(at), messageId, ...content } : undefined;
      } catch (thrown) {
        if (thrown instanceof Fault && thrown.code === "SEALED_UNREADABLE") return undefined;
        throw thrown;
      }
    }),
  );
  return letters.filter((letter) => letter !== undefined);
}

/** What the mailbox keeps: the newest letters, for a week. */
const keptLetters = 10_000;
const keptMs = 7 * dayMs;

/** Forgets what is older or more than the mailbox keeps. @returns how many letters. */
export async function cleanUpMailbox(tx: Tx, now: EpochMs): Promise<number> {
  return tx.run(
    `delete from mailbox_letter where id in (
       select id from mailbox_letter
        where at < $1 or id <= (select id from mailbox_letter order by id desc offset $2 limit 1)
        order by id limit $3)`,
    [toDate(plus(now, -keptMs)), keptLetters, batchRows],
  );
}
