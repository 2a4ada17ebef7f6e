import { isIP } from "node:net";
import { sleep, toDate, type Clock } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring, type Recurring } from "../kernel/recurring.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { domainOf, parseAddress } from "./address.ts";
import { encodeLetter, type Encoded, type Sender } from "./compose.ts";
import { notSigned, openDkimSigner } from "./dkim.ts";
import { heldBack, type Letter, type MailTransport, type SendOutcome } from "./mail.ts";
import { readRelays, type Relay } from "./relays.ts";
import { connectRelay, type Handing, type Patience, type SmtpConnection } from "./smtp-connection.ts";
import type { WrittenLetter } from "./templates.ts";

export interface SmtpOptions {
  /**
   * `smtp://user:password@host:port` or `smtps://…`; several, with white space between them, share the letters. Over
   * `smtp:` to another machine STARTTLS with a valid certificate is demanded; `?tls=off` gives that up, for a relay in the
   * same private network.
   */
  readonly url: Secret;
  /** `Name <address>` or an address: what letters come from, and whose domain signs them. */
  readonly from: string;
  /** Signs by DKIM, which needs the mailer's role. Without it letters leave unsigned. */
  readonly keyholder?: Pick<Keyholder, "dkimSign" | "dkimPublicKeys">;
  readonly clock: Clock;
  readonly log: Log;
  /** How long each phase may take; `impatient` by default. */
  readonly patience?: Partial<Patience>;
  /** Connections to the relays together; 5 by default. */
  readonly maxConnections?: number;
  /** A certificate authority (PEM) to trust besides the system's. */
  readonly ca?: string;
}

/** For letters that somebody waits for, one at a time: a relay that hangs is noticed, and the letter tried again. */
export const impatient: Patience = { connectMs: 10_000, commandMs: 30_000, finalMs: 30_000, idleMs: 30_000 };
/** RFC 5321 section 4.5.3.2: what a relay may take. Given up sooner, letters of a campaign would go twice. */
export const patient: Patience = { connectMs: 30_000, commandMs: 300_000, finalMs: 600_000, idleMs: 30_000 };

/** Callers limit how many letters they send at once; if more than this wait, one of them does not. */
const mostWaiting = 10_000;
/** So that connections do not live for ever. */
const mostLetters = 5_000;
const firstRestMs = 250;
const longestRestMs = 30_000;
/** How long `close` waits for letters under way. */
const closeWithinMs = 5_000;

/** `Name <address>` in parts. Throws CONFIG_INVALID for what `parseAddress` refuses. */
export function readFrom(from: string): Sender {
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

/** One of the relays, with what is known of it. */
interface Known {
  readonly relay: Relay;
  connections: number;
  isResting: boolean;
  restMs: number;
  /** Letters that one connection takes: learnt where the relay ends them earlier (RFC 5321 section 3.8). */
  mostLetters: number;
  /** It offers CHUNKING and refuses BDAT. */
  refusesChunks: boolean;
  /** Why it could not be spoken to last. */
  trouble: string | undefined;
  readonly away: Recurring;
  /** Letters that it has refused since it took one. */
  refusedInARow: number;
}

/** What refuses so many one after another has something against us, whatever it says of the letters. */
const mostRefusedInARow = 5;

/**
 * Hands letters to one or several relays over connections that stay. Letters carry From, To, Subject, Date, a Message-ID
 * made of the caller's id and our domain, and Auto-Submitted (RFC 3834), nothing that names the software or tracks a
 * reader; they are signed by DKIM, twice (`dkim.ts`), when the sender's domain is a domain of the internet.
 *
 * A relay that is not reached rests, for longer each time, and the others take its letters; when none can be spoken to,
 * what waits is deferred at once, with the reason. One that refuses letter after letter is not believed of all of them. A
 * letter is never sent again by itself.
 */
export async function openSmtp(options: SmtpOptions): Promise<MailTransport> {
  const { url, keyholder, clock, log, maxConnections = 5, ca } = options;
  const patience: Patience = { ...impatient, ...options.patience };
  const from = readFrom(options.from);
  const relays: readonly Known[] = readRelays(url).map((relay) => ({
    relay,
    connections: 0,
    isResting: false,
    restMs: firstRestMs,
    mostLetters,
    refusesChunks: false,
    trouble: undefined,
    away: recurring(log, { says: "a relay cannot be spoken to", ends: "a relay is spoken to again" }),
    refusedInARow: 0,
  }));
  const isSigned = keyholder !== undefined && from.domain.includes(".") && isIP(from.domain) === 0;
  const signer = isSigned ? await openDkimSigner(keyholder, from.domain) : undefined;
  const encodedLetters = new WeakMap<WrittenLetter, Promise<Encoded>>();
  const connections = new Set<SmtpConnection>();
  const waiting: Handing[] = [];
  const takenBack = new WeakSet<Handing>();
  let underWay = 0;
  let isHandPlanned = false;
  let isClosing = false;
  const closed = new AbortController();

  function encodedOf(written: WrittenLetter): Promise<Encoded> {
    let encoded = encodedLetters.get(written);
    if (encoded === undefined) {
      encoded = encodeLetter(from, written);
      encodedLetters.set(written, encoded);
    }
    return encoded;
  }

  function takeBack(letter: Handing): boolean {
    if (isClosing || takenBack.has(letter)) return false;
    takenBack.add(letter);
    waiting.unshift(letter);
    return true;
  }

  /** Fewest connections first, so that relays share the letters. */
  const nextRelay = (): Known | undefined =>
    relays
      .filter(({ isResting }) => !isResting)
      .toSorted((one, other) => one.connections - other.connections)
      .at(0);

  function rest(known: Known, thrown: unknown): void {
    known.trouble = messageOf(thrown);
    known.isResting = true;
    known.away.found({ relay: known.relay.host, reason: known.trouble });
    void sleep(known.restMs, closed.signal).then(() => {
      known.isResting = false;
      hand();
    });
    known.restMs = Math.min(known.restMs * 2, longestRestMs);
  }

  /**
   * A day's limit that is used up or a sender that is shut out is told by many relays as a refusal of the letter, and no code
   * tells the two apart. Believed of every letter, it would end a campaign in minutes with nobody told; so one that has refused
   * so many in a row, and taken none, is asked again until it takes letters, or the caller's patience ends.
   */
  function judge(known: Known, outcome: SendOutcome): SendOutcome {
    if (outcome.kind === "handed over") known.refusedInARow = 0;
    if (outcome.kind !== "refused") return outcome;
    known.refusedInARow++;
    if (known.refusedInARow <= mostRefusedInARow) return outcome;
    const { reply } = outcome;
    if (known.refusedInARow === mostRefusedInARow + 1) {
      log.error(
        { relay: known.relay.host, reply },
        "a relay refuses one letter after another; they wait until it takes one",
      );
    }
    return { kind: "deferred", reply, mayHaveArrived: false, cause: "letter" };
  }

  async function connect(known: Known): Promise<void> {
    known.connections++;
    try {
      const connection = await connectRelay(known.relay, {
        patience,
        ...(ca === undefined ? {} : { ca }),
        pull: () => waiting.shift(),
        takeBack,
        mostLetters: known.mostLetters,
        learnMostLetters: (count) => {
          known.mostLetters = Math.min(known.mostLetters, count);
        },
        refusesChunks: known.refusesChunks,
        learnRefusesChunks: () => {
          known.refusesChunks = true;
        },
        judge: (outcome) => judge(known, outcome),
      });
      known.restMs = firstRestMs;
      known.away.over();
      connections.add(connection);
      if (closed.signal.aborted) connection.destroy("the mailer is stopping");
      else connection.kick();
      await connection.closed;
      connections.delete(connection);
    } catch (thrown) {
      if (!closed.signal.aborted) rest(known, thrown);
    } finally {
      known.connections--;
    }
    hand();
  }

  /** Gives what waits to connections that have room, and makes more of them while there is none. */
  function hand(): void {
    isHandPlanned = false;
    for (const connection of connections) {
      if (waiting.length === 0) return;
      connection.kick();
    }
    let open = relays.reduce((sum, known) => sum + known.connections, 0);
    const opening = (): number => open - connections.size;
    // One more for each letter that waits and has none on its way to it.
    while (!closed.signal.aborted && open < maxConnections && opening() < waiting.length) {
      const known = nextRelay();
      if (known === undefined) break;
      open++;
      void connect(known);
    }
    if (open > 0) return;
    const trouble = relays.find(({ isResting }) => isResting)?.trouble ?? "the mailer is stopping";
    for (const letter of waiting.splice(0)) {
      letter.settle({ kind: "deferred", reply: trouble, mayHaveArrived: false, cause: "relay" });
    }
  }

  async function handOver(letter: Letter, to: string): Promise<SendOutcome> {
    const encoded = await encodedOf(letter.written);
    const now = clock.now();
    const own = [
      `To: ${to}`,
      // RFC 5322 section 3.3: the zone as numbers.
      `Date: ${toDate(now).toUTCString().replace("GMT", "+0000")}`,
      `Message-ID: <${letter.messageId}@${from.domain}>`,
      ...Object.entries(letter.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ];
    let signatures = "";
    try {
      signatures = (await signer?.sign(encoded, own, now)) ?? "";
    } catch (thrown) {
      return { kind: "deferred", reply: notSigned(thrown), mayHaveArrived: false, cause: "relay" };
    }
    const head = Buffer.from(`${signatures}${encoded.fields}${own.join("\r\n")}\r\n\r\n`);
    const isFull = (): boolean => waiting.length >= mostWaiting;
    if (isClosing || isFull()) return stopping(isClosing);
    if ((await letter.whenReady?.()) === false) return heldBack;
    // Others of the same turn may have come first.
    if (isFull()) return stopping(false);
    return new Promise((settle) => {
      waiting.push({
        from: letter.returnPath ?? from.address,
        to,
        head,
        body: encoded.body,
        stuffed: encoded.stuffed,
        settle,
      });
      // Letters of one turn are handed over together.
      if (!isHandPlanned) setImmediate(hand);
      isHandPlanned = true;
    });
  }

  return {
    send: async (letter) => {
      checkHeaders(letter);
      const parsed = parseAddress(letter.to);
      if (parsed.kind === "refused") return { kind: "refused", reply: "the address is no address" };
      if (isClosing) return stopping(true);
      underWay++;
      try {
        return await handOver(
          letter,
          `${parsed.address.slice(0, parsed.address.lastIndexOf("@"))}@${domainOf(parsed.address)}`,
        );
      } finally {
        underWay--;
      }
    },
    close: async () => {
      isClosing = true;
      await signer?.stop();
      const patienceEnds = new AbortController();
      void sleep(closeWithinMs, patienceEnds.signal).then(() => closed.abort("out of patience"));
      while (underWay > 0 && !closed.signal.aborted) await sleep(5);
      closed.abort("closed");
      patienceEnds.abort("closed");
      for (const connection of connections) {
        if (connection.underWay() === 0) connection.quit();
        else connection.destroy("the mailer is stopping");
      }
      hand();
      await Promise.all([...connections].map((connection) => connection.closed));
    },
  };
}

const stopping = (isClosing: boolean): SendOutcome => ({
  kind: "deferred",
  reply: isClosing ? "the mailer is stopping" : "too many letters wait for the relay",
  mayHaveArrived: false,
  cause: "relay",
});

const headerName = /^[A-Za-z][A-Za-z0-9-]{0,60}$/;
/** What the transport writes itself. */
const ownHeaders =
  /^(from|to|cc|bcc|sender|reply-to|subject|date|message-id|auto-submitted|mime-version|content-.*|dkim-signature)$/i;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const subjectText = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{1,900}$/;
const headerValue = /^[\x20-\x7e]{0,900}$/;

/** Throws `IMPOSSIBLE` for a header that could end its line or stand for another: such a letter is a mistake of ours. */
function checkHeaders({ written, messageId, headers = {}, returnPath }: Letter): void {
  const isSound =
    subjectText.test(written.subject) &&
    /^[A-Za-z0-9._-]{1,200}$/.test(messageId) &&
    (returnPath === undefined || parseAddress(returnPath).kind === "address") &&
    Object.entries(headers).every(
      ([name, value]) => headerName.test(name) && !ownHeaders.test(name) && headerValue.test(value),
    );
  if (!isSound) throw new Fault("IMPOSSIBLE", "a letter's header is not sound");
}
