import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import type { SMTPServerOptions, SMTPServerSession } from "smtp-server";

/**
 * How the relay treats one letter. `at` says when: at the recipient (RCPT TO) or after the content (DATA). "hang" never
 * answers, "close" drops the connection (at "data" in the middle of the content), "nonsense" answers what is no reply.
 */
export type RelayAnswer =
  | "accept"
  | { readonly at: "rcpt" | "data"; readonly does: "hang" | "close" | "nonsense" }
  | { readonly at: "rcpt" | "data"; readonly code: number; readonly text: string };

/** A letter that the relay took. */
export interface ReceivedLetter {
  /** The envelope, which decides where it goes. */
  readonly from: string;
  readonly to: string;
  /** Every byte as it arrived. */
  readonly raw: Buffer;
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly isSigned: boolean;
  readonly isEncrypted: boolean;
}

export interface TestRelay {
  readonly url: string;
  readonly port: number;
  readonly letters: ReceivedLetter[];
  /** What the next letters to this recipient meet, one answer each; the last one stays. Unscripted ones are accepted. */
  script(recipient: string, ...answers: RelayAnswer[]): void;
  /** How many of the letters that were taken repeat the Message-ID of another. */
  duplicates(): number;
  /** How often anything was tried for the recipient. */
  attempts(recipient: string): number;
  /** Connections made so far. */
  connections(): number;
  stop(): Promise<void>;
}

/** A relay on the loopback that behaves as it is told. `options` go to the server: TLS, authentication and the like. */
export async function startTestRelay(options: SMTPServerOptions = {}): Promise<TestRelay> {
  const letters: ReceivedLetter[] = [];
  const scripts = new Map<string, RelayAnswer[]>();
  const attempts = new Map<string, number>();
  const sockets = new Map<number, Socket>();
  let connections = 0;

  function nextAnswer(recipient: string): RelayAnswer {
    const script = scripts.get(recipient);
    if (script === undefined) return "accept";
    return (script.length > 1 ? script.shift() : script[0]) ?? "accept";
  }

  function act(does: "hang" | "close" | "nonsense", session: SMTPServerSession): void {
    const socket = sockets.get(session.remotePort);
    if (does === "close") socket?.destroy();
    if (does === "nonsense") socket?.write("\u0007what? \u00ff\u00fe no number here\r\n");
  }

  const failure = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code });
  const planned = new WeakMap<SMTPServerSession, RelayAnswer>();

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    closeTimeout: 100,
    ...options,
    onRcptTo: ({ address }, session, callback) => {
      attempts.set(address, (attempts.get(address) ?? 0) + 1);
      const answer = nextAnswer(address);
      planned.set(session, answer);
      if (answer === "accept" || answer.at === "data") return callback();
      if ("does" in answer) return act(answer.does, session);
      callback(failure(answer.code, answer.text));
    },
    onData: (stream, session, callback) => {
      const answer = planned.get(session) ?? "accept";
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (answer !== "accept" && answer.at === "data" && "does" in answer && answer.does === "close") {
          act("close", session);
        }
      });
      stream.on("error", () => undefined);
      stream.on("end", () => {
        if (answer !== "accept" && answer.at === "data") {
          if ("does" in answer) return act(answer.does, session);
          return callback(failure(answer.code, answer.text));
        }
        void keepAndAnswer(Buffer.concat(chunks), session, callback);
      });
    },
  });
  server.on("error", () => undefined);
  server.server.on("connection", (socket: Socket) => {
    connections++;
    // Its answers are small and several: each would wait for the acknowledgement of the one before.
    socket.setNoDelay(true);
    const port = socket.remotePort;
    if (port === undefined) return;
    sockets.set(port, socket);
    socket.on("close", () => sockets.delete(port));
    socket.on("error", () => undefined);
  });

  async function keep(raw: Buffer, session: SMTPServerSession): Promise<string> {
    const parsed = await simpleParser(raw, { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true });
    const { mailFrom, rcptTo } = session.envelope;
    letters.push({
      from: mailFrom === false ? "" : mailFrom.address,
      to: rcptTo.map(({ address }) => address).join(","),
      raw,
      messageId: parsed.messageId ?? "",
      subject: parsed.subject ?? "",
      text: parsed.text ?? "",
      html: parsed.html === false ? "" : (parsed.html ?? ""),
      isSigned: parsed.headers.has("dkim-signature"),
      isEncrypted: session.secure,
    });
    return `Q${String(letters.length).padStart(6, "0")}`;
  }

  async function keepAndAnswer(
    raw: Buffer,
    session: SMTPServerSession,
    callback: (error: Error | null, message?: string) => void,
  ): Promise<void> {
    let id: string;
    try {
      id = await keep(raw, session);
    } catch {
      callback(failure(554, "unreadable"));
      return;
    }
    callback(null, `OK: queued as ${id}`);
  }

  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    letters,
    script: (recipient, ...answers) => void scripts.set(recipient, answers),
    duplicates: () => letters.length - new Set(letters.map(({ messageId }) => messageId)).size,
    attempts: (recipient) => attempts.get(recipient) ?? 0,
    connections: () => connections,
    stop: async () => {
      for (const socket of sockets.values()) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
