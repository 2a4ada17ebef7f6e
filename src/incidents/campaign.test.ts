import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startTestRelay, type RelayAnswer, type TestRelay } from "../../test/smtp-server.ts";
import { containedCase } from "../../test/contained-case.ts";
import { populate, type PersonInPopulation } from "../../test/population.ts";
import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { dayMs, minuteMs, plus, sleep, systemClock, type Clock, type EpochMs } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { newId, systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { testDatabase } from "../db/test-database.ts";
import type { Db } from "../db/db.ts";
import type { KeyholderClient } from "../keyholder/client.ts";
import { testKeyholder, type TestKeyholder } from "../keyholder/test-keyholder.ts";
import { countJobs } from "../jobs/queue.ts";
import type { MailTransport } from "../mail/mail.ts";
import { openSmtp } from "../mail/smtp.ts";
import { readTimeline } from "../timeline/read.ts";
import { deleteAccount } from "../leaving/delete-account.ts";
import { forgetProgress } from "../streaming/progress.ts";
import { freezeScope, resumeCampaigns, startCampaign } from "./campaign.ts";
import { deadlineRules } from "./deadlines.ts";
import { addsUp, letterSum } from "./letter-sum.ts";
import { caseInHand, currentLetter, currentNotice, noticeHash, readNotice } from "./notice.ts";
import { notifyIncident } from "./notify.ts";
import { openIncident } from "./open.ts";
import { planCampaign } from "./plan.ts";
import { previewNotices, sendTestLetter } from "./preview.ts";
import { walk, type Pace } from "./walk.ts";

let keyholder: TestKeyholder;
let web: KeyholderClient;
let mailer: KeyholderClient;
let relay: TestRelay;
let transport: MailTransport;
const db: Db = await testDatabase();

const service = { name: "House of Films", origin: "https://films.example", contact: "help@films.example" };
const pace: Pace = { concurrency: 4, batch: 8, leaseMs: 2_000, firstRetryMs: 60, stragglersMs: 2_000 };
const needs = { db, clock: systemClock, random: systemRandom, service, log: silentLog };

beforeAll(async () => {
  keyholder = await testKeyholder();
  [web, mailer] = await Promise.all([keyholder.connect("web"), keyholder.connect("mailer")]);
});

beforeEach(async () => {
  relay = await startTestRelay();
  transport = await openTransport(relay);
  await db.run(
    `truncate letter, notice, campaign, incident_review, incident, account_address, address, password, account cascade`,
  );
  await db.run(`delete from graphile_worker._private_jobs`);
  return async () => {
    await transport.close();
    await relay.stop();
  };
});
afterAll(() => keyholder.stop());

const openTransport = (to: { readonly url: string }, timeoutMs = 2_000): Promise<MailTransport> =>
  openSmtp({
    url: Secret.fromText(to.url),
    from: "no-reply@films.example",
    clock: systemClock,
    log: silentLog,
    patience: { connectMs: timeoutMs, commandMs: timeoutMs, finalMs: timeoutMs },
  });

const contained = (copiedAt: EpochMs | null = null, at: EpochMs = systemClock.now()): Promise<IncidentId> =>
  containedCase(needs, { at, copiedAt });

const start = (incidentId: IncidentId) => startCampaign({ ...needs, keyholder: web }, incidentId, "operator");
const walkOnce = (incidentId: IncidentId, over: { transport?: MailTransport; clock?: Clock } = {}) =>
  walk(
    { ...needs, keyholder: mailer, transport, pace, neverMailed: async () => new Set<string>(), ...over },
    incidentId,
  );

/** Walks until nothing waits, looking at the sum all the while. */
async function walkToTheEnd(incidentId: IncidentId): Promise<void> {
  for (;;) {
    const walked = await walkOnce(incidentId);
    await expectSum(incidentId);
    if (walked.kind === "finished") return;
    await sleep(30);
  }
}

async function expectSum(incidentId: IncidentId) {
  const sum = await letterSum(db, incidentId);
  expect(sum).toSatisfy(addsUp);
  return sum!;
}

const people = (accounts: number, more: Partial<Parameters<typeof populate>[2]> = {}): Promise<PersonInPopulation[]> =>
  populate(db, web, { accounts, ...more });

test("everybody in scope gets one letter in their language, and each has one outcome", async () => {
  const everybody = await people(30, { locales: ["en", "de", "fr", "es", "ja"], withoutAddress: 3 });
  const incidentId = await contained();
  const started = await start(incidentId);
  expect(started).toMatchObject({ kind: "started", isFrozen: true, sum: { scope: 30, noAddress: 3, waiting: 27 } });
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 30, handedOver: 27, noAddress: 3, waiting: 0 });
  const addressed = everybody.filter(({ address }) => address !== "");
  expect(relay.letters.map(({ to }) => to).toSorted()).toEqual(addressed.map(({ address }) => address).toSorted());
  expect(relay.duplicates()).toBe(0);
  const german = relay.letters.find(({ to }) => to === addressed.find((one) => one.locale === "de")!.address);
  expect(german!.html).toContain('lang="de"');
});

test("an account that is deleted while its letter waits counts as no address, and the sum holds", async () => {
  const everybody = await people(6);
  const incidentId = await contained();
  await start(incidentId);
  const leaving = everybody[2]!;
  const needsToDelete = { ...needs, keyholder: web, forgetProgress };
  expect(await deleteAccount(needsToDelete, leaving.accountId, { by: "host", due: false })).toBe("deleted");
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 6, handedOver: 5, noAddress: 1, waiting: 0 });
  expect(relay.letters.map(({ to }) => to)).not.toContain(leaving.address);
});

test("starting again changes nothing and says so, also at the same moment", async () => {
  await people(5);
  const incidentId = await contained();
  const [one, other] = await Promise.all([start(incidentId), start(incidentId)]);
  expect([one.kind, other.kind].toSorted()).toEqual(["already-started", "started"]);
  await people(2, { prefix: "late", at: systemClock.now() });
  expect(await start(incidentId)).toMatchObject({ kind: "already-started", sum: { scope: 5 } });
  const waiting = (await countJobs(db)).find(({ task }) => task === "campaign");
  expect(waiting?.waiting).toBe(2);
});

test("a case that is not contained, closed, or unknown, has no campaign", async () => {
  const opened = await openIncident(needs, { reason: "an alarm" }, "operator");
  if (opened.kind !== "opened") return expect.fail(opened.kind);
  expect(await start(opened.incidentId)).toEqual({ kind: "refused", reason: "not contained" });
  const unknown = newId<IncidentId>(systemRandom, systemClock.now());
  expect(await start(unknown)).toEqual({ kind: "refused", reason: "no such case" });
  await db.run(`update incident set state = 'closed', contained_at = opened_at where id = $1`, [opened.incidentId]);
  expect(await start(opened.incidentId)).toEqual({ kind: "refused", reason: "closed" });
});

test("in scope is who existed when the copy was made, or else at containment, or else who is named", async () => {
  const now = systemClock.now();
  const [early] = await people(1, { prefix: "early", at: plus(now, -7 * dayMs) });
  await people(2, { prefix: "between", at: plus(now, -5 * dayMs) });
  await people(3, { prefix: "after", at: plus(now, dayMs) });
  const scopeOf = async (incidentId: IncidentId) => {
    const started = await start(incidentId);
    await db.run(`update incident set state = 'closed' where id = $1`, [incidentId]);
    return started.kind === "refused" ? 0 : started.sum.scope;
  };
  expect(await scopeOf(await contained(plus(now, -7 * dayMs)))).toBe(1);
  expect(await scopeOf(await contained(null))).toBe(3);
  const named = await contained();
  await db.run(`update incident set scope_accounts = $2 where id = $1`, [named, [early!.accountId]]);
  expect(await scopeOf(named)).toBe(1);
});

test("a freezing that stopped half-way goes on where it stopped; no letter leaves before it is done", async () => {
  await db.run(
    `insert into account (id, role, locale, data_key, sealed_name, created_at)
     select uuidv7(), 'viewer', 'en', '\\x00', '\\x00', $1 from generate_series(1, 12000)`,
    [new Date(systemClock.now() - dayMs)],
  );
  const incidentId = await contained();
  // A start whose time is up after the first batch is a start that was killed there, seen from the database.
  let readings = 0;
  const hurried: Clock = { now: () => plus(systemClock.now(), readings++ < 2 ? 0 : minuteMs) };
  const begun = await startCampaign({ ...needs, keyholder: web, clock: hurried }, incidentId, "operator");
  expect(begun).toMatchObject({ kind: "started", isFrozen: false, sum: { scope: 5_000 } });
  expect(await db.one(`select scope_count from incident where id = $1`, [incidentId])).toEqual({ scope_count: null });
  expect(await walkOnce(incidentId)).toMatchObject({ kind: "waiting" });
  await Promise.all([1, 2].map(() => freezeScope(needs, incidentId, plus(systemClock.now(), minuteMs))));
  expect(await expectSum(incidentId)).toMatchObject({ scope: 12_000, noAddress: 12_000 });
  expect(await db.one(`select scope_count from incident where id = $1`, [incidentId])).toEqual({ scope_count: 12_000 });
  // Those that met took turns: no range twice, none empty, and the scope is said once.
  const empty = `after_id >= up_to_id or after_id <> (select coalesce(max(before.up_to_id::text), $2) from campaign_shard before
                                                    where before.incident_id = $1 and before.shard < campaign_shard.shard)::uuid`;
  const ranges = await db.one(
    `select count(*) as all, count(*) filter (where ${empty}) as wrong from campaign_shard where incident_id = $1`,
    [incidentId, "00000000-0000-0000-0000-000000000000"],
  );
  expect(ranges).toEqual({ all: 3, wrong: 0 });
  expect(await readTimeline(db, { incidentId, kinds: ["campaign started"], limit: 5 })).toHaveLength(1);
  expect(await walkOnce(incidentId)).toEqual({ kind: "finished" });
});

test("whatever the relay does to a letter, it ends up handed over or refused, and the others with it", async () => {
  const everybody = await people(12);
  const to = (number: number): string => everybody[number]!.address;
  relay.script(to(0), { at: "rcpt", code: 450, text: "4.2.1 later" }, "accept");
  relay.script(
    to(1),
    { at: "data", code: 451, text: "4.3.0 later" },
    { at: "rcpt", code: 421, text: "4.3.2 busy" },
    "accept",
  );
  relay.script(to(2), { at: "rcpt", code: 550, text: `5.1.1 ${to(2)} unknown` });
  relay.script(to(3), { at: "data", code: 554, text: "5.7.1 no" });
  relay.script(to(4), { at: "rcpt", does: "close" }, "accept");
  relay.script(to(5), { at: "data", does: "close" }, "accept");
  relay.script(to(6), { at: "rcpt", does: "nonsense" }, "accept");
  relay.script(to(7), { at: "data", does: "hang" }, "accept");
  const incidentId = await contained();
  await start(incidentId);
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 12, handedOver: 10, refused: 2, waiting: 0 });
  // Where the answer to the content was lost the relay may have the letter: it is counted, and carries the same id.
  const twice = await db.many<{ accountId: AccountId }>(
    `select account_id as "accountId" from letter where incident_id = $1 and possibly_twice`,
    [incidentId],
  );
  const ids = twice.map(({ accountId }) => accountId);
  expect(ids).toContain(everybody[5]!.accountId);
  expect(ids).toContain(everybody[7]!.accountId);
  expect(ids).not.toContain(everybody[0]!.accountId);
  const replies = await db.many<{ reply: string }>(`select reply from letter where incident_id = $1`, [incidentId]);
  expect(replies.filter(({ reply }) => reply.includes("@"))).toEqual([]);
  expect(replies.map(({ reply }) => reply)).toContain("550 5.1.1 (address) unknown");
});

test("a relay that refuses us refuses five people's letters at most; the others wait, and go once it takes letters again", async () => {
  const everybody = await people(40);
  const answer = (how: RelayAnswer) => everybody.forEach(({ address }) => relay.script(address, how));
  answer({ at: "rcpt", code: 550, text: "5.4.5 daily limit exceeded" });
  const incidentId = await contained();
  await start(incidentId);
  for (let turn = 0; turn < 3; turn++) {
    expect((await walkOnce(incidentId)).kind).toBe("waiting");
    expect(await expectSum(incidentId)).toMatchObject({ scope: 40, handedOver: 0, refused: 5, waiting: 35 });
    await sleep(100);
  }
  answer("accept");
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 40, handedOver: 35, refused: 5, waiting: 0 });
});

test("a relay that is absent at the start defers, the walk pauses, and goes on when it is back", async () => {
  await people(40);
  const incidentId = await contained();
  await start(incidentId);
  const absent = await openTransport({ url: "smtp://127.0.0.1:1" });
  const walked = await walkOnce(incidentId, { transport: absent });
  await absent.close();
  expect(walked.kind).toBe("waiting");
  const sum = await expectSum(incidentId);
  expect(sum).toMatchObject({ scope: 40, waiting: 40, handedOver: 0, possiblyTwice: 0 });
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 40, waiting: 0, possiblyTwice: 0 });
});

test("a claim whose lease ran out goes again under the same Message-ID and is counted as possibly twice", async () => {
  const [person] = await people(1);
  const incidentId = await contained();
  await start(incidentId);
  // The first walk dies after the relay took the letter and before that was recorded.
  const gone = Promise.withResolvers<void>();
  const revived = Promise.withResolvers<void>();
  const dying: MailTransport = {
    send: async (letter) => {
      const outcome = await transport.send(letter);
      gone.resolve();
      await revived.promise;
      return outcome;
    },
    close: () => Promise.resolve(),
  };
  const first = walkOnce(incidentId, { transport: dying });
  await gone.promise;
  const early = await walkOnce(incidentId);
  expect(early.kind).toBe("waiting");
  // Its heartbeat would keep the claim: a dead process has none. The clock of the next walk is past the lease.
  const later: Clock = { now: () => plus(systemClock.now(), minuteMs) };
  expect(await walkOnce(incidentId, { clock: later })).toEqual({ kind: "finished" });
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, possiblyTwice: 1 });
  expect(relay.letters.map(({ to }) => to)).toEqual([person!.address, person!.address]);
  expect(new Set(relay.letters.map(({ messageId }) => messageId)).size).toBe(1);
  // What the first walk has to say comes too late, and changes nothing.
  revived.resolve();
  await first;
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 1, possiblyTwice: 1 });
});

test("a walk that is told to stop lets go what is on its way and leaves the rest as it was, uncounted", async () => {
  await people(30);
  const incidentId = await contained();
  await start(incidentId);
  const stopping = new AbortController();
  const slow: MailTransport = {
    send: (letter) =>
      transport.send({
        ...letter,
        whenReady: async () => {
          const isOurs = await letter.whenReady!();
          stopping.abort();
          return isOurs;
        },
      }),
    close: () => Promise.resolve(),
  };
  const walked = await walk(
    { ...needs, keyholder: mailer, transport: slow, pace, neverMailed: async () => new Set<string>() },
    incidentId,
    {
      signal: stopping.signal,
    },
  );
  expect(walked).toEqual({ kind: "stopped" });
  const claimed = await db.many(`select from letter where state = 'claimed'`);
  expect(claimed).toEqual([]);
  const sum = await expectSum(incidentId);
  expect(sum.handedOver).toBe(relay.letters.length);
  expect(sum.handedOver).toBeGreaterThan(0);
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 30, possiblyTwice: 0 });
});

test("with the keyholder gone nothing leaves and nothing is lost; it goes on with the keyholder", async () => {
  await people(10);
  const incidentId = await contained();
  await start(incidentId);
  const away = await keyholder.connect("mailer");
  await away.close();
  await expect(
    walk({ ...needs, keyholder: away, transport, pace, neverMailed: async () => new Set<string>() }, incidentId),
  ).rejects.toMatchObject({
    code: "KEYHOLDER_UNAVAILABLE",
  });
  expect(relay.letters).toEqual([]);
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ handedOver: 10, possiblyTwice: 0 });
});

test("an address that does not open, and an account deleted meanwhile, have the outcome no address", async () => {
  const everybody = await people(4);
  const incidentId = await contained();
  await start(incidentId);
  await db.run(`update account_address set sealed = '\\x00' where account_id = $1`, [everybody[0]!.accountId]);
  await db.run(`delete from account_address where account_id = $1`, [everybody[1]!.accountId]);
  await db.run(`delete from account where id = $1`, [everybody[1]!.accountId]);
  await walkToTheEnd(incidentId);
  expect(await expectSum(incidentId)).toMatchObject({ scope: 4, handedOver: 2, noAddress: 2 });
});

test("each settled letter stands in the timeline, without an address or an account in it", async () => {
  const everybody = await people(6);
  // Put off at first: what is not settled stands nowhere.
  relay.script(everybody[0]!.address, { at: "rcpt", code: 450, text: "4.2.1 later" }, "accept");
  const incidentId = await contained();
  await start(incidentId);
  await walkToTheEnd(incidentId);
  const entries = await readTimeline(db, { incidentId, limit: 100 });
  expect(entries.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["campaign planned", "campaign started", "campaign finished"]),
  );
  const letters = entries.filter(({ kind }) => kind === "letter");
  expect(letters).toHaveLength(6);
  expect(new Set(letters.map(({ detail }) => detail["address"])).size).toBe(6);
  expect(letters.map(({ detail }) => detail["attempts"]).toSorted((one, other) => Number(one) - Number(other))).toEqual(
    [1, 1, 1, 1, 1, 2],
  );
  // The hash is of the very words that arrived.
  const english = (await previewNotices(needs, incidentId))!.find(({ locale }) => locale === "en")!;
  const template = noticeHash(english).toString("hex");
  for (const { subject, text, html } of relay.letters) {
    expect([subject, text.trimEnd(), html.trimEnd()]).toEqual([english.subject, english.text.trimEnd(), english.html]);
  }
  for (const { detail } of letters)
    expect(detail).toMatchObject({ outcome: "handed over", reply: "250", language: "en", template });
  const text = JSON.stringify(letters);
  for (const { address, accountId } of everybody) {
    expect(text).not.toContain(address);
    expect(text).not.toContain(accountId);
  }
});

test("the Message-ID names the case and nobody in it", async () => {
  const everybody = await people(3);
  const incidentId = await contained();
  await start(incidentId);
  await walkToTheEnd(incidentId);
  const reference = (await db.one<{ reference: string }>(`select reference from incident where id = $1`, [
    incidentId,
  ]))!;
  for (const { messageId } of relay.letters) {
    expect(messageId).toMatch(/^<HL-[A-Z]{4}-[A-Z]{4}\.[0-9a-f]{32}@films\.example>$/);
    expect(messageId).toContain(reference.reference);
    for (const { accountId } of everybody) expect(messageId).not.toContain(accountId.replaceAll("-", "").slice(-12));
  }
});

test("the notice page shows the very words that were sent, and knows no other reference", async () => {
  await people(2);
  const incidentId = await contained();
  const [{ reference } = { reference: "" }] = await db.many<{ reference: string }>(`select reference from incident`);
  expect(await readNotice(db, reference)).toMatchObject({ kind: "genuine", state: "contained", letters: [] });
  await start(incidentId);
  await walkToTheEnd(incidentId);
  const notice = await readNotice(db, reference.toLowerCase());
  expect(notice).toMatchObject({ kind: "genuine", reference, state: "readmitting" });
  const english = notice.kind === "genuine" ? notice.letters.find(({ locale }) => locale === "en") : undefined;
  expect(relay.letters[0]!.subject).toBe(english!.subject);
  // Mail ends its lines with CRLF; the words are the same.
  expect(relay.letters[0]!.text.trimEnd()).toBe(english!.text.trimEnd());
  for (const unknown of ["HL-AAAA-AAAA", "", "%", "x".repeat(10_000)]) {
    expect(await readNotice(db, unknown)).toEqual({ kind: "not found" });
  }
});

test("sign-in pages show the case from containment until it closes", async () => {
  expect(await currentNotice(db)).toBeNull();
  const at = systemClock.now();
  const incidentId = await contained(null, at);
  expect(await currentNotice(db)).toMatchObject({ renewPasswordsSetBefore: at });
  expect(await caseInHand(db)).toBe(incidentId);
  // What a second containment refuses must be renewed too.
  const raise = (to: Date) => db.run(`update floor set raised_at = $1 where kind = 'password'`, [to]);
  const floor = await db.one<{ raisedAt: Date }>(`select raised_at as "raisedAt" from floor where kind = 'password'`);
  await raise(new Date(plus(at, minuteMs)));
  expect(await currentNotice(db)).toMatchObject({ renewPasswordsSetBefore: plus(at, minuteMs) });
  await raise(floor!.raisedAt);
  expect(await currentLetter(db, "fr")).toBeNull();
  await start(incidentId);
  for (const locale of ["fr", "en", "ja"] as const) expect((await currentLetter(db, locale))?.locale).toBe(locale);
  await db.run(`delete from notice where locale = 'ja'`);
  expect((await currentLetter(db, "ja"))?.locale).toBe("en");
  await db.run(`update incident set containment = 'account' where id = $1`, [incidentId]);
  const shown = async () => [await currentNotice(db), await caseInHand(db), await currentLetter(db, "en")];
  expect(await shown()).toEqual([null, null, null]);
  await db.run(`update incident set containment = 'with-renewal', state = 'closed' where id = $1`, [incidentId]);
  expect(await shown()).toEqual([null, null, null]);
});

test("a case that is open and not contained is nobody's business yet", async () => {
  await openIncident(needs, { reason: "an alarm" }, "operator");
  const [{ reference } = { reference: "" }] = await db.many<{ reference: string }>(`select reference from incident`);
  expect(await readNotice(db, reference)).toEqual({ kind: "not found" });
});

test("the preview is the letter in every language, and the plan counts without promising", async () => {
  const [operator] = await people(4, { locales: ["en", "de"], withoutAddress: 0 });
  const incidentId = await contained();
  const previewed = await previewNotices(needs, incidentId);
  expect(previewed!.map(({ locale }) => locale)).toEqual(["en", "de", "fr", "es", "ja"]);
  const plan = await planCampaign(
    {
      ...needs,
      deadlines: deadlineRules,
      leavesBy: "relay",
      contact: "help@films.example",
      allowance: null,
      price: null,
    },
    incidentId,
  );
  expect(plan).toMatchObject({ inScope: 4, withAddress: 4, withoutAddress: 0, leavesBy: "relay", measured: null });
  expect(relay.letters).toEqual([]);
  const asked = {
    ...needs,
    keyholder: web,
    deadlines: deadlineRules,
    wayOut: { leavesBy: "relay", contact: "help@films.example", allowance: null, price: null },
  } as const;
  const preview = await notifyIncident(asked, incidentId, "preview", operator!.accountId);
  expect(preview).toMatchObject({ kind: "preview", subject: previewed![0]!.subject });
  const test = () => notifyIncident(asked, incidentId, "test", operator!.accountId);
  expect(await test()).toMatchObject({ kind: "refused", reason: expect.stringContaining("no operator's account") });
  await db.run(`update account set role = 'operator' where id = $1`, [operator!.accountId]);
  expect(await test()).toEqual({ kind: "test-sent" });
  const sent = await sendTestLetter({ ...needs, keyholder: mailer, transport }, incidentId, operator!.accountId);
  expect(sent).toMatchObject({ kind: "test-sent", outcome: { kind: "handed over" } });
  expect(relay.letters.map(({ to }) => to)).toEqual([operator!.address]);
  expect(await letterSum(db, incidentId)).toBeUndefined();
  // Marked as a test, and never the same letter: the real one must not look like a repetition of it.
  expect(relay.letters[0]).toMatchObject({
    subject: expect.stringMatching(/^\[Test/),
    messageId: expect.stringMatching(/^<test\.[0-9a-f]{32}@films\.example>$/),
  });
  await sendTestLetter({ ...needs, keyholder: mailer, transport }, incidentId, operator!.accountId);
  expect(relay.duplicates()).toBe(0);
  // An operator that the link on the terminal made has none yet: nothing is promised that cannot arrive.
  await db.run(`delete from account_address where account_id = $1`, [operator!.accountId]);
  expect(await test()).toMatchObject({ kind: "refused", reason: expect.stringContaining("no address") });
});

test("what was fixed at the start is what the preview shows from then on, whatever the service is called by then", async () => {
  await people(1);
  const incidentId = await contained();
  const renamed = { ...needs, service: { ...service, name: "House of Plays" } };
  expect((await previewNotices(renamed, incidentId))![0]!.text).toContain("House of Plays");
  const fixed = await previewNotices(needs, incidentId);
  await start(incidentId);
  const shown = await previewNotices(renamed, incidentId);
  const words = (notices: typeof fixed) =>
    new Map(notices!.map(({ locale, subject, text, html }) => [locale, [subject, text, html]]));
  expect(words(shown)).toEqual(words(fixed));
});

test("the scope is the number that was frozen: a letter that got lost shows in the sum", async () => {
  await people(3);
  const incidentId = await contained();
  await start(incidentId);
  await expectSum(incidentId);
  await db.run(`delete from letter where account_id = (select min(account_id::text)::uuid from letter)`);
  expect(await letterSum(db, incidentId)).toMatchObject({ scope: 3, waiting: 2 });
  expect(addsUp((await letterSum(db, incidentId))!)).toBe(false);
});

test("a start after a lost queue queues the walks again", async () => {
  await people(2);
  const incidentId = await contained();
  await start(incidentId);
  await db.run(`delete from graphile_worker._private_jobs`);
  expect(await resumeCampaigns(needs)).toBe(1);
  expect((await countJobs(db)).find(({ task }) => task === "campaign")?.waiting).toBe(2);
  await walkToTheEnd(incidentId);
  expect(await resumeCampaigns(needs)).toBe(0);
});
