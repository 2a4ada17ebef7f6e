/**
 * Reads `application/x-www-form-urlencoded` (WHATWG URL section 5). Browsers send ASCII with everything else escaped as
 * UTF-8, so other bytes, half escapes and escapes that are no UTF-8 are refused here and not replaced in silence: a
 * password with a replaced letter would be another password. So is a field that comes twice.
 *
 * @throws Error for a body that is not in this form.
 */
export function parseForm(body: Uint8Array): Record<string, string> {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  if (/[^\x20-\x7e]/.test(text)) throw new Error("a form is ASCII");
  const fields = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = unescaped(at === -1 ? pair : pair.slice(0, at));
    if (fields.has(name)) throw new Error("a field came twice");
    fields.set(name, at === -1 ? "" : unescaped(pair.slice(at + 1)));
  }
  // Own properties whatever their name: `__proto__` is a field like any other, and refused as an unknown one.
  return Object.fromEntries(fields);
}

const unescaped = (text: string): string => decodeURIComponent(text.replaceAll("+", " "));

/** Whether every escape in a query string stands for UTF-8; the path's are the router's to judge. */
export function isReadableQuery(url: string): boolean {
  const at = url.indexOf("?");
  if (at === -1) return true;
  try {
    decodeURIComponent(url.slice(at + 1));
    return true;
  } catch {
    return false;
  }
}
