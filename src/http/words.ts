import { toDate, toIso, type EpochMs } from "../kernel/clock.ts";
import type { Locale } from "../wire/common.ts";
import { de } from "./catalogue/de.ts";
import { en, type Catalogue, type WordKey } from "./catalogue/en.ts";
import { es } from "./catalogue/es.ts";
import { fr } from "./catalogue/fr.ts";
import { ja } from "./catalogue/ja.ts";
import { preferredLocale } from "./locale.ts";
import { html, Markup, type Piece } from "./markup.ts";

/** A catalogue in one language. `lang` is what the page says of itself (BCP 47). */
export interface Words {
  readonly lang: string;
  /** The text, with `{name}` filled in; as text it is escaped wherever it is put. */
  say(key: WordKey, values?: Readonly<Record<string, string | number>>): string;
  /** The same with HTML in the places: the text around it is escaped here. */
  mark(key: WordKey, values: Readonly<Record<string, Piece>>): Markup;
  /** An instant in UTC, which the page's script shows in the reader's own clock. */
  instant(at: EpochMs): Markup;
  /** A number of days: "180 days". */
  days(count: number): string;
  /** A number of minutes: "10 minutes". */
  minutes(count: number): string;
}

const placePattern = /\{([\w-]+)\}/;

function newWords(lang: string, catalogue: Catalogue): Words {
  // Made when first asked for: all five languages' take longer than the rest of a command's start.
  let numbers: Intl.NumberFormat | undefined;
  let instants: Intl.DateTimeFormat | undefined;
  const units: Partial<Record<"day" | "minute", Intl.NumberFormat>> = {};
  const inText = (value: Piece): Piece =>
    typeof value === "number" ? (numbers ??= new Intl.NumberFormat(lang)).format(value) : value;
  const inUtc = (at: EpochMs): string => {
    // British English has the day before the month and 24 hours, as the letters do.
    const place = lang === "en" ? "en-GB" : lang;
    instants ??= new Intl.DateTimeFormat(place, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
    return instants.format(toDate(at));
  };
  const inUnit = (unit: "day" | "minute", count: number): string =>
    (units[unit] ??= new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" })).format(count);
  const split = new Map<WordKey, readonly string[]>();
  // Splitting at a pattern with one group gives text and names in turn.
  const parts = (key: WordKey): readonly string[] => {
    let found = split.get(key);
    if (found === undefined) split.set(key, (found = catalogue[key].split(placePattern)));
    return found;
  };
  return {
    lang,
    say: (key, values = {}) =>
      parts(key)
        .map((part, i) => (i % 2 === 0 ? part : String(inText(values[part]) ?? `{${part}}`)))
        .join(""),
    mark: (key, values) => html`${parts(key).map((part, i) => (i % 2 === 0 ? part : inText(values[part])))}`,
    instant: (at) => html`<time datetime="${toIso(at)}" data-local>${inUtc(at)} UTC</time>`,
    days: (count) => inUnit("day", count),
    minutes: (count) => inUnit("minute", count),
  };
}

const english = newWords("en", en);

/** What is translated, by language. */
export const translated: Readonly<Record<Exclude<Locale, "en">, Catalogue>> = { de, fr, es, ja };
const others = Object.entries(translated).map(([lang, words]) => newWords(lang, words));

/** The words of a page in the language that the reader likes best of those there are. */
export function wordsFor(acceptLanguage: string | undefined): Words {
  const locale = preferredLocale(acceptLanguage);
  return others.find(({ lang }) => lang === locale) ?? english;
}
