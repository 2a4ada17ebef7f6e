import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { containedCase } from "../../test/contained-case.ts";
import { deliveryReport } from "../../test/delivery-reports.ts";
import { populate } from "../../test/population.ts";
import { startTestRelay } from "../../test/smtp-server.ts";
import type { IncidentId } from "../kernel/brand.ts";
import { dayMs, hourMs, manualClock, plus, sleep, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { openSmtp } from "../mail/smtp.ts";
import { listenForBounces, type BounceListener } from "./bounce-listener.ts";
import { startCampaign } from "./campaign.ts";
import { letterSum } from "./letter-sum.ts";
import { walk } from "./walk.ts";

let keyholder: TestKeyholder;
let listener: BounceListener;
let incidentId: IncidentId;
const db = await testDatabase();
const clock = manualClock(systemClock.now());
const address = "bounces@films.example";
const needs = {
  db,
  clock,
  random: systemRandom,
  service: { name: "House of Films", origin: "https://films.example", contact: null },
  log: silentLog,
};
/** Return-Paths of letters that were handed over. */
const paths: string[] = [];

const listen = { protocol: "smtp", host: "127.0.0.1", port: 0 } as const;

async function portOf(open: BounceListener): Promise<number> {
  while (open.port() === undefined) await sleep(10);
  return open.port()!;
}

beforeAll(async () => {
  keyholder = await testKeyholder();
  const [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
  await populate(db, web, { accounts: 8, at: plus(clock.now(), -dayMs) });
  const relay = await startTestRelay();
  const transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    log: silentLog,
    clock: systemClock,
  });
  incidentId = await containedCase(needs);
  await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
  const neverMailed = async () => new Set<string>();
  const walking = { ...needs, keyholder: mailer, transport, neverMailed, bounceAddress: address };
  while ((await walk(walking, incidentId)).kind !== "finished") clock.advance(hourMs);
  paths.push(...relay.letters.map(({ from }) => from));
  await transport.close();
  await relay.stop();
  listener = listenForBounces({ bounces: { ...needs, keyholder: mailer }, log: silentLog, address, listen });
  await portOf(listener);
});
afterAll(async () => {
  await listener.close();
  await keyholder.stop();
});

/** Writes bytes as they are. @returns the codes that were answered, until the other end closes the connection. */
async function send(port: number, ...parts: readonly (string | Buffer)[]): Promise<string[]> {
  const socket = connect(port, "127.0.0.1");
  let heard = "";
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  // Who speaks before the greeting is sent away (RFC 5321 section 4.3.1).
  await Promise.race([once(socket, "data"), closed]);
  for (const part of parts) socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part);
  await closed;
  return [...heard.matchAll(/^(\d{3}) /gm)].map(([, code]) => code!);
}

const counted = async () => (await letterSum(db, incidentId))!.bounced;
const envelope = (path: string): string => `EHLO mx.example\r\nMAIL FROM:<>\r\nRCPT TO:<${path}>\r\nDATA\r\n`;
const greeted = ["220", "250", "250", "250", "354"];

test("a report in any case of its letters counts once, pipelined as it may be", async () => {
  const port = await portOf(listener);
  const report = `${deliveryReport({ status: "5.1.1" })}\r\n.\r\n`;
  const shouted = paths[0]!.toUpperCase();
  expect(await counted()).toBe(0);
  expect(await send(port, envelope(shouted), report, envelope(shouted), report, "QUIT\r\n")).toEqual([
    ...greeted,
    "250",
    ...greeted.slice(1),
    "250",
    "221",
  ]);
  expect(await counted()).toBe(1);
});

test.each([
  ["LF . LF", "\n.\n"],
  ["LF . CR LF", "\n.\r\n"],
  ["CR LF . LF", "\r\n.\n"],
  ["CR LF . CR", "\r\n.\r"],
  ["CR . CR", "\r.\r"],
  ["CR LF NUL . CR LF", "\r\n\0.\r\n"],
])("a report does not end at %s: what follows is no command", async (_what, end) => {
  const before = await counted();
  const smuggled = `Subject: x\r\n\r\nx${end}RSET\r\nMAIL FROM:<>\r\nRCPT TO:<${paths[1]}>\r\nDATA\r\n${deliveryReport({ status: "5.1.1" })}`;
  const answers = await send(await portOf(listener), envelope(paths[2]!), `${smuggled}\r\n.\r\n`, "QUIT\r\n");
  expect(answers).toEqual([...greeted, "554", "221"]);
  expect(await counted()).toBe(before);
});

test.each<[what: string, message: string, code: string]>([
  ["headers without an end", `X: ${"y".repeat(200_000)}`, "554"],
  ["more than may be", "z".repeat(400_000), "552"],
  ["lines of one dot", "..\r\n".repeat(10_000), "554"],
  ["parts in parts ten thousand deep", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n".repeat(5_000), "554"],
  [
    "a hundred thousand recipients",
    deliveryReport({ status: "5.1.1" }).replace(/(Final-Recipient:)/, `${"Action: delayed\r\n\r\n".repeat(10_000)}$1`),
    "554",
  ],
  ["bytes that are no text", "\0\x80\xff\r\n".repeat(1_000), "554"],
])("%s are refused, and the connection goes on", async (_what, message, code) => {
  const before = await counted();
  const answers = await send(await portOf(listener), envelope(paths[3]!), `${message}\r\n.\r\n`, "NOOP\r\nQUIT\r\n");
  expect(answers).toEqual([...greeted, code, "250", "221"]);
  expect(await counted()).toBe(before);
});

test.each([
  ["a line without an end", ["A".repeat(200_000)]],
  ["an address without an end", ["EHLO a\r\n", `RCPT TO:<bounces+${"a".repeat(200_000)}`]],
  ["a browser's request", ["GET / HTTP/1.1\r\nHost: films.example\r\n\r\n"]],
])("%s ends the connection", async (_what, parts) => {
  expect((await send(await portOf(listener), ...parts)).at(-1)).toBe("421");
});

test("offers neither TLS nor chunks that would be read otherwise than by whoever stands in front", async () => {
  const [, helo, ...answers] = await send(
    await portOf(listener),
    "EHLO a\r\nSTARTTLS\r\nAUTH PLAIN AAAA\r\nMAIL FROM:<> BODY=BINARYMIME\r\nMAIL FROM:<>\r\n",
    `RCPT TO:<${paths[4]}>\r\nBDAT 5 LAST\r\nQUIT\r\n`,
  );
  expect([helo, ...answers]).toEqual(["250", "500", "500", "501", "250", "250", "500", "221"]);
});

const idle = (port: number): Socket => {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.on("data", () => undefined);
  return socket;
};

test("twenty are heard at once, and the next one as soon as one of them has gone", async () => {
  const port = await portOf(listener);
  const places = Array.from({ length: 20 }, () => idle(port));
  await Promise.all(places.map((socket) => once(socket, "data")));
  expect(await send(port, "QUIT\r\n")).toEqual(["421"]);
  for (const socket of places) socket.destroy();
  // Until the other end has noticed.
  await expect.poll(() => send(port, "QUIT\r\n")).toEqual(["220", "221"]);
});

test("whoever says one byte now and then has a while, and then leaves the place to a report", async () => {
  const mailer = await keyholder.connect("mailer");
  const hurried = listenForBounces({
    bounces: { ...needs, keyholder: mailer },
    log: silentLog,
    address,
    listen,
    wholeMs: 500,
  });
  const port = await portOf(hurried);
  let [greeted, closed] = [0, 0];
  const dripping = Array.from({ length: 20 }, () => idle(port));
  for (const socket of dripping) {
    socket.once("data", () => greeted++);
    socket.once("close", () => closed++);
  }
  while (closed < 20) {
    for (const socket of dripping) if (!socket.destroyed) socket.write("N");
    await sleep(50);
  }
  expect(greeted).toBe(20);
  await expect.poll(() => send(port, "QUIT\r\n")).toEqual(["220", "221"]);
  await hurried.close();
}, 20_000);
