import { Check } from "typebox/value";
import { Locale } from "../wire/common.ts";

/**
 * The language that the reader likes best of those that letters are written in, English otherwise.
 *
 * Source: RFC 9110 section 12.5.4; regions are ignored, and `q=0` means not at all.
 */
export function preferredLocale(acceptLanguage: string | undefined): Locale {
  const wanted = (acceptLanguage ?? "")
    .slice(0, 500)
    .split(",")
    .map((part) => {
      const [tag = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
      const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return { language: tag.split("-")[0] ?? "", quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((one, other) => other.quality - one.quality);
  for (const { language } of wanted) if (Check(Locale, language)) return language;
  return "en";
}
