import { expect, test } from "vitest";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { sessionCookie } from "../http/cookies.ts";

const service = await testService();
await service.account("ada@example.org", goodPassword, "Ada");

test("a right password signs in: a session that the check accepts, shown in the device list", async () => {
  const token = await service.signIn("Ada@Example.org", goodPassword);
  const session = await service.call("GET", "/api/session", { cookies: asCookie(token) });
  expect(session.status).toBe(200);
  expect(session.body).toMatchObject({ class: "browser", role: "viewer" });
  const devices = await service.call("GET", "/api/sessions", { cookies: asCookie(token) });
  expect(devices.body["devices"]).toMatchObject([{ class: "browser", current: true, network: "127.0.0.1" }]);
});

test("`token` answers a bearer token and no cookie", async () => {
  const answer = await service.call("POST", "/api/sessions", {
    body: { address: "ada@example.org", password: goodPassword, token: true },
  });
  expect(answer.cookies[sessionCookie]).toBeUndefined();
  const token = String(answer.body["token"]);
  expect((await service.call("GET", "/api/session", { bearer: token })).body).toMatchObject({ class: "app" });
  const flipped = token.endsWith("A") ? token.slice(0, -1) + "Q" : token.slice(0, -1) + "A";
  expect((await service.call("GET", "/api/session", { bearer: flipped })).status).toBe(401);
});

test("wrong password and unknown address answer the same, and nothing of them is echoed", async () => {
  const wrong = await service.call("POST", "/api/sessions", {
    body: { address: "ada@example.org", password: "wrong password entirely" },
  });
  const unknown = await service.call("POST", "/api/sessions", {
    body: { address: "nobody@example.org", password: "wrong password entirely" },
  });
  expect(wrong.status).toBe(401);
  expect(unknown.status).toBe(401);
  expect(unknown.text).toBe(wrong.text);
  expect(wrong.text).not.toContain("ada@");
});

test("signing out one device ends it and no other; `except=current` ends all others", async () => {
  const [one, other, third] = [
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("ada@example.org", goodPassword),
  ];
  const otherSession = await service.call("GET", "/api/session", { cookies: asCookie(other) });
  const ended = await service.call("DELETE", `/api/sessions/${String(otherSession.body["sessionId"])}`, {
    cookies: asCookie(one),
  });
  expect(ended.status).toBe(200);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(other) })).status).toBe(401);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(third) })).status).toBe(200);
  const rest = await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(one) });
  expect(rest.status).toBe(200);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(third) })).status).toBe(401);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(one) })).status).toBe(200);
  const listed = await service.call("GET", "/api/sessions", { cookies: asCookie(one) });
  expect(listed.body["devices"]).toMatchObject([{ current: true }]);
  expect((await service.call("DELETE", "/api/sessions", { cookies: asCookie(one) })).status).toBe(400);
});

test("somebody else's session id is not found, and stays signed in", async () => {
  await service.account("bob@example.org", `${goodPassword} too`);
  const [ada, bob] = [
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("bob@example.org", `${goodPassword} too`),
  ];
  const bobs = await service.call("GET", "/api/session", { cookies: asCookie(bob) });
  const tried = await service.call("DELETE", `/api/sessions/${String(bobs.body["sessionId"])}`, {
    cookies: asCookie(ada),
  });
  expect(tried.status).toBe(404);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(bob) })).status).toBe(200);
});

test("checks that arrive together share statements", async () => {
  const token = await service.signIn("ada@example.org", goodPassword);
  const before = service.web.work().statements;
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => service.call("GET", "/api/session", { cookies: asCookie(token) })),
  );
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(service.web.work().statements - before).toBeLessThan(25);
});

test("a session ends when its time is up, by the clock that decides", async () => {
  const token = await service.signIn("ada@example.org", goodPassword);
  for (let day = 0; day < 29; day++) {
    service.clock.advance(86_400_000);
    expect((await service.call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(200);
  }
  service.clock.advance(2 * 86_400_000);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(401);
});

test("a password is good for as long as it is its owner's, and nobody is asked to change it by date", async () => {
  service.clock.advance(3 * 365 * 86_400_000);
  const token = await service.signIn("ada@example.org", goodPassword);
  expect((await service.call("GET", "/api/session", { cookies: asCookie(token) })).status).toBe(200);
});

test("a changed password signs out browsers, televisions and tools but the one that asked, unless the box is unticked", async () => {
  await service.account("cleo@example.org", goodPassword);
  const bearerOf = async (sessionClass: string, password: string): Promise<string> => {
    const body = { address: "cleo@example.org", password, token: true, class: sessionClass, label: "The cellar" };
    return String((await service.call("POST", "/api/sessions", { body })).body["token"]);
  };
  let password = goodPassword;
  for (const signOutDevices of [false, undefined]) {
    const [asks, browser] = [
      await service.signIn("cleo@example.org", password),
      await service.signIn("cleo@example.org", password),
    ];
    const [app, tool] = [await bearerOf("app", password), await bearerOf("tool", password)];
    const statuses = async (): Promise<number[]> => [
      (await service.call("GET", "/api/session", { cookies: asCookie(asks) })).status,
      (await service.call("GET", "/api/session", { cookies: asCookie(browser) })).status,
      (await service.call("GET", "/api/session", { bearer: app })).status,
      (await service.call("GET", "/api/session", { bearer: tool })).status,
    ];
    expect(await statuses()).toEqual([200, 200, 200, 200]);
    const next = `${password} again`;
    const changed = await service.call("POST", "/api/password", {
      body: {
        currentPassword: password,
        newPassword: next,
        ...(signOutDevices === undefined ? {} : { signOutDevices }),
      },
      cookies: asCookie(asks),
    });
    expect(changed.status, changed.text).toBe(200);
    expect(await statuses()).toEqual(signOutDevices === false ? [200, 200, 200, 200] : [200, 401, 401, 401]);
    password = next;
  }
});
