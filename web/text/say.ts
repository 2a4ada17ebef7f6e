import type { Locale } from "../../src/wire/common.ts";
import type { Counted, Plain, TextKey } from "./catalogue.ts";
import { en } from "./en.ts";
import { chooseLanguage } from "./language.ts";

export type { Plain, TextKey };
type Values = Readonly<Record<string, string | number>>;

/** A chunk for each language but English, which is always here: where the chunk cannot be had, pages still speak. */
const others: Readonly<Record<Exclude<Locale, "en">, () => Promise<Readonly<Record<string, string>>>>> = {
  de: () => import("./de.ts").then(({ de }) => de),
  fr: () => import("./fr.ts").then(({ fr }) => fr),
  es: () => import("./es.ts").then(({ es }) => es),
  ja: () => import("./ja.ts").then(({ ja }) => ja),
};

const asked = chooseLanguage(navigator.languages);
const translated = asked.locale === "en" ? undefined : await others[asked.locale]().catch(() => undefined);
const words = new Map<string, string>(Object.entries(translated ?? en));

/** Words of a part of the application that few load, for whatever that part says. */
export function addWords(more: Readonly<Record<string, string>>): void {
  for (const [key, text] of Object.entries(more)) words.set(key, text);
}

/** The language of the words: what the document says of itself (BCP 47). */
export const locale: Locale = translated === undefined ? "en" : asked.locale;
const language = translated === undefined && asked.locale !== "en" ? "en-GB" : asked.tag;
const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(language);

/** The words for `key`, with `{name}` filled from `values`; numbers are written in the reader's manner. */
export const say = (key: Plain, values: Values = {}): string => fill(words.get(key) ?? key, values);

/** The words for `count` things, by the language's plural rules. `{count}` is filled in. */
export const sayCount = (stem: Counted, count: number, values: Values = {}): string =>
  fill(words.get(`${stem}.${plural.select(count)}`) ?? words.get(`${stem}.other`) ?? stem, { count, ...values });

const fill = (text: string, values: Values): string =>
  text.replaceAll(/\{([\w-]+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number.format(value) : value;
  });

const isPlain = (key: string): key is Plain => words.has(key);

/** The words for one of a set that the service names, such as a kind of floor; as the service wrote it for one not known here. */
export function sayOf(
  set:
    | "case.mode"
    | "case.review"
    | "class"
    | "console.keys"
    | "data"
    | "deadline"
    | "fact"
    | "fact.canary"
    | "fact.way"
    | "fact.who"
    | "floor"
    | "key-use.purpose"
    | "lane"
    | "library-jobs.broken"
    | "node"
    | "record"
    | "review"
    | "state",
  name: string,
  written = name,
): string {
  const key = `${set}.${name}`;
  return isPlain(key) ? say(key) : written;
}

/** The words for a key that may have none. */
export const sayIfAny = (key: string, values: Values = {}): string | undefined =>
  isPlain(key) ? say(key, values) : undefined;

export const showNumber = (value: number): string => number.format(value);

const decimal = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
/** With at most two digits after the point: speeds, milliseconds. */
export const showDecimal = (value: number): string => decimal.format(value);

const list = new Intl.ListFormat(language);
export const showList = (items: readonly string[]): string => list.format(items);

const dateFormat = new Intl.DateTimeFormat(language, { dateStyle: "long" });
const instantFormat = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const exactFormat = new Intl.DateTimeFormat(language, {
  dateStyle: "medium",
  timeStyle: "medium",
  timeZone: "UTC",
});
const clockFormat = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const dayFormat = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
/** The time of day, and the day, of an instant in epoch milliseconds: what stands under a chart. */
export const showClock = (at: number): string => clockFormat.format(at);
export const showDay = (at: number): string => dayFormat.format(at);
export const showDate = (at: string): string => dateFormat.format(new Date(at));
export const showInstant = (at: string): string => instantFormat.format(new Date(at));
/** To the second and in UTC: for case files, where two people must read the same. */
export const showExact = (at: string): string => `${exactFormat.format(new Date(at))} UTC`;

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const steps = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** "3 hours ago", from an ISO instant and the present in epoch milliseconds. */
export function showAgo(at: string, nowMs: number): string {
  const seconds = (Date.parse(at) - nowMs) / 1_000;
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(0, "second");
}

/** "2 d 4 h", "3 h 20 min", "4 min 10 s": the two largest parts of a span. */
export function showSpan(totalSeconds: number): string {
  const seconds = Math.max(0, Math.floor(totalSeconds));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "day"],
    [Math.floor(seconds / 3_600) % 24, "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [seconds % 60, "second"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first === -1 ? 3 : first, first === -1 ? 4 : first + 2)
    .map(([value, unit]) =>
      new Intl.NumberFormat(language, {
        style: "unit",
        unit,
        unitDisplay: "short",
      }).format(value),
    )
    .join(" ");
}

/** Position in a film: 4:07, 1:02:33. */
export function showPosition(totalSeconds: number): string {
  const seconds = Math.max(0, Math.floor(totalSeconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const languageNames = new Intl.DisplayNames(language, { type: "language", fallback: "code" });

/** The name of a language code as files carry it (BCP 47 or ISO 639-2); the code itself when it is not one. */
export function showLanguage(code: string): string {
  if (code === "" || code === "und") return "";
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}
