/** Control characters, halves of a character, and what turns the writing direction of the text around it (UAX 9 section 2). */
const unshown = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
const manyUnshown = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

/** A text that comes from outside and is kept all the same, in one line that can be shown: a space for what cannot. */
export const inOneLine = (text: string): string => text.replaceAll(manyUnshown, " ").trim();

/**
 * Whether a text that somebody typed can be shown as it is wherever it is shown again: on a page, on the terminal of an
 * operator, which an escape sequence would steer, and where people decide by it, which a turned direction would mislead
 * (RFC 8628 section 5.4). `lines`: it may have several, and tabs.
 */
export const isShowable = (text: string, { lines }: { readonly lines: boolean }): boolean =>
  !unshown.test(lines ? text.replaceAll(/[\t\r\n]/g, "") : text);
