import { connect, type Socket } from "node:net";
import { quantile } from "./report.ts";

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  /** Whole HTTP/1.1 requests, sent in turn, one at a time on each connection (no pipelining); or what gives the next one. */
  readonly requests: readonly Buffer[] | (() => Buffer);
  /** Judges each answer. One bad answer fails the run: a fast refusal is not a fast answer. */
  readonly isGood: (status: number, bodyBytes: number) => boolean;
}

const nothing = Buffer.alloc(0);

export interface LoadResult {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/**
 * Keeps `connections` requests under way for `durationMs`. Its own small client: one that parses everything takes more
 * of a small machine than the server it measures. It shares the machine with the server, and its work counts.
 */
export async function load({ port, connections, durationMs, requests, isGood }: LoadOptions): Promise<LoadResult> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let next = Math.trunc(performance.now());
  const take = (): Buffer =>
    typeof requests === "function" ? requests() : (requests[next++ % requests.length] ?? Buffer.alloc(0));
  const tookMs: number[] = [];
  const started = performance.now();
  const deadline = started + durationMs;
  let endedAt = started;

  const drive = (socket: Socket): Promise<void> =>
    new Promise((resolve, reject) => {
      let sentAt = 0;
      let rest: Buffer = nothing;
      const send = (): void => {
        sentAt = performance.now();
        socket.write(take());
      };
      socket.on("data", (data: Buffer) => {
        rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
        const answer = readAnswer(rest);
        if (answer === undefined) return;
        if (!isGood(answer.status, answer.bodyBytes)) {
          const body = rest.subarray(answer.headBytes).toString("utf8");
          reject(new Error(`an answer of ${answer.status} with ${answer.bodyBytes} bytes: ${body.slice(0, 300)}`));
          return;
        }
        rest = nothing;
        const now = performance.now();
        // Those that end after the deadline are not counted, as those under way at the start were not either.
        if (now >= deadline) {
          resolve();
          return;
        }
        endedAt = now;
        tookMs.push(now - sentAt);
        send();
      });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the server closed a connection")));
      send();
    });

  try {
    await Promise.all(sockets.map(drive));
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  return {
    perSecond: (tookMs.length * 1_000) / (endedAt - started),
    medianMs: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
  };
}

/** A request as bytes, so that nothing is put together while the clock runs. */
export function requestBytes(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Buffer {
  return bytesOf(method, path, headers, "application/json", body);
}

/** The same with a form, as a page without JavaScript sends it. */
export const formBytes = (path: string, headers: Readonly<Record<string, string>>, form: string): Buffer =>
  bytesOf("POST", path, headers, "application/x-www-form-urlencoded", form);

function bytesOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  contentType: string,
  body: string | undefined,
): Buffer {
  const all = {
    host: "127.0.0.1",
    ...headers,
    ...(body === undefined ? {} : { "content-type": contentType, "content-length": String(Buffer.byteLength(body)) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`);
}

/** The answer at the start of `bytes`, or `undefined` while it is not all there. */
export function readAnswer(
  bytes: Buffer,
): { readonly status: number; readonly headBytes: number; readonly bodyBytes: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const headBytes = headEnd + 4;
  const head = bytes.toString("latin1", 0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const bodyBytes = bytes.length - headBytes;
  if (length !== undefined) return bodyBytes >= Number(length) ? { status, headBytes, bodyBytes } : undefined;
  // Chunked; no body here contains the mark of its own end.
  return bodyBytes >= 5 && bytes.toString("latin1", bytes.length - 5) === "0\r\n\r\n"
    ? { status, headBytes, bodyBytes }
    : undefined;
}

const open = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
