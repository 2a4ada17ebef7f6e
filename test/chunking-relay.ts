import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { RelayAnswer } from "./smtp-server.ts";

/** A letter that was taken, by its envelope and its bytes. */
export interface TakenLetter {
  readonly from: string;
  readonly to: string;
  readonly raw: string;
  readonly messageId: string;
}

export interface ChunkingRelay {
  readonly url: string;
  readonly port: number;
  readonly letters: TakenLetter[];
  /** Every command line, in order of arrival over all connections. */
  readonly commands: string[];
  script(recipient: string, ...answers: RelayAnswer[]): void;
  connections(): number;
  stop(): Promise<void>;
}

interface Options {
  /** What EHLO offers besides PIPELINING. */
  readonly extensions?: readonly string[];
  /** Answers to letters are held until so many of them have arrived whole over one connection. */
  readonly holdUntil?: number;
  /** Letters that one connection takes; the next one is answered 421 at MAIL and the connection closed. */
  readonly mostLetters?: number;
  /** It does not know BDAT, and reads what follows as commands. */
  readonly refusesChunks?: boolean;
  /** Instead of the greeting. */
  readonly greeting?: string;
  /** The system chooses one unless given. */
  readonly port?: number;
}

/**
 * A relay that takes letters by BDAT (RFC 3030) or DATA and is strict about it: MAIL inside a transaction is refused, and
 * a chunk without a recipient is read past and refused. Written from the RFCs, and sharing nothing with what sends.
 */
export async function startChunkingRelay({
  extensions = ["CHUNKING", "8BITMIME", "SMTPUTF8"],
  holdUntil = 1,
  mostLetters = Infinity,
  refusesChunks = false,
  greeting = "220 relay.example ESMTP",
  port: ownPort = 0,
}: Options = {}): Promise<ChunkingRelay> {
  const letters: TakenLetter[] = [];
  const commands: string[] = [];
  const scripts = new Map<string, RelayAnswer[]>();
  const sockets = new Set<Socket>();
  let connections = 0;

  function nextAnswer(recipient: string): RelayAnswer {
    const script = scripts.get(recipient);
    return script === undefined ? "accept" : ((script.length > 1 ? script.shift() : script[0]) ?? "accept");
  }

  function serve(socket: Socket): void {
    let rest = Buffer.alloc(0);
    let mail: string | undefined;
    let rcpt: string | undefined;
    let planned: RelayAnswer = "accept";
    /** Bytes of a chunk that are still to come. */
    let chunk: { left: number; bytes: Buffer[]; isTaken: boolean } | undefined;
    let isData = false;
    let isMute = false;
    let taken = 0;
    let held: string[] = [];

    const flush = (): void => {
      if (held.length > 0) socket.write(held.join(""));
      held = [];
    };
    const say = (text: string): void => {
      if (isMute) return;
      held.push(`${text}\r\n`);
      if (taken >= holdUntil || mail === undefined || holdUntil === 1) flush();
    };
    function act(answer: RelayAnswer): boolean {
      if (answer === "accept") return false;
      if ("code" in answer) say(`${answer.code} ${answer.text}`);
      else if (answer.does === "close") socket.destroy();
      else if (answer.does === "nonsense") say("what is a number?");
      else isMute = true;
      return true;
    }
    function endLetter(raw: string): void {
      taken++;
      const answer = planned;
      if (answer === "accept" || answer.at === "rcpt" || !act(answer)) {
        const messageId = /^message-id: (\S+)/im.exec(raw)?.[1] ?? "";
        letters.push({ from: mail ?? "", to: rcpt ?? "", raw, messageId });
        say(`250 2.0.0 Ok: queued as C${String(letters.length).padStart(5, "0")}`);
      }
      mail = undefined;
      rcpt = undefined;
      if (taken >= holdUntil) flush();
    }

    function command(line: string): void {
      commands.push(line);
      const [, verb = "", argument = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
      switch (verb.toUpperCase()) {
        case "EHLO":
          return say(["250-relay.example", ...extensions.map((each) => `250-${each}`), "250 PIPELINING"].join("\r\n"));
        case "RSET":
          mail = undefined;
          rcpt = undefined;
          return say("250 2.0.0 Ok");
        case "MAIL":
          if (mail !== undefined) return say("503 5.5.1 nested MAIL command");
          if (taken >= mostLetters) {
            // What still comes is read, or the answer would be lost with the connection.
            socket.end(`${held.join("")}421 4.7.0 so many letters and no more over one connection\r\n`);
            isMute = true;
            return;
          }
          mail = /<(.*)>/.exec(argument)?.[1] ?? "";
          return say("250 2.1.0 Ok");
        case "RCPT": {
          if (mail === undefined) return say("503 5.5.1 MAIL first");
          const recipient = /<(.*)>/.exec(argument)?.[1] ?? "";
          planned = nextAnswer(recipient);
          if (planned !== "accept" && planned.at === "rcpt" && act(planned)) return;
          rcpt = recipient;
          return say("250 2.1.5 Ok");
        }
        case "DATA":
          if (rcpt === undefined) return say("554 5.5.1 no valid recipients");
          isData = true;
          return say("354 go on");
        case "BDAT": {
          if (refusesChunks) return say("502 5.5.2 what?");
          const [size, last] = argument.split(" ");
          if (last !== "LAST") return say("501 5.5.4 chunks come whole here");
          chunk = { left: Number(size), bytes: [], isTaken: rcpt !== undefined };
          return;
        }
        case "QUIT":
          socket.end("221 2.0.0 Bye\r\n");
          return;
        default:
          return say("502 5.5.2 what?");
      }
    }

    function readOn(): boolean {
      if (chunk !== undefined) {
        const part = rest.subarray(0, chunk.left);
        rest = rest.subarray(part.length);
        chunk.left -= part.length;
        chunk.bytes.push(part);
        if (chunk.left > 0) return false;
        const { bytes, isTaken } = chunk;
        chunk = undefined;
        if (isTaken) endLetter(Buffer.concat(bytes).toString("latin1"));
        else say("503 5.5.1 no valid recipients");
        return true;
      }
      if (isData) {
        const end = rest.indexOf("\r\n.\r\n");
        if (end < 0) return false;
        const raw = rest.toString("latin1", 0, end + 2).replace(/^\./gm, "");
        rest = rest.subarray(end + 5);
        isData = false;
        endLetter(raw);
        return true;
      }
      const end = rest.indexOf("\r\n");
      if (end < 0) return false;
      const line = rest.toString("utf8", 0, end);
      rest = rest.subarray(end + 2);
      command(line);
      return true;
    }

    socket.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (!socket.destroyed && !isMute && readOn());
    });
    socket.on("error", () => undefined);
    socket.write(`${greeting}\r\n`);
  }

  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(ownPort, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    letters,
    commands,
    script: (recipient, ...answers) => void scripts.set(recipient, answers),
    connections: () => connections,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
