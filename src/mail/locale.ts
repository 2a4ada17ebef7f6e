import type { Locale } from "../wire/common.ts";

/** The languages that letters are written in. */
export const locales: readonly Locale[] = ["en", "de", "fr", "es", "ja"];
