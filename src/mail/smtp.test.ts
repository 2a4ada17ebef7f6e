import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, expect, test } from "vitest";
import { systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { newCertificate } from "../../test/certificate.ts";
import { verifyDkim } from "../../test/dkim.ts";
import { startTestRelay } from "../../test/smtp-server.ts";
import type { RelayAnswer, TestRelay } from "../../test/smtp-server.ts";
import type { Letter, MailTransport } from "./mail.ts";
import { openSmtp, readFrom } from "./smtp.ts";
import type { SmtpOptions } from "./smtp.ts";
import type { Patience } from "./smtp-connection.ts";
import type { WrittenLetter } from "./templates.ts";

const keys = await testKeyholder();
const keyholder = await keys.connect("mailer");
const relay = await startTestRelay();
afterAll(async () => {
  await relay.stop();
  await keys.stop();
});

const opened: MailTransport[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
  relay.letters.splice(0);
});

async function open(options: Partial<SmtpOptions> = {}, to: TestRelay = relay): Promise<MailTransport> {
  const transport = await openSmtp({
    url: Secret.fromText(to.url),
    from: "House of Films <no-reply@films.example>",
    keyholder,
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  opened.push(transport);
  return transport;
}

/** Every phase alike. */
const within = (ms: number): Partial<Patience> => ({ connectMs: ms, commandMs: ms, finalMs: ms });

const written: WrittenLetter = {
  subject: "A letter with ümlauts",
  text: "Hello.\n\nThis is the letter. Grüße!\n",
  html: "<p>Hello.</p><p>This is the letter. Grüße!</p>",
};
let count = 0;
const letterTo = (to: string, more: Partial<Letter> = {}): Letter => ({
  to,
  written,
  messageId: `letter-${++count}`,
  ...more,
});

test("a letter arrives as it was written, with our headers and none that names software", async () => {
  const transport = await open();
  const letter = letterTo("anna@example.org", {
    returnPath: "bounce-7f@films.example",
    headers: { "X-Incident": "HL-1" },
  });
  expect(await transport.send(letter)).toEqual({
    kind: "handed over",
    reply: "250 OK: queued as Q000001",
    queueId: "Q000001",
  });
  const [received] = relay.letters;
  expect(received).toMatchObject({
    from: "bounce-7f@films.example",
    to: "anna@example.org",
    subject: written.subject,
    text: written.text,
    messageId: `<${letter.messageId}@films.example>`,
    isSigned: true,
  });
  expect(received!.html).toContain("Grüße!");
  const headers = received!.raw.toString().split("\r\n\r\n")[0]!;
  expect(headers).toMatch(/^From: House of Films <no-reply@films\.example>$/m);
  expect(headers).toMatch(/^Auto-Submitted: auto-generated$/m);
  expect(headers).toMatch(/^X-Incident: HL-1$/m);
  expect(headers).not.toMatch(/nodemailer|X-Mailer|User-Agent/i);
});

test("the DKIM signature verifies from the bytes that arrived, and not with any of them changed", async () => {
  const transport = await open();
  await transport.send(letterTo("anna@example.org"));
  const { raw } = relay.letters[0]!;
  const [version] = await keyholder.dkimPublicKeys();
  const publicKey = createPublicKey({ key: version!.publicKey, format: "der", type: "spki" });
  const tags = verifyDkim(raw, publicKey);
  expect(tags).toMatchObject({ d: "films.example", s: "houselights", a: "rsa-sha256" });
  const covered = tags!["h"]!.toLowerCase().split(":");
  for (const name of ["from", "to", "subject", "date", "message-id"]) expect(covered).toContain(name);

  const bent = (from: string, to: string): Buffer => Buffer.from(raw.toString("latin1").replace(from, to), "latin1");
  expect(verifyDkim(bent("anna@example.org", "anne@example.org"), publicKey)).toBeUndefined();
  expect(verifyDkim(bent("This is the letter", "That is the letter"), publicKey)).toBeUndefined();
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  expect(verifyDkim(raw, other)).toBeUndefined();
});

test.each(["no-reply@127.0.0.1", "no-reply@localhost"])(
  "a sender without a domain of the internet (%s) leaves unsigned",
  async (from) => {
    const transport = await open({ from });
    expect(await transport.send(letterTo("anna@example.org"))).toMatchObject({ kind: "handed over" });
    expect(relay.letters[0]!.isSigned).toBe(false);
  },
);

const answers: readonly [RelayAnswer, string, RegExp][] = [
  [
    { at: "rcpt", code: 550, text: "5.1.1 <anna@example.org> no such person" },
    "refused",
    /^550 5\.1\.1 <\(address\)> no such person$/,
  ],
  [{ at: "rcpt", code: 450, text: "4.2.1 try later" }, "deferred", /^450 4\.2\.1/],
  [{ at: "data", code: 554, text: "5.7.1 looks like spam" }, "refused", /^554/],
  [{ at: "data", code: 452, text: "4.3.1 disk full" }, "deferred", /^452/],
  [{ at: "rcpt", does: "close" }, "deferred", /closed/],
  [{ at: "data", does: "close" }, "deferred", /closed|reset|EPIPE/],
  [{ at: "rcpt", does: "nonsense" }, "deferred", /./],
  [{ at: "data", does: "nonsense" }, "deferred", /./],
  [{ at: "rcpt", does: "hang" }, "deferred", /time/i],
  [{ at: "data", does: "hang" }, "deferred", /time/i],
  [{ at: "data", code: 554, text: `anna@example.org ${"x".repeat(400)}` }, "refused", /^554 \(address\) x{180}/],
];

test.each(answers)(
  "a relay that answers %j makes the letter %s, and the next one arrives",
  async (answer, kind, reply) => {
    const transport = await open({ patience: within(700), maxConnections: 1 });
    relay.script("anna@example.org", answer);
    const outcome = await transport.send(letterTo("anna@example.org"));
    expect(outcome.kind).toBe(kind);
    expect(outcome.reply).toMatch(reply);
    expect(outcome.reply).not.toContain("@");
    expect(outcome.reply.length).toBeLessThanOrEqual(200);
    expect(relay.letters).toEqual([]);
    relay.script("anna@example.org", "accept");
    expect(await transport.send(letterTo("bob@example.org"))).toMatchObject({ kind: "handed over" });
  },
);

test("the relay's connection closing does not send a letter twice by itself", async () => {
  const transport = await open({ patience: within(700) });
  const before = relay.attempts("carl@example.org");
  relay.script("carl@example.org", { at: "data", does: "close" });
  expect(await transport.send(letterTo("carl@example.org"))).toMatchObject({ kind: "deferred" });
  expect(relay.attempts("carl@example.org") - before).toBe(1);
});

test("a letter sent again carries the same Message-ID, and the relay can count it", async () => {
  const transport = await open();
  const letter = letterTo("anna@example.org");
  await transport.send(letter);
  expect(relay.duplicates()).toBe(0);
  await transport.send(letter);
  expect(relay.duplicates()).toBe(1);
});

test("a relay that is not there, or never greets, makes letters deferred", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const mute = await open({ url: Secret.fromText(`smtp://127.0.0.1:${port}`), patience: within(500) });
  expect(await mute.send(letterTo("anna@example.org"))).toMatchObject({ kind: "deferred" });
  await new Promise((resolve) => silent.close(resolve));
  const gone = await open({ url: Secret.fromText(`smtp://127.0.0.1:${port}`), patience: within(500) });
  expect(await gone.send(letterTo("anna@example.org"))).toMatchObject({ kind: "deferred" });
});

test("a relay password that is wrong keeps letters waiting instead of refusing them", async () => {
  const guarded = await startTestRelay({
    authOptional: false,
    onAuth: ({ username, password }, _, callback) =>
      username === "u" && password === "p:/@" ? callback(null, { user: username }) : callback(new Error("no")),
  });
  try {
    const right = await open({ url: Secret.fromText(`smtp://u:p%3A%2F%40@127.0.0.1:${guarded.port}`) });
    expect(await right.send(letterTo("anna@example.org"))).toMatchObject({ kind: "handed over" });
    const wrong = await open({ url: Secret.fromText(`smtp://u:wrong@127.0.0.1:${guarded.port}`) });
    expect(await wrong.send(letterTo("anna@example.org"))).toMatchObject({ kind: "deferred" });
  } finally {
    await guarded.stop();
  }
});

test("more letters than connections all arrive, over few connections", async () => {
  const transport = await open({ maxConnections: 3 });
  const before = relay.connections();
  const outcomes = await Promise.all(
    // More than the keyholder signs in one call.
    Array.from({ length: 150 }, (_, i) => transport.send(letterTo(`p${i}@example.org`))),
  );
  expect(outcomes.every(({ kind }) => kind === "handed over")).toBe(true);
  expect(relay.letters.filter(({ isSigned }) => isSigned)).toHaveLength(150);
  expect(relay.connections() - before).toBeLessThanOrEqual(3);
});

test("a relay that demands to be reached by TLS without offering it makes letters deferred, not sent in clear", async () => {
  const clear = await open();
  expect(await clear.send(letterTo("anna@example.org"))).toMatchObject({ kind: "handed over" });
  const strict = await open({ url: Secret.fromText(`${relay.url}?tls=required`), patience: within(1_000) });
  expect(await strict.send(letterTo("anna@example.org"))).toMatchObject({ kind: "deferred" });
  expect(relay.letters).toHaveLength(1);
});

const certificate = newCertificate("localhost");

test.skipIf(certificate === undefined)(
  "STARTTLS is used, and a certificate that is not trusted stops the letter",
  async () => {
    const encrypted = await startTestRelay({ ...certificate, disabledCommands: [] });
    try {
      const url = Secret.fromText(`smtp://localhost:${encrypted.port}?tls=required`);
      const trusting = await open({ url, ca: certificate!.cert, patience: within(2_000) });
      expect(await trusting.send(letterTo("anna@example.org"))).toMatchObject({ kind: "handed over" });
      expect(encrypted.letters).toMatchObject([{ isEncrypted: true }]);
      const distrusting = await open({ url, patience: within(2_000) });
      expect(await distrusting.send(letterTo("anna@example.org"))).toMatchObject({ kind: "deferred" });
      expect(encrypted.letters).toHaveLength(1);
    } finally {
      await encrypted.stop();
    }
  },
);

test.each([
  [{ written: { ...written, subject: "Hello\r\nBcc: everyone@example.org" } }],
  [{ headers: { "X-A": "1\nBcc: everyone@example.org" } }],
  [{ headers: { "X-A\r\nBcc": "everyone@example.org" } }],
  [{ headers: { Bcc: "everyone@example.org" } }],
  [{ headers: { "Content-Type": "text/plain" } }],
  [{ messageId: "a>\r\nX: 1" }],
  [{ returnPath: "a@example.org> SIZE=1" }],
])("a letter with %j never reaches the relay", async (bad) => {
  const transport = await open();
  await expect(transport.send(letterTo("anna@example.org", bad))).rejects.toThrow(/header is not sound/);
  expect(relay.letters).toEqual([]);
});

test("an address that is none is refused before the relay is asked", async () => {
  const transport = await open();
  expect(await transport.send(letterTo("anna@example.org\r\nRCPT TO:<x@example.org>"))).toMatchObject({
    kind: "refused",
  });
  expect(relay.letters).toEqual([]);
});

test("a bad SMTP_URL is told without its text", async () => {
  await expect(open({ url: Secret.fromText("http://u:hunter2@h") })).rejects.toThrow(/^SMTP_URL must be/);
});

test.each([
  ["Films <a@b.example>", { name: "Films", address: "a@b.example", domain: "b.example" }],
  [
    '"Films, \\"the\\" house" <a@b.example>',
    { name: 'Films, "the" house', address: "a@b.example", domain: "b.example" },
  ],
  ["a@b.example", { name: "", address: "a@b.example", domain: "b.example" }],
])("MAIL_FROM %s is read in its parts", (text, parts) => {
  expect(readFrom(text)).toEqual(parts);
});
