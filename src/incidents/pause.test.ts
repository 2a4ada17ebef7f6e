import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { containedCase } from "../../test/contained-case.ts";
import { populate } from "../../test/population.ts";
import { startTestRelay, type TestRelay } from "../../test/smtp-server.ts";
import { progressLine } from "../commands/follow-letters.ts";
import type { IncidentId } from "../kernel/brand.ts";
import { dayMs, manualClock, minuteMs, plus, sleep, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import { countJobs } from "../jobs/queue.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import type { MailTransport } from "../mail/mail.ts";
import { openSmtp } from "../mail/smtp.ts";
import { readTimeline } from "../timeline/read.ts";
import { startCampaign } from "./campaign.ts";
import { deadlineRules } from "./deadlines.ts";
import { addsUp, letterSum } from "./letter-sum.ts";
import { pauseCampaign, resumeCampaign } from "./pause.ts";
import { incidentStatus } from "./status.ts";
import { walk } from "./walk.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let relay: TestRelay;
let transport: MailTransport;
const db = await testDatabase();
const clock = manualClock(systemClock.now());
const service = { name: "House of Films", origin: "https://films.example", contact: null };
const needs = { db, clock, random: systemRandom, service, log: silentLog };

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
  relay = await startTestRelay();
  transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    log: silentLog,
    clock: systemClock,
  });
});
afterAll(async () => {
  await transport.close();
  await relay.stop();
  await keyholder.stop();
});
beforeEach(async () => {
  relay.letters.length = 0;
  await db.run(
    `truncate letter, notice, campaign, incident_review, incident, account_address, address, password, account cascade`,
  );
  await db.run(`delete from graphile_worker._private_jobs`);
});

async function begun(accounts: number): Promise<IncidentId> {
  await populate(db, web, { accounts, at: plus(clock.now(), -dayMs) });
  const incidentId = await containedCase(needs);
  await startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
  return incidentId;
}

const neverMailed = async () => new Set<string>();
const walkOnce = (incidentId: IncidentId) =>
  walk({ ...needs, keyholder: mailer, transport, neverMailed, pace: { concurrency: 2, batch: 5 } }, incidentId);

async function sum(incidentId: IncidentId) {
  const found = await letterSum(db, incidentId);
  expect(found).toSatisfy(addsUp);
  return found!;
}

test("a campaign paused in its middle hands over what was on its way and no more, and goes on to the end when resumed", async () => {
  const incidentId = await begun(60);
  const walking = walkOnce(incidentId);
  while (relay.letters.length < 8) await sleep(5);
  expect(await pauseCampaign(needs, incidentId, "operator")).toBe("paused");
  const goneBefore = relay.letters.length;
  await walking;
  const atPause = await sum(incidentId);
  expect(atPause.waiting).toBeGreaterThan(0);
  // What was on its way when it was paused, and what was being claimed at that moment.
  expect(relay.letters.length - goneBefore).toBeLessThanOrEqual(4);
  expect(await walkOnce(incidentId)).toEqual({ kind: "paused" });
  expect(await sum(incidentId)).toEqual(atPause);

  expect(await pauseCampaign(needs, incidentId, "operator")).toBe("already");
  await db.run(`delete from graphile_worker._private_jobs`);
  expect(await resumeCampaign(needs, incidentId, "operator")).toBe("resumed");
  expect((await countJobs(db)).find(({ task }) => task === "campaign")?.waiting).toBe(2);
  expect(await walkOnce(incidentId)).toEqual({ kind: "finished" });
  expect(await sum(incidentId)).toMatchObject({ scope: 60, handedOver: 60, waiting: 0 });
  expect(relay.duplicates()).toBe(0);
  const kinds = (await readTimeline(db, { incidentId, limit: 200 })).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "campaign paused")).toHaveLength(1);
  expect(kinds.filter((kind) => kind === "campaign resumed")).toHaveLength(1);
  // Nothing is going out any more.
  expect(await pauseCampaign(needs, incidentId, "operator")).toBe("not running");
});

test("the case says how fast letters leave and when they end at that rate, and nothing when none goes", async () => {
  const incidentId = await begun(40);
  const still = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
  expect(still!.letterPace).toMatchObject({ perHour: 0, endsAt: null, pausedAt: null, byMinute: [] });
  expect(progressLine(still!)).toContain("nothing went");
  await db.run(
    `update letter set state = 'handed over', settled_at = $2
      where incident_id = $1 and account_id in (select account_id from letter where incident_id = $1 order by 1 limit 10)`,
    [incidentId, new Date(clock.now())],
  );
  clock.advance(2 * minuteMs);
  // Ten in the two minutes that it runs: 300 an hour, and six minutes for the thirty that wait.
  const status = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
  expect(status!.lettersOut).toBeNull();
  expect(status!.letterPace).toMatchObject({ perHour: 300, byMinute: [{ handedOver: 10 }] });
  expect(Date.parse(status!.letterPace!.endsAt!) - clock.now()).toBe(6 * minuteMs);
  expect(progressLine(status!)).toMatch(/^10 of 40 out · 0 bounced · 0 refused · 30 waiting · 300\/h · ends about /);
  await db.run(
    `update letter set state = case when n <= 5 then 'refused' else 'handed over' end, settled_at = $2
       from (select account_id, row_number() over (order by account_id) as n from letter
              where incident_id = $1 and state = 'unclaimed' limit 15) as one_of
      where letter.incident_id = $1 and letter.account_id = one_of.account_id and n not between 6 and 10`,
    [incidentId, new Date(clock.now())],
  );
  const refusing = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
  expect(refusing!.letters).toMatchObject({ handedOver: 15, refused: 5, waiting: 20 });
  // Fifteen in two minutes are 450 an hour; of the twenty that wait fifteen will be handed over, in two minutes.
  expect(Date.parse(refusing!.letterPace!.endsAt!) - clock.now()).toBe(2 * minuteMs);
  await pauseCampaign(needs, incidentId, "operator");
  const paused = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
  expect(paused!.letterPace).toMatchObject({ endsAt: null });
  expect(progressLine(paused!)).toContain("paused since");
});

test("once no letter goes out any more the case says when they went, by minute or by hour, whoever watched", async () => {
  const incidentId = await begun(6);
  const first = new Date(clock.now());
  const out = async () => (await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId))!.lettersOut;
  const handOver = (after: string) =>
    db.run(
      `with each as (select account_id, row_number() over (order by account_id) as n from letter where incident_id = $1)
       update letter set state = 'handed over', settled_at = $2::timestamptz + (each.n / 5) * $3::interval
         from each where letter.account_id = each.account_id and letter.incident_id = $1`,
      [incidentId, first, after],
    );
  await handOver("90 minutes");
  expect(await out()).toBeNull();
  await db.run(`update incident set letters_finished_at = $2 where id = $1`, [incidentId, first]);
  const at = (span: number, step: number): string =>
    new Date(Math.floor((first.getTime() + span) / step) * step).toISOString();
  expect(await out()).toEqual({
    step: "minute",
    counts: [
      { at: at(0, minuteMs), handedOver: 4 },
      { at: at(90 * minuteMs, minuteMs), handedOver: 2 },
    ],
  });
  await handOver("30 hours");
  expect(await out()).toEqual({
    step: "hour",
    counts: [
      { at: at(0, 60 * minuteMs), handedOver: 4 },
      { at: at(1_800 * minuteMs, 60 * minuteMs), handedOver: 2 },
    ],
  });
  // Where all were refused there is nothing to draw.
  await db.run(`update letter set state = 'refused' where incident_id = $1`, [incidentId]);
  expect(await out()).toBeNull();
});
