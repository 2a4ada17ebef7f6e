import type { Socket } from "node:net";
import { problems, type ProblemCode } from "./problem.ts";

const codes: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: "headers-too-large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "too-large",
  ERR_HTTP_REQUEST_TIMEOUT: "too-slow",
};

/**
 * Answers what is no request at all: HTTP that cannot be read, headers that are too large, a request that never ends.
 * No reply exists yet, so the problem is written on the wire. Nothing of what came is repeated, and nothing is logged:
 * whoever speaks nonsense could fill a disk with it.
 */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const code = codes[error.code ?? ""] ?? "malformed-request";
  const [status, title] = problems[code];
  const body = JSON.stringify({ type: `/problems/${code}`, title, status, code });
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
        `cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}
