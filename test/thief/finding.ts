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

export interface Finding {
  readonly class: FindingClass;
  /** `table.column`, or where outside of any column. */
  readonly where: string;
  /** In plain words, and never with the value. */
  readonly says: string;
}
