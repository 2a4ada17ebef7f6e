import type { Locale } from "../../src/wire/common.ts";
import type { en as ofConsole } from "./console/en.ts";
import type { en } from "./en.ts";

export type TextKey = keyof typeof en | keyof typeof ofConsole;

type CountedIn<Keys extends string> = { [Key in Keys]: Key extends `${infer Stem}.one` ? Stem : never }[Keys];
type PlainIn<Keys extends string> = Exclude<Keys, `${CountedIn<Keys>}.${"one" | "other"}`>;

/** What stands before `.one` and `.other`: the words for a number of things. */
export type Counted = CountedIn<TextKey>;

/** Keys of which a language has one text. */
export type Plain = PlainIn<TextKey>;

/**
 * The plural forms of each language for whole numbers (CLDR). French and Spanish have one of their own for whole millions,
 * "1 000 000 de comptes"; French counts 0 as one; Japanese has no plural.
 */
interface Forms {
  readonly en: "one" | "other";
  readonly de: "one" | "other";
  readonly fr: "one" | "many" | "other";
  readonly es: "one" | "many" | "other";
  readonly ja: "other";
}

type Texts<Language extends Locale, Keys extends string> = Readonly<
  Record<PlainIn<Keys> | `${CountedIn<Keys>}.${Forms[Language]}`, string>
>;

/** Every text in one language: one that is missing, or that nobody asks for, is a type error. */
export type Catalogue<Language extends Locale> = Texts<Language, keyof typeof en>;
/** The same of the console. */
export type ConsoleCatalogue<Language extends Locale> = Texts<Language, keyof typeof ofConsole>;
