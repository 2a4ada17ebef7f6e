import { afterAll, beforeAll, expect, test } from "vitest";
import { recordBounce } from "../src/incidents/bounces.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { letterSum } from "../src/incidents/letter-sum.ts";
import { walk } from "../src/incidents/walk.ts";
import { startWorker } from "../src/jobs/worker.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { hourMs, sleep, systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { Secret } from "../src/kernel/secret.ts";
import { letterTasks } from "../src/mail/letter-tasks.ts";
import type { MailTransport } from "../src/mail/mail.ts";
import { tokenIn } from "../src/mail/return-token.ts";
import { openSmtp } from "../src/mail/smtp.ts";
import { addressOnFile } from "../src/renewal/address-on-file.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { containedCase } from "./contained-case.ts";
import { goodPassword, testService } from "./service.ts";
import { startTestRelay, type TestRelay } from "./smtp-server.ts";

/**
 * Who asks for a code knows whether the mailbox works: what came back, was refused, or waits to be sent to everybody stops no
 * code on its way to one person.
 */
const service = await testService();
const { ground, clock } = service;
const { db, random, log, keyholders } = ground;
const keyholder = keyholders.mailer;
const bounceAddress = "bounces@films.example";
const films = { name: "House of Films", origin: "https://films.example", contact: null };
let relay: TestRelay;
let transport: MailTransport;

beforeAll(async () => {
  relay = await startTestRelay();
  transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log: silentLog,
  });
});
afterAll(async () => {
  await transport.close();
  await relay.stop();
});

async function campaign(): Promise<IncidentId> {
  const incidentId = await containedCase({ db, clock, random }, { at: clock.now() });
  await startCampaign({ db, clock, random, keyholder: keyholders.web, service: films }, incidentId, "operator");
  const needs = {
    db,
    keyholder,
    transport,
    clock,
    random,
    log,
    bounceAddress,
    neverMailed: async () => new Set<string>(),
  };
  expect(await walk(needs, incidentId)).toEqual({ kind: "finished" });
  return incidentId;
}

const close = (incidentId: IncidentId) =>
  db.run(`update incident set state = 'closed', closed_at = now() where id = $1`, [incidentId]);

/** Asks, has the queue worked off over the relay, and types what arrived. */
async function renew(address: string, password: string): Promise<number> {
  const before = relay.letters.length;
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const worker = await startWorker({
    db,
    log: silentLog,
    tasks: letterTasks({
      keyholder,
      transport,
      service: films,
      clock,
      addressOnFile: (accountId, typed) => addressOnFile({ db, keyholder }, accountId, typed),
    }),
    concurrency: { letters: 4, work: 1 },
  });
  const codeIn = () =>
    relay.letters
      .slice(before)
      .filter(({ to, subject }) => to === address && /renew/i.test(subject))
      .map(({ text }) => /\b[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}\b/.exec(text)?.[0])
      .find((code) => code !== undefined);
  while (codeIn() === undefined) await sleep(20);
  await worker.stop();
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  return (await service.call("POST", "/api/renewals/complete", { body: { code: codeIn(), password }, cookies })).status;
}

test("an address that no campaign writes to any more, since a letter came back, gets the code to renew", async () => {
  const address = "came-back@example.org";
  await service.account(address, goodPassword);
  clock.advance(hourMs);
  const first = await campaign();
  const token = tokenIn(relay.letters.findLast(({ to }) => to === address)?.from ?? "", bounceAddress) ?? "";
  expect(await recordBounce({ db, keyholder, clock, random }, token, "5.1.1")).toBe("bounced");
  await close(first);
  clock.advance(hourMs);
  const sent = relay.letters.length;
  const second = await campaign();
  expect(await letterSum(db, second)).toMatchObject({ scope: 1, suppressed: 1, handedOver: 0 });
  expect(relay.letters.slice(sent)).toEqual([]);

  expect(await renew(address, "eleven owls above the orchard")).toBe(200);
  await close(second);
});
