import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { containedCase } from "../../test/contained-case.ts";
import { populate, type PersonInPopulation } from "../../test/population.ts";
import { startChunkingRelay, type ChunkingRelay } from "../../test/chunking-relay.ts";
import { progressLine } from "../commands/follow-letters.ts";
import type { IncidentId } from "../kernel/brand.ts";
import { dayMs, fromDate, hourMs, minuteMs, plus, sleep, systemClock, toDate, type Clock } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import type { Db } from "../db/db.ts";
import { testDatabase } from "../db/test-database.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { heldBack, type MailTransport } from "../mail/mail.ts";
import { providerPace } from "../mail/pace.ts";
import { openSmtp } from "../mail/smtp.ts";
import { startCampaign } from "./campaign.ts";
import { deadlineRules } from "./deadlines.ts";
import { addsUp, letterSum } from "./letter-sum.ts";
import { pauseCampaign, resumeCampaign } from "./pause.ts";
import { incidentStatus } from "./status.ts";
import { walk, type Pace, type WalkNeeds } from "./walk.ts";

const db: Db = await testDatabase();
let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let relay: ChunkingRelay;
let transport: MailTransport;

const service = { name: "House of Films", origin: "https://films.example", contact: null };
const needs = { db, clock: systemClock, random: systemRandom, service, log: silentLog };
const pace: Pace = { concurrency: 20, batch: 50, leaseMs: 2_000, firstRetryMs: 20, stragglersMs: 2_000 };

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
});
afterAll(() => keyholder.stop());
beforeEach(async () => {
  relay = await startChunkingRelay();
  transport = await openSmtp({
    url: Secret.fromText(relay.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log: silentLog,
    patience: { connectMs: 2_000, commandMs: 2_000, finalMs: 2_000 },
  });
  await db.run(
    `truncate lobby, lobby_minute, letter, notice, campaign_shard, campaign, incident_review, incident, account_address, address, password,
              account cascade`,
  );
  return async () => {
    await transport.close();
    await relay.stop();
  };
});

async function campaign(): Promise<IncidentId> {
  const incidentId = await containedCase(needs, { at: plus(systemClock.now(), 1) });
  expect(await startCampaign({ ...needs, keyholder: web }, incidentId, "operator")).toMatchObject({
    kind: "started",
    isFrozen: true,
  });
  return incidentId;
}

/** Ten providers, so that none makes the others wait. */
const domains = Array.from({ length: 10 }, (_, number) => `mail-${number}.example`);
const people = (accounts: number, more = { domains }): Promise<PersonInPopulation[]> =>
  populate(db, web, { accounts, ...more });
const walkOnce = (
  incidentId: IncidentId,
  more: Partial<WalkNeeds> = {},
  how: Parameters<typeof walk>[2] = {},
): ReturnType<typeof walk> =>
  walk(
    { ...needs, keyholder: mailer, transport, pace, neverMailed: async () => new Set<string>(), ...more },
    incidentId,
    how,
  );

async function expectSum(incidentId: IncidentId) {
  const sum = await letterSum(db, incidentId);
  expect(sum).toSatisfy(addsUp);
  return sum!;
}

test("letters cost few statements each, also when they leave slowly, and each keyholder call opens many addresses", async () => {
  // Fifty letters a second to each of three: most of them wait for their turn.
  await people(150, { domains: domains.slice(0, 3) });
  const incidentId = await campaign();
  const [statements, calls] = [db.statements(), mailer.stats().calls["open"] ?? 0];
  expect(await walkOnce(incidentId, { pace: { ...pace, concurrency: 200, batch: 150 } })).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 150, waiting: 0 });
  // What goes in a tenth of a second is claimed in one statement and recorded in two.
  expect(db.statements() - statements).toBeLessThan(100);
  expect((mailer.stats().calls["open"] ?? 0) - calls).toBeLessThanOrEqual(2);
  expect(relay.letters).toHaveLength(150);
});

test("the scope is walked by ranges, several walks at once, each letter once; the ranges say how far they are", async () => {
  const everybody = await people(12);
  await db.run(
    `insert into account (id, role, locale, data_key, sealed_name, created_at)
     select uuidv7(), 'viewer', 'en', '\\x00', '\\x00', $1 from generate_series(1, 11000)`,
    [new Date(systemClock.now() - dayMs)],
  );
  const incidentId = await campaign();
  const shards = await db.many<{ shard: number; after: string; upTo: string }>(
    `select shard, after_id as after, up_to_id as "upTo" from campaign_shard where incident_id = $1 order by shard`,
    [incidentId],
  );
  expect(shards).toHaveLength(3);
  expect(shards[0]!.after).toMatch(/^0/);
  expect(shards.at(-1)!.upTo).toMatch(/^f/);
  for (const [index, { after }] of shards.slice(1).entries()) expect(after).toBe(shards[index]!.upTo);
  await Promise.all([1, 2, 3].map(() => walkOnce(incidentId)));
  while ((await walkOnce(incidentId)).kind !== "finished") await sleep(20);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 11_012, handedOver: 12, noAddress: 11_000 });
  expect(new Set(relay.letters.map(({ to }) => to))).toEqual(new Set(everybody.map(({ address }) => address)));
  expect(relay.letters).toHaveLength(12);
  const left = await db.many(`select from campaign_shard where incident_id = $1 and walked_at is null`, [incidentId]);
  expect(left).toEqual([]);
});

test("what a walk had of deferred letters when it died is taken again, and counted as possibly twice", async () => {
  const [person] = await people(1);
  relay.script(person!.address, { at: "rcpt", code: 451, text: "4.7.1 later" }, "accept");
  const incidentId = await campaign();
  expect(await walkOnce(incidentId, { pace: { ...pace, firstRetryMs: 400 } })).toMatchObject({ kind: "waiting" });
  await sleep(600);
  // It takes the letter again, and never comes back from the relay.
  const dying = Promise.withResolvers<never>();
  dying.promise.catch(() => undefined);
  const taken = Promise.withResolvers<void>();
  const first = walkOnce(incidentId, {
    transport: {
      send: async ({ whenReady }) => {
        await whenReady?.();
        taken.resolve();
        return dying.promise;
      },
      close: () => Promise.resolve(),
    },
  });
  await taken.promise;
  const later: Clock = { now: () => plus(systemClock.now(), minuteMs) };
  expect(await walkOnce(incidentId, { clock: later })).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, possiblyTwice: 1 });
  expect(relay.letters).toHaveLength(1);
  dying.reject(new Error("killed"));
  await first;
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, possiblyTwice: 1, waiting: 0 });
});

test("a walk whose letters are all put off looks again when the first is due, and at once for what nobody has claimed", async () => {
  const [person] = await people(2);
  relay.script(person!.address, { at: "rcpt", code: 450, text: "4.2.1 mailbox busy" }, "accept");
  const incidentId = await campaign();
  const now = systemClock.now();
  const clock: Clock = { now: () => now };
  const walked = await walkOnce(incidentId, { clock, pace: { ...pace, firstRetryMs: 2 * minuteMs } });
  const due = await db.one<{ at: Date }>(`select due_at as at from letter where state = 'deferred'`);
  expect(walked).toEqual({ kind: "waiting", until: fromDate(due!.at) });
  // Another walk has the range of a letter that was never tried, and may give it back at any moment.
  await db.run(`update letter set state = 'unclaimed', lease_until = null, due_at = null where state = 'handed over'`);
  await db.run(`update campaign_shard set walked_at = null, walk_id = $1, lease_until = $2`, [
    newId(systemRandom, now),
    toDate(plus(now, minuteMs)),
  ]);
  expect(await walkOnce(incidentId, { clock })).toEqual({ kind: "waiting", until: plus(now, 1_000) });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 0, waiting: 2 });
});

test("a relay's later is believed for five days, then the letter counts as refused, and says so", async () => {
  const [person] = await people(2);
  relay.script(person!.address, { at: "rcpt", code: 450, text: "4.2.1 mailbox busy" });
  const incidentId = await campaign();
  let lateMs = 0;
  const clock: Clock = { now: () => plus(systemClock.now(), lateMs) };
  for (let turn = 0; turn < 12; turn++) {
    expect(await walkOnce(incidentId, { clock })).toMatchObject({ kind: "waiting" });
    expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, waiting: 1 });
    // Twelve tries in four days.
    lateMs += 8 * 60 * minuteMs;
  }
  lateMs += dayMs + 4 * 60 * minuteMs;
  expect(await walkOnce(incidentId, { clock })).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, refused: 1, waiting: 0, possiblyTwice: 0 });
  const [refused] = await db.many<{ reply: string }>(`select reply from letter where state = 'refused'`);
  expect(refused!.reply).toMatch(/^gave up after \d+ tries: 450 4\.2\.1 mailbox busy$/);
});

test("a letter with a word that was not filled in pauses the campaign before anything leaves, and the case says why", async () => {
  await people(5);
  const incidentId = await campaign();
  await db.run(`update notice set text = text || ' undefined' where locale = 'fr'`);
  expect(await walkOnce(incidentId)).toEqual({ kind: "paused" });
  expect(relay.letters).toEqual([]);
  expect(await db.one(`select paused_by, paused_why from campaign where incident_id = $1`, [incidentId])).toEqual({
    paused_by: "the walk",
    paused_why: "the letter in fr: a word of it was not filled in",
  });
  expect(await walkOnce(incidentId)).toEqual({ kind: "paused" });
  expect(progressLine((await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId))!)).toMatch(
    /paused since .*: the letter in fr: a word/,
  );
  await db.run(`update notice set text = replace(text, ' undefined', '')`);
  expect(await resumeCampaign(needs, incidentId, "operator")).toBe("resumed");
  expect(await walkOnce(incidentId)).toEqual({ kind: "finished" });
  expect(relay.letters).toHaveLength(5);
});

test("a letter that cannot be written starts no campaign, and the same words do when it can", async () => {
  await people(1);
  const incidentId = await containedCase(needs);
  const broken = { ...needs, keyholder: web, service: { ...service, name: "House of\u0007 Films" } };
  expect(await startCampaign(broken, incidentId, "operator")).toEqual({ kind: "refused", reason: "unfit letter" });
  expect(await letterSum(db, incidentId)).toBeUndefined();
  expect(await startCampaign({ ...needs, keyholder: web }, incidentId, "operator")).toMatchObject({ kind: "started" });
});

test("while as many letters as may be are on their way, the next ones are signed, and none of those is claimed", async () => {
  await people(40);
  const incidentId = await campaign();
  const relayAnswers = Promise.withResolvers<void>();
  let signed = 0;
  const holding: MailTransport = {
    send: async (letter) => {
      signed++;
      if ((await letter.whenReady?.()) === false) return heldBack;
      await relayAnswers.promise;
      return { kind: "handed over", reply: "250 taken" };
    },
    close: () => Promise.resolve(),
  };
  const claimed = async (): Promise<number> =>
    (await db.many(`select from letter where incident_id = $1 and state = 'claimed'`, [incidentId])).length;
  const walking = walkOnce(incidentId, { transport: holding, pace: { ...pace, concurrency: 4 } });
  while (signed < 12 || (await claimed()) < 4) await sleep(5);
  // Nothing follows while the relay is silent.
  await sleep(100);
  expect([signed, await claimed()]).toEqual([12, 4]);
  relayAnswers.resolve();
  expect(await walking).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 40, possiblyTwice: 0 });
});

test("a letter that the relay leaves without an answer holds up no other, also when the turn of its walk is over", async () => {
  await people(80);
  const incidentId = await campaign();
  let silent: string | undefined;
  const answer = Promise.withResolvers<void>();
  let lateMs = 0;
  const clock: Clock = { now: () => plus(systemClock.now(), lateMs) };
  let goneBefore = 80;
  const oneIsSilent: MailTransport = {
    send: async (letter) => {
      // Whose letter comes first.
      silent ??= letter.to;
      if (letter.to !== silent) return transport.send(letter);
      if ((await letter.whenReady?.()) === false) return heldBack;
      // Its turn is over now, and nearly everybody waits.
      goneBefore = relay.letters.length;
      lateMs = minuteMs;
      await answer.promise;
      return { kind: "handed over", reply: "250 taken" };
    },
    close: () => Promise.resolve(),
  };
  const walking = walkOnce(
    incidentId,
    { clock, transport: oneIsSilent, pace: { ...pace, concurrency: 4, leaseMs: dayMs, stragglersMs: 20 } },
    { until: plus(clock.now(), minuteMs / 2) },
  );
  while ((await expectSum(incidentId)).waiting > 1) await sleep(5);
  expect(goneBefore).toBeLessThan(70);
  answer.resolve();
  while ((await walking).kind !== "finished" && (await walkOnce(incidentId)).kind !== "finished") await sleep(20);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 80, possiblyTwice: 0 });
  expect(relay.letters).toHaveLength(79);
});

test("a clock that is set back by an hour in its middle holds up no letter", async () => {
  await people(80);
  const incidentId = await campaign();
  let aheadMs = hourMs;
  const clock: Clock = { now: () => plus(systemClock.now(), aheadMs) };
  const setBack: MailTransport = {
    ...transport,
    send: (letter) => {
      if (relay.letters.length >= 20) aheadMs = 0;
      return transport.send(letter);
    },
  };
  const needs = { clock, transport: setBack, providers: providerPace(), allowancePerSecond: 400 };
  const turn = () => walkOnce(incidentId, needs, { until: plus(clock.now(), minuteMs / 2) });
  while ((await turn()).kind !== "finished") await sleep(5);
  expect(aheadMs).toBe(0);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 80, possiblyTwice: 0 });
  expect(relay.letters).toHaveLength(80);
});

test("a campaign that is paused in its middle takes no further letter and loses none", async () => {
  await people(120);
  const incidentId = await campaign();
  let isPaused = false;
  const pausing: MailTransport = {
    send: async (letter) => {
      if (!isPaused) {
        isPaused = true;
        expect(await pauseCampaign(needs, incidentId, "operator")).toBe("paused");
      }
      return transport.send(letter);
    },
    close: () => Promise.resolve(),
  };
  expect(await walkOnce(incidentId, { transport: pausing, pace: { ...pace, concurrency: 5, batch: 10 } })).toEqual({
    kind: "paused",
  });
  const paused = await expectSum(incidentId);
  // Nothing but what was on its way.
  expect(paused.handedOver).toBeLessThanOrEqual(5);
  expect(relay.letters).toHaveLength(paused.handedOver);
  expect(await resumeCampaign(needs, incidentId, "operator")).toBe("resumed");
  expect(await walkOnce(incidentId)).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 120, possiblyTwice: 0 });
  expect(relay.letters).toHaveLength(120);
});

/** So many people wait in line, of whom one is called each second. */
async function line(incidentId: IncidentId, waiting: number): Promise<void> {
  await db.run(`delete from lobby_minute`);
  await db.run(`delete from lobby`);
  const since = plus(systemClock.now(), -100_000);
  await db.run(
    `insert into lobby (case_id, data_key, sealed_key, given, called, opened_at) values ($1, '', '', $2, 100, $3)`,
    [incidentId, waiting + 100, new Date(since)],
  );
  await db.run(`insert into lobby_minute (case_id, minute, called) values ($1, $2, 100)`, [
    incidentId,
    new Date(since),
  ]);
}

test.each<[string, Partial<WalkNeeds>, { readonly relayMs: number; readonly turnMs: number }]>([
  ["the relay's allowance", { allowancePerSecond: 200 }, { relayMs: 20, turnMs: 800 }],
  // So slow that it is the limit, and not what else the machine does.
  ["a relay that takes its time", { pace: { ...pace, concurrency: 4 } }, { relayMs: 80, turnMs: 1_500 }],
])(
  "the fuller the lobby, the fewer letters in a turn, whatever is the limit: %s",
  { retry: 2 },
  async (_, limit, slowness) => {
    await people(250);
    const incidentId = await campaign();
    const slow: MailTransport = {
      send: async (letter) => {
        await sleep(slowness.relayMs);
        return transport.send(letter);
      },
      close: () => Promise.resolve(),
    };
    const turn = async (waiting: number): Promise<number> => {
      await line(incidentId, waiting);
      const before = relay.letters.length;
      await walkOnce(incidentId, { transport: slow, ...limit }, { until: plus(systemClock.now(), slowness.turnMs) });
      return relay.letters.length - before;
    };
    const empty = await turn(0);
    const three = await turn(450);
    // A quarter, give or take what else the machine does meanwhile.
    expect(three).toBeLessThan(empty);
    // Ten minutes to wait: nothing leaves, the walk comes again soon, and the case says why.
    expect(await turn(600)).toBe(0);
    expect(await walkOnce(incidentId)).toMatchObject({ kind: "waiting" });
    const full = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
    expect(full!.letterPace!.heldBack).toEqual({ waiting: 600, percent: 100 });
    expect(progressLine(full!)).toContain("stopped while 600 wait in line");
    await line(incidentId, 150);
    const quarter = await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId);
    expect(progressLine(quarter!)).toContain("slowed by 25 % while 150 wait in line");
    await line(incidentId, 0);
    expect((await incidentStatus({ ...needs, deadlines: deadlineRules }, incidentId))!.letterPace!.heldBack).toBeNull();
    expect(await walkOnce(incidentId)).toEqual({ kind: "finished" });
    expect(await expectSum(incidentId)).toMatchObject({ handedOver: 250, possiblyTwice: 0 });
  },
);

test("walks share the relay's allowance, of which a tenth is left to mail that somebody waits for", async () => {
  await people(120, { domains: Array.from({ length: 40 }, (_, number) => `mail-${number}.example`) });
  const incidentId = await campaign();
  // On a clock that stands still an allowance is worth what may go in a tenth of a second: of 1,000 a second, a walk of two
  // has 450.
  const start = systemClock.now();
  const clock: Clock = { now: () => start };
  const stopping = new AbortController();
  const walking = walkOnce(incidentId, { clock, allowancePerSecond: 1_000 }, { signal: stopping.signal });
  await expect.poll(() => relay.letters.length).toBeGreaterThan(40);
  await sleep(300);
  stopping.abort();
  expect(await walking).toEqual({ kind: "stopped" });
  expect(relay.letters.length).toBeLessThanOrEqual(46);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: relay.letters.length });
});

test("a provider with more letters than it takes has them put off, each to a place of its own, and none is lost", async () => {
  await people(150, { domains: ["mail.example"] });
  const incidentId = await campaign();
  // On a clock that stands still a provider has one moment's letters: some go, some may wait, the others come later.
  let lateMs = 0;
  const start = systemClock.now();
  const clock: Clock = { now: () => plus(start, lateMs) };
  const calm = { ...pace, concurrency: 4, batch: 400, leaseMs: minuteMs };
  expect(await walkOnce(incidentId, { clock, pace: calm })).toMatchObject({ kind: "waiting" });
  const off = await db.many<{ dueAt: Date; attempts: number }>(
    `select due_at as "dueAt", attempts from letter where state = 'deferred' and reply like 'put off%'`,
  );
  const sum = await expectSum(incidentId);
  expect(off.length).toBeGreaterThan(10);
  expect(off).toHaveLength(sum.waiting);
  expect(new Set(off.map(({ dueAt }) => dueAt.getTime())).size).toBe(off.length);
  expect(relay.letters).toHaveLength(sum.handedOver);
  for (let turn = 0; turn < 50 && (await expectSum(incidentId)).waiting > 0; turn++) {
    lateMs += minuteMs;
    await walkOnce(incidentId, { clock, pace: calm });
  }
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 150, possiblyTwice: 0 });
  expect(relay.letters).toHaveLength(150);
});

test("a provider that greylists keeps its rate and gets each letter at its second try; one that has too many is slowed", async () => {
  const inhabitants = await people(60, { domains: ["grey.example", "throttle.example"] });
  for (const { address } of inhabitants) {
    const [code, text] = address.endsWith("@grey.example")
      ? [451, "4.7.1 Greylisted, please come back in 3 seconds"]
      : [450, "4.7.1 too many letters from you"];
    relay.script(address, { at: "rcpt", code, text }, "accept");
  }
  const incidentId = await campaign();
  const providers = providerPace();
  let lateMs = 0;
  const start = systemClock.now();
  const turn = (): ReturnType<typeof walk> =>
    walkOnce(incidentId, {
      providers,
      clock: { now: () => plus(start, lateMs) },
      pace: { ...pace, batch: 400, leaseMs: minuteMs },
    });
  const takenBy = (provider: string): number => relay.letters.filter(({ to }) => to.endsWith(provider)).length;
  expect(await turn()).toMatchObject({ kind: "waiting" });
  expect(providers.rateOf("grey.example")).toBe(50);
  expect(providers.rateOf("throttle.example")).toBe(25);
  // Who said when it wants them has none before.
  lateMs = 2_000;
  await turn();
  expect(takenBy("@throttle.example")).toBeGreaterThan(0);
  expect(takenBy("@grey.example")).toBe(0);
  for (let turns = 0; turns < 50 && (await expectSum(incidentId)).waiting > 0; turns++) {
    lateMs += 10_000;
    await turn();
  }
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 60, possiblyTwice: 0 });
  expect(takenBy("@grey.example")).toBe(30);
  expect(providers.rateOf("grey.example")).toBe(80);
});

test("a disk that fills during a campaign: the walk waits, nothing is lost or sent twice, and it goes on by itself", async () => {
  await people(200);
  const incidentId = await campaign();
  // PostgreSQL's own error (53100), raised where a full disk raises it: in a statement that writes.
  await db.run(
    `create function test_disk_full() returns trigger language plpgsql as $$
     begin
       if to_regclass('test_full_disk_now') is not null then
         raise exception 'could not extend file' using errcode = '53100';
       end if;
       return new;
     end $$`,
  );
  await db.run(`create trigger test_disk_full before update on letter for each row execute function test_disk_full()`);
  try {
    const walking = walkOnce(incidentId);
    while (relay.letters.length < 40) await sleep(2);
    await db.run(`create table test_full_disk_now ()`);
    const atFull = relay.letters.length;
    await sleep(600);
    // At most what was on its way leaves while nothing can be written.
    expect(relay.letters.length - atFull).toBeLessThanOrEqual(pace.concurrency);
    const full = await expectSum(incidentId);
    expect(full.waiting).toBeGreaterThan(0);
    await sleep(300);
    expect(await expectSum(incidentId)).toEqual(full);
    await db.run(`drop table test_full_disk_now`);
    expect(await walking).toEqual({ kind: "finished" });
  } finally {
    await db.run(`drop trigger test_disk_full on letter`);
    await db.run(`drop function test_disk_full()`);
    await db.run(`drop table if exists test_full_disk_now`);
  }
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 200, waiting: 0, possiblyTwice: 0 });
  expect(new Set(relay.letters.map(({ messageId }) => messageId)).size).toBe(200);
  expect(relay.letters).toHaveLength(200);
});
