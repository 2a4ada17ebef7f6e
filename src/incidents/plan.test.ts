import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startTestDns, type TestDns } from "../../test/dns-server.ts";
import { populate, populateSynthetic } from "../../test/population.ts";
import type { IncidentId } from "../kernel/brand.ts";
import { dayMs, hourMs, manualClock, minuteMs, plus, sleep, systemClock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { parseConfig } from "../config/config.ts";
import { testDatabase } from "../db/test-database.ts";
import { startWorker } from "../jobs/worker.ts";
import { countJobs } from "../jobs/queue.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { senderOf } from "../mail/sender-domain/judge-sender.ts";
import { openLookup } from "../mail/sender-domain/lookup.ts";
import type { Plan } from "../wire/campaign.ts";
import { surveyTask } from "./campaign-tasks.ts";
import { contain } from "./contain.ts";
import { deadlineRules } from "./deadlines.ts";
import { notifyIncident } from "./notify.ts";
import { openIncident } from "./open.ts";
import { planCampaign, wayOutOf, type WayOut } from "./plan.ts";
import { wouldContain } from "./would-contain.ts";
import { askForSurvey, readSurvey, surveyCampaign } from "./survey.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let dns: TestDns;
const db = await testDatabase();
const clock = manualClock(systemClock.now());
const service = { name: "House of Films", origin: "https://films.example", contact: null };
const needs = { db, clock, random: systemRandom, service, log: silentLog };

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
  dns = await startTestDns();
});
afterAll(async () => {
  await dns.stop();
  await keyholder.stop();
});
beforeEach(async () => {
  await db.run(
    `truncate letter, notice, campaign, campaign_survey, incident_review, incident, account_address, address, password, account cascade`,
  );
  await db.run(`delete from graphile_worker._private_jobs`);
});

const relayed: WayOut = {
  leavesBy: "relay",
  contact: "help@films.example",
  allowance: { letters: 10, per: "hour" },
  price: null,
};

async function openCase(): Promise<IncidentId> {
  const opened = await openIncident(needs, { reason: "a copy is for sale" }, "operator");
  if (opened.kind !== "opened") throw new Error("a case is in hand");
  return opened.incidentId;
}

const people = (accounts: number, more: Partial<Parameters<typeof populate>[2]> = {}) =>
  populate(db, web, { accounts, at: plus(clock.now(), -dayMs), ...more });

async function planned(way: WayOut, incidentId: IncidentId): Promise<Plan> {
  const plan = await planCampaign(
    { db, clock, deadlines: deadlineRules, ...way },
    incidentId,
    await readSurvey(db, incidentId),
  );
  if (plan === undefined) throw new Error("no plan");
  return plan;
}

/** A campaign of a hundred letters that the relay took in ten minutes: 600 an hour. */
async function measured(incidentId: IncidentId): Promise<void> {
  await db.run(
    `insert into letter (account_id, incident_id, state, settled_at)
     select gen_random_uuid(), $1, 'handed over', $2::timestamptz - make_interval(secs => 6 * n) from generate_series(0, 100) n`,
    [incidentId, new Date(plus(clock.now(), -hourMs))],
  );
}

test("the plan names each term with its reason, and promises nothing that nobody measured", async () => {
  await people(40, { withoutAddress: 4, locales: ["en", "de"] });
  const incidentId = await openCase();
  const unknown = await planned({ ...relayed, allowance: null }, incidentId);
  expect(unknown).toMatchObject({ inScope: 40, withAddress: 36, withoutAddress: 4, measured: null });
  expect(unknown.byLocale).toEqual([
    { locale: "de", accounts: 20 },
    { locale: "en", accounts: 20 },
  ]);
  expect(unknown.end).toMatchObject({ notBefore: null, isLikely: false });
  expect(unknown.end.kind).toBe("nothing known");
  expect(unknown.end.says).toContain("no end can be promised");
  expect(unknown.cost.amount).toBeNull();
  const ours = unknown.deadlines.filter(({ outlook }) => outlook !== "yours");
  expect(new Set(ours.map(({ outlook }) => outlook))).toEqual(new Set(["not known"]));

  // By the allowance alone there is an instant before which it cannot end, and still no promise.
  const allowed = await planned({ ...relayed, price: { perThousand: 0.4, currency: "EUR" } }, incidentId);
  expect(Date.parse(allowed.end.notBefore!) - clock.now()).toBe(4 * hourMs);
  expect(allowed.end.isLikely).toBe(false);
  expect(allowed.end.kind).toBe("allowance alone");
  expect(allowed.end.says).toContain("cannot be promised");
  // Nor of a limit that lies weeks behind that instant.
  const within = allowed.deadlines.filter(({ dueAt, outlook }) => dueAt !== null && outlook !== "yours");
  expect(within.length).toBeGreaterThan(0);
  expect(new Set(within.map(({ outlook, kind }) => `${outlook}, ${kind}`))).toEqual(new Set(["not known, unpromised"]));
  expect(allowed.allowance).toEqual({ letters: 10, per: "hour", campaignPercent: 90 });
  expect(allowed.cost.amount).toBe("0.01 EUR");
  expect(allowed.terms[0]!.reason).toBe("36 letters at 10 an hour, of which a campaign uses 90 %: 4 h");
  const perDay = await planned({ ...relayed, allowance: { letters: 20, per: "day" } }, incidentId);
  expect(Date.parse(perDay.end.notBefore!) - clock.now()).toBe(2 * dayMs);

  // A campaign of fewer than a hundred letters has measured nothing.
  await measured(incidentId);
  await db.run(`delete from letter where account_id in (select account_id from letter limit 2)`);
  expect((await planned(relayed, incidentId)).measured).toBeNull();
  await db.run(`delete from letter`);
  await measured(incidentId);
  const known = await planned({ ...relayed, allowance: { letters: 100_000, per: "hour" } }, incidentId);
  expect(known.measured?.lettersPerHour).toBeGreaterThan(500);
  expect(known.end.isLikely).toBe(true);
  const timed = known.deadlines.filter(({ dueAt }) => dueAt !== null);
  expect(new Set(timed.map(({ outlook }) => outlook))).toEqual(new Set(["can be met", "yours"]));
  // Without a time there is nothing that could be promised.
  expect(known.deadlines.filter(({ dueAt }) => dueAt === null)).toMatchObject([
    { rule: "gdpr-34", outlook: "not known" },
  ]);
  // The slowest term decides.
  expect((await planned(relayed, incidentId)).end.notBefore).toBe(allowed.end.notBefore);
});

test("the speed is that of the newest campaign, in the hour before its last letter", async () => {
  await people(3);
  const older = await openCase();
  await db.run(`update incident set state = 'closed'`);
  const newer = await openCase();
  const handedOver = (incidentId: IncidentId, letters: number, everySeconds: number, endedAgoMs: number) =>
    db.run(
      `insert into letter (account_id, incident_id, state, settled_at)
       select gen_random_uuid(), $1, 'handed over', $2::timestamptz - make_interval(secs => $4::double precision * n) from generate_series(0, $3::integer - 1) n`,
      [incidentId, new Date(plus(clock.now(), -endedAgoMs)), letters, everySeconds],
    );
  // The older one was ten times as fast. The newer took a letter every half a minute for hours, and then one every second.
  await handedOver(older, 1_000, 0.1, 30 * dayMs);
  await handedOver(newer, 600, 30, hourMs + 30 * minuteMs);
  await handedOver(newer, 1_801, 1, hourMs);
  // Half an hour of each: 60 letters and 1,801, from the first to the last of them 59 minutes and a half.
  expect((await planned(relayed, newer)).measured).toEqual({ lettersPerHour: 1_876, hours: 1 });
});

test("a deadline that the letters cannot meet is said to be out of reach, whatever is measured", async () => {
  await people(26);
  const incidentId = await openCase();
  await measured(incidentId);
  expect((await planned(relayed, incidentId)).deadlines.map(({ outlook }) => outlook)).not.toContain("cannot be met");
  const slow = await planned({ ...relayed, allowance: { letters: 1, per: "day" } }, incidentId);
  // 26 letters at nine tenths of one a day take 28.9 days; two days later than found, that is too late for 30-day limits.
  clock.advance(2 * dayMs);
  const late = await planned({ ...relayed, allowance: { letters: 1, per: "day" } }, incidentId);
  expect(slow.deadlines.find(({ rule }) => rule === "ca-people")?.outlook).toBe("can be met");
  expect(late.deadlines.find(({ rule }) => rule === "ca-people")).toMatchObject({ outlook: "cannot be met" });
  expect(late.deadlines.find(({ rule }) => rule === "tx-people")?.outlook).toBe("can be met");
  expect(late.deadlines.find(({ rule }) => rule === "gdpr-33")).toMatchObject({ outlook: "yours", kind: "authority" });
  // What is over is over, whatever is promised; the soonest comes first, and before all what sets no time.
  clock.advance(29 * dayMs);
  const over = await planned(relayed, incidentId);
  const said = over.deadlines.map(({ rule, outlook, kind }) => [rule, outlook, kind].join(": "));
  expect(said.slice(0, 3)).toEqual([
    "gdpr-34: not known: no time",
    "gdpr-33: yours: over",
    "ca-people: cannot be met: over",
  ]);
  expect(said.slice(-2)).toEqual(["ca-ag: yours: authority", "tx-people: can be met: to spare"]);
  // Nor is a limit planned for that was met: people are told.
  await db.run(`update incident set notified_at = found_at, letters_finished_at = found_at where id = $1`, [
    incidentId,
  ]);
  const told = (await planned(relayed, incidentId)).deadlines.map(({ rule }) => rule);
  expect(told.toSorted()).toEqual(["ca-ag", "gdpr-33", "tx-ag"]);
});

test("letters that nobody is named in to ask are not started by a relay, whose plan says why, and are once somebody is", async () => {
  await people(2);
  const { incidentId } = await contain(
    { ...needs, witness: (await keyholder.connect("operator")).witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "operator" },
  );
  const ask = (action: "plan" | "start", wayOut: WayOut) =>
    notifyIncident({ ...needs, keyholder: web, deadlines: deadlineRules, wayOut }, incidentId, action, "host");
  const nobody = { ...relayed, contact: null };
  const plan = await ask("plan", nobody);
  expect(plan).toMatchObject({ plan: { lacks: [{ kind: "contact", stops: true }] } });
  expect(plan).toMatchObject({ text: expect.stringMatching(/BAD +the letter names nobody to ask/) });
  expect(await ask("start", nobody)).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("CONTACT_ADDRESS"),
  });
  expect(await db.many(`select 1 from campaign`)).toEqual([]);
  // In the built-in mailbox nobody is told anything: it is said, and tried out all the same.
  expect((await planned({ ...nobody, leavesBy: "mailbox" }, incidentId)).lacks).toMatchObject([{ stops: false }]);
  expect((await planned(relayed, incidentId)).lacks).toEqual([]);
  expect(await ask("start", relayed)).toMatchObject({ kind: "started" });
  // What was started stays so, whatever the settings are by then.
  expect(await ask("start", nobody)).toMatchObject({ kind: "already-started" });
});

test("a service that others reach and that has no relay starts no letters and tests none, and the plan says why", async () => {
  await people(2);
  const { incidentId } = await contain(
    { ...needs, witness: (await keyholder.connect("operator")).witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "operator" },
  );
  const ask = (action: "plan" | "test" | "start", wayOut: WayOut) =>
    notifyIncident({ ...needs, keyholder: web, deadlines: deadlineRules, wayOut }, incidentId, action, "host");
  const nowhere = { ...relayed, leavesBy: "nowhere" } as const;
  expect(await ask("plan", nowhere)).toMatchObject({
    plan: { lacks: [{ kind: "relay", stops: true }], end: { isLikely: false }, cost: { amount: null } },
    text: expect.stringMatching(/letters reach nobody[^]*BAD +there is no relay/),
  });
  for (const action of ["test", "start"] as const)
    expect(await ask(action, nowhere)).toMatchObject({ kind: "refused", reason: expect.stringContaining("SMTP_URL") });
  expect(await db.many(`select 1 from campaign`)).toEqual([]);
  expect(await ask("start", { ...relayed, leavesBy: "mailbox" })).toMatchObject({ kind: "started" });
});

test("without a relay nothing is promised, and letters cost nothing", async () => {
  await people(2);
  const way = { ...relayed, allowance: null, price: { perThousand: 1_000, currency: "EUR" } };
  const incidentId = await openCase();
  expect((await planned(way, incidentId)).cost).toMatchObject({ kind: "price", amount: "2.00 EUR" });
  const plan = await planned({ ...way, leavesBy: "mailbox" }, incidentId);
  expect(plan.cost).toMatchObject({ kind: "no relay", amount: null });
  expect(plan.terms.map(({ kind }) => kind)).toEqual(["no relay"]);
  expect(plan.end).toMatchObject({ kind: "no relay", notBefore: null, isLikely: false });
  expect(plan.end.says).toContain("no letter leaves this machine");
});

test("a survey that comes on is not begun anew however long it takes, and one that has stood still for a minute is", async () => {
  await populateSynthetic(db, { accounts: 1_500, at: plus(clock.now(), -dayMs) });
  const incidentId = await openCase();
  const surveys = async () => (await countJobs(db)).find(({ task }) => task === "campaign-survey")?.waiting ?? 0;
  await askForSurvey(needs, incidentId);
  expect(await surveys()).toBe(1);
  await db.run(`delete from graphile_worker._private_jobs`);
  const slowly = {
    open: (...asked: Parameters<typeof mailer.open>) => {
      clock.advance(50_000);
      return askForSurvey(needs, incidentId).then(() => mailer.open(...asked));
    },
  };
  const lookup = openLookup([dns.server]);
  const sender = async () => ({ domain: "films.example", returnDomain: "films.example", relayHosts: [], keys: [] });
  await surveyCampaign({ db, keyholder: slowly, clock, lookup, sender }, incidentId);
  expect(await surveys()).toBe(0);
  expect(await readSurvey(db, incidentId)).toMatchObject({ counted: 1_500, doneAt: clock.now() });
  await db.run(`update campaign_survey set done_at = null where incident_id = $1`, [incidentId]);
  clock.advance(61_000);
  await askForSurvey(needs, incidentId);
  expect(await surveys()).toBe(1);
});

test("accounts are counted per provider in batches, and no small domain or address is kept", async () => {
  await people(1_040, {
    withoutAddress: 40,
    domains: ["gmail.com", "googlemail.com", "hotmail.fr", "yahoo.co.jp", "big.example"],
    prefix: "a",
  });
  await people(3, { domains: ["family.example"], prefix: "b" });
  // One more than may be somebody's own.
  await people(50, { domains: ["fifty.example"], prefix: "c" });
  await people(51, { domains: ["more.example"], prefix: "d" });
  const incidentId = await openCase();
  const sender = async () => ({ domain: "films.example", returnDomain: "films.example", relayHosts: [], keys: [] });
  const lookup = openLookup([dns.server]);
  await db.run(`insert into campaign_survey (incident_id, asked_at) values ($1, now())`, [incidentId]);
  await surveyCampaign({ db, keyholder: mailer, clock, lookup, sender }, incidentId);
  const survey = await readSurvey(db, incidentId);
  expect(survey).toMatchObject({ counted: 1_144 });
  expect(survey!.providers).toEqual([
    { provider: "Gmail", accounts: 400 },
    { provider: "big.example", accounts: 200 },
    { provider: "Outlook", accounts: 200 },
    { provider: "Yahoo! Japan", accounts: 200 },
    { provider: "more.example", accounts: 51 },
    { provider: "other", accounts: 53 },
  ]);
  const stored = await db.one<{ text: string }>(`select row_to_json(s)::text as text from campaign_survey s`);
  expect(stored!.text).not.toContain("family");
  expect(stored!.text).not.toContain("@");
});

test("a plan asks the worker for what it does not know, once, and has it when the worker is done", async () => {
  await people(5, { domains: ["gmail.com"] });
  const incidentId = await openCase();
  const config = parseConfig(
    { SMTP_URL: "smtp://relay.example:25", MAIL_FROM: "no-reply@films.example", DNS_SERVER: dns.server },
    "/tmp",
  );
  const sender = await senderOf(config, mailer);
  expect(sender).toMatchObject({
    domain: "films.example",
    relayHosts: ["relay.example"],
    keys: [{ selector: "houselights" }],
  });
  dns.set("relay.example", { a: ["192.0.2.1"] });
  dns.set("films.example", { txt: ["v=spf1 ip4:192.0.2.1 -all"], mx: ["mx.films.example"] });
  dns.set("houselights._domainkey.films.example", { txt: [`v=DKIM1; k=rsa; p=${sender.keys[0]!.publicKey}`] });
  dns.set("_dmarc.films.example", { txt: ["v=DMARC1; p=reject"] });

  const asked = { ...needs, keyholder: web, deadlines: deadlineRules, wayOut: wayOutOf(config) };
  const first = await notifyIncident(asked, incidentId, "plan", "host");
  expect(first).toMatchObject({ kind: "plan", plan: { survey: { doneAt: null } } });
  await notifyIncident(asked, incidentId, "plan", "host");
  expect((await countJobs(db)).find(({ task }) => task === "campaign-survey")?.waiting).toBe(1);
  const lookup = openLookup(config.dnsServers);
  const task = surveyTask({ db, keyholder: mailer, clock, lookup, sender: () => senderOf(config, mailer) });
  const worker = await startWorker({ db, log: silentLog, tasks: [task], concurrency: { letters: 1, work: 1 } });
  try {
    while ((await readSurvey(db, incidentId))?.doneAt === null) await sleep(20);
  } finally {
    await worker.stop();
  }
  const done = await notifyIncident(asked, incidentId, "plan", "host");
  if (done.kind !== "plan") throw new Error("no plan");
  expect(done.plan!.survey!.providers).toEqual([{ provider: "Gmail", accounts: 5 }]);
  expect(done.plan!.survey!.findings.map(({ verdict }) => verdict)).toEqual(Array(5).fill("good"));
  expect(done.text).toContain("the SPF record of films.example lets the relay (relay.example) send");
  // A fresh survey is not made again; an old one is.
  expect(await countJobs(db)).toEqual([]);
  clock.advance(11 * minuteMs);
  await notifyIncident(asked, incidentId, "plan", "host");
  expect((await countJobs(db)).map(({ task: name }) => name)).toEqual(["campaign-survey"]);
});

test("a sender that receivers have reason to refuse gets no promise, whatever relay and speed allow", async () => {
  await people(2);
  const incidentId = await openCase();
  await measured(incidentId);
  expect((await planned(relayed, incidentId)).end.isLikely).toBe(true);
  const sender = async () => ({
    domain: "unknown.example",
    returnDomain: "unknown.example",
    relayHosts: [],
    keys: [],
  });
  await db.run(`insert into campaign_survey (incident_id, asked_at) values ($1, now())`, [incidentId]);
  await surveyCampaign({ db, keyholder: mailer, clock, lookup: openLookup([dns.server]), sender }, incidentId);
  const plan = await planned(relayed, incidentId);
  expect(plan.end.isLikely).toBe(false);
  expect(plan.end.kind).toBe("sender doubted");
  expect(plan.end.says).toContain("no end can be promised while receivers have a reason to refuse");
});

test("a dry run says what telling everybody would take, with and without a case, and touches nothing", async () => {
  await people(6, { withoutAddress: 1 });
  const way = {
    db,
    clock,
    deadlines: deadlineRules,
    wayOut: { ...relayed, price: { perThousand: 1_000, currency: "USD" } },
  };
  const order = {
    mode: "everyone-out",
    keepTools: false,
    account: undefined,
    withinMs: null,
    operator: "host",
  } as const;
  const before = await wouldContain(way, null, order);
  expect(before).toMatchObject({
    kind: "would-contain",
    counted: { passwords: 6 },
    letters: { inScope: 6, withAddress: 5, withoutAddress: 1, cost: { amount: "5.00 USD" } },
  });
  expect(await db.many(`select id from incident`)).toEqual([]);
  expect(await db.many(`select 1 from graphile_worker._private_jobs`)).toEqual([]);
  const operator = await keyholder.connect("operator");
  const contained = await contain(
    { ...needs, witness: operator.witness, monotonicMs: () => 0 },
    { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "operator" },
  );
  // The same order in earnest refuses what the dry run counted, and once more it would refuse nothing.
  expect(contained.counted).toEqual(before?.counted);
  expect((await wouldContain(way, null, order))?.counted?.passwords).toBe(0);
  const none = await db.one<{ good: number }>(
    `select count(*) as good from password p join floor f on f.kind = 'password' where p.epoch >= f.epoch`,
  );
  expect(none).toEqual({ good: 0 });
});

test("what the settings say of relay and price is read, and what is no allowance is refused by its rule", () => {
  const way = wayOutOf(
    parseConfig({ SMTP_URL: "smtp://relay.example", RELAY_ALLOWANCE: "20000/hour", LETTER_PRICE: "0.10 USD" }, "/tmp"),
  );
  expect(way).toEqual({
    leavesBy: "relay",
    contact: null,
    allowance: { letters: 20_000, per: "hour" },
    price: { perThousand: 0.1, currency: "USD" },
  });
  for (const [name, value] of [
    ["RELAY_ALLOWANCE", "many/hour"],
    ["RELAY_ALLOWANCE", "0/day"],
    ["LETTER_PRICE", "free"],
    ["DNS_SERVER", "resolver.example"],
    ["DNS_SERVER", "127.0.0.1:99999"],
  ] as const) {
    expect(() => parseConfig({ [name]: value }, "/tmp")).toThrow(new RegExp(`${name}: must be`));
  }
  expect(parseConfig({ DNS_SERVER: "127.0.0.1:5353, [::1]:53, ::1, 9.9.9.9" }, "/tmp").dnsServers).toHaveLength(4);
});
