import type { AccountId } from "../kernel/brand.ts";
import { hourMs, plus } from "../kernel/clock.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { defineTask } from "../jobs/jobs.ts";
import type { JobContext, SealedLetterPayload, TaskDefinition } from "../jobs/jobs.ts";
import type { MailTransport } from "./mail.ts";
import { openLetter } from "./sealed-letter.ts";
import type { OpenedLetter } from "./sealed-letter.ts";
import { codeValidHours, writeLetter } from "./templates.ts";
import type { LetterContent, ServiceFacts } from "./templates.ts";

interface Needs {
  /** With the mailer's role. */
  readonly keyholder: Pick<Keyholder, "openForMailer">;
  readonly transport: MailTransport;
  readonly service: ServiceFacts;
  readonly clock: Clock;
  /** An address as the account has it, by what somebody typed; `undefined` if it has it no more. */
  readonly addressOnFile: (accountId: AccountId, typed: string) => Promise<string | undefined>;
}

/** The tasks "send-code" and "send-letter": one sealed letter to one address each. */
export function letterTasks(needs: Needs): readonly TaskDefinition[] {
  return [
    defineTask("send-code", (payload, context) => sendLetter(needs, payload, context)),
    defineTask("send-letter", (payload, context) => sendLetter(needs, payload, context)),
  ];
}

/** Throws for what is to be tried again: a deferral by the relay, or a keyholder that does not answer. */
async function sendLetter(
  { keyholder, transport, service, clock, addressOnFile }: Needs,
  payload: SealedLetterPayload,
  { log, attempt }: JobContext,
): Promise<void> {
  const opened = await openOrGiveUp(keyholder, payload);
  if (opened === undefined) {
    log.error({ letterId: payload.id }, "a sealed letter does not open; it is given up");
    return;
  }
  const content = contentOf(opened);
  if (content === undefined) return;
  // It opens nothing any more, and a letter with it would only confuse.
  if (opened.code !== undefined && clock.now() > plus(opened.at, codeValidHours * hourMs)) {
    log.warn({ letterId: payload.id, letter: opened.letter }, "a letter's code is out of date; it is given up");
    return;
  }
  const to = opened.account === undefined ? opened.to : await addressOnFile(opened.account, opened.to);
  if (to === undefined) {
    log.warn({ letterId: payload.id, letter: opened.letter }, "the account has this address no more; it is given up");
    return;
  }
  const outcome = await transport.send({
    to,
    written: writeLetter(service, opened.locale, content),
    messageId: payload.id,
  });
  const line = { letterId: payload.id, letter: opened.letter, attempt, reply: outcome.reply };
  switch (outcome.kind) {
    case "handed over":
      return log.info(line, "a letter was handed over");
    case "refused":
      return log.warn(line, "a letter was refused");
    case "deferred":
      throw new Fault("MAIL_UNAVAILABLE", `the relay put a letter off: ${outcome.reply}`);
  }
}

async function openOrGiveUp(
  keyholder: Needs["keyholder"],
  payload: SealedLetterPayload,
): Promise<OpenedLetter | undefined> {
  try {
    return await openLetter({ keyholder }, payload);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "SEALED_UNREADABLE") return undefined;
    throw thrown;
  }
}

function contentOf({ letter, code = "", undo, at }: OpenedLetter): LetterContent | undefined {
  switch (letter) {
    case "sign-up code":
    case "renewal code":
      return { kind: letter, code };
    case "no letter":
      return undefined;
    case "already registered":
    case "address doubted":
      return { kind: letter };
    default:
      return { kind: letter, at, ...(undo === undefined ? {} : { undo }) };
  }
}
