import type { Socket } from "node:net";
import { after } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import { withoutAddresses } from "./address.ts";
import type { SendOutcome } from "./mail.ts";
import type { Relay } from "./relays.ts";
import { sayHello } from "./smtp-hello.ts";
import { dialled, RelayTrouble, secured } from "./smtp-socket.ts";
import { NoReply, replyReader, replyText, type Reply } from "./smtp-replies.ts";

/** How long each phase may take before the connection is given up, in milliseconds. */
export interface Patience {
  readonly connectMs: number;
  /** The greeting, TLS, and each command until the letter's content. */
  readonly commandMs: number;
  /** From the end of the content to its answer: given up too soon, letters go twice. */
  readonly finalMs: number;
  /** A connection with nothing to do is closed after this. */
  readonly idleMs: number;
}

/** One letter to be handed over, every byte of it made. */
export interface Handing {
  readonly from: string;
  /** With the domain in ASCII. */
  readonly to: string;
  /** Header fields, the empty line after them, and the body; as it is, and as DATA carries it. */
  readonly head: Buffer;
  readonly body: Buffer;
  readonly stuffed: Buffer;
  settle(outcome: SendOutcome): void;
}

export interface SmtpConnection {
  /** Letters that are on their way over it. */
  underWay(): number;
  /** Takes what it can of the letters that wait. */
  kick(): void;
  /** Says QUIT and closes once nothing is under way. */
  quit(): void;
  /** Closes at once. What is under way is deferred. */
  destroy(reason: string): void;
  /** Resolves when it is gone. */
  readonly closed: Promise<void>;
}

interface Expected {
  readonly waitMs: number;
  readonly settle: (reply: Reply) => void;
}

/** A letter between its first command and its answer. */
interface Started {
  readonly letter: Handing;
  /** The answer that decides: the first that is not a yes. */
  failure: { readonly reply: Reply; readonly isAboutLetter: boolean } | undefined;
  isContentWritten: boolean;
}

/** Letters that go ahead of their answers where CHUNKING lets them (RFC 3030 section 2). */
const chunkedWindow = 20;

interface Options {
  readonly patience: Patience;
  /** A certificate authority (PEM) to trust besides the system's. */
  readonly ca?: string;
  /** The next letter that waits, taken. */
  readonly pull: () => Handing | undefined;
  /** Takes back a letter that the relay has not taken since it ends the connection; false for one that must be settled. */
  readonly takeBack: (letter: Handing) => boolean;
  /** Letters that the relay takes over one connection, as far as it has said. */
  readonly mostLetters: number;
  readonly learnMostLetters: (count: number) => void;
  /** Whether the relay has refused BDAT before, which it offers all the same. */
  readonly refusesChunks: boolean;
  readonly learnRefusesChunks: () => void;
  /** Judges the relay's answer to a letter by what it has answered to others. */
  readonly judge: (outcome: SendOutcome) => SendOutcome;
}

/**
 * Connects, and says who we are: TLS as the relay's URL demands it, with the certificate and its host name verified
 * (RFC 3207, RFC 8314, RFC 9525), then AUTH PLAIN or LOGIN (RFC 4954). Throws `RelayTrouble`.
 *
 * Letters then go over it one after another, without waiting for answers where the relay lets us: with CHUNKING and
 * PIPELINING (RFC 3030, RFC 2920) up to twenty are ahead, with PIPELINING the next one's commands follow each content.
 */
export async function connectRelay(relay: Relay, options: Options): Promise<SmtpConnection> {
  const { patience } = options;
  let socket: Socket = await dialled(relay, patience.connectMs, options.ca);
  let reader = replyReader();
  const expected: Expected[] = [];
  const started = new Set<Started>();
  const closing = Promise.withResolvers<void>();
  let callOff = (): void => undefined;
  /** Why it ended; letters are given to it until then. */
  let ended: string | undefined;
  let isQuitting = false;
  let isReady = false;
  /** Fails whoever waits for the connection to be ready for letters, if it ends before. */
  let failOpening: ((trouble: RelayTrouble) => void) | undefined;

  const end = (reason: string): void => {
    if (ended !== undefined) return;
    ended = withoutAddresses(reason);
    callOff();
    socket.destroy();
    failOpening?.(new RelayTrouble(ended));
    const lost = [...started];
    started.clear();
    for (const { letter, failure, isContentWritten } of lost) {
      // What the relay has said of the letter stands, although its other answers are lost.
      letter.settle(
        failure === undefined
          ? { kind: "deferred", reply: ended, mayHaveArrived: isContentWritten, cause: "letter" }
          : options.judge(outcomeOf(failure)),
      );
    }
    closing.resolve();
  };

  /** The first answer that is waited for has its time from now. */
  function watch(): void {
    callOff();
    const [first] = expected;
    if (first !== undefined) callOff = after(first.waitMs, () => end("the relay did not answer in time"));
    else if (isReady) callOff = after(patience.idleMs, quit);
  }

  function expect(waitMs: number, settle: (reply: Reply) => void): void {
    expected.push({ waitMs, settle });
    if (expected.length === 1) watch();
  }

  function receive(chunk: Buffer): void {
    let replies: Reply[];
    try {
      replies = reader.push(chunk);
    } catch (thrown) {
      return end(thrown instanceof NoReply ? thrown.message : messageOf(thrown));
    }
    socket.cork();
    for (const reply of replies) {
      if (ended !== undefined) break;
      const next = expected.shift();
      if (next === undefined) {
        // RFC 5321 section 3.8: it may close by itself, saying so. Anything else would be taken for the next answer.
        end(reply.code === 421 ? replyText(reply) : "the relay answers what was not asked");
        break;
      }
      next.settle(reply);
    }
    socket.uncork();
    if (ended === undefined && replies.length > 0) watch();
  }

  const broken = (error: Error): void => end(`the connection to the relay broke: ${messageOf(error)}`);
  const gone = (): void => end("the relay closed the connection");

  function listen(): void {
    socket.setNoDelay(true);
    socket.on("data", receive);
    socket.on("error", broken);
    socket.on("end", gone);
    socket.on("close", gone);
  }

  const ask = (line: string | undefined): Promise<Reply> =>
    new Promise((resolve, reject) => {
      failOpening = reject;
      if (ended !== undefined) return reject(new RelayTrouble(ended));
      expect(patience.commandMs, resolve);
      if (line !== undefined) socket.write(`${line}\r\n`);
    });

  async function intoTls(): Promise<void> {
    // The runtime does not bear TLS on a socket that is gone.
    if (ended !== undefined) throw new RelayTrouble(ended);
    // Bytes that came in clear must not pass for the relay's own behind TLS.
    if (reader.isMidway() || socket.readableLength > 0) throw new RelayTrouble("the relay said more before TLS stood");
    const plain = socket;
    // Its errors and its end come by way of TLS from here on.
    plain.off("data", receive).off("error", broken).off("end", gone).off("close", gone);
    plain.on("error", () => undefined);
    socket = await secured(relay, patience.commandMs, options.ca, plain);
    reader = replyReader();
    listen();
  }

  listen();
  const localAddress = socket.localAddress ?? "127.0.0.1";
  const extensions = await sayHello(relay, { ask, intoTls, localAddress }).catch((thrown: unknown) => {
    const trouble = thrown instanceof RelayTrouble ? thrown : new RelayTrouble(withoutAddresses(messageOf(thrown)));
    end(trouble.message);
    throw trouble;
  });
  failOpening = undefined;

  const isPipelined = extensions.has("PIPELINING");
  const isChunked = isPipelined && extensions.has("CHUNKING") && !options.refusesChunks;
  const isUtf8 = extensions.has("SMTPUTF8");
  const mostBytes = Number(extensions.get("SIZE") ?? 0);
  /** Whether the next letter's commands may be written now. */
  let isFree = true;
  let isResetNeeded = false;
  let taken = 0;

  function finished(one: Started, outcome: SendOutcome): void {
    started.delete(one);
    one.letter.settle(options.judge(outcome));
  }

  function refuse(one: Started, reply: Reply, isAboutLetter: boolean): void {
    one.failure ??= { reply, isAboutLetter };
  }

  /** The answer to the content, or to what stood in its place. */
  function settleContent(one: Started, reply: Reply): void {
    if (reply.code >= 400) refuse(one, reply, true);
    else if (reply.code !== 250 && one.failure === undefined)
      return end("the relay's answer to a letter is no answer to it");
    const { failure } = one;
    if (failure === undefined) {
      const queueId = queueIdIn(replyText(reply));
      finished(one, {
        kind: "handed over",
        reply: withoutAddresses(replyText(reply)),
        ...(queueId === undefined ? {} : { queueId }),
      });
    } else if (failure.reply.code === 421) {
      endBy421(failure.reply);
    } else {
      finished(one, outcomeOf(failure));
    }
    pump();
  }

  /**
   * The relay ends the connection, often because it takes only so many letters over one (RFC 5321 section 3.8): it has not
   * taken this letter, nor any behind it.
   */
  function endBy421(reply: Reply): void {
    const answered = taken - started.size;
    if (answered > 0) options.learnMostLetters(answered);
    endWithoutTaking(reply);
  }

  /**
   * It offers CHUNKING and does not know BDAT, as one behind a filter of commands: it reads the content as commands from here
   * on, so nothing more is said over this connection, and the letters go by DATA over the next.
   */
  function endByChunk(reply: Reply): void {
    options.learnRefusesChunks();
    endWithoutTaking(reply);
  }

  function endWithoutTaking(reply: Reply): void {
    for (const one of started) {
      started.delete(one);
      const failure = { reply, isAboutLetter: false };
      if (!options.takeBack(one.letter)) one.letter.settle(options.judge(outcomeOf(one.failure ?? failure)));
    }
    end(replyText(reply));
  }

  function command(one: Started, isAboutLetter: boolean, then?: (isFine: boolean) => void): void {
    expect(patience.commandMs, (reply) => {
      if (reply.code === 421) return endBy421(reply);
      if (reply.code >= 300) refuse(one, reply, isAboutLetter);
      then?.(one.failure === undefined);
    });
  }

  const envelopeOf = ({ from, to }: Handing): readonly [string, string] => [
    `MAIL FROM:<${from}>${isAscii(to) ? "" : " BODY=8BITMIME SMTPUTF8"}\r\n`,
    `RCPT TO:<${to}>\r\n`,
  ];

  /** All at once: the relay reads past what it does not take. RSET, since a recipient it refused leaves the sender standing. */
  function startChunked(one: Started): void {
    const { letter } = one;
    const [mail, rcpt] = envelopeOf(letter);
    const reset = taken > 1 ? "RSET\r\n" : "";
    if (reset !== "") expect(patience.commandMs, (reply) => void (reply.code === 250 || end(replyText(reply))));
    command(one, false);
    command(one, true);
    expect(patience.finalMs, (reply) => {
      if (one.failure === undefined && isUnknownCommand(reply)) endByChunk(reply);
      else settleContent(one, reply);
    });
    socket.write(`${reset}${mail}${rcpt}BDAT ${letter.head.length + letter.body.length} LAST\r\n`);
    socket.write(letter.head);
    socket.write(letter.body);
    one.isContentWritten = true;
  }

  function writeContent(one: Started): void {
    socket.write(one.letter.head);
    socket.write(one.letter.stuffed);
    socket.write(".\r\n");
    one.isContentWritten = true;
    expect(patience.finalMs, (reply) => {
      if (!isPipelined) isFree = true;
      settleContent(one, reply);
    });
  }

  /** After DATA's answer: the content, or none of it (RFC 2920 section 3.1: a relay may take DATA without a recipient). */
  function answerData(one: Started, reply: Reply): void {
    if (reply.code === 354 && one.failure === undefined) {
      writeContent(one);
      if (!isPipelined) return;
      isFree = true;
      return pump();
    }
    if (reply.code === 354) {
      socket.write(".\r\n");
      expect(patience.finalMs, () => settleFailed(one));
      return;
    }
    if (reply.code < 400) return end("the relay's answer to DATA is none");
    refuse(one, reply, true);
    settleFailed(one);
  }

  function settleFailed(one: Started): void {
    isFree = true;
    isResetNeeded = true;
    const { failure } = one;
    if (failure !== undefined) settleContent(one, failure.reply);
  }

  function startByData(one: Started): void {
    isFree = false;
    const [mail, rcpt] = envelopeOf(one.letter);
    const data = (): void => expect(patience.commandMs, (reply) => answerData(one, reply));
    let reset = "";
    if (isResetNeeded) {
      isResetNeeded = false;
      reset = "RSET\r\n";
      expect(patience.commandMs, (reply) => void (reply.code === 250 || end(replyText(reply))));
    }
    if (isPipelined) {
      command(one, false);
      command(one, true);
      data();
      socket.write(`${reset}${mail}${rcpt}DATA\r\n`);
      return;
    }
    command(one, false, (isMailFine) => {
      if (!isMailFine) return settleFailed(one);
      command(one, true, (isRcptFine) => {
        if (!isRcptFine) return settleFailed(one);
        data();
        socket.write("DATA\r\n");
      });
      socket.write(rcpt);
    });
    socket.write(`${reset}${mail}`);
  }

  /** Why this relay cannot have the letter, whatever is tried. */
  function impossibleFor({ to, head, body }: Handing): SendOutcome | undefined {
    if (!isAscii(to) && !isUtf8) {
      return { kind: "refused", reply: "the relay takes no address with letters beyond ASCII (SMTPUTF8)" };
    }
    if (mostBytes > 0 && head.length + body.length > mostBytes) {
      const reply = `the relay takes letters of at most ${mostBytes} bytes`;
      return { kind: "deferred", reply, mayHaveArrived: false, cause: "letter" };
    }
    return undefined;
  }

  function pump(): void {
    const isAble = (): boolean =>
      ended === undefined &&
      !isQuitting &&
      isFree &&
      taken < options.mostLetters &&
      started.size < (isChunked ? chunkedWindow : isPipelined ? 2 : 1);
    while (isAble()) {
      const letter = options.pull();
      if (letter === undefined) break;
      const impossible = impossibleFor(letter);
      if (impossible !== undefined) {
        letter.settle(impossible);
        continue;
      }
      const one: Started = { letter, failure: undefined, isContentWritten: false };
      started.add(one);
      taken++;
      if (isChunked) startChunked(one);
      else startByData(one);
    }
    if (started.size === 0 && (isQuitting || taken >= options.mostLetters)) sayQuit();
  }

  function sayQuit(): void {
    if (ended !== undefined) return;
    socket.end("QUIT\r\n");
    end("the connection was closed");
  }

  function quit(): void {
    isQuitting = true;
    pump();
  }

  isReady = true;
  watch();
  return {
    underWay: () => started.size,
    kick: () => {
      socket.cork();
      pump();
      socket.uncork();
    },
    quit,
    destroy: end,
    closed: closing.promise,
  };
}

const isAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/** RFC 5321 section 4.2.4. */
const isUnknownCommand = ({ code }: Reply): boolean => code === 500 || code === 502;

/**
 * What is about us whatever it is said of: commands that are unknown or come too soon (RFC 5321 section 4.2.2), a relay that wants
 * us to sign in first, or by other means (RFC 4954 section 6). Read as a refusal it would end every letter of a campaign at once.
 */
const aboutUs: ReadonlySet<number> = new Set([500, 502, 503, 530, 534, 535, 538]);

/** A 5xx to the sender or before is about us and passes; only what is said of recipient and content is about the letter. */
function outcomeOf({ reply, isAboutLetter }: NonNullable<Started["failure"]>): SendOutcome {
  const text = withoutAddresses(replyText(reply));
  return isAboutLetter && reply.code >= 500 && !aboutUs.has(reply.code)
    ? { kind: "refused", reply: text }
    : { kind: "deferred", reply: text, mayHaveArrived: false, cause: "letter" };
}

/** What Postfix, Exim and others call the letter from here on: `250 2.0.0 Ok: queued as 4F1A2B`. */
const queueIdIn = (reply: string): string | undefined =>
  /\b(?:queued as|id=|queue id)[ :]*([A-Za-z0-9-]{4,64})\b/i.exec(reply)?.[1];
