import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { listAlarms, openCaseFromAlarm } from "../src/canaries/alarms.ts";
import type { AlarmId } from "../src/canaries/raise-alarm.ts";
import { plantDecoy } from "../src/canaries/decoy.ts";
import {
  canaryAddresses,
  listCanaries,
  neverMailed,
  plantCanaries,
  recordPlantings,
  rotateCanaries,
} from "../src/canaries/plant.ts";
import { liveOn } from "../src/canaries/live-on.ts";
import { browserCookie } from "../src/http/cookies.ts";
import type { AccountId, Epoch } from "../src/kernel/brand.ts";
import { liveCanaries, rotateForBackup } from "../src/canaries/rotate-for-backup.ts";
import { bringMarks, readMarks } from "../src/canaries/keep-marks.ts";
import { ringFor, ringForMail } from "../src/canaries/ring.ts";
import { backupDatabase, restoreDatabase } from "../src/db/backup.ts";
import { startCampaign } from "../src/incidents/campaign.ts";
import { contain } from "../src/incidents/contain.ts";
import { noticeFacts } from "../src/incidents/preview.ts";
import { accountsInScope } from "../src/incidents/scope.ts";
import { readTimeline } from "../src/timeline/read.ts";
import { toIso } from "../src/kernel/clock.ts";
import { addsUp, letterSum } from "../src/incidents/letter-sum.ts";
import { letterMessageId } from "../src/incidents/campaign-key.ts";
import { walk } from "../src/incidents/walk.ts";
import { findAccount, holdAccount } from "../src/accounts/accounts.ts";
import { prepareSession, sessionLifetimesMs, writeSession } from "../src/sessions/open-session.ts";
import { forgetProgress, pretendProgress } from "../src/streaming/progress.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { newDecoy } from "../src/app.ts";
import { remarkCanaries } from "../src/canaries/remark.ts";
import { splitMacs } from "../src/keyholder/named-mac.ts";
import { rotateKeys } from "../src/rotation/rotate.ts";
import { copyOf, findIn } from "./copy-search.ts";
import { testHashCost } from "./open-service.ts";
import { eventually } from "./running-service.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** P10: using a canary in any way rings, and the alarm says which copy leaked; and nothing tells a canary from anybody. */
const canaryToken = "what-the-mail-server-brings-with-it";
const service = await testService({ settings: { CANARY_TOKEN: canaryToken } });
const { ground, clock, web } = service;
const { db, random, keyholders } = ground;
const keyholder = keyholders.operator;
const needs = {
  db,
  keyholder,
  clock,
  random,
  forgetProgress,
};
const order = (place: string, kind: "account" | "address" | "relay", count = 1) => ({
  place,
  kind,
  count,
  domain: "traps.example",
  by: "host",
});

const rung = async () =>
  (await listAlarms(db)).map(({ place, facts, times }) => `${place} ${String(facts["way"])} ${times}`).toSorted();
const clear = () => db.run(`delete from alarm`);
const trySignIn = async (address: string, password = "summer of the lanterns") => {
  const answer = await service.call("POST", "/api/sessions", { body: { address, password } });
  await web.lookForCanaries();
  return answer;
};
let session = "";
beforeAll(async () => {
  await service.account("ada@example.org", goodPassword, "Ada");
  session = await service.signIn("ada@example.org", goodPassword);
});

test("each way of using a canary rings and names its place; the same of anybody else does not", async () => {
  const [canary = ""] = await plantCanaries(needs, order("backup-2026-11", "account"));
  const ways: Readonly<Record<string, (address: string) => Promise<{ readonly status: number }>>> = {
    "sign-in": (address) => trySignIn(address),
    "sign-up": (address) => service.call("POST", "/api/accounts", { body: { address, password: goodPassword } }),
    renewal: (address) => service.call("POST", "/api/renewals", { body: { address } }),
    "second address": (address) =>
      service.call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(session) }),
  };
  for (const [way, use] of Object.entries(ways)) {
    await clear();
    const ordinary = await use("nobody@traps.example");
    await web.lookForCanaries();
    expect(await rung(), way).toEqual([]);
    const answer = await use(canary.toUpperCase());
    await web.lookForCanaries();
    expect(answer.status, way).toBe(ordinary.status);
    expect(await rung(), way).toEqual([`backup-2026-11 ${way} 1`]);
  }
  await clear();
  expect(await ringForMail(needs, { to: "nobody@traps.example" })).toBe(false);
  expect(await ringForMail(needs, { to: canary })).toBe(true);
  expect(await rung()).toEqual(["backup-2026-11 mail 1"]);
  const [alarm] = await listAlarms(db);
  expect(alarm?.notEvidence).toContain("a physical replica equals its primary");
  expect(alarm?.proposes).toMatchObject({ copiedAfter: "2026-11-22T00:00:00.000Z", keysReachable: "yes" });
});

test("a canary's answer costs what anybody's costs: hashes, statements, keyholder calls and bytes", async () => {
  await clear();
  const [canary = ""] = await plantCanaries(needs, order("live", "account"));
  const cost = async (address: string, path: string, body: object) => {
    const before = { ...web.work() };
    const asked = keyholders.web.stats();
    const answer = await service.call("POST", path, { body: { address, ...body } });
    const after = web.work();
    const stats = keyholders.web.stats();
    await web.lookForCanaries();
    const { date: _date, "set-cookie": _cookie, ...headers } = answer.headers;
    return {
      status: answer.status,
      length: answer.text.length,
      headers,
      hashes: after.hashes - before.hashes,
      statements: after.statements - before.statements,
      calls: after.keyholderCalls - before.keyholderCalls,
      asked: stats.askedBytes - asked.askedBytes,
      answered: stats.answeredBytes - asked.answeredBytes,
    };
  };
  // An account of the same length of address, which a request's own bytes depend on.
  const same = `${"a".repeat(canary.indexOf("@"))}@traps.example`;
  await service.account(same, goodPassword);
  for (const [path, body] of [
    ["/api/sessions", { password: "wrong words, same length" }],
    ["/api/renewals", {}],
    ["/api/accounts", { password: goodPassword }],
  ] as const) {
    await cost(same, path, body);
    expect(await cost(canary, path, body), path).toEqual(await cost(same, path, body));
  }
  expect(await rung()).toEqual(["live renewal 1", "live sign-in 1", "live sign-up 1"]);
});

test("rotated between backups: the row that rings names the backup it was in", async () => {
  await clear();
  const [november = ""] = await plantCanaries(needs, order("november", "account"));
  const before = await db.one<{ accounts: number }>(`select count(*) as accounts from account`);
  const others = (await listCanaries(db)).filter(
    ({ place, kind, retiredOn }) => place !== "december" && kind === "account" && retiredOn === null,
  );
  const standing = others.reduce((sum, { count }) => sum + count, 0);
  clock.advance(86_400_000);
  const { retired, planted } = await rotateCanaries(needs, order("december", "account", 2));
  expect(retired).toBe(standing);
  const after = await db.one<{ accounts: number }>(`select count(*) as accounts from account`);
  expect((after?.accounts ?? 0) - (before?.accounts ?? 0)).toBe(2 - standing);
  // Gone from every table, and no row of theirs is left behind.
  for (const table of ["account_address", "address", "password", "session", "progress"]) {
    const left = await db.one<{ count: number }>(
      `select count(*) as count from ${table} t where not exists (select from account a where a.id = t.account_id)`,
    );
    expect([table, left?.count]).toEqual([table, 0]);
  }
  await trySignIn(november);
  await trySignIn(planted[0] ?? "");
  expect(await rung()).toEqual(["december sign-in 1", "november sign-in 1"]);
  const alarm = (await listAlarms(db)).find(({ place }) => place === "november");
  expect(alarm?.evidence).toContain("from 2026-11-22 to 2026-11-23");
  expect(await canaryAddresses(needs, "november")).toEqual([november]);
});

test("whoever is at a canary while it is taken out is waited for, and leaves nothing of it behind", async () => {
  const [busy = ""] = await plantCanaries(needs, order("busy", "account"));
  const { accountId } = await findAccount(db, await keyholder.index("address", busy));
  if (accountId === null) throw new Error("a canary without an account");
  const { dataKey } = (await db.one<{ dataKey: Buffer }>(`select data_key as "dataKey" from account where id = $1`, [
    accountId,
  ]))!;
  const now = clock.now();
  const session = await prepareSession(
    { keyholder, random, lifetimesMs: sessionLifetimesMs(30, 180) },
    { accountId, dataKey, class: "browser", label: "Firefox", network: "192.0.2.7", now },
  );
  let rotation: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    expect(await holdAccount(tx, accountId)).toBe(true);
    rotation = rotateCanaries(needs, order("quiet", "account"));
    await eventually("the rotation to wait for the account", async () => {
      const waiting = await db.one<{ count: number }>(
        `select count(*) as count from pg_locks where not granted and pid in
           (select pid from pg_stat_activity where datname = current_database())`,
      );
      return (waiting?.count ?? 0) > 0 ? true : undefined;
    });
    const { epoch } = (await tx.one<{ epoch: Epoch }>(`select max(epoch) as epoch from floor`))!;
    const proof = { epoch, generation: 1, floors: ["password"], by: "password" } as const;
    expect(await writeSession(tx, session, proof, now)).toBe(true);
  });
  await rotation;
  for (const table of ["account_address", "session", "security_event"]) {
    const left = await db.many(`select 1 as it from ${table} where account_id = $1`, [accountId]);
    expect([table, left.length]).toEqual([table, 0]);
  }
  await clear();
});

test("a backup rotates them by itself: its own ring with its name, and with no canary none is planted", async () => {
  // As if nobody had planted any.
  const planted = await db.many<{ mark: Buffer }>(
    `update canary set retired_on = planted_on where retired_on is null returning mark`,
  );
  expect(await rotateForBackup(needs, "host")).toBe(null);
  const marks = planted.map(({ mark }) => mark);
  await db.run(`update canary set retired_on = null where mark = any($1)`, [marks]);
  const live = async () => (await liveCanaries(db)).map(({ kind, place, count }) => `${kind} ${place} ${count}`);
  await plantCanaries(needs, order("database", "account", 2));
  const before = (await liveCanaries(db)).reduce((sum, { count }) => sum + count, 0);
  const first = await rotateForBackup(needs, "host");
  const day = new Date(clock.now()).toISOString().slice(0, 10);
  expect(first).toEqual({ place: `backup-${day}`, planted: before, retired: before });
  const second = await rotateForBackup(needs, "host");
  expect(second?.place).toBe(`backup-${day}-2`);
  expect(await live()).toEqual([`account backup-${day}-2 ${before}`]);
  await clear();
  for (const place of [`backup-${day}`, `backup-${day}-2`]) {
    const [canary = ""] = await canaryAddresses({ db, keyholder }, place);
    expect(canary).toMatch(/@traps\.example$/);
    await trySignIn(canary);
  }
  expect(await rung()).toEqual([`backup-${day} sign-in 1`, `backup-${day}-2 sign-in 1`]);
  await clear();
});

test("a backup rotates each kind under its own domain, whatever other kind was planted for the same place", async () => {
  await plantCanaries(needs, { ...order("two-domains", "account"), domain: "accounts.example" });
  await plantCanaries(needs, { ...order("two-domains", "address"), domain: "mailboxes.example" });
  const rotated = await rotateForBackup(needs, "host");
  const domains = async (kind: "account" | "address") =>
    new Set((await canaryAddresses(needs, rotated?.place ?? "", kind)).map((address) => address.split("@")[1]));
  expect(await domains("account")).toEqual(new Set(["accounts.example"]));
  expect(await domains("address")).toEqual(new Set(["mailboxes.example"]));
  await clear();
});

test("a campaign writes to the relay's canaries alone; the others count as suppressed, and the sum holds", async () => {
  await clear();
  const [relayed = ""] = await plantCanaries(needs, order("relay", "relay"));
  const [silent = ""] = await plantCanaries(needs, order("mailboxes", "address"));
  expect([...(await neverMailed({ db, keyholder: keyholders.mailer }, [relayed, silent, "ada@example.org"]))]).toEqual([
    silent,
  ]);
  const contained = await contain(containNeedsOf(ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "test",
    operator: "test",
  });
  const facts = { name: "Houselights", origin: ground.config.publicOrigin, contact: null };
  const started = await startCampaign({ db, clock, random, keyholder, service: facts }, contained.incidentId, "host");
  expect(started.kind).toBe("started");
  const sent: { to: string; messageId: string }[] = [];
  const walked = await walk(
    {
      db,
      keyholder: keyholders.mailer,
      clock,
      random,
      log: ground.log,
      neverMailed: (addresses) => neverMailed({ db, keyholder: keyholders.mailer }, addresses),
      transport: {
        send: async ({ to, messageId, whenReady }) => {
          await whenReady?.();
          sent.push({ to, messageId });
          return { kind: "handed over", reply: "250 2.0.0 taken" };
        },
        close: async () => undefined,
      },
    },
    contained.incidentId,
  );
  expect(walked.kind).toBe("finished");
  const canaries = (await listCanaries(db)).filter(({ kind, retiredOn }) => retiredOn === null && kind !== "relay");
  const sum = await letterSum(db, contained.incidentId);
  expect(sum && addsUp(sum)).toBe(true);
  expect(sum).toMatchObject({ suppressed: canaries.reduce((all, { count }) => all + count, 0), waiting: 0 });
  expect(sent.map(({ to }) => to)).toContain(relayed);
  expect(sent.map(({ to }) => to)).toContain("ada@example.org");
  expect(sent.map(({ to }) => to)).not.toContain(silent);

  // Our own notice does not ring; mail from elsewhere does, also with a Message-ID that looks like ours.
  const own = sent.find(({ to }) => to === relayed)?.messageId ?? "";
  expect(await ringForMail(needs, { to: relayed, messageId: `<${own}@films.example>` })).toBe(false);
  const other = await db.one<{ id: Parameters<typeof letterMessageId>[3] }>(
    `select id from account order by id limit 1`,
  );
  const forged = await letterMessageId({ db, keyholder }, contained.incidentId, contained.reference, other!.id);
  expect(await ringForMail(needs, { to: relayed, messageId: `<${forged}@films.example>` })).toBe(true);
  expect(await rung()).toEqual(["relay mail 1"]);
});

test("a case opened from a canary does not know when the copy was made: who came after the planting is told too, and what they added is doubted", async () => {
  await clear();
  await db.run(`update incident set state = 'closed' where state <> 'closed'`);
  const early = await service.account("early@example.org", goodPassword);
  clock.advance(86_400_000);
  const planted = toIso(clock.now()).slice(0, 10);
  const [canary = ""] = await plantCanaries(needs, order("march", "account"));
  // The copy is made long after the planting, when somebody else has signed up, and added an address.
  clock.advance(20 * 86_400_000);
  const late = await service.account("late@example.org", goodPassword);
  clock.advance(86_400_000);
  await rotateCanaries(needs, order("april", "account"));
  clock.advance(200 * 86_400_000);
  await trySignIn(canary);
  const [alarm] = await listAlarms(db);
  const opened = await openCaseFromAlarm(ground, alarm?.id as AlarmId, "host");
  if (opened.kind !== "opened") throw new Error(opened.kind);
  const contained = await contain(containNeedsOf(ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "test",
    operator: "test",
  });
  expect(contained.incidentId).toBe(opened.incidentId);
  const since = await db.one(`select since from added_since where epoch = $1`, [contained.epoch]);
  expect(since).toEqual({ since: new Date(planted) });
  const accounts = await accountsInScope(db, opened.incidentId);
  const told = await db.many<{ id: string }>(`select a.id from ${accounts}`, [opened.incidentId, new Date()]);
  expect(told.map(({ id }) => id)).toEqual(expect.arrayContaining([early, late]));
  const facts = await noticeFacts(db, opened.incidentId);
  expect(facts).toMatchObject({ copiedAt: null });
  const [said] = await readTimeline(db, { kinds: ["incident opened"], limit: 1 });
  expect(said?.detail).toMatchObject({ "copied at": null, "copied after": `${planted}T00:00:00.000Z` });
});

test("a decoy is readable on purpose: its addresses ring, its passwords crack, and it goes with backups", async () => {
  await clear();
  const decoy = { place: "old-shop", table: "old_customers", count: 5, domain: "traps.example", by: "host" };
  expect(await plantDecoy(needs, decoy)).toEqual({ kind: "planted", count: 5 });
  expect(await plantDecoy(needs, decoy)).toEqual({ kind: "table-exists" });
  const rows = await db.many<{ email: string; hash: string }>(`select email, password_hash as hash from old_customers`);
  expect(rows).toHaveLength(5);
  expect(rows[0]?.hash).toMatch(/^pbkdf2_sha256\$1000\$/);
  expect((await trySignIn(rows[0]?.email ?? "", "sunshine1")).status).toBe(401);
  expect(await rung()).toEqual(["old-shop sign-in 1"]);

  const file = join(service.folder, "with-decoy");
  await backupDatabase(ground.plainDb, file);
  await db.run(`drop table old_customers`);
  expect((await restoreDatabase(ground.plainDb, file)).kind).toBe("restored");
  expect(await ground.plainDb.many(`select from old_customers`)).toHaveLength(5);
  // And one that a backup has not heard of is in nobody's way.
  await ground.plainDb.run(`alter table old_customers rename to newer_customers`);
  await ground.plainDb.run(`create table old_customers (like newer_customers including all)`);
  expect((await restoreDatabase(ground.plainDb, file)).kind).toBe("restored");
  expect(await ground.plainDb.many(`select from newer_customers`)).toHaveLength(5);
});

/** Somebody signs up, as people do: the code comes by mail and is typed a minute later. */
async function signUp(address: string): Promise<void> {
  const begun = await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } });
  clock.advance(60_000);
  const code = (await service.letters()).find(({ to }) => to === address)?.code ?? "";
  const cookies = { [browserCookie]: begun.cookies[browserCookie] ?? "" };
  const confirmed = await service.call("POST", "/api/accounts/confirm", { body: { code }, cookies });
  expect(confirmed.status, confirmed.text).toBe(201);
}

const accountOf = async (address: string): Promise<string> => {
  const row = await db.one<{ id: string }>(`select account_id as id from address where blind_index = $1`, [
    await keyholder.index("address", address),
  ]);
  return row?.id ?? "none";
};

/** All that a copy says of an account, but for what is sealed and the instants themselves. */
async function tracesOf(accountId: string) {
  const tables = await db.many<{ table: string }>(
    `select table_name as table from information_schema.columns
      where table_schema = 'public' and column_name = 'account_id' and table_name <> 'progress' order by 1`,
  );
  const rows: Record<string, number> = {};
  for (const { table } of tables) {
    const found = await db.one<{ count: number }>(`select count(*) as count from ${table} where account_id = $1`, [
      accountId,
    ]);
    rows[table] = found?.count ?? 0;
  }
  const entries = await db.many<{ said: string }>(
    `select convert_from(body, 'UTF8') as said from timeline_entry
      where convert_from(body, 'UTF8')::jsonb -> 'detail' ->> 'account' = $1 order by id`,
    [accountId],
  );
  const account = await db.one<{ createdAt: Date; events: string; signUps: string }>(
    `select created_at as "createdAt",
            (select string_agg(kind || ' ' || (at = a.created_at), ', ') from security_event where account_id = a.id) as events,
            (select string_agg(concat_ws(' ', used_at = a.created_at, tries, expires_at - created_at,
                                         data_key = a.data_key, sealed_name = a.sealed_name), ', ')
               from sign_up where account_id = a.id) as "signUps"
       from account a where id = $1`,
    [accountId],
  );
  return {
    rows,
    entries: entries.map(({ said }) => {
      const { kind, detail } = JSON.parse(said) as { kind: string; detail: object };
      return [kind, ...Object.keys(detail)];
    }),
    events: account?.events,
    signUps: account?.signUps,
    hadItsIdBefore: (account?.createdAt.getTime() ?? 0) > Number.parseInt(accountId.replace("-", "").slice(0, 12), 16),
  };
}

test("a canary that was just planted is in a copy what somebody is who has just signed up", async () => {
  // No instant that is also that of a day.
  clock.advance(3_723_004);
  await signUp("newcomer@example.org");
  const entries = async () =>
    (await readTimeline(db, { kinds: ["canaries planted"], limit: 100 })).filter(
      ({ detail }) => detail["place"] === "fresh",
    );
  const [canary = ""] = await plantCanaries(needs, order("fresh", "account"));
  const traces = await tracesOf(await accountOf(canary));
  expect(traces).toEqual(await tracesOf(await accountOf("newcomer@example.org")));
  expect(traces.rows).toMatchObject({ sign_up: 1, security_event: 1, password: 1, session: 0 });

  // An id has the millisecond of its making in it, and a row the number of its transaction.
  const seal = await db.one<{ id: string }>(`select seal_id as id from canary where place = 'fresh'`);
  expect(Number.parseInt(seal!.id.replace("-", "").slice(0, 12), 16) % 86_400_000).toBe(0);
  const shared = await db.many(
    `select c.place from canary c join account a
         on left(a.id::text, 13) = left(c.seal_id::text, 13) or a.xmin = c.xmin where c.place = 'fresh'`,
  );
  expect(shared).toEqual([]);
  // The record says so on another day, and once.
  await recordPlantings({ db, random }, clock.now());
  expect(await entries()).toEqual([]);
  clock.advance(86_400_000);
  expect(await recordPlantings({ db, random }, clock.now())).toBeGreaterThan(0);
  expect(await recordPlantings({ db, random }, clock.now())).toBe(0);
  expect(await entries()).toMatchObject([{ detail: { place: "fresh", kind: "account", count: 1 } }]);
});

test("canaries sign in after they were made, come back, and like everybody do not once they are contained", async () => {
  const [canary = ""] = await plantCanaries(needs, order("lively", "account"));
  const id = await accountOf(canary);
  const sessions = () =>
    db.many<{ after: number; class: string; proof: string; seen: Date }>(
      `select extract(epoch from s.created_at - a.created_at)::int as after, s.class, s.proof, s.last_seen_at as seen
         from session s join account a on a.id = s.account_id where a.id = $1`,
      [id],
    );
  const decoy = await newDecoy(ground, testHashCost);
  onTestFinished(() => decoy.stop());
  const living = {
    db,
    keyholder: keyholders.web,
    clock,
    random,
    decoy,
    seen: ground.seen,
    lifetimesMs: sessionLifetimesMs(30, 180),
    watchSomething: (account: AccountId) => pretendProgress({ db, clock, random }, account),
  };
  /** Each has the turn that is so rare, and none that is rarer. */
  const turn = (rarity: number) => liveOn(living, (_random, turns) => turns <= rarity);
  expect(await sessions()).toEqual([]);
  expect(await turn(1)).toBe(0);
  clock.advance(1_800_000);
  expect(await turn(10)).toBeGreaterThan(0);
  const [first] = await sessions();
  expect(first).toMatchObject({ after: 1_800, class: "browser", proof: "password" });
  clock.advance(86_400_000);
  expect(await turn(10)).toBe(0);
  expect(await turn(1_000)).toBeGreaterThan(0);
  const [later, ...more] = await sessions();
  expect(more).toEqual([]);
  expect(later!.seen.getTime() - first!.seen.getTime()).toBe(86_400_000);
  await contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });
  expect([await turn(10), await turn(1_000)]).toEqual([0, 0]);
  expect(await sessions()).toHaveLength(1);
});

test("a canary that somebody used is taken out with all that the use has left", async () => {
  const [canary = ""] = await plantCanaries(needs, order("used", "account"));
  const id = await accountOf(canary);
  await service.call("POST", "/api/renewals", { body: { address: canary } });
  expect((await tracesOf(id)).rows).toMatchObject({ ticket: 1 });
  await rotateCanaries(needs, order("unused", "account"));
  const { rows } = await tracesOf(id);
  expect(Object.entries(rows).filter(([table, count]) => count > 0 && table !== "letter")).toEqual([]);
});

test("a copy from after a backup rings with its name also once that backup was put back", async () => {
  await plantCanaries(needs, order("kept", "account"));
  const file = join(service.folder, "older");
  await backupDatabase(ground.plainDb, file);
  const [later = ""] = await plantCanaries(needs, order("since-then", "account"));
  await rotateCanaries(needs, order("newest", "account"));
  let marks: Awaited<ReturnType<typeof readMarks>> = [];
  const restored = await restoreDatabase(
    ground.plainDb,
    file,
    async (tx) => void (await bringMarks(tx, marks, clock.now())),
    undefined,
    async (tx) => void (marks = await readMarks(tx)),
  );
  expect(restored.kind).toBe("restored");
  const now = (await listCanaries(ground.plainDb)).map(({ place, retiredOn }) => [place, retiredOn !== null]);
  expect(now).toContainEqual(["kept", false]);
  expect(now).toContainEqual(["since-then", true]);
  expect(now).toContainEqual(["newest", true]);
  await ground.plainDb.run(`delete from alarm`);
  expect(await ringFor({ ...needs, db: ground.plainDb }, [{ way: "sign-in", form: later, times: 1 }])).toBe(1);
  expect((await listAlarms(ground.plainDb)).map(({ place }) => place)).toEqual(["since-then"]);
  // Once more, as after another restore: each is known once.
  expect(await ground.plainDb.transaction((tx) => bringMarks(tx, marks, clock.now()))).toBe(0);
});

test("no copy tells a canary from anybody else: nothing in it leads from the mark to an account", async () => {
  const [canary = ""] = await plantCanaries(needs, order("copy", "account"));
  const index = await keyholder.index("address", canary);
  const account = await db.one<{ id: string }>(`select account_id as id from address where blind_index = $1`, [index]);
  const copy = await copyOf(ground.plainDb);
  expect(findIn(copy, [{ what: "the address", value: canary }])).toEqual([]);
  // The index and the id stand where everybody's stand; the canary's own table has neither.
  const found = findIn(copy, [
    { what: "index", value: index },
    { what: "id", value: account?.id ?? "none" },
  ]).map((line) => line.split(":")[0] ?? "");
  expect(found.some((column) => column.startsWith("public.address."))).toBe(true);
  expect(found.filter((column) => column.startsWith("public.canary"))).toEqual([]);
});

test("a use that could not be compared while the database failed is compared as soon as it can be", async () => {
  // What the tests before have noted.
  await web.lookForCanaries();
  await clear();
  const [canary = ""] = await plantCanaries(needs, order("failed", "account"));
  await ground.plainDb.run(`alter table canary rename to canary_away`);
  try {
    await trySignIn(canary);
  } finally {
    await ground.plainDb.run(`alter table canary_away rename to canary`);
  }
  expect(await rung()).toEqual([]);
  await web.lookForCanaries();
  expect(await rung()).toEqual(["failed sign-in 1"]);
});

test("a canary whose address does not open keeps its mark when the key of marks is changed, and rings by it", async () => {
  await clear();
  const [whole = "", damaged = ""] = await plantCanaries(needs, order("damaged", "address", 2));
  const marksOf = async (address: string): Promise<readonly string[]> =>
    splitMacs(await keyholder.index("canary", address)).map((mac) => mac.toString("hex"));
  const stored = async (): Promise<readonly string[]> =>
    (await db.many<{ mark: Buffer }>(`select mark from canary where place = 'damaged'`)).map(({ mark }) =>
      mark.toString("hex"),
    );
  const [before] = await marksOf(damaged);
  await db.run(`update canary set sealed_address = overlay(sealed_address placing '\\x0000' from 40) where mark = $1`, [
    Buffer.from(before ?? "", "hex"),
  ]);
  await rotateKeys({ db, keys: keyholders.keeper.keys, clock, random }, ["index.canary"]);
  await remarkCanaries({ db, keyholder: keyholders.mailer }, 2);
  const [newest] = await marksOf(whole);
  expect(new Set(await stored())).toEqual(new Set([before, newest]));
  expect(await ringForMail(needs, { to: damaged })).toBe(true);
  expect(await ringForMail(needs, { to: whole })).toBe(true);
});

test("mail for a canary is reported by who has the token, and by nobody else", async () => {
  await clear();
  const [canary = ""] = await plantCanaries(needs, order("reported", "relay"));
  const report = async (headers?: Readonly<Record<string, string>>, to = canary) =>
    (await service.call("POST", "/api/canary-mail", { body: { to }, ...(headers === undefined ? {} : { headers }) }))
      .status;
  for (const headers of [undefined, { "canary-token": "" }, { "canary-token": `${canaryToken}.` }])
    expect(await report(headers)).toBe(404);
  expect(await rung()).toEqual([]);
  expect(await report({ "canary-token": canaryToken }, "nobody@traps.example")).toBe(204);
  expect(await rung()).toEqual([]);
  expect(await report({ "canary-token": canaryToken })).toBe(204);
  expect(await rung()).toEqual(["reported mail 1"]);
});
