import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { browserCookie, sessionCookie } from "../src/http/cookies.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { codeAlphabet } from "../src/kernel/random.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "../src/kernel/clock.ts";
import { readTypedFactor, recoveryCodeLength } from "../src/credentials/second-factors.ts";
import { base32 } from "../src/credentials/totp.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { authenticatorOf, beginSignIn, completeSignIn, setUpTotp, stepCookie } from "./totp-app.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * Second factors: an app's codes and recovery codes. Every refusal here is shown to be one: the same request worked a
 * moment before, or works a moment later.
 */
const service = await testService();
const { ground, clock } = service;
const call: typeof service.call = (...request) => service.call(...request);

let people = 0;
async function person() {
  const address = `person-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  const session = await service.signIn(address, goodPassword);
  return { accountId, address, session };
}
async function personWithTotp() {
  const somebody = await person();
  return { ...somebody, ...(await setUpTotp(service, somebody.session)) };
}
const opens = async (answer: Answer): Promise<boolean> =>
  (await call("GET", "/api/session", { cookies: asCookie(answer.cookies[sessionCookie] ?? "x") })).status === 200;
const failures = async (accountId: AccountId): Promise<number> =>
  (await ground.db.one<{ failures: number }>(`select failures from totp where account_id = $1`, [accountId]))
    ?.failures ?? -1;
const containNeeds = () => containNeedsOf(ground);
/** Six digits that are not the app's, now or in the steps beside. */
function wrongCode(app: { code(stepsLater?: number): string }): string {
  const right = new Set([-1, 0, 1].map((steps) => app.code(steps)));
  for (let code = 0; ; code++) {
    const text = String(code).padStart(6, "0");
    if (!right.has(text)) return text;
  }
}

describe("setting up", () => {
  test("a key is shown once, and counts for nothing until a code proves that the app has it", async () => {
    const { address, session } = await person();
    const cookies = asCookie(session);
    const begun = await call("POST", "/api/account/totp", { body: {}, cookies });
    expect(begun.status).toBe(201);
    const { key, uri, qrCode } = begun.body as { key: string; uri: string; qrCode: { size: number; path: string } };
    expect(key).toMatch(/^[A-Z2-7]{32}$/);
    const parsed = new URL(uri);
    expect(decodeURIComponent(parsed.pathname)).toBe(`/Houselights:${address}`);
    expect(parsed.searchParams.get("secret")).toBe(key);
    expect(parsed.searchParams.get("issuer")).toBe("Houselights");
    expect(qrCode.path).toMatch(/^(M\d+ \d+h\d+v1h-\d+z)+$/);
    // Not confirmed: a password still signs in alone.
    expect((await call("POST", "/api/sessions", { body: { address, password: goodPassword } })).status).toBe(201);
    const app = authenticatorOf(service, key);
    const wrong = await call("POST", "/api/account/totp/confirm", { body: { code: wrongCode(app) }, cookies });
    expect(wrong.body["code"]).toBe("second-factor-refused");
    expect((await call("POST", "/api/sessions", { body: { address, password: goodPassword } })).status).toBe(201);

    const added = await call("POST", "/api/account/totp/confirm", { body: { code: app.code() }, cookies });
    expect(added.status, added.text).toBe(200);
    expect(added.body["recoveryCodes"]).toHaveLength(10);
    expect((await call("POST", "/api/sessions", { body: { address, password: goodPassword } })).status).toBe(202);
    // The code that confirmed it is used up.
    const step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, app.code())).status).toBe(400);
    clock.advance(30 * secondMs);
    expect((await completeSignIn(service, step, app.code())).status).toBe(201);
  });

  test("a set-up that is left lying for 15 minutes is over, and its tries are counted", async () => {
    const { session } = await person();
    const cookies = asCookie(session);
    const confirm = (code: string) => call("POST", "/api/account/totp/confirm", { body: { code }, cookies });
    const prove = () => call("POST", "/api/session/proof", { body: { password: goodPassword }, cookies });
    const begin = async () =>
      authenticatorOf(service, String((await call("POST", "/api/account/totp", { body: {}, cookies })).body["key"]));
    const late = await begin();
    clock.advance(16 * minuteMs);
    expect((await prove()).status).toBe(200);
    expect((await confirm(late.code())).status).toBe(400);
    const tried = await begin();
    for (let tries = 0; tries < 10; tries++) expect((await confirm(wrongCode(tried))).status).toBe(400);
    expect((await confirm(tried.code())).status).toBe(400);
    const good = await begin();
    expect((await confirm(good.code())).status).toBe(200);
  });

  test("every change asks for a fresh proof, and the proof of an account with a second factor asks for that too", async () => {
    const { session, app } = await personWithTotp();
    const cookies = asCookie(session);
    const changes = ["/api/account/totp", "/api/account/recovery-codes"];
    for (const path of changes) expect((await call("POST", path, { body: {}, cookies })).status).toBe(201);
    clock.advance(6 * minuteMs);
    for (const path of [...changes, "/api/account/totp/confirm", "/api/account/totp/remove"]) {
      expect((await call("POST", path, { body: { code: "123456" }, cookies })).body["code"]).toBe("proof-needed");
    }
    const prove = (body: object) => call("POST", "/api/session/proof", { body, cookies });
    expect((await prove({ password: goodPassword })).body["code"]).toBe("second-factor-needed");
    expect((await prove({ code: app.code() })).body["code"]).toBe("wrong-password");
    expect((await prove({ password: "not it at all, not it", code: app.code() })).body["code"]).toBe("wrong-password");
    expect((await prove({ password: goodPassword, code: wrongCode(app) })).body["code"]).toBe("second-factor-refused");
    expect((await call("POST", changes[1] ?? "", { body: {}, cookies })).body["code"]).toBe("proof-needed");
    expect((await prove({ password: goodPassword, code: app.code() })).status).toBe(200);
    expect((await call("POST", changes[1] ?? "", { body: {}, cookies })).status).toBe(201);
  });

  test("another app takes the place of the first one", async () => {
    const { address, session, app: first } = await personWithTotp();
    const { app: second } = await setUpTotp(service, session);
    const step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, first.code())).status).toBe(400);
    expect((await completeSignIn(service, step, second.code())).status).toBe(201);
  });

  test("removing it asks for a password that can stand alone", async () => {
    const { address, session, app } = await personWithTotp();
    const cookies = asCookie(session);
    const remove = (password: string | undefined) =>
      call("POST", "/api/account/totp/remove", { body: password === undefined ? {} : { password }, cookies });
    const change = (currentPassword: string, newPassword: string) =>
      call("POST", "/api/password", { body: { currentPassword, newPassword, signOutDevices: false }, cookies });
    // With a second factor eight characters are enough, and seven are not.
    expect((await change(goodPassword, "ox7tide")).body["code"]).toBe("password-refused");
    expect((await change(goodPassword, "ox7tides")).status).toBe(200);
    expect((await remove(undefined)).body["code"]).toBe("wrong-password");
    expect((await remove("wrong, and long enough to be")).body["code"]).toBe("wrong-password");
    expect((await remove("ox7tides")).body["code"]).toBe("longer-password-needed");
    expect((await call("POST", "/api/sessions", { body: { address, password: "ox7tides" } })).status).toBe(202);
    expect((await change("ox7tides", "eleven owls above the orchard")).status).toBe(200);
    expect((await remove("eleven owls above the orchard")).status).toBe(200);
    expect((await remove("eleven owls above the orchard")).status).toBe(404);
    const alone = await call("POST", "/api/sessions", { body: { address, password: "eleven owls above the orchard" } });
    expect(alone.status).toBe(201);
    // And from now on a short one is refused again.
    expect((await change("eleven owls above the orchard", "ox7tides")).body["code"]).toBe("password-refused");
    expect(app.code()).toMatch(/^\d{6}$/);
  });
});

describe("signing in", () => {
  test("a right password opens nothing by itself, and its step with a code opens a session once", async () => {
    const { address, app } = await personWithTotp();
    const asked = await call("POST", "/api/sessions", { body: { address, password: goodPassword } });
    expect(asked.body).toEqual({
      kind: "second-factor",
      factors: ["totp", "recovery"],
      expiresAt: new Date(clock.now() + 10 * minuteMs).toISOString(),
    });
    expect(asked.cookies[sessionCookie]).toBeUndefined();
    const step = asked.cookies[stepCookie] ?? "";
    expect((await call("GET", "/api/session", { cookies: asCookie(step) })).status).toBe(401);
    expect((await completeSignIn(service, step, wrongCode(app))).body["code"]).toBe("second-factor-refused");
    const signedIn = await completeSignIn(service, step, app.code());
    expect(signedIn.status).toBe(201);
    expect(await opens(signedIn)).toBe(true);
    clock.advance(30 * secondMs);
    expect((await completeSignIn(service, step, app.code())).body["code"]).toBe("sign-in-over");
  });

  test("a program gets the step in the answer and its token at the end", async () => {
    const { address, app } = await personWithTotp();
    const body = { address, password: goodPassword, token: true, class: "tool", label: "Dashboard" };
    const asked = await call("POST", "/api/sessions", { body });
    expect(asked.status).toBe(202);
    expect(asked.cookies[stepCookie]).toBeUndefined();
    const done = await call("POST", "/api/sessions/second-factor", {
      body: { code: app.code(), step: asked.body["step"] },
    });
    expect(done.status, done.text).toBe(201);
    const bearer = String(done.body["token"]);
    expect((await call("GET", "/api/session", { bearer })).body["class"]).toBe("tool");
    const devices = await call("GET", "/api/sessions", { bearer });
    expect((devices.body["devices"] as { label: string }[])[0]?.label).toBe("Dashboard");
  });

  test("a step that used code proved is refused, here and at any other step, in any order of claiming", async () => {
    const { address, app } = await personWithTotp();
    const [one, two] = [await beginSignIn(service, address), await beginSignIn(service, address)];
    const code = app.code();
    const answers = await Promise.all([completeSignIn(service, one, code), completeSignIn(service, two, code)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 400]);
    const third = await beginSignIn(service, address);
    expect((await completeSignIn(service, third, code)).status).toBe(400);
    // The code of the step before is older than what was used.
    expect((await completeSignIn(service, third, app.code(-1))).status).toBe(400);
    expect((await completeSignIn(service, third, app.code(1))).status).toBe(201);
  });

  test("one step's code is claimed once, however many ask with the same step at once", async () => {
    const { address, app } = await personWithTotp();
    const step = await beginSignIn(service, address);
    const code = app.code();
    const answers = await Promise.all(Array.from({ length: 4 }, () => completeSignIn(service, step, code)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  test("a step lives ten minutes, takes five tries, and answers to its own browser only", async () => {
    const { address, app, accountId } = await personWithTotp();
    const other = await personWithTotp();
    const late = await beginSignIn(service, address);
    clock.advance(11 * minuteMs);
    expect((await completeSignIn(service, late, app.code())).body["code"]).toBe("sign-in-over");

    const step = await beginSignIn(service, address);
    // The row's ids with another secret.
    const bytes = Buffer.from(step, "base64url");
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    const forged = bytes.toString("base64url");
    expect((await completeSignIn(service, forged, app.code())).body["code"]).toBe("sign-in-over");
    expect((await completeSignIn(service, "nonsense", app.code())).body["code"]).toBe("sign-in-over");
    expect((await call("POST", "/api/sessions/second-factor", { body: { code: app.code() } })).status).toBe(401);
    // Somebody else's code is a wrong one.
    expect((await completeSignIn(service, step, other.app.code())).body["code"]).toBe("second-factor-refused");
    for (const typed of ["", "12 34", "BCDF-GHJK-LMNP-QRST"]) {
      expect((await completeSignIn(service, step, typed.padEnd(4, " "))).status).toBe(400);
    }
    expect((await completeSignIn(service, step, wrongCode(app))).body["code"]).toBe("second-factor-refused");
    expect((await completeSignIn(service, step, app.code())).body["code"]).toBe("sign-in-over");
    // Only what had six digits was counted against the app.
    expect(await failures(accountId)).toBe(2);
    const fresh = await beginSignIn(service, address);
    expect((await completeSignIn(service, fresh, app.code())).status).toBe(201);
    expect(await failures(accountId)).toBe(0);
  });

  test("a step whose password was changed meanwhile opens nothing, and that of the new one does", async () => {
    const { address, session, app } = await personWithTotp();
    const old = await beginSignIn(service, address);
    clock.advance(1_000);
    const newPassword = "eleven owls above the orchard";
    const changed = await call("POST", "/api/password", {
      body: { currentPassword: goodPassword, newPassword, signOutDevices: false },
      cookies: asCookie(session),
    });
    expect(changed.status, changed.text).toBe(200);
    expect((await completeSignIn(service, old, app.code())).status).not.toBe(201);
    const step = await beginSignIn(service, address, newPassword);
    expect((await completeSignIn(service, step, app.code())).status).toBe(201);
  });

  test("a right code that came with a password which is refused counts as no wrong one", async () => {
    const { address, accountId, app } = await personWithTotp();
    await ground.plainDb.run(
      `insert into refused_password (account_id, salt, parameters, record, replaced_at)
       select account_id, salt, parameters, record, set_at from password where account_id = $1`,
      [accountId],
    );
    const asked = await call("POST", "/api/renewals", { body: { address } });
    const mailed = (await service.letters()).find(
      ({ to, letter }) => to === address && letter === "renewal code",
    )?.code;
    const renew = (password: string) =>
      call("POST", "/api/renewals/complete", {
        body: { code: mailed, password, secondFactor: app.code() },
        cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
      });
    expect((await renew(goodPassword)).body["code"]).toBe("password-is-old");
    expect(await failures(accountId)).toBe(0);
    expect((await renew("eleven owls above the orchard")).status).toBe(200);
  });

  test("wrong codes slow guessing down, up to an hour, and a recovery code works all the while", async () => {
    const { address, app, accountId, recoveryCodes } = await personWithTotp();
    let step = await beginSignIn(service, address);
    for (let wrong = 0; wrong < 5; wrong++) {
      expect((await completeSignIn(service, step, wrongCode(app))).status).toBe(400);
    }
    const waits: number[] = [];
    for (let round = 0; round < 10; round++) {
      step = await beginSignIn(service, address);
      const refused = await completeSignIn(service, step, app.code());
      expect(refused.body["code"]).toBe("too-many");
      const seconds = Number(refused.headers["retry-after"]);
      waits.push(seconds);
      clock.advance(seconds * secondMs);
      step = await beginSignIn(service, address);
      expect((await completeSignIn(service, step, wrongCode(app))).status).toBe(400);
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
    expect(await failures(accountId)).toBe(15);
    // Who is told to wait has tried nothing: the step takes its five tries all the same.
    step = await beginSignIn(service, address);
    for (let told = 0; told < 6; told++) {
      expect((await completeSignIn(service, step, app.code())).body["code"]).toBe("too-many");
    }
    // The owner is not locked out: not by these tries, and not of devices that are signed in.
    expect((await completeSignIn(service, step, app.code())).body["code"]).toBe("too-many");
    const back = await completeSignIn(service, step, recoveryCodes[0] ?? "");
    expect(back.status).toBe(201);
    clock.advance(hourMs);
    step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, app.code())).status).toBe(201);
    expect(await failures(accountId)).toBe(0);
  });

  test("a clock that was hours ahead, under which right codes were refused, leaves nobody waiting once it is set right", async () => {
    const { address, app, accountId } = await personWithTotp();
    const code = app.code();
    const started = clock.now();
    clock.advance(3 * hourMs);
    let step = await beginSignIn(service, address);
    for (let tries = 0; tries < 5; tries++) expect((await completeSignIn(service, step, code)).status).toBe(400);
    step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, code)).body["code"]).toBe("too-many");
    clock.set(started);
    step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, code)).status).toBe(201);
    expect(await failures(accountId)).toBe(0);
    // Set back by a little, within one step, just after a code was used.
    clock.advance(minuteMs + 20 * secondMs - (clock.now() % (30 * secondMs)));
    step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, app.code())).status).toBe(201);
    clock.advance(-5 * secondMs);
    step = await beginSignIn(service, address);
    expect((await completeSignIn(service, step, app.code(1))).status).toBe(201);
  });

  test("a recovery code works once, in any spelling, and a new set ends the old one", async () => {
    const { address, session, recoveryCodes } = await personWithTotp();
    const [first = "", second = "", third = ""] = recoveryCodes;
    expect(first).toMatch(/^([A-Z]{4}-){3}[A-Z]{4}$/);
    expect(new Set(recoveryCodes).size).toBe(10);
    const use = async (code: string) => completeSignIn(service, await beginSignIn(service, address), code);
    expect(await opens(await use(first.toLowerCase().replaceAll("-", " ")))).toBe(true);
    expect((await use(first)).body["code"]).toBe("second-factor-refused");
    const state = await call("GET", "/api/account/second-factor", { cookies: asCookie(session) });
    expect(state.body["recoveryCodes"]).toMatchObject({ left: 9 });
    const step = await beginSignIn(service, address);
    const racers = await Promise.all([
      completeSignIn(service, step, second),
      completeSignIn(service, await beginSignIn(service, address), second),
    ]);
    expect(racers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 400]);

    const made = await call("POST", "/api/account/recovery-codes", { body: {}, cookies: asCookie(session) });
    expect(made.status, made.text).toBe(201);
    const [fresh = ""] = made.body["codes"] as string[];
    expect((await use(third)).status).toBe(400);
    expect((await use(fresh)).status).toBe(201);
    const recorded = await ground.db.many<{ kind: string }>(
      `select kind from timeline_entry where kind like 'recovery%' order by id`,
    );
    expect(recorded.filter(({ kind }) => kind === "recovery code used").length).toBeGreaterThanOrEqual(3);
  });

  test("a password that is changed ends the steps that the old one began, devices kept or not", async () => {
    const { address, session, app } = await personWithTotp();
    const step = await beginSignIn(service, address);
    const changed = await call("POST", "/api/password", {
      body: { currentPassword: goodPassword, newPassword: "eleven owls above the orchard", signOutDevices: false },
      cookies: asCookie(session),
    });
    expect(changed.status).toBe(200);
    expect((await completeSignIn(service, step, app.code())).status).toBe(400);
    const fresh = await beginSignIn(service, address, "eleven owls above the orchard");
    expect((await completeSignIn(service, fresh, app.code())).status).toBe(201);
  });
});

test("eight characters reach the renewal's step of the second factor; the page before it asks everybody alike", async () => {
  const [ada, bob] = [await personWithTotp(), await person()];
  const ask = async (address: string) => {
    const { cookies } = await call("POST", "/renew", { body: { address } });
    return { cookies, page: (await call("GET", "/renew/code", { cookies })).text };
  };
  const [adas, bobs] = [await ask(ada.address), await ask(bob.address)];
  const strangers = await ask("stranger@example.org");
  expect([bobs.page, strangers.page]).toEqual([adas.page, adas.page]);
  expect(adas.page).toContain('minlength="8"');
  expect(adas.page).toContain("At least 15 characters, or 8 if");
  const complete = async (address: string, cookies: Record<string, string>) => {
    const code = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewal code")?.code;
    return call("POST", "/renew/code", { body: { code, password: "ox7tides" }, cookies });
  };
  expect((await complete(ada.address, adas.cookies)).text).toContain("This account has a second factor");
  const refused = await complete(bob.address, bobs.cookies);
  expect(refused.status).toBe(400);
  expect(refused.text).toContain("Use at least 15 characters");
});

describe("a second factor that does not count", () => {
  const everyoneOut = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;

  test("from before the copy it is asked for after a containment; added since, neither asked for nor accepted", async () => {
    const old = await personWithTotp();
    clock.advance(100 * dayMs);
    const young = await personWithTotp();
    await contain(containNeeds(), everyoneOut);
    const left = await ground.db.many<{ counts: boolean }>(`select proved_at is not null as counts from totp`);
    expect(left.length).toBeGreaterThan(1);
    for (const { address, asks } of [
      { address: old.address, asks: true },
      { address: young.address, asks: false },
    ]) {
      const asked = await call("POST", "/api/renewals", { body: { address } });
      const code = (await service.letters()).find(({ to }) => to === address)?.code ?? "";
      const renewed = await call("POST", "/api/renewals/complete", {
        body: { code, password: "eleven owls above the orchard" },
        cookies: asked.cookies,
      });
      expect([address, renewed.status, renewed.body["code"]]).toEqual(
        asks ? [address, 403, "second-factor-needed"] : [address, 200, undefined],
      );
    }
    await ground.plainDb.run(`update incident set state = 'closed'`);
  });

  test("one account contained by itself: its app is set aside until it is confirmed", async () => {
    const ada = await personWithTotp();
    const bob = await personWithTotp();
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    const codes = await ground.db.many<{ accountId: string; isSetAside: boolean }>(
      `select distinct account_id as "accountId", doubted_at is not null as "isSetAside" from recovery_code
        where account_id = any($1)`,
      [[ada.accountId, bob.accountId]],
    );
    expect(new Map(codes.map((one) => [one.accountId, one.isSetAside]))).toEqual(
      new Map([
        [ada.accountId, true],
        [bob.accountId, false],
      ]),
    );
    const counting = await ground.db.many<{ accountId: string }>(
      `select account_id as "accountId" from totp where doubted_at is null and proved_at is not null`,
    );
    const ids = counting.map(({ accountId }) => accountId);
    expect(ids).toContain(bob.accountId);
    expect(ids).not.toContain(ada.accountId);
    expect((await completeSignIn(service, await beginSignIn(service, bob.address), bob.app.code())).status).toBe(201);
    await ground.plainDb.run(`update incident set state = 'closed'`);
  });
});

describe("an app that was added since the copy", () => {
  const everyoneOut = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
  const newPassword = "eleven owls above the orchard";

  /** Renews and signs in again, as the owner of the mailbox. */
  async function comeBack(address: string, password = newPassword): Promise<string> {
    const asked = await call("POST", "/api/renewals", { body: { address } });
    const code = (await service.letters()).find(({ to }) => to === address)?.code ?? "";
    const body = { code, password };
    expect((await call("POST", "/api/renewals/complete", { body, cookies: asked.cookies })).status).toBe(200);
    return service.signIn(address, password);
  }
  const keep = (session: string, code: string) =>
    call("POST", "/api/account/totp/keep", { body: { code }, cookies: asCookie(session) });
  const setAside = async (session: string) =>
    (await call("GET", "/api/account/second-factor", { cookies: asCookie(session) })).body["setAside"];
  const asks = async (address: string, password: string) =>
    (await call("POST", "/api/sessions", { body: { address, password } })).status === 202;

  test("is asked for again once its owner keeps it, by a code and in a session from after the containment", async () => {
    const ada = await personWithTotp();
    expect(await setAside(ada.session)).toBeNull();
    expect(await asks(ada.address, goodPassword)).toBe(true);
    await contain(containNeeds(), everyoneOut);
    const session = await comeBack(ada.address);
    expect(await setAside(session)).toMatchObject({ why: "since-copy" });
    expect(await asks(ada.address, newPassword)).toBe(false);

    expect((await keep(session, wrongCode(ada.app))).body["code"]).toBe("second-factor-refused");
    expect((await keep(session, ada.recoveryCodes[0] ?? "")).body["code"]).toBe("second-factor-refused");
    expect(await asks(ada.address, newPassword)).toBe(false);
    const code = ada.app.code();
    const kept = await keep(session, code);
    expect([kept.status, kept.body]).toEqual([200, { kind: "totp-kept" }]);
    const { body } = await call("GET", "/api/account/events", { cookies: asCookie(session) });
    const happened = (body["events"] as { kind: string }[]).map(({ kind }) => kind);
    expect(happened.filter((kind) => kind === "second factor kept")).toHaveLength(1);
    expect(await setAside(session)).toBeNull();
    expect(await asks(ada.address, newPassword)).toBe(true);
    // The code that kept it is used up, and there is nothing left to keep.
    const step = await beginSignIn(service, ada.address, newPassword);
    expect((await completeSignIn(service, step, code)).status).toBe(400);
    clock.advance(30 * secondMs);
    expect((await keep(session, ada.app.code())).body["code"]).toBe("second-factor-refused");
    expect((await completeSignIn(service, step, ada.app.code())).status).toBe(201);
    await ground.plainDb.run(`update incident set state = 'closed'`);

    // The next containment doubts it again: it was kept before that one.
    await contain(containNeeds(), everyoneOut);
    expect(await setAside(await comeBack(ada.address, `${newPassword} again`))).toMatchObject({ why: "since-copy" });
    await ground.plainDb.run(`update incident set state = 'closed'`);
  });

  test("is kept neither in a session from before a containment that spared sessions, nor when its key was within reach", async () => {
    const [ada, eve] = [await personWithTotp(), await personWithTotp()];
    await contain(containNeeds(), { ...everyoneOut, mode: "with-renewal" });
    expect((await keep(eve.session, eve.app.code())).status).not.toBe(200);
    const codes = await call("POST", "/api/account/recovery-codes", { body: {}, cookies: asCookie(eve.session) });
    expect([codes.status, codes.body["code"]]).toEqual([403, "renew-first"]);
    expect(await setAside(eve.session)).toMatchObject({ why: "since-copy" });
    const kept = await comeBack(eve.address);
    clock.advance(30 * secondMs);
    expect((await keep(kept, eve.app.code())).status).toBe(200);
    await ground.plainDb.run(`update incident set state = 'closed'`);

    await contain(containNeeds(), { ...everyoneOut, keysReachable: true });
    const session = await comeBack(ada.address);
    expect(await setAside(session)).toMatchObject({ why: "keys-reachable" });
    expect((await keep(session, ada.app.code())).body["code"]).toBe("second-factor-refused");
    expect(await asks(ada.address, newPassword)).toBe(false);
    // Set up anew, it counts.
    const { app } = await setUpTotp(service, session);
    expect(await asks(ada.address, newPassword)).toBe(true);
    const step = await beginSignIn(service, ada.address, newPassword);
    expect((await completeSignIn(service, step, app.code())).status).toBe(201);
    await ground.plainDb.run(`update incident set state = 'closed'`);
  });

  test("slows wrong codes down like any other", async () => {
    const ada = await personWithTotp();
    await contain(containNeeds(), everyoneOut);
    const session = await comeBack(ada.address);
    for (let tries = 0; tries < 5; tries++) {
      expect((await keep(session, wrongCode(ada.app))).body["code"]).toBe("second-factor-refused");
    }
    const waits = await keep(session, ada.app.code());
    expect([waits.status, waits.body["code"]]).toEqual([429, "too-many"]);
    clock.advance(minuteMs);
    expect((await keep(session, ada.app.code())).status).toBe(200);
    await ground.plainDb.run(`update incident set state = 'closed'`);
  });
});

describe("what a person types", () => {
  const alphabet = Array.from(codeAlphabet);
  const between = fc.constantFrom("", " ", "-", "\u00a0", "\u3000", " - ");

  test("six digits are an app's code, however they are spaced and however wide", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), between, fc.boolean()), { minLength: 6, maxLength: 6 }),
        (digits) => {
          const typed = digits.map(
            ([digit, gap, wide]) => `${wide ? String.fromCharCode(0xff10 + digit) : digit}${gap}`,
          );
          const read = readTypedFactor(typed.join(""));
          expect(read?.kind).toBe("totp");
          expect(read?.code.revealText()).toBe(digits.map(([digit]) => digit).join(""));
        },
      ),
    );
  });

  test("sixteen letters are a recovery code, however they are spaced and in either case", () => {
    const letter = fc.tuple(fc.constantFrom(...alphabet), between, fc.boolean());
    fc.assert(
      fc.property(fc.array(letter, { minLength: recoveryCodeLength, maxLength: recoveryCodeLength }), (letters) => {
        const typed = letters.map(([one, gap, small]) => `${small ? one.toLowerCase() : one}${gap}`).join("");
        const read = readTypedFactor(typed);
        expect(read?.kind).toBe("recovery");
        expect(read?.code.revealText()).toBe(letters.map(([one]) => one).join(""));
      }),
    );
  });

  test("anything else is neither, and nothing makes it throw", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (typed) => {
        const read = readTypedFactor(typed);
        if (read?.kind === "totp") expect(read.code.revealText()).toMatch(/^[0-9]{6}$/);
        else if (read !== undefined) expect(read.code.revealText()).toMatch(/^[A-Z]{16}$/);
      }),
    );
    for (const typed of ["", "12345", "1234567", "123 45x", "BCDFGHJKLMNPQRS", "AEIOUAEIOUAEIOUA", "١٢٣٤٥٦"]) {
      expect(readTypedFactor(typed)).toBeUndefined();
    }
  });

  test("base32 is that of RFC 4648 section 10, without padding", () => {
    const vectors = { f: "MY", fo: "MZXQ", foo: "MZXW6", foob: "MZXW6YQ", fooba: "MZXW6YTB", foobar: "MZXW6YTBOI" };
    for (const [text, encoded] of Object.entries(vectors)) expect(base32(Buffer.from(text))).toBe(encoded);
  });
});
