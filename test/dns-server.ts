import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";

/** The records of a name by type. TXT longer than 255 bytes are cut into strings, as the DNS wants. */
export interface Records {
  readonly txt?: readonly string[];
  readonly mx?: readonly string[];
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  /** Nobody answers for this name. */
  readonly silent?: true;
  /** The server fails for this name (SERVFAIL). */
  readonly fails?: true;
}

export interface TestDns {
  /** `127.0.0.1:port`, as DNS_SERVER takes it. */
  readonly server: string;
  /** Every name that was asked for, in lower case, with its type. */
  readonly asked: string[];
  set(name: string, records: Records | undefined): void;
  stop(): Promise<void>;
}

const types = { a: 1, mx: 15, txt: 16, aaaa: 28 } as const;
type Kind = keyof typeof types;

/** A DNS server on the loopback with the records it is told (RFC 1035 section 4); it knows no other names. */
export async function startTestDns(zone: Readonly<Record<string, Records>> = {}): Promise<TestDns> {
  const records = new Map(Object.entries(zone));
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const { name, kind, end } = readQuestion(query);
    asked.push(`${name} ${kind ?? "?"}`);
    const found = records.get(name);
    if (found?.silent === true) return;
    const answers = kind === undefined ? [] : dataOf(kind, found?.[kind] ?? []);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    const code = found?.fails === true ? 2 : found === undefined ? 3 : 0;
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const rows = answers.map((data) => {
      const row = Buffer.alloc(12);
      // The name is the question's, 12 bytes from the beginning.
      row.writeUInt16BE(0xc00c, 0);
      row.writeUInt16BE(types[kind ?? "a"], 2);
      row.writeUInt16BE(1, 4);
      row.writeUInt32BE(60, 6);
      row.writeUInt16BE(data.length, 10);
      return Buffer.concat([row, data]);
    });
    socket.send(Buffer.concat([header, query.subarray(12, end), ...rows]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    server: `127.0.0.1:${socket.address().port}`,
    asked,
    set: (name, next) => void (next === undefined ? records.delete(name) : records.set(name, next)),
    stop: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
}

function readQuestion(query: Buffer): { name: string; kind: Kind | undefined; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const kind = (Object.keys(types) as Kind[]).find((one) => types[one] === type);
  return { name: labels.join(".").toLowerCase(), kind, end: at + 5 };
}

const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split(".")
      .filter(Boolean)
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.alloc(1),
  ]);

function dataOf(kind: Kind, values: readonly string[]): Buffer[] {
  return values.map((value) => {
    switch (kind) {
      case "txt":
        return Buffer.concat(
          (value.match(/.{1,255}/gs) ?? [""]).map((part) =>
            Buffer.concat([Buffer.from([part.length]), Buffer.from(part, "latin1")]),
          ),
        );
      case "mx":
        return Buffer.concat([Buffer.from([0, 10]), nameBytes(value)]);
      case "a":
        return Buffer.from(value.split(".").map(Number));
      case "aaaa": {
        if (isIP(value) !== 6) throw new Error("no IPv6 address");
        const [head = "", tail = ""] = value.split("::");
        const groups = (part: string): number[] =>
          part
            .split(":")
            .filter(Boolean)
            .map((group) => Number.parseInt(group, 16));
        const filled = [
          ...groups(head),
          ...Array(8 - groups(head).length - groups(tail).length).fill(0),
          ...groups(tail),
        ];
        return Buffer.from(filled.flatMap((group: number) => [group >> 8, group & 0xff]));
      }
    }
  });
}
