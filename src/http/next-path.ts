/** Longer ones are not worth carrying through a form. */
const maxLength = 1_000;

// Printable ASCII without white space and backslash: URL parsers drop tabs and line ends, and read `\` as `/`.
const pathPattern = /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/;

/**
 * A path of this site to go on to after signing in, or `undefined` for anything that could lead elsewhere (ASVS 5.0
 * 3.7.2). Two slashes in a row are refused anywhere in the path: at the front they name another host.
 */
export function nextPath(text: string | undefined): string | undefined {
  if (text === undefined || text.length > maxLength || !pathPattern.test(text)) return undefined;
  const [path = ""] = text.split(/[?#]/);
  return path.includes("//") ? undefined : text;
}
