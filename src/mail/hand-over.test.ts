import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { newCertificate } from "../../test/certificate.ts";
import { startChunkingRelay, type ChunkingRelay } from "../../test/chunking-relay.ts";
import { startTestRelay } from "../../test/smtp-server.ts";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import type { Letter, MailTransport, SendOutcome } from "./mail.ts";
import { openSmtp, type SmtpOptions } from "./smtp.ts";

/** The hand-over itself: what goes ahead of what, and what a relay's answer says of which letter. */
const toStop: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of toStop.splice(0).toReversed()) await stop();
});

async function relayOf(options: Parameters<typeof startChunkingRelay>[0] = {}): Promise<ChunkingRelay> {
  const relay = await startChunkingRelay(options);
  toStop.push(() => relay.stop());
  return relay;
}

async function open(url: string, options: Partial<SmtpOptions> = {}): Promise<MailTransport> {
  const transport = await openSmtp({
    url: Secret.fromText(url),
    from: "Films <no-reply@films.example>",
    clock: systemClock,
    log: silentLog,
    patience: { connectMs: 2_000, commandMs: 2_000, finalMs: 2_000 },
    maxConnections: 1,
    ...options,
  });
  toStop.push(() => transport.close());
  return transport;
}

const written = { subject: "Hello", text: ".\n..dots\nHellö.\n", html: "<p>Hello.</p>" };
const letter = (number: number, more: Partial<Letter> = {}): Letter => ({
  to: `viewer-${number}@example.org`,
  written,
  messageId: `letter-${number}`,
  returnPath: `bounce-${number}@films.example`,
  ...more,
});
const sendMany = (transport: MailTransport, count: number): Promise<SendOutcome[]> =>
  Promise.all(Array.from({ length: count }, (_, number) => transport.send(letter(number))));

test.each([
  ["CHUNKING", ["CHUNKING"], 20],
  ["PIPELINING", [], 1],
])(
  "with %s letters go ahead of their answers over one connection, each with its own envelope",
  async (_, extensions, ahead) => {
    // Answers are held until so many letters are there: without going ahead nothing would ever be answered.
    const relay = await relayOf({ extensions, holdUntil: ahead });
    const outcomes = await sendMany(await open(relay.url), 60);
    expect(outcomes.filter(({ kind }) => kind !== "handed over")).toEqual([]);
    expect(new Set(outcomes.map((outcome) => "queueId" in outcome && outcome.queueId)).size).toBe(60);
    expect(relay.connections()).toBe(1);
    for (const [number, taken] of relay.letters.entries()) {
      expect(taken).toMatchObject({ to: `viewer-${number}@example.org`, from: `bounce-${number}@films.example` });
      expect(taken.messageId).toBe(`<letter-${number}@films.example>`);
      // Dots are doubled for DATA alone, and undone there.
      expect(taken.raw).toContain("\r\n.\r\n..dots\r\n");
    }
    expect(relay.commands.some((line) => line.startsWith("BDAT"))).toBe(extensions.length > 0);
  },
);

test.each([["CHUNKING"], ["8BITMIME"]])(
  "with %s a letter that is refused takes no other with it, and lends nobody its envelope",
  async (extension) => {
    const relay = await relayOf({ extensions: [extension] });
    relay.script("viewer-3@example.org", { at: "rcpt", code: 550, text: "5.1.1 nobody" });
    relay.script("viewer-5@example.org", { at: "data", code: 554, text: "5.7.1 no" });
    relay.script("viewer-7@example.org", { at: "rcpt", code: 450, text: "4.2.1 later" });
    relay.script("viewer-9@example.org", { at: "data", code: 451, text: "4.3.0 later" });
    const outcomes = await sendMany(await open(relay.url), 15);
    expect(outcomes.map(({ kind }) => kind)).toEqual(
      Array.from({ length: 15 }, (_, number) =>
        number === 3 || number === 5 ? "refused" : number === 7 || number === 9 ? "deferred" : "handed over",
      ),
    );
    expect(outcomes[3]!.reply).toBe("550 5.1.1 nobody");
    expect(outcomes[7]).toMatchObject({ reply: "450 4.2.1 later", mayHaveArrived: false, cause: "letter" });
    expect(outcomes[9]).toMatchObject({ reply: "451 4.3.0 later", mayHaveArrived: false });
    expect(relay.letters).toHaveLength(11);
    for (const { to, from } of relay.letters)
      expect(from).toBe(to.replace("viewer-", "bounce-").replace("example.org", "films.example"));
    expect(relay.connections()).toBe(1);
  },
);

test.each([["CHUNKING"], ["8BITMIME"]])(
  "with %s a relay that takes seven letters over one connection gets the eighth over the next, and none twice",
  async (extension) => {
    const relay = await relayOf({ extensions: [extension], mostLetters: 7 });
    const outcomes = await sendMany(await open(relay.url), 30);
    expect(outcomes.filter(({ kind }) => kind !== "handed over")).toEqual([]);
    expect(new Set(relay.letters.map(({ messageId }) => messageId)).size).toBe(30);
    expect(relay.letters).toHaveLength(30);
    expect(relay.connections()).toBe(5);
  },
);

test.each([["CHUNKING"], ["8BITMIME"]])(
  "with %s, where the connection breaks, what was on its way whole may have arrived; what had not begun goes over the next",
  async (extension) => {
    const relay = await relayOf({ extensions: [extension] });
    relay.script("viewer-4@example.org", { at: "data", does: "close" }, "accept");
    const outcomes = await sendMany(await open(relay.url), 40);
    const deferred = outcomes.filter((outcome) => outcome.kind === "deferred");
    expect(outcomes[4]).toMatchObject({ kind: "deferred", mayHaveArrived: true });
    expect(outcomes.filter(({ kind }) => kind === "refused")).toEqual([]);
    // At most what one connection has ahead.
    expect(deferred.length).toBeLessThanOrEqual(20);
    expect(outcomes.length - deferred.length).toBe(relay.letters.length);
    expect(new Set(relay.letters.map(({ messageId }) => messageId)).size).toBe(relay.letters.length);
  },
);

test("a relay that offers CHUNKING and does not know BDAT gets every letter by DATA, once", async () => {
  const relay = await relayOf({ refusesChunks: true });
  const transport = await open(relay.url);
  const outcomes = await sendMany(transport, 40);
  expect(outcomes.filter(({ kind }) => kind !== "handed over")).toEqual([]);
  expect(relay.letters.map(({ messageId }) => messageId).toSorted()).toEqual(
    Array.from({ length: 40 }, (_, number) => `<letter-${number}@films.example>`).toSorted(),
  );
  expect(relay.connections()).toBe(2);
});

test.each([
  ["CHUNKING", "rcpt", "530 5.7.0 authentication required"],
  ["CHUNKING", "data", "503 5.5.1 bad sequence of commands"],
  ["8BITMIME", "rcpt", "503 5.5.1 say who you are first"],
  ["8BITMIME", "rcpt", "500 5.5.2 what?"],
  ["8BITMIME", "data", "538 5.7.11 encryption required"],
] as const)(
  "with %s a relay that answers %s with what is about us (%s) refuses no letter",
  async (extension, at, answer) => {
    const relay = await relayOf({ extensions: [extension] });
    const transport = await open(relay.url);
    relay.script("viewer-1@example.org", { at, code: Number(answer.slice(0, 3)), text: answer.slice(4) });
    expect(await transport.send(letter(1))).toEqual({
      kind: "deferred",
      reply: answer,
      mayHaveArrived: false,
      cause: "letter",
    });
    relay.script("viewer-1@example.org", { at, code: 550, text: "5.1.1 nobody" });
    expect(await transport.send(letter(1))).toMatchObject({ kind: "refused" });
  },
);

test.each([["CHUNKING"], ["8BITMIME"]])(
  "with %s a relay that refuses one letter after another is believed of five; the others wait until it takes one again",
  async (extension) => {
    const relay = await relayOf({ extensions: [extension] });
    const transport = await open(relay.url);
    const no = { code: 550, text: "5.1.8 access denied, bad outbound sender" } as const;
    for (let number = 0; number < 12; number++) {
      relay.script(`viewer-${number}@example.org`, { at: number % 2 === 0 ? "rcpt" : "data", ...no }, "accept");
    }
    const outcomes = await sendMany(transport, 12);
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      ...Array.from({ length: 5 }, () => "refused"),
      ...Array.from({ length: 7 }, () => "deferred"),
    ]);
    expect(outcomes[5]).toEqual({ kind: "deferred", reply: `550 ${no.text}`, mayHaveArrived: false, cause: "letter" });
    // It takes letters again, and is believed again.
    const again = await Promise.all(outcomes.slice(5).map((_, number) => transport.send(letter(number + 5))));
    expect(again.map(({ kind }) => kind)).toEqual(Array.from({ length: 7 }, () => "handed over"));
    relay.script("viewer-20@example.org", { at: "rcpt", code: 550, text: "5.1.1 nobody" });
    expect(await transport.send(letter(20))).toMatchObject({ kind: "refused" });
  },
);

test("several relays share the letters; one that is away is rested, and its letters go by the other", async () => {
  const [one, other] = [await relayOf(), await relayOf()];
  const both = await open(`${one.url} ${other.url}`, { maxConnections: 4 });
  for (let turn = 0; turn < 5; turn++) await sendMany(both, 100);
  expect(one.letters.length + other.letters.length).toBe(500);
  expect(Math.min(one.letters.length, other.letters.length)).toBeGreaterThan(0);
  await other.stop();
  const halved = await open(`${other.url} ${one.url}`, { maxConnections: 2 });
  const before = one.letters.length;
  const outcomes = await sendMany(halved, 50);
  expect(outcomes.filter(({ kind }) => kind !== "handed over")).toEqual([]);
  expect(one.letters.length - before).toBe(50);
});

test("a relay that was away is used again once it is back", async () => {
  const away = await relayOf();
  await away.stop();
  const transport = await open(away.url);
  expect(await transport.send(letter(1))).toMatchObject({ kind: "deferred", mayHaveArrived: false, cause: "relay" });
  const back = await relayOf({ port: away.port });
  await expect.poll(async () => (await transport.send(letter(1))).kind).toBe("handed over");
  expect(back.letters).toHaveLength(1);
});

test("an address beyond ASCII goes as it is where the relay takes it, and is refused in words where not", async () => {
  const to = "grüße@bücher.example";
  const able = await relayOf();
  const abler = await open(able.url);
  expect(await abler.send(letter(1, { to }))).toMatchObject({ kind: "handed over" });
  expect(able.commands).toContain("RCPT TO:<grüße@xn--bcher-kva.example>");
  expect(able.commands).toContain("MAIL FROM:<bounce-1@films.example> BODY=8BITMIME SMTPUTF8");
  const unable = await open((await relayOf({ extensions: ["CHUNKING"] })).url);
  expect(await unable.send(letter(1, { to }))).toMatchObject({
    kind: "refused",
    reply: expect.stringContaining("SMTPUTF8"),
  });
});

test("a letter larger than the relay says it takes is not sent; one that is just as large is, as where no size is said", async () => {
  const measuring = await relayOf({ extensions: ["CHUNKING", "SIZE 0"] });
  expect(await (await open(measuring.url)).send(letter(1))).toMatchObject({ kind: "handed over" });
  const { length } = measuring.letters[0]!.raw;
  for (const [most, kind] of [
    [length, "handed over"],
    [length - 1, "deferred"],
  ] as const) {
    const relay = await relayOf({ extensions: ["CHUNKING", `SIZE ${most}`] });
    const outcome = await (await open(relay.url)).send(letter(1));
    expect([most, outcome.kind]).toEqual([most, kind]);
    if (kind === "handed over") continue;
    expect(outcome).toMatchObject({ reply: `the relay takes letters of at most ${most} bytes`, mayHaveArrived: false });
    expect(relay.commands.filter((line) => line.startsWith("MAIL"))).toEqual([]);
  }
});

test.each([["CHUNKING"], ["8BITMIME"]])(
  "with %s a relay that ends every connection before it takes a letter puts them off, and is not asked for ever",
  async (extension) => {
    const relay = await relayOf({ extensions: [extension], mostLetters: 0 });
    const outcomes = await sendMany(await open(relay.url), 5);
    expect(outcomes).toEqual(
      Array(5).fill({
        kind: "deferred",
        reply: "421 4.7.0 so many letters and no more over one connection",
        mayHaveArrived: false,
        cause: "letter",
      }),
    );
    expect(relay.letters).toEqual([]);
  },
);

test("a connection with nothing to do is closed with QUIT, and the next letter goes over another", async () => {
  const relay = await relayOf();
  const transport = await open(relay.url, { patience: { idleMs: 20 } });
  expect(await transport.send(letter(1))).toMatchObject({ kind: "handed over" });
  await expect.poll(() => relay.commands.at(-1)).toBe("QUIT");
  expect(await transport.send(letter(2))).toMatchObject({ kind: "handed over" });
  expect(relay.connections()).toBe(2);
});

test("ten thousand letters wait for a relay, and one more does not", async () => {
  const relay = await relayOf({ greeting: "220-busy" });
  const transport = await open(relay.url);
  const outcomes = Array.from({ length: 10_001 }, (_, number) => transport.send(letter(number)));
  expect(await Promise.race(outcomes)).toMatchObject({
    kind: "deferred",
    reply: "too many letters wait for the relay",
    mayHaveArrived: false,
    cause: "relay",
  });
  await relay.stop();
  expect(new Set((await Promise.all(outcomes)).map(({ kind }) => kind))).toEqual(new Set(["deferred"]));
});

/** Speaks as told, line by line: what it answers to each command that comes. */
async function scriptedRelay(greeting: string, answers: readonly string[]): Promise<{ url: string; said: string[] }> {
  const said: string[] = [];
  const server = createServer((socket) => {
    const left = [...answers];
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      for (const line of bytes.toString("latin1").trimEnd().split("\r\n")) {
        said.push(line);
        const answer = left.shift();
        if (answer !== undefined) socket.write(answer);
      }
    });
    socket.write(greeting);
    toStop.push(async () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  toStop.push(() => new Promise((resolve) => server.close(resolve)));
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, said };
}

const ehlo = "250-relay.example\r\n250-STARTTLS\r\n250 AUTH LOGIN CRAM-MD5\r\n";
const strange: readonly [string, string, readonly string[], string, RegExp][] = [
  ["refuses us", "554 5.7.1 go away\r\n", [], "", /^the relay takes no letters now: 554 5\.7\.1 go away$/],
  ["is no SMTP server", "SSH-2.0-OpenSSH_9.2\r\n", [], "", /is no reply/],
  ["never ends its line", "2".repeat(5_000), [], "", /line without end/],
  ["never ends its answer", "220-x\r\n".repeat(200), [], "", /more than 128 lines/],
  ["changes its code inside an answer", "220-a\r\n250 b\r\n", [], "", /is no reply/],
  ["says two things at once", "220 a\r\n250 b\r\n", [], "", /what was not asked/],
  ["offers no STARTTLS where it is demanded", "220 a\r\n", ["250 relay.example\r\n"], "?tls=required", /no STARTTLS/],
  ["does not start TLS", "220 a\r\n", [ehlo, "454 4.7.0 not now\r\n"], "?tls=required", /does not start TLS: 454/],
  [
    "slips a line in before TLS stands",
    "220 a\r\n",
    [ehlo, "220 go\r\n250 AUTH PLAIN\r\n"],
    "?tls=required",
    /what was not asked/,
  ],
  ["begins a line before TLS stands", "220 a\r\n", [ehlo, "220 go\r\n250 AUTH"], "?tls=required", /more before TLS/],
  [
    "talks on in clear after STARTTLS",
    "220 a\r\n",
    [ehlo, "220 go\r\n", "250 fine\r\n"],
    "?tls=required",
    /^no TLS with/,
  ],
];

test.each(strange)("a relay that %s: it is said, and the letter waits", async (_, greeting, answers, query, reason) => {
  const { url } = await scriptedRelay(greeting, answers);
  const outcome = await (await open(`${url}${query}`)).send(letter(1));
  expect(outcome).toMatchObject({ kind: "deferred", mayHaveArrived: false, cause: "relay" });
  expect(outcome.reply).toMatch(reason);
});

test.each([
  // Whether it has the letter nobody knows.
  ["to the content", ["250 a\r\n", "250 b\r\n", "250 c\r\n", "354 go on\r\n", "221 bye\r\n"], "a letter", true],
  ["to DATA", ["250 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n"], "DATA", false],
])(
  "an unexpected success code %s does not count as handed over, and ends the connection",
  async (_, answers, what, mayHaveArrived) => {
    const { url } = await scriptedRelay("220 a\r\n", answers);
    const outcome = await (await open(url)).send(letter(1));
    expect(outcome).toMatchObject({ kind: "deferred", mayHaveArrived, cause: "letter" });
    expect(outcome.reply).toMatch(new RegExp(`^the relay's answer to ${what} is`));
  },
);

test("AUTH LOGIN where PLAIN is not offered, and neither is said; the password is in no outcome", async () => {
  const withUser = (url: string): string => url.replace("//", "//films:hunter2@");
  const login = await scriptedRelay("220 a\r\n", [
    ehlo,
    "334 VXNlcm5hbWU6\r\n",
    "334 UGFzc3dvcmQ6\r\n",
    "535 5.7.8 no hunter2\r\n",
  ]);
  const refused = await (await open(withUser(login.url))).send(letter(1));
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  expect(login.said.slice(1)).toEqual(["AUTH LOGIN", base64("films"), base64("hunter2")]);
  expect(refused.reply).toBe("the relay does not accept the user and password of SMTP_URL: 535");
  const other = await scriptedRelay("220 a\r\n", ["250-relay.example\r\n250 AUTH CRAM-MD5\r\n"]);
  expect((await (await open(withUser(other.url))).send(letter(1))).reply).toMatch(/neither AUTH PLAIN nor AUTH LOGIN/);
});

const [ours, another] = [newCertificate("localhost"), newCertificate("relay.example")];

/** TLS from the first byte, before a relay that speaks none. */
async function behindTls(certificate: typeof ours): Promise<{ port: number; letters: readonly unknown[] }> {
  const relay = await relayOf();
  const server = createTlsServer({ ...certificate }, (socket) => {
    const inner = connect(relay.port, "127.0.0.1");
    socket.pipe(inner).pipe(socket);
    for (const each of [socket, inner]) each.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  toStop.push(async () => server.close());
  return { port: (server.address() as AddressInfo).port, letters: relay.letters };
}

async function offeringStartTls(certificate: typeof ours): Promise<{ port: number; letters: readonly unknown[] }> {
  const relay = await startTestRelay({ ...certificate, disabledCommands: [] });
  toStop.push(() => relay.stop());
  return relay;
}

test.skipIf(ours === undefined).each([
  ["smtps", behindTls, (port: number) => `smtps://localhost:${port}`],
  ["STARTTLS", offeringStartTls, (port: number) => `smtp://localhost:${port}?tls=required`],
])(
  "over %s a certificate for another host, or from nobody who is trusted, stops the letter and is said",
  async (_, start, urlOf) => {
    const sent = async (certificate: typeof ours, ca: string): Promise<[SendOutcome, number]> => {
      const { port, letters } = await start(certificate);
      return [await (await open(urlOf(port), { ca })).send(letter(1)), letters.length];
    };
    // The same letter goes by the certificate that is right.
    expect(await sent(ours, ours!.cert)).toMatchObject([{ kind: "handed over" }, 1]);
    expect(await sent(another, another!.cert)).toMatchObject([
      { kind: "deferred", cause: "relay", reply: "the relay's certificate is not for localhost" },
      0,
    ]);
    expect(await sent(ours, another!.cert)).toMatchObject([
      {
        kind: "deferred",
        cause: "relay",
        reply: expect.stringMatching(/^the certificate of the relay localhost is from nobody/),
      },
      0,
    ]);
  },
);
