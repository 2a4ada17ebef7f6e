/** What the kit found out: each class has a deliberately weakened schema in which it must find it. */
export const findingClasses = [
  "credential",
  "personal",
  "guessable",
  "patterned",
  "linked",
  "counted",
  "length",
  "undeclared",
  "stale",
  "untested",
] as const;
export type FindingClass = (typeof findingClasses)[number];

/** What each class comes to, for who reads the end of the report alone. */
export const classSays: Readonly<Record<FindingClass, string>> = {
  credential: "values that a way in took",
  personal: "places where something stands that went in, plain, encoded, compressed or as its digest",
  guessable: "columns that are a hash of a word, with or without a salt or key of the row",
  patterned: "opaque columns with a pattern",
  linked: "opaque columns whose values stand in another that is not said to share them",
  counted: "opaque columns whose values stand in several rows",
  length: "opaque columns whose lengths tell",
  undeclared: "columns of which nobody has said what they are",
  stale: "declarations that are not so",
  untested: "what could not be tried, or was tried in vain where it had to be found",
};

export interface Finding {
  readonly class: FindingClass;
  /** `table.column`, or where outside of any column. */
  readonly where: string;
  /** In plain words, and never with the value. */
  readonly says: string;
}
