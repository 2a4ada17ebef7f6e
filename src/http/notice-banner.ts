import type { EpochMs } from "../kernel/clock.ts";
import { html, type Markup } from "./markup.ts";
import type { Words } from "./words.ts";

/** What pages say while a case is contained and not closed; `app.ts` passes in the incidents room's answer. */
export interface CurrentNotice {
  readonly reference: string;
  /** Passwords set before this instant are refused, whoever they belong to. */
  readonly renewPasswordsSetBefore: EpochMs;
}

export type ReadCurrentNotice = () => Promise<CurrentNotice | null>;

/** The letter of the case in hand as it was sent. */
export interface CurrentLetter {
  readonly locale: string;
  readonly subject: string;
  readonly text: string;
}

/** `null` while none has gone. */
export type ReadCurrentLetter = (acceptLanguage: string | undefined) => Promise<CurrentLetter | null>;

/** The letter itself, below a page's card, folded up. */
export function noticeLetter(words: Words, letter: CurrentLetter | null): Markup | undefined {
  if (letter === null) return undefined;
  return html`<details class="card letter-again">
    <summary>${words.say("notice.letter")}</summary>
    ${letterAsSent(letter)}
  </details>`;
}

/** A letter word by word: lines that are underlined in it as headings, lines that begin with a dash as a list. */
export function letterAsSent({ locale, subject, text }: CurrentLetter): Markup {
  return html`<div class="letter" lang="${locale}">
    <p class="letter-subject">${subject}</p>
    ${text
      .trim()
      .split(/\n{2,}/)
      .map(letterBlock)}
  </div>`;
}

function letterBlock(block: string): Markup {
  const lines = block.split("\n");
  const [first = "", rule = "", ...others] = lines;
  if (/^-{3,}$/.test(rule)) {
    return html`<h3>${first}</h3>
      ${others.length > 0 && letterBlock(others.join("\n"))}`;
  }
  if (lines.every((line) => line.startsWith("- "))) {
    return html`<ul class="points">
      ${lines.map((line) => html`<li>${line.slice(2)}</li>`)}
    </ul>`;
  }
  return html`<p>${block}</p>`;
}

const noticePath = (reference: string): string => `/notice/${encodeURIComponent(reference)}`;

/** The notice above a page's card. `renewHere` leaves out the way to the page that it already stands on. */
export function noticeBanner(
  words: Words,
  notice: CurrentNotice | null,
  { renewHere = false }: { readonly renewHere?: boolean } = {},
): Markup | undefined {
  if (notice === null) return undefined;
  const { reference, renewPasswordsSetBefore: before } = notice;
  return html`<div class="notice" role="status">
    <strong>${words.mark("notice.renew.title", { date: words.instant(before) })}</strong>
    <span>${words.say("notice.renew.what")}</span>
    <span class="notice-links"
      >${!renewHere && html`<a class="button" href="/renew">${words.say("notice.renew")}</a>`}<a
        href="${noticePath(reference)}"
        >${words.mark("notice.read", { reference: html`<span class="reference">${reference}</span>` })}</a
      ></span
    >
  </div>`;
}

/**
 * What a refused sign-in says: one text for every reason, and while passwords are refused that they must be renewed,
 * whoever asks (ASVS 5.0 6.3.8).
 */
export function refusedSignIn(words: Words, notice: CurrentNotice | null): string | Markup {
  if (notice === null) return words.say("sign-in.refused");
  return words.mark("sign-in.refused.renew", {
    date: words.instant(notice.renewPasswordsSetBefore),
    link: html`<a href="/renew">${words.say("sign-in.refused.renew.link")}</a>`,
  });
}
