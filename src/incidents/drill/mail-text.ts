/** The plain text of a letter that the service wrote: the first part that is text/plain, decoded. */
export function plainTextOf(raw: Buffer): string {
  const whole = raw.toString("latin1");
  const start = /^content-type: text\/plain/im.exec(whole)?.index;
  if (start === undefined) return "";
  // The part's other headers stand before or behind, up to the empty lines around them.
  const headersFrom = Math.max(0, whole.lastIndexOf("\r\n\r\n", start));
  const headersTo = whole.indexOf("\r\n\r\n", start);
  if (headersTo < 0) return "";
  const headers = whole.slice(headersFrom, headersTo);
  const boundary = /boundary="?([^";\r\n]+)"?/i.exec(whole)?.[1];
  const bodyTo = boundary === undefined ? -1 : whole.indexOf(`\r\n--${boundary}`, headersTo);
  const body = whole.slice(headersTo + 4, bodyTo < 0 ? undefined : bodyTo);
  const encoding = /^content-transfer-encoding: *(\S+)/im.exec(headers)?.[1]?.toLowerCase();
  if (encoding === "base64") return Buffer.from(body, "base64").toString("utf8");
  if (encoding !== "quoted-printable") return Buffer.from(body, "latin1").toString("utf8");
  // RFC 2045 section 6.7: soft line breaks first.
  const bytes = body
    .replaceAll(/=\r?\n/g, "")
    .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** The code that a letter brings, as it is typed; `undefined` for one without. */
export const codeIn = (text: string): string | undefined =>
  /\b([BCDFGHJKLMNPQRSTVWXZ]{5}-?[BCDFGHJKLMNPQRSTVWXZ]{5})\b/.exec(text)?.[1];
