import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { besideOpenTransaction } from "../../test/open-transaction.ts";
import { eventually } from "../../test/running-service.ts";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { asCookie, goodPassword, testService, type TestService } from "../../test/service.ts";
import { setUpTotp } from "../../test/totp-app.ts";
import { layGround } from "../app.ts";
import { withContainmentGround } from "../commands/ground.ts";
import { parseConfig } from "../config/config.ts";
import type { AccountId, Epoch, IncidentId, SessionClass } from "../kernel/brand.ts";
import { Fault } from "../kernel/fault.ts";
import { silentLog } from "../kernel/log.ts";
import { openDb, type Db } from "../db/db.ts";
import { testConnection } from "../db/test-database.ts";
import { browserCookie } from "../http/cookies.ts";
import type { Witness } from "../keyholder/keyholder.ts";
import { currentHead } from "../timeline/integrate.ts";
import { readTimeline } from "../timeline/read.ts";
import { highest, readFloors } from "../credentials/floors.ts";
import { readStanding } from "../credentials/standing.ts";
import type { ContainmentMode, Counts } from "../wire/incidents.ts";
import { missingSays } from "./close.ts";
import { minuteOf } from "../kernel/clock.ts";
import { writtenInstant } from "../mail/templates.ts";
import { caseDifferences, type Act } from "../timeline/verify-case.ts";
import { contain, containAccount, type ContainAccountOutcome, type Containment } from "./contain.ts";
import { deadlineRules } from "./deadlines.ts";
import { finish } from "./finish.ts";
import { everyDataClass, openIncident, writeIncident } from "./open.ts";
import { wouldContain } from "./would-contain.ts";

const witnessOf = ({ ground }: TestService): Witness => ground.keyholders.operator.witness;

const needsOf = ({ ground }: TestService, witness = ground.keyholders.operator.witness) =>
  containNeedsOf(ground, witness);

const containNow = (service: TestService, mode: ContainmentMode = "everyone-out", witness?: Witness) =>
  contain(needsOf(service, witness), { mode, keepTools: false, reason: "a copy is for sale", operator: "test" });

const containOne = (service: TestService, accountId: string) =>
  containAccount(needsOf(service), accountId as AccountId, { reason: "one was phished", operator: "test" });

const opens = async (service: TestService, token: string): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(token) })).status === 200;

const signsIn = async (service: TestService, address: string, password = goodPassword): Promise<boolean> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status === 201;

/** What the witness remembers, without telling it anything. */
async function remembered({ ground: { plainDb } }: TestService, witness: Witness) {
  const instance = await plainDb.one<{ id: string }>(`select id from instance`);
  return witness.read(instance?.id ?? "", { floors: await readFloors(plainDb), head: await currentHead(plainDb) });
}

async function caseOf({ ground }: TestService) {
  return ground.plainDb.one<{ id: string; containment: string; epoch: number | null; scope: string[] | null }>(
    `select id, containment, epoch, scope_accounts as scope from incident where state <> 'closed'`,
  );
}

interface Renewal {
  readonly code: string;
  readonly browser: string;
}

async function askRenewal(service: TestService, address: string): Promise<Renewal> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find((one) => one.to === address && one.letter === "renewal code");
  return { code: letter?.code ?? "", browser: asked.cookies[browserCookie] ?? "" };
}

const completeRenewal = (
  service: TestService,
  { code, browser }: Renewal,
  password: string,
  signOutDevices?: boolean,
) =>
  service.call("POST", "/api/renewals/complete", {
    body: { code, password, ...(signOutDevices === undefined ? {} : { signOutDevices }) },
    cookies: { [browserCookie]: browser },
  });

async function approvedLink(service: TestService, cookie: string): Promise<string> {
  const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
  const decided = await service.call("POST", "/api/links/decide", {
    body: { userCode: asked.body["user_code"], decision: "approve" },
    cookies: asCookie(cookie),
  });
  expect(decided.status).toBe(200);
  return String(asked.body["device_code"]);
}

const claim = (service: TestService, deviceCode: string) =>
  service.call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: deviceCode,
      client_id: "houselights-tv",
    },
  });

describe("containing one account", () => {
  test("ends its sessions, links, renewals and its password, and nobody else's; it comes back by renewal", async () => {
    const service = await testService();
    const ada = await service.account("ada@example.org", goodPassword);
    await service.account("bob@example.org", goodPassword);
    const [adas, bobs] = [
      await service.signIn("ada@example.org", goodPassword),
      await service.signIn("bob@example.org", goodPassword),
    ];
    const links = [
      await approvedLink(service, adas),
      await approvedLink(service, adas),
      await approvedLink(service, bobs),
    ];
    const renewal = await askRenewal(service, "ada@example.org");
    const floors = await readFloors(service.ground.plainDb);
    expect((await claim(service, links[0]!)).status).toBe(200);
    expect(await opens(service, adas)).toBe(true);

    const contained = await containOne(service, ada);
    expect(contained).toMatchObject({
      kind: "contained",
      mode: "account",
      counted: { accounts: 1, passwords: 1, sessions: 2, links: 1, tickets: 1 },
    });
    expect(await opens(service, adas)).toBe(false);
    expect(await signsIn(service, "ada@example.org")).toBe(false);
    expect((await claim(service, links[1]!)).status).toBe(400);
    expect((await completeRenewal(service, renewal, "a fresh and longer sentence")).status).toBe(400);
    expect(await opens(service, bobs)).toBe(true);
    expect(await signsIn(service, "bob@example.org")).toBe(true);
    expect((await claim(service, links[2]!)).status).toBe(200);
    // What the witness knows a copy from before it by; every floor that anything is compared with stays.
    expect(await readFloors(service.ground.plainDb)).toEqual({ ...floors, account: floors.account + 1 });

    const back = await askRenewal(service, "ada@example.org");
    expect((await completeRenewal(service, back, goodPassword)).body["code"]).toBe("password-is-old");
    expect((await completeRenewal(service, back, "a fresh and longer sentence")).status).toBe(200);
    expect(await signsIn(service, "ada@example.org", "a fresh and longer sentence")).toBe(true);
  });

  test("twice is one account in the case; several are several; somebody who is not there is nobody's containment", async () => {
    const service = await testService();
    const ada = await service.account("ada@example.org", goodPassword);
    const bob = await service.account("bob@example.org", goodPassword);
    expect(await containOne(service, "00000000-0000-7000-8000-000000000000")).toEqual({ kind: "no-such-account" });
    expect(await caseOf(service)).toBeUndefined();
    await containOne(service, ada);
    expect(await containOne(service, ada)).toMatchObject({ counted: { sessions: 0, passwords: 0 } });
    await containOne(service, bob);
    expect((await caseOf(service))?.scope).toEqual([ada, bob]);
  });

  test("then everybody: the case is everybody's, so that everybody gets a letter", async () => {
    const service = await testService();
    const ada = await service.account("ada@example.org", goodPassword);
    await service.account("bob@example.org", goodPassword);
    const operator = await service.operator();
    await containOne(service, ada);
    service.clock.advance(60_000);
    const { incidentId, at } = await containNow(service, "with-renewal");
    const row = await service.ground.plainDb.one(`select contained_at as at from incident`);
    expect(row).toEqual({ at: new Date(at) });
    const planned = await service.call("POST", `/api/incidents/${incidentId}/notify`, {
      body: { action: "plan" },
      cookies: asCookie(operator),
    });
    expect(planned.body["plan"]).toMatchObject({ inScope: 3, withAddress: 2 });
    // And one more account afterwards does not narrow it again.
    await containOne(service, ada);
    expect((await caseOf(service))?.scope).toBeNull();
  });

  test.each([
    ["everybody", (service: TestService) => containNow(service, "with-renewal"), 3],
    ["another", (service: TestService, other: string) => containOne(service, other), 2],
  ])(
    "then %s, once the letters have gone: nobody is told until they are started once more, and then whoever was not yet",
    async (_whom, containMore, scope) => {
      const service = await testService();
      const [ada, bob] = [
        await service.account("ada@example.org", goodPassword),
        await service.account("bob@example.org", goodPassword),
      ];
      const cookies = asCookie(await service.operator());
      await containOne(service, ada);
      const { id = "" } = (await caseOf(service)) ?? {};
      const tell = async (action: "start" | "preview") =>
        (await service.call("POST", `/api/incidents/${id}/notify`, { body: { action }, cookies })).body;
      const status = async () => (await service.call("GET", `/api/incidents/${id}`, { cookies })).body;
      /** As a walk does it, without a relay. */
      const letGo = async (): Promise<void> => {
        await service.ground.db.run(
          `update letter set state = 'handed over', settled_at = $1 where state = 'unclaimed'`,
          [new Date(service.clock.now())],
        );
        expect(await finish(needsOf(service), id as IncidentId)).toEqual({ kind: "finished" });
      };
      expect(await tell("start")).toMatchObject({ kind: "started", sum: { scope: 1 } });
      const first = (await tell("preview"))["text"];
      await letGo();
      service.clock.advance(1_000);
      // Whom it is about already makes it no wider.
      await containOne(service, ada);
      expect(await tell("start")).toMatchObject({ kind: "already-started", sum: { scope: 1 } });

      await containMore(service, bob);
      expect(await status()).toMatchObject({ state: "contained", missing: expect.arrayContaining([missingSays.told]) });
      expect(await tell("start")).toMatchObject({
        kind: "started",
        sum: { scope, waiting: scope - 1 - (scope === 3 ? 1 : 0) },
      });
      expect(await status()).toMatchObject({ state: "notifying" });
      if (scope === 3) expect((await tell("preview"))["text"]).not.toBe(first);
      await letGo();
      expect(await status()).toMatchObject({ state: "readmitting" });
      expect(await tell("start")).toMatchObject({ kind: "already-started", sum: { scope } });
      expect((await status())["missing"]).not.toEqual(expect.arrayContaining([missingSays.told]));
    },
  );

  test("several at once, without a case before: one case, each contained", async () => {
    const service = await testService();
    const ids = await Promise.all(
      ["ada", "bob", "eve"].map((name) => service.account(`${name}@example.org`, goodPassword)),
    );
    const outcomes = await Promise.all([...ids.map((id) => containOne(service, id)), containNow(service)]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["contained", "contained", "contained", "contained"]);
    expect(new Set(outcomes.map((one) => "incidentId" in one && one.incidentId)).size).toBe(1);
  });
});

describe("a dry run", () => {
  test("says what containment then does, for each way, and touches nothing", async () => {
    const service = await testService();
    const ada = await service.account("ada@example.org", goodPassword);
    await service.account("bob@example.org", goodPassword);
    const adas = await service.signIn("ada@example.org", goodPassword);
    await service.call("POST", "/api/sessions", {
      body: { address: "bob@example.org", password: goodPassword, token: true, class: "tool" satisfies SessionClass },
    });
    await approvedLink(service, adas);
    await askRenewal(service, "ada@example.org");
    await askRenewal(service, "bob@example.org");
    const operator = await service.operator();
    const opened = await service.call("POST", "/api/incidents", {
      body: { reason: "a copy is for sale" },
      cookies: asCookie(operator),
    });
    const order = async (body: object) => {
      const answer = await service.call("POST", `/api/incidents/${String(opened.body["id"])}/contain`, {
        body,
        cookies: asCookie(operator),
      });
      return { status: answer.status, kind: answer.body["kind"], counted: answer.body["counted"] as Counts };
    };
    const before = await readFloors(service.ground.plainDb);
    const would = {
      all: await order({ dryRun: true }),
      keptTools: await order({ dryRun: true, keepTools: true }),
      withRenewal: await order({ dryRun: true, mode: "with-renewal" }),
      one: await order({ dryRun: true, accountId: ada }),
    };
    expect(would.all.counted).toEqual({
      passwords: 2,
      sessions: 3,
      links: 1,
      tickets: 2,
      totps: 0,
      recoveryCodes: 0,
      passkeysStillGood: 0,
      accounts: 3,
    });
    expect(would.keptTools.counted.sessions).toBe(2);
    expect(would.withRenewal.counted.sessions).toBe(0);
    expect(would.one).toMatchObject({
      kind: "would-contain",
      counted: { passwords: 1, sessions: 1, links: 1, tickets: 1, accounts: 1 },
    });
    expect((await order({ dryRun: true, accountId: "00000000-0000-7000-8000-000000000000" })).status).toBe(404);
    expect(await readFloors(service.ground.plainDb)).toEqual(before);
    expect(await opens(service, adas)).toBe(true);
    expect(await signsIn(service, "ada@example.org")).toBe(true);
    expect((await caseOf(service))?.containment).toBeNull();

    // The sign-in just made is one session more of ada's.
    const one = await containOne(service, ada);
    expect(one).toMatchObject({ counted: { ...would.one.counted, sessions: 2 } });
    // What is refused already is not refused from now on.
    const all = await containNow(service);
    expect(all.counted).toMatchObject({ accounts: 3, passwords: 1, links: 0, tickets: 1 });
  });

  test("counts no session that has been signed out already, as by a renewal that signs out every device", async () => {
    const service = await testService();
    await service.account("ada@example.org", goodPassword);
    const old = [
      await service.signIn("ada@example.org", goodPassword),
      await service.signIn("ada@example.org", goodPassword),
    ];
    const would = async () =>
      (
        await wouldContain(
          {
            db: service.ground.plainDb,
            clock: service.clock,
            wayOut: { leavesBy: "mailbox", contact: null, allowance: null, price: null },
            deadlines: deadlineRules,
          },
          null,
          { mode: "everyone-out", keepTools: false, account: undefined, withinMs: null, operator: "test" },
        )
      )?.counted?.sessions;
    expect(await would()).toBe(2);
    const password = "a fresh and longer sentence";
    expect((await completeRenewal(service, await askRenewal(service, "ada@example.org"), password)).status).toBe(200);
    expect(await opens(service, old[0]!)).toBe(false);
    expect(await would()).toBe(0);
    expect(await opens(service, await service.signIn("ada@example.org", password))).toBe(true);
    expect(await would()).toBe(1);
  });

  test("what takes long to count keeps nobody from containing", async () => {
    const service = await testService();
    await service.account("ada@example.org", goodPassword);
    const adas = await service.signIn("ada@example.org", goodPassword);
    const operator = await service.operator();
    const opened = await service.call("POST", "/api/incidents", {
      body: { reason: "a copy is for sale" },
      cookies: asCookie(operator),
    });
    expect(await opens(service, adas)).toBe(true);
    const other = openDb({
      connection: testConnection(String(service.ground.plainDb.pool.options.database)),
      log: silentLog,
    });
    // Whoever counts passwords, addresses or letters waits as if there were too many to be read.
    const contained = await other.transaction(async (tx) => {
      await tx.run(`lock table password, account_address, letter in access exclusive mode`);
      return service.call("POST", `/api/incidents/${String(opened.body["id"])}/contain`, {
        body: {},
        cookies: asCookie(operator),
      });
    });
    await other.close();
    expect(contained).toMatchObject({ status: 200, body: { kind: "contained", counted: null, witness: "told" } });
    expect(await opens(service, adas)).toBe(false);
  });
});

test("twice raises every floor twice and keeps the case's first instant, how far it is, and that the keys were reachable", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  await approvedLink(service, await service.signIn("ada@example.org", goodPassword));
  await askRenewal(service, "ada@example.org");
  const first = await contain(needsOf(service), { ...order, keysReachable: true });
  expect(first.counted).toMatchObject({ accounts: 1, passwords: 1, sessions: 1, links: 1, tickets: 1 });
  // Its letters go out by now.
  await service.ground.plainDb.run(`update incident set state = 'notifying'`);
  service.clock.advance(60_000);
  // Somebody is back in between, and out again.
  await service.account("bob@example.org", goodPassword);
  const bobs = await service.signIn("bob@example.org", goodPassword);
  expect(await opens(service, bobs)).toBe(true);
  const second = await containNow(service);
  // Bob's, and not once more what is ada's.
  expect(second.counted).toMatchObject({ accounts: 2, passwords: 1, sessions: 1, links: 0, tickets: 0 });
  expect(second.incidentId).toBe(first.incidentId);
  expect(second.reference).toBe(first.reference);
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect(await opens(service, bobs)).toBe(false);
  expect(await signsIn(service, "bob@example.org")).toBe(false);
  const row = await service.ground.plainDb.one(
    `select contained_at as at, epoch, state, keys_reachable as keys from incident`,
  );
  expect(row).toEqual({ at: new Date(first.at), epoch: second.epoch, state: "notifying", keys: "yes" });
  const told = await readTimeline(service.ground.plainDb, { kinds: ["contained"], limit: 5 });
  expect(new Set(told.map(({ detail }) => detail["epoch"]))).toEqual(new Set([first.epoch, second.epoch]));
});

test("what an attempt that was killed is found to have announced is counted by the one that carries it out", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  await service.signIn("ada@example.org", goodPassword);
  const { databaseId, head } = await readStanding(service.ground.plainDb);
  await witnessOf(service).intend(databaseId, { epoch: 2 as Epoch, kinds: ["password", "browser"], head });
  expect(await containNow(service)).toMatchObject({ epoch: 3, counted: { passwords: 1, sessions: 1 } });
});

test("a weaker containment that follows takes nothing back: case, letter, report and command say what stands for what was copied", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const stolen = await service.signIn("ada@example.org", goodPassword);
  expect(await opens(service, stolen)).toBe(true);
  const first = await contain(needsOf(service), order);
  service.clock.advance(60_000);
  await contain(needsOf(service), { ...order, keepTools: true });
  service.clock.advance(60_000);
  await contain(needsOf(service), { ...order, mode: "with-renewal" });
  expect(await opens(service, stolen)).toBe(false);

  const cookies = asCookie(await service.operator());
  const url = `/api/incidents/${first.incidentId}`;
  const at = new Date(first.at).toISOString();
  const stands = { containment: "everyone-out", containedAt: at, containmentAt: at, keptTools: false };
  expect((await service.call("GET", url, { cookies })).body).toMatchObject(stands);
  const preview = await service.call("POST", `${url}/notify`, { body: { action: "preview" }, cookies });
  expect(preview.body["text"]).toContain("we signed out every device");
  expect(preview.body["text"]).not.toMatch(/stay so until|keep working/);
  const report = (await service.call("GET", `${url}/report?format=json`, { cookies })).body;
  expect(report["incident"]).toMatchObject(stands);
  expect(JSON.stringify([report["limits"], report["drafts"]])).not.toMatch(
    /kept on purpose|stayed signed in|but for scripts/,
  );
  const acts = (report["timeline"] as { entries: Act[] }).entries;
  expect([...caseDifferences(report, acts)]).toEqual([]);
  const page = await service.call("GET", `${url}/report?format=html`, { cookies });
  expect(page.text.includes("Everyone out:"), "the page").toBe(true);
  expect(page.text.includes("kept on purpose"), "the page").toBe(false);
});

test("a stronger containment that follows is what stands, and the letter names its instant and not the first", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const stolen = await service.signIn("ada@example.org", goodPassword);
  const first = await contain(needsOf(service), { ...order, mode: "with-renewal" });
  expect(await opens(service, stolen)).toBe(true);
  const url = `/api/incidents/${first.incidentId}`;
  const saidOf = async () => {
    const cookies = asCookie(await service.operator());
    const { limits, drafts } = (await service.call("GET", `${url}/report?format=json`, { cookies })).body;
    return JSON.stringify([limits, drafts]);
  };
  const before = await saidOf();
  expect(before).toContain("stayed signed in until their account renewed");
  expect(before).toContain("what it had opened ends when its account sets a new one");
  expect(before).not.toMatch(/kept on purpose|but for scripts/);
  service.clock.advance(26 * 3_600_000);
  const second = await contain(needsOf(service), { ...order, keepTools: true });
  expect(await opens(service, stolen)).toBe(false);
  const said = await saidOf();
  expect(said).toContain("scripts and other tools were kept on purpose");
  expect(said).toContain("but for scripts and other tools of the people's own");
  expect(said).not.toContain("stayed signed in");
  const cookies = asCookie(await service.operator());
  const [from, since] = [first.at, second.at].map((at) => new Date(at).toISOString());
  expect((await service.call("GET", url, { cookies })).body).toMatchObject({
    containment: "everyone-out",
    containedAt: from,
    containmentAt: since,
    keptTools: true,
  });
  const preview = await service.call("POST", `${url}/notify`, { body: { action: "preview" }, cookies });
  const sentence = String(preview.body["text"])
    .split("\n")
    .find((line) => line.includes("we signed out every device"));
  expect(sentence).toContain(writtenInstant("en", second.at));
  const report = (await service.call("GET", `${url}/report?format=json`, { cookies })).body;
  expect(JSON.stringify(report["drafts"])).toContain(`Since ${minuteOf(since!)} every password from before is refused`);
});

const bothWays: readonly (readonly [string, (service: TestService) => Promise<Containment | ContainAccountOutcome>])[] =
  [
    ["everybody", (service) => containNow(service)],
    ["one account", async (service) => containOne(service, await service.account("ada@example.org", goodPassword))],
  ];

test.each(bothWays)(
  "somebody opens a case in the same moment: containing %s is of that case, and does not fail",
  async (_whom, containIt) => {
    const service = await testService();
    const { clock, random } = service.ground;
    let opened: string | undefined;
    const contained = await besideOpenTransaction(
      service.ground.plainDb,
      async (tx) => {
        opened = (await writeIncident(tx, clock.now(), random, { reason: "seen on a forum" }, "test")).incidentId;
      },
      () => containIt(service),
    );
    expect(contained).toMatchObject({ kind: "contained", incidentId: opened, witness: "told" });
    expect((await remembered(service, witnessOf(service))).intent).toBeNull();
  },
);

test("a case that somebody opens in the same moment, and that says that keys were within reach, has second factors refused", async () => {
  const service = await testService();
  const { clock, random } = service.ground;
  const facts = { reason: "seen on a forum", keysReachable: "yes" } as const;
  const contained = await besideOpenTransaction(
    service.ground.plainDb,
    (tx) => writeIncident(tx, clock.now(), random, facts, "test"),
    () => containNow(service),
  );
  expect(contained.floors).toEqual(expect.arrayContaining(["totp", "recovery"]));
});

test.each(bothWays)(
  "somebody closes the case in the same moment: containing %s opens another, which people are told of",
  async (_whom, containIt) => {
    const service = await testService();
    const opened = await openIncident(service.ground, { reason: "a false alarm" }, "test");
    const contained = await besideOpenTransaction(
      service.ground.plainDb,
      (tx) => tx.run(`update incident set state = 'closed', closed_at = $1`, [new Date(service.clock.now())]),
      () => containIt(service),
    );
    expect(contained).toMatchObject({ kind: "contained", witness: "told" });
    expect(contained).not.toMatchObject({ incidentId: "incidentId" in opened && opened.incidentId });
    expect((await caseOf(service))?.id).toBe("incidentId" in contained && contained.incidentId);
    expect(await service.ground.plainDb.one(`select contained_at as at from incident where state = 'closed'`)).toEqual({
      at: null,
    });
  },
);

test("ten at once take turns: ten epochs, one case, and the witness knows the last", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect(await opens(service, token)).toBe(true);
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => containNow(service)));
  expect(new Set(outcomes.map(({ epoch }) => epoch)).size).toBe(10);
  expect(new Set(outcomes.map(({ incidentId }) => incidentId)).size).toBe(1);
  expect(await opens(service, token)).toBe(false);
  const { floors, intent } = await remembered(service, witnessOf(service));
  expect(floors).toEqual(await readFloors(service.ground.plainDb));
  expect(intent).toBeNull();
});

/** A witness over which somebody is held up between the announcement and the commit, and what was asked of it. */
function heldUp(witness: Witness) {
  const [announced, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const asked: string[] = [];
  return {
    announced: announced.promise,
    goOn: goOn.resolve,
    asked,
    witness: {
      ...witness,
      intend: async (id, intent) => {
        await witness.intend(id, intent);
        asked.push(`intend ${intent.epoch}`);
        announced.resolve();
        await goOn.promise;
      },
      abandon: async (id, epoch) => {
        asked.push(`abandon ${epoch}`);
        return witness.abandon(id, epoch);
      },
    } satisfies Witness,
  };
}

/** Another process's connections to the same database. */
const another = ({ ground }: TestService): Db => {
  const connection = testConnection(String(ground.plainDb.pool.options.database));
  return openDb({ connection, log: silentLog, maxConnections: 2 });
};

const order = { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "test" } as const;

test("a second containment waits until the first has settled what it announced", async () => {
  const service = await testService();
  const db = another(service);
  try {
    const [first, second] = [heldUp(witnessOf(service)), heldUp(witnessOf(service))];
    second.goOn();
    const firstDone = contain(needsOf(service, first.witness), order);
    await first.announced;
    const announced = (await remembered(service, witnessOf(service))).intent;
    let asked = 0;
    db.pool.on("acquire", () => asked++);
    const secondDone = contain({ ...needsOf(service, second.witness), db }, { ...order, mode: "with-renewal" });
    // It has looked for its turn more than once, and asked the witness for nothing.
    await eventually("somebody to wait for a turn", async () => (asked > 3 ? true : undefined));
    expect(second.asked).toEqual([]);
    expect((await remembered(service, witnessOf(service))).intent).toEqual(announced);
    first.goOn();
    const [one, other] = [await firstDone, await secondDone];
    expect([one.witness, other.witness]).toEqual(["told", "told"]);
    // Both were announced at the epoch that they then committed; none was taken back.
    expect([first.asked, second.asked]).toEqual([[`intend ${one.epoch}`], [`intend ${other.epoch}`]]);
    expect(other.epoch).toBe(one.epoch + 1);
  } finally {
    await db.close();
  }
});

test("what somebody announced and was stopped in is carried out by the next, though that refuses less", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  const db = another(service);
  const first = heldUp(witnessOf(service));
  const firstDone = contain({ ...needsOf(service, first.witness), db }, order);
  await first.announced;
  // Its connections break: its turn is over, and what it announced is not settled.
  await service.ground.plainDb.run(
    `select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())`,
  );
  expect(await opens(service, token)).toBe(true);
  const second = await containNow(service, "with-renewal");
  expect(second.witness).toBe("told");
  expect(await opens(service, token)).toBe(false);
  const { floors, intent } = await remembered(service, witnessOf(service));
  expect([floors, intent]).toEqual([await readFloors(service.ground.plainDb), null]);
  // It was not dead: it raises them once more, above everything.
  first.goOn();
  expect((await firstDone).epoch).toBe(second.epoch + 1);
  expect(first.asked.filter((asked) => asked.startsWith("abandon"))).toEqual([]);
  expect((await remembered(service, witnessOf(service))).floors).toEqual(await readFloors(service.ground.plainDb));
  await db.close();
});

test.each(["read", "intend", "confirm"] as const)(
  "what the witness is owed since its %s failed is told by the next containment",
  async (step) => {
    const service = await testService();
    const away = () => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", "away"));
    const owed = await containNow(service, "everyone-out", { ...witnessOf(service), [step]: away });
    expect(owed.witness).toBe("owed");
    const told = await containNow(service);
    expect([told.witness, told.epoch]).toEqual(["told", owed.epoch + 1]);
    const { floors, intent } = await remembered(service, witnessOf(service));
    expect([floors, intent]).toEqual([await readFloors(service.ground.plainDb), null]);
  },
);

test("one that fails and is rolled back takes its announcement back: nobody carries it out", async () => {
  const service = await testService();
  const { plainDb } = service.ground;
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  const before = await remembered(service, witnessOf(service));
  const held = heldUp(witnessOf(service));
  held.goOn();
  await plainDb.run(`alter table added_since rename to added_once`);
  try {
    await expect(contain(needsOf(service, held.witness), order)).rejects.toThrow("added_since");
  } finally {
    await plainDb.run(`alter table added_once rename to added_since`);
  }
  const epoch = highest(before.floors) + 1;
  expect(held.asked).toEqual([`intend ${epoch}`, `abandon ${epoch}`]);
  expect(await remembered(service, witnessOf(service))).toEqual(before);
  expect(await opens(service, token)).toBe(true);
  // And the next one is contained with the epoch that was free again.
  expect(await containNow(service)).toMatchObject({ epoch, witness: "told" });
  expect(await opens(service, token)).toBe(false);
});

test("with the keyholder down it commits and says that the witness is owed; nothing starts until it is paid; the next start pays", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect(await opens(service, token)).toBe(true);
  const before = (await remembered(service, witnessOf(service))).floors;

  const { credentials, socketPath } = service.keyholder;
  const database = String(service.ground.plainDb.pool.options.database);
  const connection = testConnection(database);
  // The command on the host, as an operator runs it at 3 a.m., with no keyholder to be found.
  const config = parseConfig(
    {
      DATA_DIR: join(service.folder, "elsewhere"),
      DATABASE_URL: `postgres://${connection.user}@localhost:${connection.port}/${database}?host=${encodeURIComponent(String(connection.host))}`,
      KEYHOLDER_URL: `unix:${join(service.folder, "nobody.sock")}`,
      KEYHOLDER_CREDENTIALS: join(service.folder, "nobody.json"),
    },
    service.folder,
  );
  const order = { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "host" } as const;
  const contained = await withContainmentGround(config, silentLog, (ground) =>
    contain({ ...ground, clock: service.clock }, order),
  );
  expect(contained.witness).toBe("owed");
  expect(await opens(service, token)).toBe(false);
  expect(await signsIn(service, "ada@example.org")).toBe(false);
  const [owed] = await readTimeline(service.ground.plainDb, { kinds: ["witness owed"], limit: 5 });
  expect(owed?.detail).toEqual({ epoch: contained.epoch });

  const start = (socket: string) =>
    layGround({
      config: service.ground.config,
      surroundings: { connection, keyholder: { socketPath: socket, credentials } },
      log: silentLog,
      clock: service.clock,
    });
  await expect(start(join(service.folder, "nobody.sock"))).rejects.toMatchObject({ code: "KEYHOLDER_UNAVAILABLE" });

  const started = await start(socketPath);
  await started.db.one(`select 1 as here`);
  const { floors } = await remembered(service, started.keyholders.operator.witness);
  await started.close();
  expect(highest(before)).toBeLessThan(contained.epoch);
  expect(floors).toEqual(await readFloors(service.ground.plainDb));
  expect(floors.browser).toBe(contained.epoch);
});

test("a case that says that keys were within reach has second factors refused, once, also by who only contains", async () => {
  const service = await testService();
  await service.account("ada@example.org", goodPassword);
  const operator = await service.operator();
  const { recoveryCodes } = await setUpTotp(service, await service.signIn("ada@example.org", goodPassword));
  const opened = await service.call("POST", "/api/incidents", {
    body: { reason: "keys and a copy are for sale", keysReachable: "yes" },
    cookies: asCookie(operator),
  });
  expect(opened.status, opened.text).toBe(201);
  const path = `/api/incidents/${String(opened.body["id"])}/contain`;
  const would = await service.call("POST", path, { body: { dryRun: true }, cookies: asCookie(operator) });
  expect(would.body).toMatchObject({ counted: { totps: 1, recoveryCodes: recoveryCodes.length } });
  const before = await readFloors(service.ground.plainDb);
  const contained = await service.call("POST", path, { body: {}, cookies: asCookie(operator) });
  expect(contained.body["floors"]).toEqual(expect.arrayContaining(["totp", "recovery"]));
  const { totp, recovery, passkey, password } = await readFloors(service.ground.plainDb);
  expect([totp, recovery, passkey]).toEqual([password, password, before.passkey]);
  // What is set up anew from here on is under what the operator has made of it.
  service.clock.advance(1_000);
  expect((await containNow(service)).floors).not.toContain("totp");
});

test.each([{}, { dataClasses: [] }])(
  "a case that is told nothing of what was taken, %j, tells people of everything there is",
  async (said) => {
    const service = await testService();
    const operator = asCookie(await service.operator());
    const opened = await service.call("POST", "/api/incidents", {
      body: { reason: "a copy", ...said },
      cookies: operator,
    });
    expect(opened.body["dataClasses"]).toEqual([...everyDataClass]);
    const preview = await service.call("POST", `/api/incidents/${String(opened.body["id"])}/notify`, {
      body: { action: "preview" },
      cookies: operator,
    });
    expect(preview.text).toContain("the record of your second factor");
  },
);

test("one account and what spares sessions exclude each other: it is signed out everywhere", async () => {
  const service = await testService();
  const accountId = await service.account("ada@example.org", goodPassword);
  const token = await service.signIn("ada@example.org", goodPassword);
  const operator = await service.operator();
  const opened = await service.call("POST", "/api/incidents", {
    body: { reason: "one was phished" },
    cookies: asCookie(operator),
  });
  const one = (more: object) =>
    service.call("POST", `/api/incidents/${String(opened.body["id"])}/contain`, {
      body: { accountId, ...more },
      cookies: asCookie(operator),
    });
  for (const more of [{ keepTools: true }, { mode: "with-renewal" }]) expect((await one(more)).status).toBe(400);
  expect(await opens(service, token)).toBe(true);
  expect((await one({})).status).toBe(200);
  expect(await opens(service, token)).toBe(false);
});

describe("with renewal", () => {
  test("sessions live and open nothing new; no old password, code, ticket or link works", async () => {
    const service = await testService();
    await service.account("ada@example.org", goodPassword);
    const token = await service.signIn("ada@example.org", goodPassword);
    const ticket = await askRenewal(service, "ada@example.org");
    const link = await approvedLink(service, token);
    await containNow(service, "with-renewal");
    expect(await opens(service, token)).toBe(true);
    expect(await signsIn(service, "ada@example.org")).toBe(false);
    expect((await completeRenewal(service, ticket, "a fresh and longer sentence")).body["code"]).toBe("code-refused");
    expect((await claim(service, link)).status).toBe(400);
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const decided = await service.call("POST", "/api/links/decide", {
      body: { userCode: asked.body["user_code"], decision: "approve" },
      cookies: asCookie(token),
    });
    expect(decided.body["code"]).toBe("renew-first");
  });

  test.each([
    { box: undefined, lives: false },
    { box: true, lives: false },
    { box: false, lives: true },
  ])("the box $box at renewal: old sessions live on $lives", async ({ box, lives }) => {
    const service = await testService();
    await service.account("ada@example.org", goodPassword);
    await service.account("bob@example.org", goodPassword);
    const browser = await service.signIn("ada@example.org", goodPassword);
    const bobs = await service.signIn("bob@example.org", goodPassword);
    const tv = String((await claim(service, await approvedLink(service, browser))).body["access_token"]);
    const tvOpens = async () => (await service.call("GET", "/api/session", { bearer: tv })).status === 200;
    await containNow(service, "with-renewal");
    expect([await opens(service, browser), await tvOpens()]).toEqual([true, true]);
    const renewal = await askRenewal(service, "ada@example.org");
    const renewed = await completeRenewal(service, renewal, "a fresh and longer sentence", box);
    expect(renewed.body).toEqual({ kind: "renewed", signedOutDevices: !lives });
    expect([await opens(service, browser), await tvOpens()]).toEqual([lives, lives]);
    // Nobody else's end with it.
    expect(await opens(service, bobs)).toBe(true);
    // Kept, they stay until they expire.
    service.clock.advance(400 * 24 * 3_600_000);
    expect([await opens(service, browser), await tvOpens()]).toEqual([false, false]);
  });
});
