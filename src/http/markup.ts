/** HTML that is safe to send: text in it was escaped when it was put together. */
export class Markup {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  toString(): string {
    return this.#source;
  }
}

/** What may stand in a template: text, HTML made by `html`, lists of both, and nothing at all. */
export type Piece = string | number | Markup | false | null | undefined | readonly Piece[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand between tags and inside quoted attributes (WHATWG HTML section 13.3). */
export const escapeHtml = (text: string): string =>
  /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter) : text;

/**
 * HTML with every value escaped, except what `html` made. Attributes must be quoted, and an address that comes from
 * outside must have been judged before (`next-path.ts`): escaping keeps a value inside its quotes and no more. The
 * template's own indentation is dropped; values keep their white space.
 */
export function html(texts: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  let source = "";
  const own = withoutIndentation(texts);
  for (let i = 0; i < own.length; i++) source += own[i] + written(values[i]);
  return new Markup(source);
}

/** By template: each is one array for as long as the program runs (ECMA-262 section 13.2.8.4). */
const templates = new WeakMap<TemplateStringsArray, readonly string[]>();

function withoutIndentation(texts: TemplateStringsArray): readonly string[] {
  let own = templates.get(texts);
  if (own === undefined) {
    own = texts.map((text) => text.replaceAll(/\n\s+/g, "\n"));
    templates.set(texts, own);
  }
  return own;
}

function written(value: Piece): string {
  if (value === undefined || value === null || value === false) return "";
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  if (value instanceof Markup) return value.toString();
  return value.map(written).join("");
}
