import { Locale } from "../wire/common.ts";

// Made once: it is asked several times for each page, and reading the schema each time was nine tenths of the cost.
const written: ReadonlySet<string> = new Set(Locale.anyOf.map((one) => one.const));
const isWritten = (language: string): language is Locale => written.has(language);

/**
 * The language that the reader likes best of those that letters are written in; English when it likes none, or the header
 * is missing. At most 20 of its entries are read. A regional form counts as its language: `de-AT` is German.
 *
 * Source: RFC 9110 section 12.5.4.
 */
export function preferredLocale(acceptLanguage: string | undefined): Locale {
  let best: { readonly locale: Locale; readonly weight: number } | undefined;
  for (const entry of (acceptLanguage ?? "").slice(0, 1_000).split(",").slice(0, 20)) {
    const [tag = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    const [language = ""] = tag.split("-");
    const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = q === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0;
    // The first of equals wins, as it was written first.
    if (isWritten(language) && weight > (best?.weight ?? 0)) best = { locale: language, weight };
  }
  return best?.locale ?? "en";
}
