/** Text is sealed in this length or a multiple of it, so that a copy does not show how long a name or an address is. */
export const textBlockBytes = 64;

/** Ends the text; no byte of UTF-8 has this value (RFC 3629 section 3). Zeros follow. */
const end = 0xff;

/** UTF-8, the end, and zeros up to the next whole block. */
export function padText(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const padded = Buffer.alloc(Math.ceil((bytes.length + 1) / textBlockBytes) * textBlockBytes);
  bytes.copy(padded);
  padded[bytes.length] = end;
  return padded;
}

/** What `padText` was given. Text without an end was sealed before there was padding, and is all of it. */
export function unpadText(bytes: Buffer): string {
  const at = bytes.indexOf(end);
  return bytes.toString("utf8", 0, at < 0 ? undefined : at);
}
