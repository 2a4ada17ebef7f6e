import { createHash, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";

/**
 * Verifies the first DKIM-Signature of a letter from its bytes, for c=relaxed/relaxed and a=rsa-sha256, written from
 * RFC 6376 sections 3.4.2, 3.4.4, 3.5 and 3.7 and sharing no code with what signs.
 *
 * @returns the signature's tags if it verifies, otherwise `undefined`.
 */
export function verifyDkim(raw: Buffer, publicKey: KeyObject): Readonly<Record<string, string>> | undefined {
  const letter = raw.toString("latin1");
  const end = letter.indexOf("\r\n\r\n");
  const fields = letter.slice(0, end).split(/\r\n(?![ \t])/);
  const body = letter.slice(end + 4);
  const signatureField = fields.find((field) => /^dkim-signature:/i.test(field));
  if (signatureField === undefined) return undefined;
  const tags = Object.fromEntries(
    signatureField
      .slice(signatureField.indexOf(":") + 1)
      .split(";")
      .map((tag) => tag.trim())
      .filter((tag) => tag !== "")
      .map((tag): [string, string] => [tag.slice(0, tag.indexOf("=")).trim(), tag.slice(tag.indexOf("=") + 1)]),
  );
  if (tags["a"] !== "rsa-sha256" || tags["c"] !== "relaxed/relaxed") return undefined;

  const relaxedBody = body
    .split("\r\n")
    .map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""))
    .join("\r\n")
    .replace(/(\r\n)+$/, "");
  const bodyHash = createHash("sha256")
    .update(relaxedBody === "" ? "" : `${relaxedBody}\r\n`, "latin1")
    .digest("base64");
  if (bodyHash !== tags["bh"]?.replace(/\s/g, "")) return undefined;

  const relaxed = (field: string): string => {
    const colon = field.indexOf(":");
    const value = field
      .slice(colon + 1)
      .replace(/\r\n/g, "")
      .replace(/[ \t]+/g, " ")
      .trim();
    return `${field.slice(0, colon).trim().toLowerCase()}:${value}`;
  };
  const left = [...fields];
  const signed: string[] = [];
  for (const name of (tags["h"] ?? "").split(":").map((each) => each.trim().toLowerCase())) {
    // The last one first, each once; a name without a field stands for its absence.
    const index = left.findLastIndex((field) => field.slice(0, field.indexOf(":")).trim().toLowerCase() === name);
    if (index >= 0) signed.push(...left.splice(index, 1).map(relaxed));
  }
  const own = relaxed(signatureField).replace(/([;:]\s*b=)[^;]*/, "$1");
  const message = Buffer.from([...signed, own].join("\r\n"), "latin1");
  const signature = Buffer.from((tags["b"] ?? "").replace(/\s/g, ""), "base64");
  return verify("sha256", message, publicKey, signature) ? tags : undefined;
}
