import type { AddressInfo, Socket } from "node:net";
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from "smtp-server";
import type { BounceListen } from "../config/mail-settings.ts";
import { after, minuteMs, secondMs, sleep } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { recurring } from "../kernel/recurring.ts";
import { permanentFailure, readDeliveryReport, reportLimitBytes } from "../mail/delivery-report.ts";
import { tokenIn } from "../mail/return-token.ts";
import { recordBounce } from "./bounces.ts";
import { findReturned } from "./return-path.ts";

interface Needs {
  readonly bounces: Parameters<typeof recordBounce>[0];
  readonly log: Log;
  /** BOUNCE_ADDRESS, under which each letter has a part of its own. */
  readonly address: string;
  readonly listen: BounceListen;
  /** How long one connection may last. */
  readonly wholeMs?: number;
}

/** So many, each with the largest message that is read, hold 5 MiB together. */
const mostConnections = 20;
const silenceMs = 60 * secondMs;
/** Whatever it says: at one byte a minute a connection would keep its place for ever, and twenty of them would keep every report out. */
const longestMs = 10 * minuteMs;
const retryMs = 30 * secondMs;

export interface BounceListener {
  /** The port, once it listens. */
  port(): number | undefined;
  close(): Promise<void>;
}

/**
 * Takes delivery reports from a mail server by LMTP (RFC 2033) or SMTP. Who may hand over is not asked: a report counts
 * for the letter whose address it was sent to, and only who has the letter's Return-Path knows that address. What is not
 * for such an address, has a sender (RFC 3464 section 2: reports have none), is too large or is no report is refused with
 * its reason. A failure of ours is answered 4xx, so that the mail server keeps the report and comes again.
 *
 * A port that another process has is asked for again until it is free.
 */
export function listenForBounces(needs: Needs): BounceListener {
  const { listen, log } = needs;
  const stopping = new AbortController();
  let server: SMTPServer | undefined;
  const closed = recurring(log, {
    level: "error",
    says: "nothing takes bounces here: the port cannot be opened; it is tried again",
    ends: "the port of bounces is open",
  });

  async function open(): Promise<void> {
    while (!stopping.signal.aborted) {
      const next = newServer(needs);
      try {
        await new Promise<void>((resolve, reject) => {
          next.server.once("error", reject);
          next.listen(listen.port, listen.host, resolve);
        });
        server = next;
        closed.over();
        log.info({ protocol: listen.protocol, port: portOf(next) }, "bounces are taken here");
        return;
      } catch (thrown) {
        closed.found({ reason: messageOf(thrown) });
        await sleep(retryMs, stopping.signal);
      }
    }
  }

  const opening = open();
  return {
    port: () => (server === undefined ? undefined : portOf(server)),
    close: async () => {
      stopping.abort();
      await opening;
      const open = server;
      if (open !== undefined) await new Promise<void>((resolve) => open.close(resolve));
    },
  };
}

function portOf(server: SMTPServer): number | undefined {
  const address = server.server.address() as AddressInfo | string | null;
  return typeof address === "object" ? address?.port : undefined;
}

class Refusal extends Error {
  readonly responseCode: number;
  constructor(responseCode: number, text: string) {
    super(text);
    this.responseCode = responseCode;
  }
}

const later = (): Refusal => new Refusal(451, "4.3.0 not now; come again");

function newServer({ bounces, log, address, listen, wholeMs = longestMs }: Needs): SMTPServer {
  const server = new SMTPServer({
    lmtp: listen.protocol === "lmtp",
    name: address.slice(address.indexOf("@") + 1),
    banner: "bounces",
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    size: reportLimitBytes,
    maxClients: mostConnections,
    socketTimeout: silenceMs,
    closeTimeout: 2 * secondMs,
    logger: false,
    onMailFrom: (sender, _session, done) =>
      done(
        sender.address === ""
          ? null
          : new Refusal(550, "5.7.1 only delivery reports are taken here, and they have no sender"),
      ),
    onRcptTo: (recipient, session, done) => void answerRecipient(recipient.address, session, done),
    onData: (stream, session, done) => void answerReport(stream, session, done),
  });
  server.server.on("connection", (socket: Socket) => {
    const callOff = after(wholeMs, () => socket.destroy());
    socket.once("close", callOff);
  });
  // What a connection does wrong ends that connection.
  server.on("error", (error) => log.debug({ reason: error.message }, "a connection with a bounce broke"));
  return server;

  async function answerRecipient(
    recipient: string,
    session: SMTPServerSession,
    done: (refusal?: Error | null) => void,
  ): Promise<void> {
    let refusal: Refusal | null;
    try {
      refusal = await refusalOf(recipient, session);
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, "a bounce could not be looked up; it comes again");
      refusal = later();
    }
    done(refusal);
  }

  async function refusalOf(recipient: string, session: SMTPServerSession): Promise<Refusal | null> {
    if (session.envelope.rcptTo.length > 0) return new Refusal(452, "4.5.3 one recipient for each report");
    const token = tokenIn(recipient, address);
    if (token === undefined) return new Refusal(550, "5.1.1 no such mailbox");
    const letter = await findReturned(bounces, token);
    return letter === undefined ? new Refusal(550, "5.1.1 this is not the address of a letter of ours") : null;
  }

  async function answerReport(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    done: (refusal?: Error | null, answer?: string) => void,
  ): Promise<void> {
    let answer: string | Refusal;
    try {
      answer = await take(stream, session);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) {
        log.warn({ reason: messageOf(thrown) }, "a bounce could not be recorded; it comes again");
      }
      answer = thrown instanceof Refusal ? thrown : later();
    }
    if (typeof answer === "string") done(null, answer);
    else done(answer);
  }

  async function take(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
    const raw = await readUpTo(stream, reportLimitBytes);
    if (raw === undefined) throw new Refusal(552, "5.3.4 a delivery report has at most 256 KiB");
    const report = readDeliveryReport(raw);
    if (report.kind === "refused") throw new Refusal(554, `5.6.0 ${report.reason}`);
    const token = tokenIn(session.envelope.rcptTo[0]?.address ?? "", address) ?? "";
    const status = permanentFailure(report.recipients);
    const outcome = await recordBounce(bounces, token, status ?? "");
    log.info({ outcome, status }, "a letter came back");
    if (outcome === "not recorded yet") throw later();
    return `2.0.0 ${outcome}`;
  }
}

/** The bytes of a stream; `undefined` for more than `most`, of which the rest is read and forgotten. */
async function readUpTo(stream: SMTPServerDataStream, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= most) chunks.push(chunk);
    else chunks.length = 0;
  }
  return length > most ? undefined : Buffer.concat(chunks);
}
