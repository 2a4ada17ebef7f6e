import type { Locale } from "../../src/wire/common.ts";
import type { en } from "./en.ts";

export type TextKey = keyof typeof en;

/** What stands before `.one` and `.other`: the words for a number of things. */
export type Counted = { [Key in TextKey]: Key extends `${infer Stem}.one` ? Stem : never }[TextKey];

/** Keys of which a language has one text. */
export type Plain = Exclude<TextKey, `${Counted}.${"one" | "other"}`>;

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

/** Every text in one language: one that is missing, or that nobody asks for, is a type error. */
export type Catalogue<Language extends Locale> = Readonly<Record<Plain | `${Counted}.${Forms[Language]}`, string>>;
