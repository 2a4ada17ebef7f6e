import { afterAll, expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { startWorker } from "../src/jobs/worker.ts";
import { sleep } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { letterTasks } from "../src/mail/letter-tasks.ts";
import { addressOnFile } from "../src/renewal/address-on-file.ts";
import type { MailTransport } from "../src/mail/mail.ts";
import { noRelay } from "../src/mail/no-relay.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { goodPassword, testService } from "./service.ts";
import { startTestRelay, type RelayAnswer } from "./smtp-server.ts";

/** Codes wait for the relay, whatever is wrong with it, and arrive once it is well; whoever asks notices nothing. */
const service = await testService();
const relay = await startTestRelay();
const { ground } = service;
const transport = await openSmtp({
  url: Secret.fromText(relay.url),
  from: "no-reply@films.example",
  clock: ground.clock,
  log: silentLog,
  patience: { connectMs: 400, commandMs: 400, finalMs: 400 },
});
const facts = { name: "Houselights", origin: ground.config.publicOrigin, contact: null };
const lettersLeaveBy = (wayOut: MailTransport) =>
  startWorker({
    db: ground.db,
    log: silentLog,
    tasks: letterTasks({
      keyholder: ground.keyholders.mailer,
      transport: wayOut,
      service: facts,
      clock: ground.clock,
      addressOnFile: (accountId, typed) =>
        addressOnFile({ db: ground.db, keyholder: ground.keyholders.mailer }, accountId, typed),
    }),
    concurrency: { letters: 4, work: 1 },
  });
let worker = await lettersLeaveBy(transport);
afterAll(async () => {
  await worker.stop();
  await transport.close();
  await relay.stop();
});

const troubles: Readonly<Record<string, RelayAnswer>> = {
  hangs: { at: "data", does: "hang" },
  "breaks off": { at: "rcpt", does: "close" },
  "says later": { at: "rcpt", code: 451, text: "4.7.1 later" },
  "talks nonsense": { at: "rcpt", does: "nonsense" },
};

test.concurrent.each(Object.entries(troubles))(
  "a relay that %s: the code arrives later, once, and works",
  async (how, trouble) => {
    const address = `${how.replaceAll(" ", "-")}@example.org`;
    relay.script(address, trouble, "accept");
    const asked = await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } });
    expect(asked.status).toBe(202);
    while (!relay.letters.some(({ to }) => to === address)) await sleep(25);
    expect(relay.attempts(address)).toBe(2);
    const [letter, ...more] = relay.letters.filter(({ to }) => to === address);
    expect(more).toEqual([]);
    const code = /\b[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}\b/.exec(letter?.text ?? "")?.[0];
    const confirmed = await service.call("POST", "/api/accounts/confirm", {
      body: { code },
      cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
    });
    expect(confirmed.status, confirmed.text).toBe(201);
  },
);

test("a host that others reach and that lacks the relay keeps a letter waiting, in no mailbox, and one that has it sends it", async () => {
  await worker.stop();
  let tries = 0;
  const lacking = noRelay(silentLog);
  const counted: MailTransport = {
    ...lacking,
    send: (letter) => {
      tries++;
      return lacking.send(letter);
    },
  };
  worker = await lettersLeaveBy(counted);
  const address = "waits@example.org";
  const asked = await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } });
  expect(asked.status).toBe(202);
  while (tries === 0) await sleep(25);
  await worker.stop();
  expect(await ground.db.many(`select 1 from mailbox_letter`)).toEqual([]);
  worker = await lettersLeaveBy(transport);
  while (!relay.letters.some(({ to }) => to === address)) await sleep(25);
  expect(relay.letters.filter(({ to }) => to === address)).toHaveLength(1);
});
