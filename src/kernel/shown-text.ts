/** Control characters, lone surrogates, and characters that turn the writing direction of the text around them (UAX 9 section 2). */
const unshown = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
const manyUnshown = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

/** A text from outside as one line that can be shown: every stretch of line ends and of characters that cannot becomes a space. */
export const inOneLine = (text: string): string => text.replaceAll(manyUnshown, " ").trim();

/**
 * Whether a typed text can be shown as it is wherever it is shown again: on a page, on an operator's terminal, which an escape
 * sequence would steer, and to people who decide by it, whom a turned direction would mislead (RFC 8628 section 5.4). With `lines` it
 * may have several lines, and tabs.
 */
export const isShowable = (text: string, { lines }: { readonly lines: boolean }): boolean =>
  !unshown.test(lines ? text.replaceAll(/[\t\r\n]/g, "") : text);
