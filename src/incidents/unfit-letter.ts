import { messageOf } from "../kernel/fault.ts";
import { encodeLetter } from "../mail/compose.ts";
import type { WrittenLetter } from "../mail/templates.ts";

/** What a template leaves behind when a word of it was not filled in. */
const unfilled = /\bundefined\b|\bNaN\b|\[object |\$\{|\{\{/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** What may be wrong with a letter, besides that it cannot be encoded; the console has each in its reader's language. */
export const unfitSays = {
  subject: "its subject is empty, too long or more than one line",
  empty: "it says nothing",
  unfilled: "a word of it was not filled in",
} as const;

/** Why these words cannot go to everybody, in a sentence; `undefined` when they can. */
export async function unfit(written: WrittenLetter): Promise<string | undefined> {
  const { subject, text, html } = written;
  if (subject.trim() === "" || subject.length > 900 || control.test(subject)) return unfitSays.subject;
  if (text.trim() === "" || html.trim() === "") return unfitSays.empty;
  if ([subject, text, html].some((part) => unfilled.test(part))) return unfitSays.unfilled;
  try {
    await encodeLetter({ name: "", address: "no-reply@localhost", domain: "localhost" }, written);
  } catch (thrown) {
    return `it cannot be encoded: ${messageOf(thrown)}`;
  }
  return undefined;
}
