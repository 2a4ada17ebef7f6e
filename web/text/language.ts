import type { Locale } from "../../src/wire/common.ts";

const locales = ["en", "de", "fr", "es", "ja"] as const satisfies readonly Locale[];

/** The language of the words, and the same as the reader's region has it: `de-AT` writes dates in its own manner. */
export interface Language {
  readonly locale: Locale;
  readonly tag: string;
}

/**
 * The first of the languages that the browser asks for which there are words in; British English when there is none. The
 * same rule as for the pages that the server writes: a regional form counts as its language.
 */
export function chooseLanguage(asked: readonly string[]): Language {
  for (const tag of asked) {
    const locale = locales.find((one) => one === tag.split("-")[0]?.toLowerCase());
    if (locale !== undefined) return { locale, tag: isTag(tag) ? tag : locale };
  }
  return { locale: "en", tag: "en-GB" };
}

/** Some browsers pass on the system's own name of a language (`en-US@posix`), which `Intl` refuses. */
function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}
