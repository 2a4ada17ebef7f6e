import type { Locale } from "../wire/common.ts";

export const locales: readonly Locale[] = ["en", "de", "fr", "es", "ja"];

/**
 * The language of ours that an Accept-Language header likes best; English when it likes none, or is missing. At most 20
 * of its entries are read. A regional form counts as its language: `de-AT` is German.
 *
 * Source: RFC 9110 section 12.5.4.
 */
export function localeOf(header: string | undefined): Locale {
  let best: { readonly locale: Locale; readonly weight: number } | undefined;
  for (const entry of (header ?? "").slice(0, 1_000).split(",").slice(0, 20)) {
    const [tag = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    const locale = locales.find((each) => tag === each || tag.startsWith(`${each}-`));
    const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = q === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0;
    // The first of equals wins, as it was written first.
    if (locale !== undefined && weight > (best?.weight ?? 0)) best = { locale, weight };
  }
  return best?.locale ?? "en";
}
