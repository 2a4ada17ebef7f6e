import { isIP } from "node:net";
import { Fault } from "../kernel/fault.ts";
import { Secret } from "../kernel/secret.ts";

/** Where letters are handed over. */
export interface Relay {
  readonly host: string;
  readonly port: number;
  /**
   * `from the start` for `smtps:` (RFC 8314 section 3.3), `demanded` for STARTTLS without which nothing is sent, `none` for
   * a relay on this machine or one that the URL trusts.
   */
  readonly tls: "from the start" | "demanded" | "none";
  readonly user?: { readonly name: string; readonly password: Secret };
}

/** No service hands letters to more; each is a connection to keep. */
const mostRelays = 16;

/**
 * Reads SMTP_URL: one `smtp:` or `smtps:` URL, or several with white space between them, which share the letters. Throws
 * CONFIG_INVALID without the text, which holds passwords.
 */
export function readRelays(secret: Secret): readonly Relay[] {
  const texts = secret.revealText().trim().split(/\s+/);
  if (texts.length > mostRelays) throw new Fault("CONFIG_INVALID", `SMTP_URL names more than ${mostRelays} relays`);
  return texts.map(readRelay);
}

function readRelay(text: string): Relay {
  const url = URL.parse(text);
  const tls = url?.searchParams.get("tls") ?? null;
  if (
    url === null ||
    (url.protocol !== "smtp:" && url.protocol !== "smtps:") ||
    url.hostname === "" ||
    ![null, "off", "required"].includes(tls)
  ) {
    throw new Fault("CONFIG_INVALID", "SMTP_URL must be smtp://host:port or smtps://host:port");
  }
  const isDirect = url.protocol === "smtps:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // A relay on this machine has no name that a certificate could prove, and nobody between us and it.
  const isHere = host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  const isPlain = tls === "off" || (isHere && tls !== "required");
  return {
    host,
    port: url.port === "" ? (isDirect ? 465 : 587) : Number(url.port),
    tls: isDirect ? "from the start" : isPlain ? "none" : "demanded",
    ...(url.username === ""
      ? {}
      : { user: { name: decoded(url.username), password: Secret.fromText(decoded(url.password)) } }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Fault("CONFIG_INVALID", "SMTP_URL's user or password has a % that begins no escape");
  }
}
