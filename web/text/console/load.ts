/*
 * The words of the console, before anything of it is shown. Where those of the reader's language cannot be had, the page has
 * failed, and says so in the words that are there.
 */
import { addWords, locale } from "../say.ts";
import { en } from "./en.ts";

const others = {
  de: () => import("./de.ts").then(({ de }) => de),
  fr: () => import("./fr.ts").then(({ fr }) => fr),
  es: () => import("./es.ts").then(({ es }) => es),
  ja: () => import("./ja.ts").then(({ ja }) => ja),
};

addWords(locale === "en" ? en : await others[locale]());
