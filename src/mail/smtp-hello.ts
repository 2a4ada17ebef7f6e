import { isIP } from "node:net";
import { hostname } from "node:os";
import { withoutAddresses } from "./address.ts";
import type { Relay } from "./relays.ts";
import { replyText, type Reply } from "./smtp-replies.ts";
import { RelayTrouble } from "./smtp-socket.ts";

/** What the relay offers: keyword and parameters of each extension (RFC 5321 section 4.1.1.1). */
export type Extensions = ReadonlyMap<string, string>;

/** A connection that is not ready for letters yet. */
export interface Conversation {
  /** Sends a line, or none for the greeting, and waits for its reply. Throws `RelayTrouble`. */
  readonly ask: (line?: string) => Promise<Reply>;
  /** Goes on within TLS. Throws `RelayTrouble`. */
  readonly intoTls: () => Promise<void>;
  /** Our own end. */
  readonly localAddress: string;
}

/**
 * Says who we are and hears what the relay offers: TLS as its URL demands it (RFC 3207), then AUTH PLAIN or LOGIN (RFC 4954). Throws
 * `RelayTrouble`.
 */
export async function sayHello(relay: Relay, conversation: Conversation): Promise<Extensions> {
  const { ask, intoTls } = conversation;
  await demand(ask, "the relay takes no letters now", 220);
  let extensions = await introduce(conversation);
  if (relay.tls === "demanded") {
    if (!extensions.has("STARTTLS"))
      throw new RelayTrouble("the relay offers no STARTTLS, and nothing is sent in clear");
    await demand(ask, "the relay does not start TLS", 220, "STARTTLS");
    await intoTls();
    // RFC 3207 section 4.2: what was said before is forgotten.
    extensions = await introduce(conversation);
  }
  if (relay.user !== undefined) await signIn(ask, relay.user, extensions);
  return extensions;
}

type Ask = Conversation["ask"];

async function demand(ask: Ask, what: string, code: number, line?: string): Promise<void> {
  const reply = await ask(line);
  if (reply.code !== code) throw new RelayTrouble(withoutAddresses(`${what}: ${replyText(reply)}`));
}

async function introduce({ ask, localAddress }: Conversation): Promise<Extensions> {
  const own = hostname();
  // RFC 5321 section 4.1.4: a name that others can look up, or else the address.
  const name = own.includes(".") ? own : isIP(localAddress) === 6 ? `[IPv6:${localAddress}]` : `[${localAddress}]`;
  const reply = await ask(`EHLO ${name}`);
  if (reply.code === 250) return extensionsIn(reply);
  await demand(ask, "the relay does not take our greeting", 250, `HELO ${name}`);
  return new Map();
}

/** Without the relay's own words: some quote what they were sent. */
async function prove(ask: Ask, code: number, line: string): Promise<void> {
  const reply = await ask(line);
  if (reply.code === code) return;
  throw new RelayTrouble(`the relay does not accept the user and password of SMTP_URL: ${reply.code}`);
}

async function signIn(ask: Ask, { name, password }: NonNullable<Relay["user"]>, extensions: Extensions): Promise<void> {
  const ways = (extensions.get("AUTH") ?? "").toUpperCase().split(/\s+/);
  const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");
  if (ways.includes("PLAIN")) {
    await prove(ask, 235, `AUTH PLAIN ${base64(`\0${name}\0${password.revealText()}`)}`);
  } else if (ways.includes("LOGIN")) {
    await prove(ask, 334, "AUTH LOGIN");
    await prove(ask, 334, base64(name));
    await prove(ask, 235, base64(password.revealText()));
  } else {
    throw new RelayTrouble("the relay offers neither AUTH PLAIN nor AUTH LOGIN");
  }
}

/** The first line is the relay's name. */
const extensionsIn = ({ lines }: Reply): Extensions =>
  new Map(
    lines.slice(1).map((line): [string, string] => {
      const [keyword = "", ...parameters] = line.trim().split(/[ =]+/);
      return [keyword.toUpperCase(), parameters.join(" ")];
    }),
  );
