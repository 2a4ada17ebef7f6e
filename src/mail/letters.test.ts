import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { AccountId } from "../kernel/brand.ts";
import { dayMs, hourMs, manualClock, systemClock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { newTypedCode, systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { connectKeyholder } from "../keyholder/client.ts";
import type { Role } from "../keyholder/keyholder.ts";
import { startKeyholder } from "../keyholder/supervise.ts";
import { enqueue } from "../jobs/jobs.ts";
import type { JobContext } from "../jobs/jobs.ts";
import { startTestRelay } from "../../test/smtp-server.ts";
import { letterTasks } from "./letter-tasks.ts";
import { cleanUpMailbox, listMailbox, openMailbox } from "./mailbox.ts";
import type { MailTransport } from "./mail.ts";
import { openLetter, sealLetter } from "./sealed-letter.ts";
import type { LetterOrder } from "./sealed-letter.ts";
import { openSmtp } from "./smtp.ts";

const folder = await mkdtemp(join(tmpdir(), "houselights-mail-"));
const supervised = await startKeyholder({
  keysDir: join(folder, "keys"),
  socketPath: join(folder, "keyholder.sock"),
  log: silentLog,
});
const connectAs = (role: Role) =>
  connectKeyholder({
    socketPath: supervised.socketPath,
    role,
    credential: supervised.credentials[role],
    log: silentLog,
  });
const web = await connectAs("web");
const mailer = await connectAs("mailer");
const relay = await startTestRelay();
const db = await testDatabase();
const clock = manualClock(systemClock.now());
let smtp: MailTransport;

afterAll(async () => {
  await Promise.all([web.close(), mailer.close(), relay.stop()]);
  await supervised.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  smtp = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "Films <no-reply@films.example>",
    keyholder: mailer,
    log: silentLog,
    clock: systemClock,
    patience: { connectMs: 2_000, commandMs: 2_000, finalMs: 2_000 },
  });
});
afterEach(async () => {
  await smtp.close();
  relay.letters.splice(0);
  await db.run("delete from mailbox_letter");
});

const seal = (order: LetterOrder) => sealLetter({ keyholder: web, random: systemRandom, clock }, order);
const context: JobContext = {
  log: silentLog,
  signal: new AbortController().signal,
  attempt: 1,
  maxAttempts: 5,
  jobId: "1",
};
const service = { name: "Films", origin: "https://films.example", contact: null };

const addressOnFile = (_account: AccountId, typed: string) => Promise.resolve(typed);

async function runTask(payload: unknown, name = "send-code"): Promise<void> {
  const tasks = letterTasks({ keyholder: mailer, transport: smtp, service, clock, addressOnFile });
  await tasks.find((task) => task.name === name)!.run(payload, context);
}

test("a code sealed by the web process arrives in its letter, signed, in the language asked for", async () => {
  const code = newTypedCode(systemRandom, 10);
  const payload = await seal({ letter: "renewal code", locale: "de", to: "anna@example.org", code });
  await runTask(payload);
  const typed = code.revealText();
  expect(relay.letters).toMatchObject([
    { to: "anna@example.org", isSigned: true, messageId: `<${payload.id}@films.example>` },
  ]);
  expect(relay.letters[0]!.text).toContain(`${typed.slice(0, 5)}-${typed.slice(5)}`);
  expect(relay.letters[0]!.text).toContain("Passwort");
});

test("a letter about a change that can be taken back says where, with the secret in the fragment", async () => {
  const undo = new Secret(systemRandom.bytes(32));
  await runTask(await seal({ letter: "renewed", locale: "en", to: "anna@example.org", undo }), "send-letter");
  const shown = Buffer.from(undo.reveal()).toString("base64url");
  expect(relay.letters[0]!.text).toContain(`https://films.example/not-me#${shown}`);
});

test("the queue shows neither who is written to nor whether they have an account", async () => {
  const code = newTypedCode(systemRandom, 10);
  const toStranger = await seal({ letter: "sign-up code", locale: "en", to: "a@example.org", code });
  const toAccount = await seal({ letter: "already registered", locale: "ja", to: "somebody.else@example.org" });
  await enqueue(db, "send-code", toStranger);
  const rows = await db.many<{ payload: unknown }>("select payload from graphile_worker._private_jobs");
  expect(JSON.stringify(rows)).not.toMatch(/example|sign-up|registered/);
  expect(JSON.stringify(rows)).not.toContain(code.revealText());
  expect(toAccount.sealed.length).toBe(toStranger.sealed.length);
  expect(Object.keys(toAccount)).toEqual(["id", "sealed"]);
  await db.run("delete from graphile_worker._private_jobs");
});

test("only the mailer opens a sealed letter, and only under its own id", async () => {
  const payload = await seal({ letter: "renewed", locale: "en", to: "anna@example.org" });
  const other = await seal({ letter: "renewed", locale: "en", to: "bob@example.org" });
  expect(await openLetter({ keyholder: mailer }, payload)).toEqual({
    letter: "renewed",
    locale: "en",
    to: "anna@example.org",
    at: clock.now(),
  });
  await expect(openLetter({ keyholder: web }, payload)).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });
  await expect(openLetter({ keyholder: mailer }, { ...payload, id: other.id })).rejects.toMatchObject({
    code: "SEALED_UNREADABLE",
  });
});

test("a sealed letter that does not open is given up without a crash, and nothing is sent", async () => {
  const payload = await seal({ letter: "renewed", locale: "en", to: "anna@example.org" });
  await runTask({ ...payload, id: "0198a9a0-0000-7000-8000-000000000001" }, "send-letter");
  expect(relay.letters).toEqual([]);
  await runTask(payload, "send-letter");
  expect(relay.letters).toHaveLength(1);
});

test("a deferral throws for another try, with the same Message-ID; a refusal does not", async () => {
  const payload = await seal({ letter: "renewed", locale: "en", to: "carl@example.org" });
  relay.script("carl@example.org", { at: "data", code: 451, text: "later" }, "accept");
  await expect(runTask(payload, "send-letter")).rejects.toMatchObject({ code: "MAIL_UNAVAILABLE" });
  await runTask(payload, "send-letter");
  expect(relay.letters).toMatchObject([{ messageId: `<${payload.id}@films.example>` }]);
  relay.script("dora@example.org", { at: "rcpt", code: 550, text: "<dora@example.org> unknown" });
  await runTask(await seal({ letter: "renewed", locale: "en", to: "dora@example.org" }), "send-letter");
  expect(relay.letters).toHaveLength(1);
});

test("a code that is out of date is not sent any more", async () => {
  const payload = await seal({
    letter: "renewal code",
    locale: "en",
    to: "anna@example.org",
    code: newTypedCode(systemRandom, 10),
  });
  clock.advance(24 * hourMs - 1);
  await runTask(payload);
  expect(relay.letters).toHaveLength(1);
  clock.advance(2);
  await runTask(payload);
  expect(relay.letters).toHaveLength(1);
});

test("a letter without a code is sent however long it had to wait", async () => {
  const payload = await seal({ letter: "renewed", locale: "en", to: "anna@example.org" });
  clock.advance(3 * dayMs);
  await runTask(payload, "send-letter");
  expect(relay.letters).toHaveLength(1);
});

test("the built-in mailbox keeps letters sealed, newest first, by pages, and only the mailer reads them", async () => {
  const mailbox = openMailbox({ db, keyholder: web, clock, random: systemRandom });
  for (let i = 0; i < 5; i++) {
    clock.advance(1);
    const letter = {
      to: "anna@example.org",
      written: { subject: `No ${i}`, text: "Grüße", html: "<p>Grüße</p>" },
      messageId: `m${i}`,
    };
    expect(await mailbox.send(letter)).toMatchObject({ kind: "handed over" });
  }
  const needs = { db, keyholder: mailer };
  const page = await listMailbox(needs, { limit: 3 });
  expect(page.map(({ subject }) => subject)).toEqual(["No 4", "No 3", "No 2"]);
  expect(page[0]).toMatchObject({
    to: "anna@example.org",
    text: "Grüße",
    html: "<p>Grüße</p>",
    messageId: "m4",
    at: clock.now(),
  });
  const rest = await listMailbox(needs, { limit: 3, before: page[2]!.id });
  expect(rest.map(({ subject }) => subject)).toEqual(["No 1", "No 0"]);

  const raw = await db.many<{ sealed: Buffer }>("select sealed from mailbox_letter");
  // One put in another's place is none.
  await db.run(
    `update mailbox_letter set sealed = (select sealed from mailbox_letter where message_id = 'm1') where message_id = 'm2'`,
  );
  expect((await listMailbox(needs, { limit: 5 })).map(({ messageId }) => messageId)).toEqual(["m4", "m3", "m1", "m0"]);
  for (const { sealed } of raw) expect(sealed.toString("latin1")).not.toMatch(/anna@|No \d"|Grüße|<p>/);
  await expect(listMailbox({ db, keyholder: web }, { limit: 1 })).rejects.toMatchObject({ code: "KEYHOLDER_REFUSED" });

  await db.run("update mailbox_letter set sealed = 'x' where message_id = 'm4'");
  expect((await listMailbox(needs, { limit: 1 })).length).toBe(0);
  expect((await listMailbox(needs, { limit: 2 })).map(({ subject }) => subject)).toEqual(["No 3"]);
});

test("a letter whose keeping nobody answered may be in the mailbox; one that was held back, or could not be sealed, is not", async () => {
  const written = { subject: "s", text: "t", html: "h" };
  const send = (more: Partial<Parameters<typeof openMailbox>[0]>, whenReady?: () => Promise<boolean>) =>
    openMailbox({ db, keyholder: web, clock, random: systemRandom, ...more }).send({
      to: "anna@example.org",
      written,
      messageId: "m",
      ...(whenReady === undefined ? {} : { whenReady }),
    });
  const kept = async (): Promise<number> => (await db.many("select from mailbox_letter")).length;
  const deferred = { kind: "deferred", cause: "relay" };
  const sealFails = { sealForMailer: () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "away")) };
  expect(await send({ keyholder: sealFails })).toMatchObject({ ...deferred, mayHaveArrived: false });
  expect(await send({}, () => Promise.resolve(false))).toMatchObject({ ...deferred, mayHaveArrived: false });
  expect(await kept()).toBe(0);
  const unanswered: typeof db = {
    ...db,
    run: async (...asked) => {
      await db.run(...asked);
      throw new Fault("DB_UNAVAILABLE", "the connection was lost");
    },
  };
  expect(await send({ db: unanswered })).toMatchObject({ ...deferred, mayHaveArrived: true });
  expect(await kept()).toBe(1);
  expect(await send({}, () => Promise.resolve(true))).toMatchObject({ kind: "handed over" });
});

test("what kind of letter the mailbox keeps is not told by its length", async () => {
  const mailbox = openMailbox({ db, keyholder: web, clock, random: systemRandom });
  for (const text of ["t", "t".repeat(2_000), "ü".repeat(1_900)]) {
    await mailbox.send({ to: "anna@example.org", written: { subject: "s", text, html: "" }, messageId: "m" });
  }
  expect(await db.many("select octet_length(sealed) from mailbox_letter group by 1")).toHaveLength(1);
});

test("the mailbox forgets letters older than a week, and all but the newest ten thousand", async () => {
  const mailbox = openMailbox({ db, keyholder: web, clock, random: systemRandom });
  const send = (messageId: string) =>
    mailbox.send({ to: "a@example.org", written: { subject: "s", text: "t", html: "h" }, messageId });
  await send("old");
  clock.advance(7 * dayMs + 1);
  await send("new");
  expect(await cleanUpMailbox(db, clock.now())).toBe(1);
  // Fillers that are younger than both: time-ordered ids.
  await db.run(
    `insert into mailbox_letter (id, at, message_id, sealed)
     select uuidv7(interval '60 days' + n * interval '1 millisecond'), $1, 'filler', 'x' from generate_series(1, 10000) n`,
    [new Date(clock.now())],
  );
  expect(await cleanUpMailbox(db, clock.now())).toBe(1);
  expect(await db.many("select from mailbox_letter where message_id = 'new'")).toEqual([]);
  expect(await cleanUpMailbox(db, clock.now())).toBe(0);
});
