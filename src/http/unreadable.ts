import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problems, type ProblemCode } from "./problem.ts";

const codes: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: "headers-too-large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "too-large",
  ERR_HTTP_REQUEST_TIMEOUT: "too-slow",
};

/**
 * A handler that answers what is no request at all: HTTP that cannot be read, headers that are too large, a request that
 * never ends. No reply exists yet, so the problem is written on the wire. Nothing of what came is repeated, and nothing is
 * logged: whoever speaks nonsense could fill a disk with it. It has the `headers` of every answer: a browser whose cookies
 * are too large reads one. Where an answer is on its way already (`answering` has the last of each connection), what is left
 * of it is sent and no second one after it, which would be taken for the answer to another request.
 */
export function answerUnreadable(
  headers: Readonly<Record<string, string>>,
  answering: Pick<WeakMap<Socket, ServerResponse>, "get">,
): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const always = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return (error, socket) => {
    if (error.code === "ECONNRESET" || socket.destroyed) return;
    const code = codes[error.code ?? ""] ?? "malformed-request";
    const [status, title] = problems[code];
    const body = JSON.stringify({ type: `/problems/${code}`, title, status, code });
    const last = answering.get(socket);
    if (socket.writable && (last === undefined || !last.headersSent || last.writableFinished)) {
      socket.write(
        `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
          `${always.join("")}connection: close\r\n\r\n${body}`,
      );
    }
    socket.destroySoon();
  };
}
