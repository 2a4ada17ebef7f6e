import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";
import { answerUnreadable } from "./unreadable.ts";

/** What Node finds wrong with a connection, to be answered on it. */
let found: NodeJS.ErrnoException = new Error("nothing yet");
const answer = answerUnreadable({ "cache-control": "no-store" }, new WeakMap());
const server = createServer((socket) => answer(found, socket));
server.listen(0, "127.0.0.1");
await once(server, "listening");
afterAll(() => server.close());

test.each([
  ["ERR_HTTP_REQUEST_TIMEOUT", 408, "too-slow"],
  ["HPE_HEADER_OVERFLOW", 431, "headers-too-large"],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", 413, "too-large"],
  ["HPE_INVALID_METHOD", 400, "malformed-request"],
  [undefined, 400, "malformed-request"],
])("%s is answered with %i, and the connection closed", async (code, status, problem) => {
  found = new Error("of the inside");
  if (code !== undefined) found.code = code;
  const said = await text(connect((server.address() as AddressInfo).port, "127.0.0.1"));
  const [head = "", body = ""] = said.split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head.split("\r\n")).toEqual(
    expect.arrayContaining([
      `content-length: ${Buffer.byteLength(body)}`,
      "cache-control: no-store",
      "connection: close",
    ]),
  );
  expect(JSON.parse(body)).toMatchObject({ type: `/problems/${problem}`, status, code: problem });
});
