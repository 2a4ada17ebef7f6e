import { expect, test } from "vitest";
import type { EpochMs } from "../kernel/clock.ts";
import { changeLetterKinds } from "../jobs/jobs.ts";
import type { Locale } from "../wire/common.ts";
import { locales } from "./locale.ts";
import { writeLetter, type LetterContent, type NoticeFacts } from "./templates.ts";

/**
 * How hard a text is to read: the formulas that the languages have, each of words in a sentence and syllables in a word.
 * 60 and more is plain language, read easily at 13 to 15 years; 50 is read by most adults.
 */
const ease: Readonly<Record<Exclude<Locale, "ja">, (words: number, syllables: number) => number>> = {
  // Flesch 1948.
  en: (words, syllables) => 206.835 - 1.015 * words - 84.6 * syllables,
  // Amstad 1978.
  de: (words, syllables) => 180 - words - 58.5 * syllables,
  // Kandel and Moles 1958.
  fr: (words, syllables) => 207 - 1.015 * words - 73.6 * syllables,
  // Fernández Huerta 1959.
  es: (words, syllables) => 206.84 - 1.02 * words - 60 * syllables,
};

const at = Date.UTC(2022, 7, 24, 9, 30) as EpochMs;
const service = { name: "Films", origin: "https://films.example", contact: "help@films.example" };
const notice: NoticeFacts = {
  reference: "HL-7K2M",
  copiedAt: at,
  foundAt: at,
  containedAt: at,
  containment: "everyone-out",
  keptTools: true,
  wayInClosedAt: null,
  dataClasses: ["addresses", "names", "password records", "sessions"],
  keysReachable: "unknown",
};

/** Prose alone: dates, addresses, codes and headings are not read as sentences. */
function sentences(locale: Locale, content: LetterContent): string[] {
  const { text } = writeLetter(service, locale, content);
  const date = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(at);
  return text
    .replaceAll(`${date} UTC`, locale === "ja" ? "その日" : "X")
    .replace(/https?:\/\/\S+|\S+@\S+|\S*films\.example\S*/g, "X")
    .split(/\n/)
    .filter((line) => !/^-+$/.test(line) && line.trim() !== "")
    .flatMap((line) => line.replace(/^(\d\. |- )/, "").split(locale === "ja" ? /(?<=[。：])/ : /(?<=[.:;!?])\s+/))
    .filter((sentence) => sentence.trim().length > 1);
}

const wordsOf = (text: string): string[] => text.match(/[\p{L}\p{N}’'-]+/gu) ?? [];

/** Groups of vowels, which is what the formulas were made for by hand; a silent e at the end is none in English and French. */
function syllablesIn(word: string, locale: Locale): number {
  const lower = word.toLowerCase().normalize("NFC");
  const bare =
    locale === "en"
      ? lower.replace(/(?<=[^l])e$|(?<=[^td])ed$|(?<=[^cshx])es$/, "")
      : locale === "fr"
        ? lower.replace(/(e|es|ent)$/, "")
        : lower;
  const vowels =
    locale === "es"
      ? /[iu]?[aeoáéó][iu]?|[iuíúü]+/g
      : locale === "de"
        ? /ie|ei|eu|äu|au|[aeiouyäöü]/g
        : /[aeiouyàâéèêëîïôùûüœæ]+/g;
  return Math.max(1, bare.match(vowels)?.length ?? 1);
}

function easeOf(locale: Exclude<Locale, "ja">, prose: readonly string[]): number {
  const words = prose.flatMap(wordsOf);
  const syllables = words.reduce((sum, word) => sum + syllablesIn(word, locale), 0);
  return ease[locale](words.length / prose.length, syllables / words.length);
}

const contents: readonly LetterContent[] = [
  { kind: "sign-up code", code: "BCDFGHJKLM" },
  { kind: "renewal code", code: "BCDFGHJKLM" },
  { kind: "already registered" },
  { kind: "address doubted" },
  ...changeLetterKinds.map((kind): LetterContent => ({ kind, at, undo: "c2VjcmV0" })),
  { kind: "incident letter", notice },
];

test("the measure tells plain language from the other kind", () => {
  const hard =
    "Notwithstanding the aforementioned organisational precautions, unauthorised individuals obtained unlawful accessibility to authentication-related information.";
  expect(easeOf("en", [hard])).toBeLessThan(0);
  expect(easeOf("en", ["Somebody took a copy of our list.", "Set a new password now."])).toBeGreaterThan(80);
  expect(
    easeOf("de", [
      "Ungeachtet der vorgenannten Vorsichtsmaßnahmen verschafften sich unberechtigte Personen Zugangsdaten.",
    ]),
  ).toBeLessThan(20);
  expect(easeOf("de", ["Jemand hat eine Liste kopiert.", "Bitte setzen Sie ein neues Passwort."])).toBeGreaterThan(60);
});

test.each(locales.filter((locale) => locale !== "ja"))(
  "the notice in %s is read at school, and every other letter by most adults",
  (locale) => {
    const prose = (content: LetterContent) => sentences(locale, content);
    expect(easeOf(locale, prose({ kind: "incident letter", notice }))).toBeGreaterThanOrEqual(60);
    // One letter is too short for a formula of averages: all of them together, and none far off.
    expect(easeOf(locale, contents.flatMap(prose))).toBeGreaterThanOrEqual(55);
    for (const content of contents) {
      expect(easeOf(locale, prose(content)), `${locale}, ${content.kind}`).toBeGreaterThanOrEqual(40);
    }
  },
);

test.each(locales)("no sentence in %s is longer than can be held in mind", (locale) => {
  for (const content of contents) {
    for (const sentence of sentences(locale, content)) {
      // No formula for Japanese counts without a dictionary: characters, and how many of them are Chinese.
      if (locale === "ja") expect(sentence.length, sentence).toBeLessThanOrEqual(95);
      else expect(wordsOf(sentence).length, sentence).toBeLessThanOrEqual(40);
    }
  }
});

test("in Japanese at most four characters in ten are Chinese", () => {
  const text = contents.flatMap((content) => sentences("ja", content)).join("");
  const chinese = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  const written = text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu)?.length ?? 1;
  expect(chinese / written).toBeLessThanOrEqual(0.4);
  expect(chinese).toBeGreaterThan(100);
});

/** One idea has one word in each language: the second is what a hand slips into. */
const oneWord: Readonly<Record<Locale, readonly RegExp[]>> = {
  en: [/\bdata leak\b/i, /\breset\b/i, /\blog ?in\b/i],
  de: [/\bKennwort/i, /\bBrief/, /\beinloggen\b/i, /\bE-?Mailadresse\b/],
  fr: [/\blettre\b/i, /codes? de récupération/i, /\bemail\b/i],
  es: [/\bcartas?\b/i, /\bclave secreta\b/i, /\bemail\b/i],
  ja: [/手紙/, /回復コード/, /二要素認証/, /2段階/, /ブラウザー/, /コピー/],
};

test.each(locales)("the letters in %s have one word for one idea", (locale) => {
  for (const content of contents) {
    const { subject, text } = writeLetter(service, locale, content);
    for (const slip of oneWord[locale]) expect(`${subject}\n${text}`, `${locale}, ${content.kind}`).not.toMatch(slip);
  }
});
