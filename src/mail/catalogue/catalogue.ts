import type { ChangeLetterKind } from "../../jobs/jobs.ts";
import type { DataClass } from "../../wire/incidents.ts";

/** A piece of a letter. Plain text throughout: what makes it HTML escapes it. */
export type Block =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "steps"; readonly items: readonly string[] }
  | { readonly kind: "code"; readonly text: string };

/** A letter as a language writes it, before it becomes text and HTML. */
export interface LetterText {
  readonly subject: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** What every letter may mention. Instants are written out in the language already. */
export interface ServiceText {
  readonly service: string;
  /** How to reach the service, as a person types it. */
  readonly site: string;
  /** An address for questions, if the operator has named one. */
  readonly contact: string | null;
}

export interface CodeText extends ServiceText {
  /** In groups, as people read it out. */
  readonly code: string;
  readonly validHours: number;
}

export interface ChangeText extends ServiceText {
  readonly at: string;
  /** Where to take the change back, if it can be. */
  readonly undoAt: string | null;
}

export interface NoticeText extends ServiceText {
  readonly reference: string;
  readonly copiedAt: string | null;
  readonly foundAt: string;
  readonly containedAt: string | null;
  readonly containment: "everyone-out" | "with-renewal" | "account" | null;
  readonly keptTools: boolean;
  readonly wayInClosedAt: string | null;
  readonly dataClasses: readonly DataClass[];
  readonly keysReachable: "no" | "unknown" | "yes";
}

/** What a letter says of one kind of change: its title, and one paragraph. */
export interface ChangeWords {
  readonly title: string;
  readonly what: (facts: ChangeText) => string;
}

/** Letters that ask for nothing, and that nothing follows from. */
export const asksNothing: ReadonlySet<ChangeLetterKind> = new Set<ChangeLetterKind>([
  "passkey doubted",
  "account deleted",
  "recovery waits",
  "recovery ended",
]);

/** A letter about a change: what it was, and what to do whether or not it was the reader. */
export const changeLetter = (
  { title, what }: ChangeWords,
  facts: ChangeText,
  advice: readonly string[],
): LetterText => ({
  subject: `${title} (${facts.service})`,
  title,
  blocks: [what(facts), ...advice].map(paragraph),
});

/**
 * The letters in one language. The notice has the title and the five headings of Cal. Civ. Code 1798.82(d)(1), in this
 * order; other languages translate them. At most three steps, no link, no name of another company.
 */
export interface Catalogue {
  readonly signUpCode: (facts: CodeText) => LetterText;
  readonly alreadyRegistered: (facts: ServiceText) => LetterText;
  readonly addressDoubted: (facts: ServiceText) => LetterText;
  readonly renewalCode: (facts: CodeText) => LetterText;
  readonly changed: (change: ChangeLetterKind, facts: ChangeText) => LetterText;
  readonly notice: (facts: NoticeText) => LetterText;
  /** Stands above the notice when it is sent to the operator as a test. */
  readonly testSend: { readonly subject: string; readonly note: string };
  /** Stands below every letter. */
  readonly neverAsks: (facts: ServiceText) => string;
}

export const paragraph = (text: string): Block => ({ kind: "paragraph", text });
export const heading = (text: string): Block => ({ kind: "heading", text });
export const list = (...items: readonly string[]): Block => ({ kind: "list", items });
export const steps = (
  ...items: readonly [string] | readonly [string, string] | readonly [string, string, string]
): Block => ({
  kind: "steps",
  items,
});
export const code = (text: string): Block => ({ kind: "code", text });

/**
 * How what was taken is protected: all of it is sealed but the viewing history, which stands in clear beside a random
 * account id. A letter that said otherwise would be false.
 */
export const protection = (
  { dataClasses, keysReachable }: Pick<NoticeText, "dataClasses" | "keysReachable">,
  keys: Readonly<Record<NoticeText["keysReachable"], string>>,
  inClear: string,
): Block[] => [
  ...(dataClasses.some((each) => each !== "viewing history") ? [paragraph(keys[keysReachable])] : []),
  ...(dataClasses.includes("viewing history") ? [paragraph(inClear)] : []),
];
