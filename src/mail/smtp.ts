import { isIP } from "node:net";
import { createTransport } from "nodemailer";
import { every, minuteMs, sleep } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { domainOf, parseAddress, withoutAddresses } from "./address.ts";
import type { Letter, MailTransport, SendOutcome } from "./mail.ts";

export interface SmtpOptions {
  /**
   * `smtp://user:password@host:port` or `smtps://…`. Over `smtp:` to another machine STARTTLS with a valid certificate is
   * demanded; `?tls=off` gives that up, for a relay in the same private network.
   */
  readonly url: Secret;
  /** `Name <address>` or an address: what letters come from, and whose domain signs them. */
  readonly from: string;
  /** Lends the DKIM key, which needs the mailer's role. Without it letters leave unsigned. */
  readonly keyholder?: Pick<Keyholder, "dkimKey">;
  readonly log: Log;
  /** How long one letter may take, from a free connection to the relay's answer; 30 s by default. */
  readonly timeoutMs?: number;
  /** Connections to the relay, and so letters at once; 5 by default. */
  readonly maxConnections?: number;
  /** A certificate authority (PEM) to trust besides the system's. */
  readonly ca?: string;
}

/** DNS holds the public key of version 1 at `houselights._domainkey.DOMAIN`, of version 2 at `houselights2._domainkey…`. */
export const dkimSelector = (version: number): string => (version === 1 ? "houselights" : `houselights${version}`);

/** How long letters may still be signed with a key after another one has been taken into use. */
const dkimLentMs = minuteMs;

/** `Name <address>` in parts. Throws CONFIG_INVALID for what `parseAddress` refuses. */
export function readFrom(from: string): { readonly name: string; readonly address: string; readonly domain: string } {
  const [, quoted = "", inner] = /^\s*(.*?)\s*<([^<>]+)>\s*$/.exec(from) ?? [];
  const parsed = parseAddress(inner ?? from);
  // A service on its own machine writes from no-reply@127.0.0.1 or the like, which no relay would take anyway.
  if (parsed.kind === "refused" && !/^[a-z0-9._-]+@[a-z0-9.:[\]-]+$/i.test(inner ?? from)) {
    throw new Fault("CONFIG_INVALID", "MAIL_FROM is no address");
  }
  const address = parsed.kind === "address" ? parsed.address : (inner ?? from);
  const name = quoted.replace(/^"(.*)"$/, "$1").replace(/\\(.)/g, "$1");
  return { name, address, domain: domainOf(address) };
}

/**
 * Sends through a relay. Letters carry From, To, Subject, Date, a Message-ID made of the caller's id and our domain, and
 * Auto-Submitted (RFC 3834), nothing that names the software or tracks a reader; they are signed by DKIM (RFC 6376,
 * rsa-sha256) when the sender's domain is a domain of the internet.
 */
export async function openSmtp(options: SmtpOptions): Promise<MailTransport> {
  const { url, keyholder, log, timeoutMs = 30_000, maxConnections = 5, ca } = options;
  const from = readFrom(options.from);
  const relay = readRelay(url);
  const isSigned = keyholder !== undefined && from.domain.includes(".") && isIP(from.domain) === 0;
  const lend = async () => {
    if (!isSigned) return undefined;
    const { version, key } = await keyholder.dkimKey();
    return { domainName: from.domain, keySelector: dkimSelector(version), privateKey: key.revealText() };
  };
  let dkim = await lend();
  const lending = every(dkimLentMs, async () => {
    // With the key process away the key that was lent goes on.
    dkim = await lend().catch(() => dkim);
  });

  function connectPool(): ReturnType<typeof newPool> {
    const pool = newPool();
    // Idle connections may break; the next letter finds out by itself.
    pool.on("error", (error) => log.debug({ reason: withoutAddresses(messageOf(error)) }, "a relay connection broke"));
    return pool;
  }

  const newPool = () =>
    createTransport({
      pool: true,
      ...relay,
      maxConnections,
      maxMessages: 1_000,
      // A letter whose connection broke may have arrived: whether it goes again is for its owner to count, not for the pool.
      maxRequeues: 0,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      ...(ca === undefined ? {} : { tls: { ca } }),
      disableFileAccess: true,
      disableUrlAccess: true,
    });

  let pool = connectPool();
  const places = semaphore(maxConnections);
  let isClosing = false;

  async function sendNow(letter: Letter): Promise<SendOutcome> {
    const overdue = new AbortController();
    const answered = new AbortController();
    // The socket's own limit is for silence; this one is for a relay that keeps trickling.
    void sleep(timeoutMs, answered.signal).then(() => overdue.abort());
    try {
      const info = await pool.sendMail({
        from: { name: from.name, address: from.address },
        to: { name: "", address: letter.to },
        envelope: { from: letter.returnPath ?? from.address, to: [letter.to] },
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
        messageId: `<${letter.messageId}@${from.domain}>`,
        headers: { "Auto-Submitted": "auto-generated", ...letter.headers },
        textEncoding: "quoted-printable",
        xMailer: false,
        signal: overdue.signal,
        ...(dkim === undefined ? {} : { dkim }),
      });
      const queueId = queueIdIn(info.response);
      return {
        kind: "handed over",
        reply: withoutAddresses(info.response),
        ...(queueId === undefined ? {} : { queueId }),
      };
    } catch (thrown) {
      if (isNonsense(thrown)) {
        // Whatever comes next on that connection might be the answer to this letter, taken for the answer to another.
        pool.close();
        pool = connectPool();
      }
      return outcomeOf(thrown);
    } finally {
      answered.abort();
    }
  }

  return {
    send: async (letter) => {
      checkHeaders(letter);
      if (parseAddress(letter.to).kind === "refused") return { kind: "refused", reply: "the address is no address" };
      if (isClosing) return { kind: "deferred", reply: "the mailer is stopping" };
      await places.take();
      try {
        return await sendNow(letter);
      } finally {
        places.give();
      }
    },
    close: async () => {
      isClosing = true;
      await lending.stop();
      await places.takeAll();
      pool.close();
    },
  };
}

interface Relay {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly requireTLS?: boolean;
  readonly ignoreTLS?: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** Throws CONFIG_INVALID without the URL's text, which holds a password. */
function readRelay(secret: Secret): Relay {
  const url = URL.parse(secret.revealText());
  if (url === null || (url.protocol !== "smtp:" && url.protocol !== "smtps:") || url.hostname === "") {
    throw new Fault("CONFIG_INVALID", "SMTP_URL must be smtp://host:port or smtps://host:port");
  }
  const secure = url.protocol === "smtps:";
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // A relay on this machine has no name that a certificate could prove, and nobody between us and it.
  const isHere = host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  const isPlain = url.searchParams.get("tls") === "off" || (isHere && url.searchParams.get("tls") !== "required");
  const port = url.port === "" ? (secure ? 465 : 587) : Number(url.port);
  return {
    host,
    port,
    secure,
    ...(secure ? {} : isPlain ? { ignoreTLS: true } : { requireTLS: true }),
    ...(url.username === ""
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
  };
}

/** Commands whose 5xx is about this letter. At the others (greeting, TLS, sign-in, sender) it is about us, and passes. */
const aboutTheLetter = new Set(["RCPT TO", "DATA"]);

function outcomeOf(thrown: unknown): SendOutcome {
  const { responseCode, response, command, code } = fieldsOf(thrown);
  const reply = withoutAddresses(typeof response === "string" ? response : messageOf(thrown));
  const isPermanent = typeof responseCode === "number" && responseCode >= 500;
  if (isPermanent && typeof command === "string" && aboutTheLetter.has(command)) return { kind: "refused", reply };
  // Our side found that the address cannot be written down for this relay (no SMTPUTF8): another try changes nothing.
  if (code === "EENVELOPE" && command === "API") return { kind: "refused", reply };
  return { kind: "deferred", reply: code === "EABORT" ? "the relay did not answer in time" : reply };
}

function isNonsense(thrown: unknown): boolean {
  const { responseCode, response } = fieldsOf(thrown);
  return typeof response === "string" && typeof responseCode !== "number";
}

function fieldsOf(thrown: unknown): Partial<Record<"responseCode" | "response" | "command" | "code", unknown>> {
  return typeof thrown === "object" && thrown !== null ? thrown : {};
}

/** What Postfix, Exim and others call the letter from here on: `250 2.0.0 Ok: queued as 4F1A2B`. */
function queueIdIn(response: string): string | undefined {
  return /\b(?:queued as|id=|queue id)[ :]*([A-Za-z0-9-]{4,64})\b/i.exec(response)?.[1];
}

const headerName = /^[A-Za-z][A-Za-z0-9-]{0,60}$/;
/** What the transport writes itself. */
const ownHeaders = /^(from|to|cc|bcc|sender|reply-to|subject|date|message-id|mime-version|content-.*|dkim-signature)$/i;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const headerValue = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{0,900}$/;

/** Throws `IMPOSSIBLE` for a header that could end its line or stand for another: such a letter is a mistake of ours. */
function checkHeaders({ subject, messageId, headers = {}, returnPath }: Letter): void {
  const isSound =
    headerValue.test(subject) &&
    /^[A-Za-z0-9._-]{1,200}$/.test(messageId) &&
    (returnPath === undefined || parseAddress(returnPath).kind === "address") &&
    Object.entries(headers).every(
      ([name, value]) => headerName.test(name) && !ownHeaders.test(name) && headerValue.test(value),
    );
  if (!isSound) throw new Fault("IMPOSSIBLE", "a letter's header is not sound");
}

/** Lets `count` holders in at once, in order of arrival. */
function semaphore(count: number): { take(): Promise<void>; give(): void; takeAll(): Promise<void> } {
  let free = count;
  const waiting: (() => void)[] = [];
  const take = (): Promise<void> => {
    if (free > 0) {
      free--;
      return Promise.resolve();
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  return {
    take,
    give: () => {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    },
    takeAll: async () => {
      for (let i = 0; i < count; i++) await take();
    },
  };
}
