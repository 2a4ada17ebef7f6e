/** What a delivery report says of one recipient (RFC 3464 section 2.3). */
export interface ReportedRecipient {
  readonly action: string;
  /** `5.1.1` (RFC 3463); empty if it has none. */
  readonly status: string;
}

export type DeliveryReport =
  | { readonly kind: "report"; readonly recipients: readonly ReportedRecipient[] }
  /** Not a report, in a sentence for who handed it over. */
  | { readonly kind: "refused"; readonly reason: string };

/** Largest message that is looked at. Our letters are below 16 KiB, so a report with the letter in it is far below. */
export const reportLimitBytes = 256 * 1024;
const mostHeaderBytes = 32 * 1024;
const mostParts = 20;
const mostStatusBytes = 64 * 1024;
const mostRecipients = 50;

const refused = (reason: string): DeliveryReport => ({ kind: "refused", reason });

/**
 * Reads a delivery report: a multipart/report (RFC 6522) with a message/delivery-status among its parts. One pass over
 * the bytes, and no part is entered: whatever is nested, encoded or sent back in another part stays unread, so that
 * neither depth nor size of it costs anything.
 */
export function readDeliveryReport(raw: Buffer): DeliveryReport {
  if (raw.length > reportLimitBytes) return refused("a delivery report has at most 256 KiB");
  // Latin-1 keeps each byte as one character; everything that is looked for is ASCII.
  const text = raw.toString("latin1").replaceAll("\r\n", "\n");
  const head = readHead(text);
  if (head === undefined) return refused("the headers are larger than 32 KiB or do not end");
  const { type, parameters } = contentType(head.fields);
  if (type !== "multipart/report" || parameters.get("report-type")?.toLowerCase() !== "delivery-status") {
    return refused("this is no delivery report (multipart/report, RFC 3464); other mail is not taken here");
  }
  const boundary = parameters.get("boundary") ?? "";
  // RFC 2046 section 5.1.1: 1 to 70 characters.
  if (boundary === "" || boundary.length > 70) return refused("the report's boundary is missing or too long");
  const parts = splitParts(head.body, boundary);
  if (parts === undefined) return refused("the report has more than 20 parts");
  for (const part of parts) {
    const inner = readHead(part);
    if (inner === undefined) continue;
    const status = contentType(inner.fields).type;
    if (status !== "message/delivery-status" && status !== "message/global-delivery-status") continue;
    const decoded = decode(inner.body, inner.fields.get("content-transfer-encoding") ?? "7bit");
    return decoded === undefined ? refused("the report's status part is larger than 64 KiB") : readStatus(decoded);
  }
  return refused("the report has no message/delivery-status part");
}

/** The header fields of a block by their names in lower case, the first of each, unfolded (RFC 5322 section 2.2.3). */
function readHead(text: string): { fields: ReadonlyMap<string, string>; body: string } | undefined {
  const end = text.startsWith("\n") ? 0 : text.indexOf("\n\n");
  const head = end < 0 ? text : text.slice(0, end);
  if (head.length > mostHeaderBytes) return undefined;
  return { fields: fieldsOf(head), body: end < 0 ? "" : text.slice(end + (end === 0 ? 1 : 2)) };
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.replace(/\n[ \t]+/g, " ").split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== "" && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

function contentType(fields: ReadonlyMap<string, string>) {
  const value = fields.get("content-type") ?? "text/plain";
  const parameters = new Map<string, string>();
  const found = value.slice(0, 2_000).matchAll(/;\s*([a-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/gi);
  for (const [, name = "", quoted, bare = ""] of found) {
    if (!parameters.has(name.toLowerCase()))
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? bare);
  }
  return { type: (/^[^\s;]*/.exec(value)?.[0] ?? "").toLowerCase(), parameters };
}

/** The parts between the lines of the boundary; what stands before the first and after the last is none. */
function splitParts(body: string, boundary: string): readonly string[] | undefined {
  const parts: string[] = [];
  const line = `\n--${boundary}`;
  const whole = `\n${body}`;
  let from: number | undefined;
  for (let at = whole.indexOf(line); at >= 0; at = whole.indexOf(line, at + line.length)) {
    const rest = whole.slice(at + line.length, at + line.length + 200);
    const end = /^(--)?[ \t]*(?:\n|$)/.exec(rest);
    // Longer than the boundary: somebody else's.
    if (end === null) continue;
    if (from !== undefined) parts.push(whole.slice(from, at));
    if (parts.length > mostParts) return undefined;
    if (end[1] !== undefined) return parts;
    from = at + line.length + end[0].length;
  }
  if (from !== undefined) parts.push(whole.slice(from));
  return parts;
}

function decode(body: string, encoding: string): string | undefined {
  if (body.length > mostStatusBytes * 2) return undefined;
  const decoded =
    encoding.toLowerCase() === "base64"
      ? Buffer.from(body, "base64").toString("latin1").replaceAll("\r\n", "\n")
      : encoding.toLowerCase() === "quoted-printable"
        ? body
            .replace(/=[ \t]*\n/g, "")
            .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        : body;
  return decoded.length > mostStatusBytes ? undefined : decoded;
}

/** RFC 3464 section 2.1: a block about the message, then one for each recipient, with blank lines between. */
function readStatus(text: string): DeliveryReport {
  const blocks = text
    .split(/\n[ \t]*\n+/)
    .map((block) => fieldsOf(block.trim()))
    .filter(({ size }) => size > 0);
  const recipients = blocks.filter((fields) => fields.has("action")).slice(0, mostRecipients);
  if (recipients.length === 0) return refused("the report names no recipient");
  return {
    kind: "report",
    recipients: recipients.map((fields) => ({
      action: (fields.get("action") ?? "").split(/[\s;(]/)[0]?.toLowerCase() ?? "",
      status: /^[245]\.\d{1,3}\.\d{1,3}(?!\S)/.exec(fields.get("status") ?? "")?.[0] ?? "",
    })),
  };
}

/**
 * The status of a letter that will not arrive, or `undefined` if the report does not say so for good: delayed, delivered,
 * relayed, or given up for a passing reason (RFC 3463 section 2, class 4).
 */
export function permanentFailure(recipients: readonly ReportedRecipient[]): string | undefined {
  return recipients.find(({ action, status }) => action === "failed" && status.startsWith("5."))?.status;
}
