import { connect, type Socket } from "node:net";

/** An answer as a person's browser takes it: status, cookies, and the text. */
export interface Reply {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly text: string;
  readonly tookMs: number;
}

/** Connections that many people share, as a proxy in front would hold them open; one request at a time on each. */
export interface Connections {
  ask(request: Buffer): Promise<Reply>;
  /** Connections that were refused or broke, each with a request that got no answer. */
  broken(): number;
  close(): void;
}

/** An answer of so much is a segment: it is counted and not looked at. */
const segmentBytes = 100_000;

/** Opens what is needed up to `most`; whoever finds all in use waits, and the wait counts. */
export function openConnections(port: number, most: number): Connections {
  interface Line {
    readonly socket: Socket;
    settle: ((reply: Reply) => void) | undefined;
    sentAt: number;
    parts: Buffer[];
    bytes: number;
    /** Of the answer under way, once its head is there. */
    head: { readonly text: string; readonly bytes: number; readonly bodyBytes: number } | undefined;
  }
  // What arrives is looked at where it lies, one piece after another: a buffer for each piece of a segment would have the
  // whole heap marked every second, on processors that the server needs.
  const arrived = Buffer.alloc(65_536);
  const idle: Line[] = [];
  const waiting: { readonly request: Buffer; readonly askedAt: number; readonly settle: (reply: Reply) => void }[] = [];
  let open = 0;
  let broken = 0;

  const next = (line: Line): void => {
    const one = waiting.shift();
    if (one === undefined) {
      idle.push(line);
      return;
    }
    send(line, one.request, one.askedAt, one.settle);
  };
  const send = (line: Line, request: Buffer, askedAt: number, settle: (reply: Reply) => void): void => {
    line.sentAt = askedAt;
    line.settle = settle;
    line.socket.write(request);
  };
  const start = (): Promise<Line> =>
    new Promise((resolve, reject) => {
      const take = (size: number): boolean => {
        line.bytes += size;
        const isSegment = line.head !== undefined && line.head.bodyBytes >= segmentBytes;
        if (!isSegment) line.parts.push(Buffer.from(arrived.subarray(0, size)));
        line.head ??= headOf(line.parts);
        const { head } = line;
        if (head === undefined || line.bytes < head.bytes + head.bodyBytes) return true;
        const text = isSegment ? "" : Buffer.concat(line.parts).toString("utf8", head.bytes);
        const { settle, sentAt } = line;
        [line.parts, line.bytes, line.head, line.settle] = [[], 0, undefined, undefined];
        const cookies = [...head.text.matchAll(/\r\nset-cookie: ([^;\r\n]+)/gi)].map(([, cookie]) => cookie ?? "");
        const status = Number(head.text.slice(9, 12));
        settle?.({ status, cookies, text, tookMs: performance.now() - sentAt });
        next(line);
        return true;
      };
      const socket = connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer: arrived, callback: take } });
      const line: Line = { socket, settle: undefined, sentAt: 0, parts: [], bytes: 0, head: undefined };
      socket.once("connect", () => resolve(line));
      socket.on("error", reject);
      socket.on("close", () => {
        open--;
        // The server closes what nobody used for a while.
        const at = idle.indexOf(line);
        if (at >= 0) idle.splice(at, 1);
        const { settle } = line;
        line.settle = undefined;
        if (settle === undefined) return;
        broken++;
        settle({ status: 0, cookies: [], text: "", tookMs: performance.now() - line.sentAt });
      });
    });

  return {
    ask: (request) =>
      new Promise((settle) => {
        const askedAt = performance.now();
        const line = idle.pop();
        if (line !== undefined) send(line, request, askedAt, settle);
        else if (open >= most) waiting.push({ request, askedAt, settle });
        else {
          open++;
          start().then(
            (opened) => send(opened, request, askedAt, settle),
            () => {
              broken++;
              settle({ status: 0, cookies: [], text: "", tookMs: performance.now() - askedAt });
            },
          );
        }
      }),
    broken: () => broken,
    close: () => {
      for (const { socket } of idle.splice(0)) socket.destroy();
    },
  };
}

/** The head of an answer, once it is there. Everything asked for here says how long it is. */
function headOf(
  parts: readonly Buffer[],
): { readonly text: string; readonly bytes: number; readonly bodyBytes: number } | undefined {
  const [first = Buffer.alloc(0)] = parts;
  const bytes = parts.length === 1 ? first : Buffer.concat([...parts]);
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const text = bytes.toString("latin1", 0, end);
  return { text, bytes: end + 4, bodyBytes: Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0) };
}
