import { createHash } from "node:crypto";
import MailComposer from "nodemailer/lib/mail-composer";
import type { WrittenLetter } from "./templates.ts";

/** `Name <address>` in its parts. */
export interface Sender {
  readonly name: string;
  readonly address: string;
  readonly domain: string;
}

/** What all letters of the same words have in common, encoded once: every header but the recipient's own, and the body. */
export interface Encoded {
  /** Field lines with their CRLF. */
  readonly fields: string;
  /** The same by name, in the order of `fields`, in the form that DKIM signs ("relaxed", RFC 6376 section 3.4.2). */
  readonly relaxed: readonly { readonly name: string; readonly line: string }[];
  /** Ends with CRLF; seven bits, no line longer than 76 characters (RFC 2045 section 6.7). */
  readonly body: Buffer;
  /** The body as DATA carries it: see `dotStuffed`. */
  readonly stuffed: Buffer;
  /** base64 of the SHA-256 of the relaxed body (RFC 6376 section 3.4.4). */
  readonly bodyHash: string;
}

/** Written for each letter. */
const ownFields = new Set(["to", "date", "message-id"]);

/**
 * Encodes a letter's words as MIME: text and HTML as alternatives, quoted-printable, or base64 where most of it is beyond
 * ASCII. Throws for words that cannot stand in a letter (a subject with a line end).
 */
export async function encodeLetter(sender: Sender, written: WrittenLetter): Promise<Encoded> {
  const beyondAscii = Buffer.byteLength(written.text) - written.text.length;
  const composer = new MailComposer({
    from: { name: sender.name, address: sender.address },
    subject: written.subject,
    text: written.text,
    html: written.html,
    textEncoding: beyondAscii > written.text.length / 3 ? "base64" : "quoted-printable",
    // The library's own prefix would name the library.
    boundaryPrefix: "part",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const built = await composer.compile().build();
  // The library leaves the line ends of what it was given to whoever sends; SMTP knows one (RFC 5321 section 2.3.8).
  const whole = built.toString("latin1").replace(/\r\n|\r|\n/g, "\r\n");
  const end = whole.indexOf("\r\n\r\n");
  const fields = whole
    .slice(0, end)
    .split(/\r\n(?![ \t])/)
    .filter((field) => !ownFields.has(nameOf(field)));
  // RFC 3834: so automatic responders leave it alone.
  fields.push("Auto-Submitted: auto-generated");
  const body = Buffer.from(`${whole.slice(end + 4).replace(/\r\n$/, "")}\r\n`, "latin1");
  return {
    fields: fields.map((field) => `${field}\r\n`).join(""),
    relaxed: fields.map((field) => ({ name: nameOf(field), line: relaxedField(field) })),
    body,
    stuffed: dotStuffed(body),
    bodyHash: createHash("sha256").update(relaxedBody(body)).digest("base64"),
  };
}

const nameOf = (field: string): string => field.slice(0, field.indexOf(":")).trim().toLowerCase();

/** A header field in the relaxed form, without its CRLF (RFC 6376 section 3.4.2). */
export function relaxedField(field: string): string {
  const colon = field.indexOf(":");
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, "")
    .replace(/[ \t]+/g, " ")
    .trim();
  return `${field.slice(0, colon).trim().toLowerCase()}:${value}`;
}

/** A body in the relaxed form (RFC 6376 section 3.4.4). */
export function relaxedBody(body: Uint8Array): Buffer {
  const text = Buffer.from(body)
    .toString("latin1")
    .replace(/[ \t]+/g, " ")
    .replace(/ (?=\r\n|$)/g, "")
    .replace(/(?:\r\n)+$/, "");
  return Buffer.from(text === "" ? "" : `${text}\r\n`, "latin1");
}

/** A dot before each line that begins with one (RFC 5321 section 4.5.2). The bytes begin at the beginning of a line. */
export function dotStuffed(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  return /(?:^|\r\n)\./.test(text) ? Buffer.from(text.replace(/(^|\r\n)\./g, "$1.."), "latin1") : bytes;
}
