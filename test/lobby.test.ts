import { describe, expect, test } from "vitest";
import { buildWeb } from "../src/app-web.ts";
import { bodyPlace, browserCookie, lineCookie, placeCookie, sessionCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import type { IncidentId } from "../src/kernel/brand.ts";
import { dayMs, hourMs, minuteMs, plus } from "../src/kernel/clock.ts";
import { newSecret, systemRandom } from "../src/kernel/random.ts";
import { Secret } from "../src/kernel/secret.ts";
import { ordinaryCost } from "../src/credentials/hash-pool.ts";
import { lanes } from "../src/credentials/lanes.ts";
import { fullnessOf, readLobbyFullness } from "../src/renewal/lobby/fullness.ts";
import { enterBy, noCase, openLine, placesPerNetwork } from "../src/renewal/lobby/line.ts";
import { readPlace, signPlace } from "../src/renewal/lobby/place.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { besideOpenTransaction } from "./open-transaction.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * P6: ten times more people than can be served get a place in line, never an error. The line moves when a test says so,
 * and by what it says can be served; everything else is the product over HTTP.
 */
const crowd = { hashesPerSecond: 1_000_000 };
// Lanes fill while hashes take what they take in the product.
const service = await testService({
  hashCost: ordinaryCost,
  lobby: { everyMs: dayMs, hashesPerSecond: () => crowd.hashesPerSecond },
});
const { ground, web, clock } = service;

type Jar = Readonly<Record<string, string>>;
const jarOf = ({ cookies }: Answer): Jar => ({
  [placeCookie]: cookies[placeCookie] ?? "",
  [lineCookie]: cookies[lineCookie] ?? "",
});

/** From now on nobody more can be served than the handful that always may, which this uses up. */
async function fill(): Promise<void> {
  crowd.hashesPerSecond = 0.001;
  await web.lobby.advance();
  for (let asks = 0; asks < 50; asks++) {
    const answer = await ask(`early-${asks}@example.org`);
    if (answer.body["kind"] === "in-line") return;
  }
  throw new Error("the crowd found no end");
}

/** Room for everybody: all that wait are called. */
async function callEverybody(): Promise<void> {
  crowd.hashesPerSecond = 1_000_000;
  await web.lobby.advance();
  await web.lobby.advance();
}

const ask = (address: string, more: { cookies?: Jar; from?: string } = {}): Promise<Answer> =>
  service.call("POST", "/api/renewals", { body: { address }, ...more });
const stand = (cookies: Jar): Promise<Answer> => service.call("POST", "/api/renewals/place", { body: {}, cookies });

describe("a place in line", () => {
  test("is the same for every address, says how many are before and moves; whoever is called goes on", async () => {
    await service.account("ada@example.org", goodPassword);
    await callEverybody();
    expect((await ask("ada@example.org")).body["kind"]).toBe("code-sent");
    await fill();
    const letters = (await service.letters()).length;
    const work = web.work();
    const known = await ask("ada@example.org");
    const unknown = await ask("nobody@example.org");
    expect([known.status, unknown.status]).toEqual([202, 202]);
    const place = { number: 0, before: 0, expectedSeconds: 0 };
    expect({ ...unknown.body, ...place }).toEqual({ ...known.body, ...place });
    expect(unknown.headers["retry-after"]).toBe(known.headers["retry-after"]);
    expect(Number(unknown.body["before"])).toBe(Number(known.body["before"]) + 1);
    expect(known.headers["retry-after"]).toBe(String(known.body["comeBackSeconds"]));
    // Two statements, no call of the keyholder, no letter: nothing that depends on an account was looked at.
    expect(web.work().statements - work.statements).toBe(2);
    expect(web.work().keyholderCalls).toBe(work.keyholderCalls);
    expect(await service.letters()).toHaveLength(letters);

    expect((await stand(jarOf(known))).body).toMatchObject({ kind: "in-line", number: known.body["number"] });
    await callEverybody();
    const called = await stand(jarOf(known));
    expect(called.body).toEqual({ kind: "called" });
    // In a new crowd the pass goes straight in, as often as its half hour lasts.
    await fill();
    const pass = { ...jarOf(known), ...called.cookies };
    expect((await ask("ada@example.org", { cookies: pass })).body["kind"]).toBe("code-sent");
    clock.advance(31 * minuteMs);
    expect((await ask("ada@example.org", { cookies: pass })).body["kind"]).toBe("in-line");
    // And the place behind it has had its turn: once nobody waits its holder walks in like anybody, with no pass for it.
    expect((await ask("ada@example.org", { cookies: jarOf(known) })).body["kind"]).toBe("in-line");
    await callEverybody();
    const walksIn = await stand(jarOf(known));
    expect([walksIn.body["kind"], walksIn.cookies[placeCookie]]).toEqual(["called", undefined]);
  });

  test("cannot be copied to another browser, changed, or taken from another case", async () => {
    await fill();
    const mine = jarOf(await ask("first@example.org"));
    const theirs = jarOf(await ask("second@example.org"));
    await callEverybody();
    await fill();
    const stands = async (cookies: Jar): Promise<unknown> => (await stand(cookies)).body["kind"];
    const copied = { [placeCookie]: mine[placeCookie] ?? "", [lineCookie]: theirs[lineCookie] ?? "" };
    expect(await stands(copied)).toBe("in-line");
    expect(await stands({ [placeCookie]: mine[placeCookie] ?? "" })).toBe("in-line");

    // Every byte of it counts.
    const bytes = Buffer.from(mine[placeCookie] ?? "", "base64url");
    const { key } = await openLine({ ...ground, keyholder: ground.keyholders.web }, noCase, clock.now());
    const browser = new Secret(Buffer.from(mine[lineCookie] ?? "", "base64url"));
    expect(readPlace(key, noCase, mine[placeCookie] ?? "", browser)).toBeDefined();
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      expect(readPlace(key, noCase, forged.toString("base64url"), browser), `byte ${at}`).toBeUndefined();
    }
    const otherKey = new Secret(systemRandom.bytes(32));
    const claims = { kind: "pass", caseId: noCase, number: 1, at: clock.now() } as const;
    const forgedPass = { ...mine, [placeCookie]: signPlace(otherKey, claims, browser) };
    expect(await stands(forgedPass)).toBe("in-line");
    const otherCase = "019ab000-0000-7000-8000-000000000001" as IncidentId;
    const foreign = { ...mine, [placeCookie]: signPlace(key, { ...claims, caseId: otherCase }, browser) };
    expect(await stands(foreign)).toBe("in-line");
    // A pass lets in whoever holds it, but only in the browser that it was given to.
    const copiedPass = { [placeCookie]: signPlace(key, claims, browser), [lineCookie]: theirs[lineCookie] ?? "" };
    expect(await stands(copiedPass)).toBe("in-line");
    // The very same, for this case: it would have been good.
    expect(await stands({ ...mine, [placeCookie]: signPlace(key, claims, browser) })).toBe("called");
    // What was copied a moment before is good where it belongs, once there is room.
    expect(await stands(mine)).toBe("in-line");
    await callEverybody();
    expect(await stands(mine)).toBe("called");
    expect(await stands(theirs)).toBe("called");
    await callEverybody();
  });

  test("goes to one person each, over two nodes, and survives a restart", async () => {
    await fill();
    const second = await buildWeb(ground, { everyMs: dayMs, lobby: { everyMs: dayMs, hashesPerSecond: () => 0.001 } });
    const asks = Array.from({ length: 60 }, async (_none, number) => {
      const payload = { address: `crowd-${number}@example.org`, token: true };
      const app = number % 2 === 0 ? web.app : second.app;
      const answer = await app.inject({ method: "POST", url: "/api/renewals", payload });
      return answer.json<Record<string, unknown>>();
    });
    const places = (await Promise.all(asks)).filter(({ kind }) => kind === "in-line");
    expect(places.length).toBeGreaterThanOrEqual(50);
    const numbers = places.map(({ number }) => Number(number)).toSorted((one, other) => one - other);
    expect(new Set(numbers).size).toBe(places.length);
    expect((numbers.at(-1) ?? 0) - (numbers[0] ?? 0)).toBe(places.length - 1);
    await second.close();

    const third = await buildWeb(ground, { everyMs: dayMs, lobby: { everyMs: dayMs, hashesPerSecond: () => 0.001 } });
    const [place] = places;
    const standing = await third.app.inject({
      method: "POST",
      url: "/api/renewals/place",
      payload: { place: place?.["place"] },
    });
    expect(standing.json()).toMatchObject({ kind: "in-line", number: place?.["number"] });
    const next = await third.app.inject({ method: "POST", url: "/api/renewals", payload: { address: "a@b.example" } });
    expect(next.json()).toMatchObject({ kind: "in-line", number: (numbers.at(-1) ?? 0) + 1 });
    await third.close();
    await callEverybody();
  });

  test("whose turn is taken over another node in the same moment is a turn all the same, and gets its pass", async () => {
    await fill();
    const waiting = await ask("twice@example.org");
    await callEverybody();
    const jar = jarOf(waiting);
    const browser = new Secret(Buffer.from(jar[lineCookie] ?? "", "base64url"));
    const { caseId } = web.lobby.state();
    const entry = [caseId, Number(waiting.body["number"]), browser.digest(), new Date(clock.now())];
    const called = await besideOpenTransaction(
      ground.plainDb,
      (tx) =>
        tx.run(`insert into lobby_entry (case_id, number, browser_digest, entered_at) values ($1, $2, $3, $4)`, entry),
      () => stand(jar),
    );
    expect([called.body["kind"], typeof called.cookies[placeCookie]]).toEqual(["called", "string"]);
  });

  test("is not given to one network without end, and the next network has its own", async () => {
    await fill();
    const from = "198.51.100.7";
    const answers = await Promise.all(
      Array.from({ length: placesPerNetwork.limit + 5 }, () => ask("many@example.org", { from })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(5);
    expect(refused[0]?.headers["retry-after"]).toBe("600");
    expect((await ask("many@example.org", { from: "198.51.100.8" })).status).toBe(202);
    await callEverybody();
  });

  test("is given up by who does not come back in a day", async () => {
    await fill();
    const [late, later] = [jarOf(await ask("late@example.org")), jarOf(await ask("later@example.org"))];
    const numberOf = async (jar: Jar): Promise<number> => Number((await stand(jar)).body["number"]);
    const [first, second] = [await numberOf(late), await numberOf(later)];
    clock.advance(dayMs - 1);
    expect([await numberOf(late), await numberOf(later)]).toEqual([first, second]);
    clock.advance(1);
    expect(await numberOf(late)).toBeGreaterThan(second);
    await callEverybody();
  });

  test("after the crowd people walk straight in, and a new case has a line of its own", async () => {
    await fill();
    const place = jarOf(await ask("waiting@example.org"));
    const called: Jar[] = [];
    for (let person = 0; person < 12; person++) called.push(jarOf(await ask(`called-${person}@example.org`)));
    await callEverybody();
    // Nobody waits, so that nothing is said of what a wait would be.
    expect(web.lobby.state().calledPerSecond).toBe(0);
    expect((await ask("walks@example.org")).body["kind"]).toBe("code-sent");
    expect((await service.call("GET", "/renew")).text).toContain('name="address"');

    await fill();
    expect((await service.call("GET", "/renew")).text).toContain("data-line");
    const old = jarOf(await ask("old-line@example.org"));
    // A handful of those who were called come in at once; the others stand at the door, which opens in the new case.
    const atTheDoor = called.map((one) => stand(one));
    await contain(containNeedsOf(ground), { mode: "with-renewal", keepTools: false, reason: "test", operator: "test" });
    await callEverybody();
    for (const { status } of await Promise.all(atTheDoor)) expect(status).toBe(200);
    const { caseId } = web.lobby.state();
    expect(caseId).not.toBe(noCase);
    expect(await ground.db.many(`select number from lobby_entry where case_id = $1`, [caseId])).toEqual([]);
    // Nobody waits in the new line; when somebody does, the old places count for nothing in it.
    await fill();
    const { number } = (await ask("new-line@example.org")).body;
    expect(Number(number)).toBeLessThan(5);
    const anew = await stand(old);
    expect(anew.body).toMatchObject({ kind: "in-line", number: Number(number) + 1 });
    expect((await stand(place)).body["kind"]).toBe("in-line");
    await callEverybody();
  });
});

test("numbers that are on their way while a case is opened are of the line before, and move no counter of the new one", async () => {
  const own = await testService({ lobby: { everyMs: dayMs, hashesPerSecond: () => 0.001 } });
  const asks = (number: number) =>
    own.call("POST", "/api/renewals", { body: { address: `early-${number}@example.org` } });
  for (let number = 0; number < 12; number++) await asks(number);
  const { plainDb } = own.ground;
  const stands = (caseId: IncidentId) => plainDb.one(`select given, called from lobby where case_id = $1`, [caseId]);
  expect(own.web.lobby.state()).toMatchObject({ caseId: noCase, ...(await stands(noCase)) });
  expect(own.web.lobby.state().given).toBeGreaterThan(3);
  const late = await besideOpenTransaction(
    plainDb,
    (tx) => tx.run(`select 1 from lobby where case_id = $1 for update`, [noCase]),
    () => asks(12),
    async () => {
      const order = { mode: "everyone-out", keepTools: false, reason: "a copy is for sale", operator: "test" } as const;
      await contain(containNeedsOf(own.ground), order);
      await own.web.lobby.advance();
      expect(own.web.lobby.state()).toMatchObject({ given: 0, called: 0 });
    },
  );
  expect(late.status).toBe(202);
  const { caseId, given, called } = own.web.lobby.state();
  expect(caseId).not.toBe(noCase);
  expect({ given, called }).toEqual(await stands(caseId));
});

describe("how full the line is", () => {
  test("is what somebody who comes now would wait, by what was called lately, over ten minutes", async () => {
    expect(fullnessOf(0, 3)).toEqual({ fullness: 0, waiting: 0, calledPerSecond: 3, expectedSeconds: 0 });
    expect(fullnessOf(900, 3)).toEqual({ fullness: 0.5, waiting: 900, calledPerSecond: 3, expectedSeconds: 300 });
    expect(fullnessOf(90_000, 3).fullness).toBe(1);
    expect(fullnessOf(7, 0)).toEqual({ fullness: 1, waiting: 7, calledPerSecond: 0, expectedSeconds: null });

    await callEverybody();
    await fill();
    for (let asks = 0; asks < 4; asks++) await ask(`waits-${asks}@example.org`);
    const { caseId, given, called } = web.lobby.state();
    const full = await readLobbyFullness(ground.db, caseId, clock.now());
    expect(full.waiting).toBe(given - called);
    expect(full.fullness).toBeGreaterThan(0);
    clock.advance(10 * minuteMs);
    // Nobody has been called for ten minutes, and some wait.
    expect((await readLobbyFullness(ground.db, caseId, clock.now())).fullness).toBe(1);
    await callEverybody();
    expect((await readLobbyFullness(ground.db, caseId, clock.now())).fullness).toBe(0);
  });

  test("is shown to operators, with the lanes and the last hour, and to nobody else", async () => {
    expect((await service.call("GET", "/api/lobby")).status).toBe(401);
    await fill();
    const place = jarOf(await ask("comes-in@example.org"));
    await callEverybody();
    clock.advance(hourMs + minuteMs);
    expect((await stand(place)).body["kind"]).toBe("called");
    await fill();
    await callEverybody();
    const { status, body } = await service.call("GET", "/api/lobby", { cookies: asCookie(await service.operator()) });
    expect(status).toBe(200);
    expect((body["lanes"] as { lane: string }[]).map(({ lane }) => lane)).toEqual([...lanes]);
    expect(body["line"]).toMatchObject({ waiting: 0, fullness: 0, fullAfterSeconds: 600 });
    const minutes = body["minutes"] as { given: number; called: number; entered: number; walkedIn: number }[];
    const sum = (key: "given" | "called" | "entered" | "walkedIn") =>
      minutes.reduce((all, minute) => all + minute[key], 0);
    expect(sum("given")).toBeGreaterThan(0);
    expect(sum("called")).toBeGreaterThan(0);
    expect(sum("walkedIn")).toBeGreaterThan(0);
    expect(sum("entered")).toBe(1);
  });
});

describe("while every lane is full", { timeout: 90_000 }, () => {
  /** The lane takes nobody else until this is ended: for each hash that is made another one waits, however fast they are. */
  function keepFull(lane: "sign-in" | "renewal", { hashPool } = web) {
    const salt = systemRandom.bytes(16);
    let ended = false;
    let made = 0;
    const one = async (): Promise<void> => {
      while (!ended) {
        await hashPool.hash(lane, Secret.fromText("somebody else"), salt, hashPool.cost);
        made++;
      }
    };
    const all = Promise.allSettled(Array.from({ length: 2_000 }, one));
    /** @returns how many hashes it had made. */
    return async (): Promise<number> => {
      ended = true;
      await all;
      return made;
    };
  }

  test("signing in is told to come again before anything is looked at; signing out and the account's pages do not wait", async () => {
    await service.account("grace@example.org", goodPassword);
    const session = await service.signIn("grace@example.org", goodPassword);
    const spare = await service.signIn("grace@example.org", goodPassword);
    const empty = keepFull("sign-in");
    const work = web.work();
    for (const address of ["grace@example.org", "nobody@example.org"]) {
      const answer = await service.call("POST", "/api/sessions", { body: { address, password: goodPassword } });
      expect([answer.status, answer.body["code"]]).toEqual([503, "crowded"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    }
    expect(web.work().statements).toBe(work.statements);
    expect(web.work().keyholderCalls).toBe(work.keyholderCalls);
    const page = await service.call("POST", "/sign-in", {
      body: { address: "grace@example.org", password: goodPassword },
      headers: { accept: "text/html" },
    });
    expect(page.status).toBe(503);
    expect(page.text).toContain("Many people are here at once");
    const cookies = asCookie(session);
    expect((await service.call("GET", "/api/sessions", { cookies })).status).toBe(200);
    expect((await service.call("POST", "/sign-out", { cookies: asCookie(spare) })).status).toBe(303);
    expect((await service.call("GET", "/api/session", { cookies: asCookie(spare) })).status).toBe(401);
    expect(web.hashPool.lane("sign-in").waiting).toBeGreaterThan(100);
    await empty();
    expect(
      (await service.call("POST", "/api/sessions", { body: { address: "grace@example.org", password: goodPassword } }))
        .status,
    ).toBe(201);
  });

  test("a renewal with a right code gets a place, its ticket's clock starts when it is called, and a wrong one is told so", async () => {
    await service.account("lin@example.org", goodPassword);
    await callEverybody();
    const codeOf = async (address: string) => {
      const asked = await ask(address);
      const letter = (await service.letters()).find(
        ({ to, letter: kind }) => to === address && kind === "renewal code",
      );
      return { code: letter?.code ?? "", browser: { [browserCookie]: asked.cookies[browserCookie] ?? "" } };
    };
    const proved = await codeOf("lin@example.org");
    const twin = await codeOf("lin@example.org");
    clock.advance(23.5 * hourMs);
    const empty = keepFull("renewal");
    const complete = (code: string, cookies: Jar) =>
      service.call("POST", "/api/renewals/complete", {
        body: { code, password: "a new and longer sentence" },
        cookies,
      });
    const hashes = web.work().hashes;
    const wrong = await complete("BBBBBBBBBB", twin.browser);
    expect([wrong.status, wrong.body["code"]]).toEqual([400, "code-refused"]);
    const waiting = await complete(proved.code, proved.browser);
    expect(waiting.status).toBe(202);
    expect(waiting.body["kind"]).toBe("in-line");
    const jar = { ...proved.browser, ...jarOf(waiting) };
    // Whoever asks again and again from the line uses no tries up: the code is right.
    for (let again = 0; again < 4; again++) expect((await complete(proved.code, jar)).status).toBe(202);
    const page = await service.call("GET", "/renew/code", { cookies: jar });
    expect(page.text).toContain("data-line");
    const byForm = (code: string, cookies: Jar) =>
      service.call("POST", "/renew/code", { body: { code, password: "a new and longer sentence" }, cookies });
    const wrongForm = await byForm("BBBBBBBBBB", twin.browser);
    expect(wrongForm.status).toBe(400);
    expect(wrongForm.text).not.toContain("data-line");
    const rightForm = await byForm(proved.code, jar);
    expect(rightForm.text).toContain("data-line");
    expect(rightForm.text).toContain("Your code was right.");
    const made = await empty();
    expect(web.work().hashes - hashes).toBeLessThanOrEqual(made);

    // The code is a day old now, and its holder was in line in time.
    clock.advance(hourMs);
    await callEverybody();
    const called = await service.call("POST", "/api/renewals/place", { body: {}, cookies: jar });
    expect(called.body["kind"]).toBe("called");
    expect((await complete(twin.code, twin.browser)).body["code"]).toBe("code-refused");
    const done = await complete(proved.code, { ...jar, ...called.cookies });
    expect(done.body).toMatchObject({ kind: "renewed" });
    const signedIn = await service.call("POST", "/api/sessions", {
      body: { address: "lin@example.org", password: "a new and longer sentence" },
    });
    expect(signedIn.cookies[sessionCookie]).toBeDefined();
  });

  /** A service where hashes are made so fast that nobody waits for long, and somebody there who has a code. */
  async function withCode() {
    const fast = await testService({ lobby: { everyMs: dayMs, hashesPerSecond: () => 1_000_000 } });
    const address = "grace@example.org";
    await fast.account(address, goodPassword);
    const asked = await fast.call("POST", "/api/renewals", { body: { address } });
    const letter = (await fast.letters()).find(({ letter: kind }) => kind === "renewal code");
    const complete = (cookies: Jar) =>
      fast.call("POST", "/api/renewals/complete", {
        body: { code: letter?.code, password: "a new and longer sentence" },
        cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "", ...cookies },
      });
    return { fast, complete };
  }

  test("a right code gets a place and no error also where hashes are made so fast that nobody waits for long", async () => {
    const { fast, complete } = await withCode();
    const empty = keepFull("renewal", fast.web);
    const waiting = await complete({});
    expect([waiting.status, waiting.body["kind"]]).toEqual([202, "in-line"]);
    await empty();
    expect((await complete(jarOf(waiting))).body["kind"]).toBe("renewed");
  });

  test("renewals under way count for the room before they come to their hashes, for a code alone and for a pass", async () => {
    const { fast, complete } = await withCode();
    // As when the database stands still for a moment: none of them has ordered a hash.
    const { promise: standsStill, resolve: goOn } = Promise.withResolvers<void>();
    const underWay = Array.from({ length: 10_000 }, () => fast.web.lobby.complete(() => standsStill));
    const waiting = await complete({});
    expect([waiting.status, waiting.body["kind"]]).toEqual([202, "in-line"]);
    // Called, with a pass, and the lane as full as before.
    await fast.web.lobby.advance();
    const called = await fast.call("POST", "/api/renewals/place", { body: {}, cookies: jarOf(waiting) });
    expect(called.body["kind"]).toBe("called");
    const pass = { ...jarOf(waiting), ...called.cookies };
    expect((await complete(pass)).status).toBe(202);
    goOn();
    await Promise.all(underWay);
    expect((await complete(pass)).body["kind"]).toBe("renewed");
  });

  test("a number lets one browser in, and starts the clock of its proved ticket once", async () => {
    const browsers = [newSecret(systemRandom), newSecret(systemRandom)] as const;
    const tickets = [newSecret(systemRandom), newSecret(systemRandom)] as const;
    const start = clock.now();
    const at = (minutes: number) => new Date(start + minutes * minuteMs);
    await ground.plainDb.run(
      `insert into ticket (browser_digest, address_index, code_mac, epoch, created_at, expires_at, proved_at)
       select digest, '\\x00', '\\x00', 1, $2, $3, case when digest = ($1::bytea[])[1] then $2::timestamptz end
         from unnest($1::bytea[]) digest`,
      [tickets.map((one) => one.digest()), at(0), at(1)],
    );
    const expiry = async (ticket: Secret) =>
      (
        await ground.plainDb.one<{ at: Date }>(`select expires_at as at from ticket where browser_digest = $1`, [
          ticket.digest(),
        ])
      )?.at;
    const enter = (number: number, browser: Secret, ticketBrowser: Secret, minutes: number) =>
      enterBy(ground.plainDb, {
        caseId: noCase,
        number,
        browser,
        // Whoever has asked again since has a newer code too, which nobody has shown to know.
        ticketBrowsers: [newSecret(systemRandom), ticketBrowser],
        now: plus(start, minutes * minuteMs),
        ticketUntil: plus(start, (minutes + 30) * minuteMs),
      });
    const number = 1_000_000;
    expect(await enter(number, browsers[0], tickets[0], 0)).toEqual({ enteredAt: at(0), isFirst: true });
    expect(await expiry(tickets[0])).toEqual(at(30));
    expect(await enter(number, browsers[0], tickets[0], 20)).toEqual({ enteredAt: at(0), isFirst: false });
    expect(await enter(number, browsers[1], tickets[0], 20)).toBeUndefined();
    expect(await expiry(tickets[0])).toEqual(at(30));
    // A code that nobody has shown to know lives no longer for a wait.
    expect(await enter(number + 1, browsers[1], tickets[1], 0)).toEqual({ enteredAt: at(0), isFirst: true });
    expect(await expiry(tickets[1])).toEqual(at(1));
  });

  test("a browser keeps its place for a day, and a pass for its half hour", async () => {
    await fill();
    const keptFor = ({ headers }: Answer) =>
      [headers["set-cookie"]]
        .flat()
        .map((one) => /^__Host-houselights-(place|line)=[^;]+;.* Max-Age=(\d+)/i.exec(String(one)))
        .map((found) => [found?.[1], Number(found?.[2])]);
    const waiting = await ask("keeps@example.org");
    expect(keptFor(waiting)).toEqual([
      ["place", 86_400],
      ["line", 86_400],
    ]);
    await callEverybody();
    expect(keptFor(await stand(jarOf(waiting)))).toEqual([
      ["place", 1_800],
      ["line", 1_800],
    ]);
  });

  test("a caller that keeps its place itself stands in line by that one, and not by one that a cookie has", async () => {
    await fill();
    const browsers = await ask("both@example.org");
    const own = await service.call("POST", "/api/renewals", {
      body: { address: "both@example.org", token: true },
      cookies: jarOf(browsers),
    });
    expect(own.body).toMatchObject({ kind: "in-line", number: Number(browsers.body["number"]) + 1 });
    expect(own.cookies).toEqual({});
    expect((await stand(jarOf(browsers))).body["number"]).toBe(browsers.body["number"]);
    await callEverybody();
  });

  test("a caller without cookies carries the place itself", async () => {
    await fill();
    const waiting = await service.call("POST", "/api/renewals", { body: { address: "app@example.org", token: true } });
    const place = String(waiting.body["place"]);
    expect(waiting.cookies).toEqual({});
    const again = await service.call("POST", "/api/renewals", { body: { address: "app@example.org", place } });
    expect(again.body).toMatchObject({ kind: "in-line", number: waiting.body["number"], place });
    expect(again.cookies).toEqual({});
    const [browserText = "", text = ""] = place.split(".");
    expect(bodyPlace({ text, browser: new Secret(Buffer.from(browserText, "base64url")) })).toBe(place);
    await callEverybody();
    const called = await service.call("POST", "/api/renewals/place", { body: { place } });
    expect(called.body["kind"]).toBe("called");
    await fill();
    const asked = await service.call("POST", "/api/renewals", {
      body: { address: "app@example.org", token: true, place: String(called.body["place"]) },
    });
    expect(asked.body["kind"]).toBe("code-sent");
  });
});
