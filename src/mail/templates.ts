import { toDate } from "../kernel/clock.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { escapeHtml } from "../http/markup.ts";
import type { ChangeLetterKind } from "../jobs/jobs.ts";
import type { Locale } from "../wire/common.ts";
import type { DataClass } from "../wire/incidents.ts";
import type { Block, Catalogue, LetterText, ServiceText } from "./catalogue/catalogue.ts";
import { paragraph } from "./catalogue/catalogue.ts";
import { de } from "./catalogue/de.ts";
import { en } from "./catalogue/en.ts";
import { es } from "./catalogue/es.ts";
import { fr } from "./catalogue/fr.ts";
import { ja } from "./catalogue/ja.ts";

/** Who writes the letters. */
export interface ServiceFacts {
  readonly name: string;
  /** PUBLIC_ORIGIN. */
  readonly origin: string;
  /** CONTACT_ADDRESS. */
  readonly contact: string | null;
}

/** What the notice of an incident tells. Everything comes from the case file; nothing is left to be filled in by hand. */
export interface NoticeFacts {
  readonly reference: string;
  readonly copiedAt: EpochMs | null;
  readonly foundAt: EpochMs;
  readonly containedAt: EpochMs | null;
  readonly containment: "everyone-out" | "with-renewal" | "account" | null;
  readonly keptTools: boolean;
  readonly wayInClosedAt: EpochMs | null;
  readonly dataClasses: readonly DataClass[];
  readonly keysReachable: "no" | "unknown" | "yes";
}

/** What a letter is about. */
export type LetterContent =
  | { readonly kind: "sign-up code" | "renewal code"; readonly code: string }
  | { readonly kind: "already registered" | "address doubted" }
  | {
      readonly kind: ChangeLetterKind;
      readonly at: EpochMs;
      /** base64url of the secret that takes the change back. */
      readonly undo?: string;
    }
  | { readonly kind: "incident letter" | "incident test send"; readonly notice: NoticeFacts }
  /** To operators, in words that the alarm was given in the letter's language. */
  | {
      readonly kind: "alarm";
      readonly subject: string;
      readonly title: string;
      readonly paragraphs: readonly string[];
    };

/** Finished text. `text` and `html` say the same words. */
export interface WrittenLetter {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const catalogues: Readonly<Record<Locale, Catalogue>> = { en, de, fr, es, ja };

/** How long a mailed code opens anything; rooms above this one keep codes by it. */
export const codeValidHours = 24;

/**
 * Writes a letter. Nothing in it depends on the recipient except what is passed in, so a campaign writes its notice once
 * for each language and sends it to everybody.
 */
export function writeLetter(service: ServiceFacts, locale: Locale, content: LetterContent): WrittenLetter {
  const catalogue = catalogues[locale];
  const facts: ServiceText = { service: service.name, site: typedForm(service.origin), contact: service.contact };
  const { subject, title, blocks } = letterText(catalogue, locale, service, facts, content);
  return finish(locale, { subject, title, blocks: [...blocks, paragraph(catalogue.neverAsks(facts))] });
}

function letterText(
  catalogue: Catalogue,
  locale: Locale,
  service: ServiceFacts,
  facts: ServiceText,
  content: LetterContent,
): LetterText {
  switch (content.kind) {
    case "sign-up code":
      return catalogue.signUpCode({ ...facts, code: grouped(content.code), validHours: codeValidHours });
    case "renewal code":
      return catalogue.renewalCode({ ...facts, code: grouped(content.code), validHours: codeValidHours });
    case "already registered":
      return catalogue.alreadyRegistered(facts);
    case "address doubted":
      return catalogue.addressDoubted(facts);
    case "alarm": {
      const { subject, title, paragraphs } = content;
      return { subject, title, blocks: paragraphs.map(paragraph) };
    }
    case "incident letter":
      return noticeText(catalogue, locale, facts, content.notice);
    case "incident test send": {
      const letter = noticeText(catalogue, locale, facts, content.notice);
      const { subject, note } = catalogue.testSend;
      return { ...letter, subject: `[${subject}] ${letter.subject}`, blocks: [paragraph(note), ...letter.blocks] };
    }
    default: {
      // In the fragment, which browsers do not send: no log and no proxy sees the secret.
      const undoAt = content.undo === undefined ? null : `${service.origin}/not-me#${content.undo}`;
      const change = { ...facts, at: writtenInstant(locale, content.at), undoAt };
      return catalogue.changed(content.kind, change);
    }
  }
}

function noticeText(catalogue: Catalogue, locale: Locale, facts: ServiceText, notice: NoticeFacts): LetterText {
  const when = (instant: EpochMs | null): string | null => (instant === null ? null : writtenInstant(locale, instant));
  return catalogue.notice({
    ...facts,
    ...notice,
    copiedAt: when(notice.copiedAt),
    foundAt: writtenInstant(locale, notice.foundAt),
    containedAt: when(notice.containedAt),
    wayInClosedAt: when(notice.wayInClosedAt),
  });
}

/** Without the scheme that people do not type; it stays where it is not https. */
const typedForm = (origin: string): string => origin.replace(/^https:\/\//, "");

/** In UTC and saying so: one letter goes to people everywhere. */
export function writtenInstant(locale: Locale, instant: EpochMs): string {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
  return `${format.format(toDate(instant))} UTC`;
}

/** `BCDFGHJKLM` as `BCDFG-HJKLM`; reading it back drops the hyphens. */
function grouped(code: string): string {
  const width = code.length % 5 === 0 ? 5 : 4;
  return code.match(new RegExp(`.{1,${width}}`, "g"))?.join("-") ?? code;
}

function finish(locale: Locale, { subject, title, blocks }: LetterText): WrittenLetter {
  return {
    subject,
    text: `${[title, ...blocks.map(textOf)].join("\n\n")}\n`,
    html: htmlPage(
      locale,
      subject,
      `<h1 style="${styles.title}">${escapeHtml(title)}</h1>${blocks.map(htmlOf).join("")}`,
    ),
  };
}

function textOf(block: Block): string {
  switch (block.kind) {
    case "paragraph":
      return block.text;
    case "heading":
      return `${block.text}\n${"-".repeat(Math.min(block.text.length, 60))}`;
    case "list":
      return block.items.map((item) => `- ${item}`).join("\n");
    case "steps":
      return block.items.map((item, index) => `${index + 1}. ${item}`).join("\n");
    case "code":
      return `    ${block.text}`;
  }
}

// In attributes, since many mail programs drop style sheets. 12pt text; the law wants 10 at least. No colour is needed to
// understand anything, and none is set for text, so that a dark reader stays readable.
const styles = {
  page: "margin:0 auto;max-width:36em;padding:24px 20px;font-family:Georgia,'Times New Roman',serif;font-size:12pt;line-height:1.55",
  title: "font-size:20pt;line-height:1.25;margin:0 0 20px",
  heading: "font-size:14pt;margin:28px 0 8px",
  paragraph: "margin:0 0 14px",
  list: "margin:0 0 14px;padding-left:24px",
  item: "margin:0 0 8px",
  code: "margin:20px 0;font-family:Menlo,Consolas,monospace;font-size:20pt;letter-spacing:2px;white-space:nowrap",
} as const;

function htmlOf(block: Block): string {
  const items = (texts: readonly string[]): string =>
    texts.map((item) => `<li style="${styles.item}">${escapeHtml(item)}</li>`).join("");
  switch (block.kind) {
    case "paragraph":
      return `<p style="${styles.paragraph}">${escapeHtml(block.text)}</p>`;
    case "heading":
      return `<h2 style="${styles.heading}">${escapeHtml(block.text)}</h2>`;
    case "list":
      return `<ul style="${styles.list}">${items(block.items)}</ul>`;
    case "steps":
      return `<ol style="${styles.list}">${items(block.items)}</ol>`;
    case "code":
      return `<p style="${styles.code}">${escapeHtml(block.text)}</p>`;
  }
}

const htmlPage = (locale: Locale, subject: string, body: string): string =>
  `<!doctype html><html lang="${locale}"><head><meta charset="utf-8">` +
  `<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">` +
  // Mail programs that make links of telephone numbers would make them of references and codes.
  `<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">` +
  `<title>${escapeHtml(subject)}</title></head><body><div style="${styles.page}">${body}</div></body></html>`;
