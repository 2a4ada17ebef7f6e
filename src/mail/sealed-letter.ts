import { Type } from "typebox";
import type { Static } from "typebox";
import { Check } from "typebox/value";
import type { AccountId, Brand } from "../kernel/brand.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { newId } from "../kernel/random.ts";
import type { Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { Locale } from "../wire/common.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { letterKinds } from "../jobs/jobs.ts";
import type { LetterKind, SealedLetterPayload } from "../jobs/jobs.ts";

/** A letter to be written and sent by the mailer. */
export interface LetterOrder {
  readonly letter: LetterKind;
  readonly locale: Locale;
  /** One address, as `parseAddress` gives it. */
  readonly to: string;
  /** Where somebody typed the address: whose account it led to, so that the letter goes to the address as its owner proved it. */
  readonly account?: AccountId;
  /** What the person types; letters that show no code leave it out or ignore it. */
  readonly code?: Secret;
  /** The secret of "it was not me", in letters about a change that can be taken back. */
  readonly undo?: Secret;
  /** When what the letter tells of happened; the moment of sealing unless given. */
  readonly at?: EpochMs;
}

const body = Type.Object(
  {
    letter: Type.Enum(letterKinds),
    locale: Locale,
    to: Type.String({ maxLength: 254 }),
    account: Type.Optional(Type.String({ maxLength: 36 })),
    code: Type.Optional(Type.String({ maxLength: 64 })),
    undo: Type.Optional(Type.String({ maxLength: 64 })),
    at: Type.Integer({ minimum: 0 }),
    /** Spaces, so that a letter to an account and one to a stranger have one length in the queue. */
    pad: Type.String(),
  },
  { additionalProperties: false },
);

const contextOf = (id: string): string => `letter:${id}`;

/** Sealed letters have this length or a multiple of it. */
const blockBytes = 1_024;

interface SealNeeds {
  readonly keyholder: Pick<Keyholder, "sealForMailer">;
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Makes the payload of a "send-code" or "send-letter" job. Everything but the letter's id is sealed to the mailer, the
 * kind of letter included: the queue of a stolen copy shows neither who was written to nor whether they have an account.
 * Call it before the transaction that queues the job.
 */
export async function sealLetter(
  { keyholder, random, clock }: SealNeeds,
  { letter, locale, to, account, code, undo, at = clock.now() }: LetterOrder,
): Promise<SealedLetterPayload> {
  const id = newId<Brand<string, "LetterId">>(random, clock.now());
  const unpadded = {
    letter,
    locale,
    to,
    ...(account === undefined ? {} : { account }),
    ...(code === undefined ? {} : { code: code.revealText() }),
    ...(undo === undefined ? {} : { undo: Buffer.from(undo.reveal()).toString("base64url") }),
    at,
  } satisfies Partial<Static<typeof body>>;
  const lengthBytes = Buffer.byteLength(JSON.stringify({ ...unpadded, pad: "" }));
  const pad = " ".repeat((blockBytes - (lengthBytes % blockBytes)) % blockBytes);
  const sealed = await keyholder.sealForMailer(contextOf(id), Secret.fromText(JSON.stringify({ ...unpadded, pad })));
  return { id, sealed: sealed.toString("base64url") };
}

export interface OpenedLetter {
  readonly letter: LetterKind;
  readonly locale: Locale;
  readonly to: string;
  readonly account?: AccountId;
  readonly code?: string;
  /** base64url of the secret. */
  readonly undo?: string;
  readonly at: EpochMs;
}

/**
 * Opens a payload again; mailer only. Throws `SEALED_UNREADABLE` for a value that was changed or moved to another letter.
 */
export async function openLetter(
  { keyholder }: { readonly keyholder: Pick<Keyholder, "openForMailer"> },
  { id, sealed }: SealedLetterPayload,
): Promise<OpenedLetter> {
  const opened = await keyholder.openForMailer(contextOf(id), Buffer.from(sealed, "base64url"));
  const content: unknown = JSON.parse(opened.revealText());
  if (!Check(body, content)) throw new Fault("SEALED_UNREADABLE", "a sealed letter has not the content of a letter");
  const { pad: _, at, account, ...rest } = content;
  return { ...rest, ...(account === undefined ? {} : { account: account as AccountId }), at: at as EpochMs };
}
