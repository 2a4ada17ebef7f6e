import { afterAll, beforeAll, expect, test } from "vitest";
import { populate, populateSynthetic } from "../../test/population.ts";
import { startTestRelay, type TestRelay } from "../../test/smtp-server.ts";
import { hourMs, plus, sleep, systemClock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { startWorker, type Worker } from "../jobs/worker.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { openSmtp } from "../mail/smtp.ts";
import type { MailTransport } from "../mail/mail.ts";
import { startCampaign, freezeScope } from "./campaign.ts";
import { campaignTask } from "./campaign-tasks.ts";
import { contain } from "./contain.ts";
import { deadlineRules } from "./deadlines.ts";
import { addsUp, letterSum } from "./letter-sum.ts";
import { notifyIncident } from "./notify.ts";

const db = await testDatabase({ maxConnections: 20 });
const service = { name: "House of Films", origin: "https://films.example", contact: null };
const needs = { db, clock: systemClock, random: systemRandom, service, log: silentLog };
let keyholder: TestKeyholder;
let relay: TestRelay;
let transport: MailTransport;
let worker: Worker | undefined;

beforeAll(async () => {
  keyholder = await testKeyholder();
  relay = await startTestRelay();
  transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log: silentLog,
  });
});
afterAll(async () => {
  await worker?.stop();
  await transport.close();
  await relay.stop();
  await keyholder.stop();
});

test("workers carry a campaign from its start to its end by themselves, in the order of test, start, finish", async () => {
  const operator = await keyholder.connect("operator");
  const mailer = await keyholder.connect("mailer");
  const people = await populate(db, operator, { accounts: 120, at: plus(systemClock.now(), -hourMs) });
  await db.run(`update account set role = 'operator' where id = $1`, [people[0]!.accountId]);
  // Not everything goes at once: the next turn of the walk has to come by itself.
  relay.script(people[7]!.address, { at: "rcpt", code: 451, text: "4.7.1 later" }, "accept");
  const contained = await contain(
    { ...needs, witness: operator.witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "operator" },
  );
  const asked = {
    ...needs,
    keyholder: operator,
    deadlines: deadlineRules,
    wayOut: { leavesBy: "relay", contact: "help@films.example", allowance: null, price: null },
  } as const;
  const { incidentId } = contained;
  await notifyIncident(asked, incidentId, "test", people[0]!.accountId);

  const pace = { firstRetryMs: 200 };
  worker = await startWorker({
    db,
    log: silentLog,
    tasks: [campaignTask({ ...needs, keyholder: mailer, transport, pace, neverMailed: async () => new Set<string>() })],
    concurrency: { letters: 1, work: 3 },
  });
  while (relay.letters.length === 0) await sleep(20);
  expect(relay.letters.map(({ to }) => to)).toEqual([people[0]!.address]);
  expect(relay.letters[0]!.subject).toMatch(/^\[/);

  expect(await notifyIncident(asked, incidentId, "start", people[0]!.accountId)).toMatchObject({ kind: "started" });
  for (let isFinished = false; !isFinished;) {
    const row = await db.one<{ isFinished: boolean; state: string }>(
      `select letters_finished_at is not null as "isFinished", state from incident where id = $1`,
      [incidentId],
    );
    isFinished = row?.isFinished ?? false;
    const sum = await letterSum(db, incidentId);
    expect(sum).toSatisfy(addsUp);
    if (isFinished) expect(sum).toMatchObject({ handedOver: 120, waiting: 0 });
    await sleep(20);
  }
  const letters = relay.letters.slice(1);
  expect(letters.map(({ to }) => to).toSorted()).toEqual(people.map(({ address }) => address).toSorted());
  expect(new Set(letters.map(({ messageId }) => messageId)).size).toBe(120);
  await db.run(`update incident set state = 'closed' where id = $1`, [incidentId]);
});

test("however often a walk is ended by a keyholder that is away, the next begins soon after it is back", async () => {
  const operator = await keyholder.connect("operator");
  const mailer = await keyholder.connect("mailer");
  const { incidentId } = await contain(
    { ...needs, witness: operator.witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "operator" },
  );
  let isAway = true;
  let ended = 0;
  const flapping = {
    ...mailer,
    open: async (...asked: Parameters<typeof mailer.open>) => {
      if (!isAway) return mailer.open(...asked);
      ended++;
      throw new Fault("KEYHOLDER_UNAVAILABLE", "the keyholder does not answer");
    },
  };
  await worker?.stop();
  worker = await startWorker({
    db,
    log: silentLog,
    tasks: [
      campaignTask({
        ...needs,
        keyholder: flapping,
        transport,
        pace: { firstRetryMs: 20 },
        neverMailed: async () => new Set<string>(),
      }),
    ],
    concurrency: { letters: 1, work: 3 },
  });
  await startCampaign({ ...needs, keyholder: operator }, incidentId, "operator");
  // The queue's own pause after so many would be hours.
  while (ended < 12) await sleep(20);
  isAway = false;
  while (((await letterSum(db, incidentId))?.waiting ?? 1) > 0) await sleep(20);
  await worker.stop();
  worker = undefined;
  await db.run(`update incident set state = 'closed' where id = $1`, [incidentId]);
});

test("a synthetic population has the right shape, and its scope is frozen batch by batch to the last account", async () => {
  await populateSynthetic(db, { accounts: 20_000, sessionsEach: 4, at: plus(systemClock.now(), -hourMs) });
  expect(await db.one(`select count(*) as count from session`)).toEqual({ count: 80_000 });
  const operator = await keyholder.connect("operator");
  const { incidentId } = await contain(
    { ...needs, witness: operator.witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "again", operator: "operator" },
  );
  await worker?.stop();
  await startCampaign({ ...needs, keyholder: operator }, incidentId, "operator");
  expect(await freezeScope(needs, incidentId, plus(systemClock.now(), hourMs))).toBe(true);
  expect(await letterSum(db, incidentId)).toMatchObject({ scope: 20_120, waiting: 20_120 });
});
