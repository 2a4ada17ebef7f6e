/** Letters that no decomposition turns into plain ones. */
const plainLetters: Readonly<Record<string, string>> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  ħ: "h",
  ı: "i",
};

/**
 * The form in which names are compared and searched: lower case, without diacritics and punctuation, one space between
 * words. Empty when the name has neither letters nor digits.
 */
export function fold(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[ßæœøłđðþħı]/g, (letter) => plainLetters[letter] ?? letter)
    .replace(/['’]/g, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** What lists are ordered by: folded, without an English article. Other languages' articles are words in English. */
export function sortKeyOf(name: string): string {
  const folded = fold(name);
  return folded.replace(/^(?:the|an?) (?=.)/, "") || folded;
}

/** Longest name that a page shows, in characters. */
const nameLength = 200;

/**
 * A file's name as a page may show it: no control characters, nothing that turns the writing direction round or hides
 * (a name is bytes from outside), no runs of spaces, at most 200 characters.
 */
export function displayName(raw: string): string {
  const clean = raw
    .normalize("NFC")
    // Zero-width joiners stay: writing systems and emoji need them.
    .replace(/[\p{Cc}\p{Co}\p{Cs}\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  const characters = Array.from(clean);
  return characters.length <= nameLength ? clean : `${characters.slice(0, nameLength - 1).join("")}…`;
}
