import { expect, test } from "vitest";
import { dayMs, minuteMs, plus, secondMs } from "../kernel/clock.ts";
import { systemRandom } from "../kernel/random.ts";
import { readSecret } from "../http/cookies.ts";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { waitingLinks } from "./waiting-links.ts";

/** RFC 8628: memory may say `authorization_pending` and `slow_down`; all else comes from the database. */
const service = await testService();
const { web, clock, ground } = service;

async function ask(): Promise<{ deviceCode: string; userCode: string; interval: number }> {
  const { body } = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
  return {
    deviceCode: String(body["device_code"]),
    userCode: String(body["user_code"]),
    interval: Number(body["interval"]),
  };
}

async function poll(deviceCode: string): Promise<{ error: unknown; statements: number }> {
  const before = web.work().statements;
  const { body } = await service.call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: deviceCode,
      client_id: "houselights-tv",
    },
  });
  return { error: body["error"] ?? body["token_type"], statements: web.work().statements - before };
}

const decide = async (userCode: string, decision: "approve" | "deny"): Promise<void> => {
  const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
  const decided = await service.call("POST", "/api/links/decide", { body: { userCode, decision }, cookies });
  expect(decided.status, decided.text).toBe(200);
};

test("a poll that waits costs no statement; a token, a refusal and an end cost one and come from the database", async () => {
  await service.account("ada@example.org", goodPassword);
  const tv = await ask();
  expect((await poll(tv.deviceCode)).statements).toBe(1);
  clock.advance(tv.interval * secondMs);
  expect(await poll(tv.deviceCode)).toEqual({ error: "authorization_pending", statements: 0 });
  await decide(tv.userCode, "approve");
  clock.advance(tv.interval * secondMs);
  await web.waitingLinks.reread();
  const claimed = await poll(tv.deviceCode);
  expect(claimed.error).toBe("Bearer");
  expect(claimed.statements).toBeGreaterThan(0);

  const refused = await ask();
  await poll(refused.deviceCode);
  await decide(refused.userCode, "deny");
  expect((await poll(refused.deviceCode)).error).toBe("access_denied");
});

test("what was decided on another node is known after one statement for all that wait", async () => {
  const tvs = await Promise.all(Array.from({ length: 20 }, ask));
  for (const { deviceCode } of tvs) expect((await poll(deviceCode)).error).toBe("authorization_pending");
  const waiting = web.waitingLinks.waiting();
  // Another node's approval: this one's memory is not told.
  await ground.plainDb.run(`update link set state = 'denied' where state = 'pending' and user_code_index = any($1)`, [
    [await ground.keyholders.web.index("user-code", (tvs[0]?.userCode ?? "").replace("-", ""))],
  ]);
  clock.advance(5 * secondMs);
  expect((await poll(tvs[0]?.deviceCode ?? "")).error).toBe("authorization_pending");
  const before = web.work().statements;
  await web.waitingLinks.reread();
  expect(web.work().statements - before).toBe(1);
  expect(web.waitingLinks.waiting()).toBe(waiting - 1);
  expect((await poll(tvs[0]?.deviceCode ?? "")).error).toBe("access_denied");
});

test("who polls too early is slowed by five seconds for good, from memory too", async () => {
  const tv = await ask();
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
  expect(await poll(tv.deviceCode)).toEqual({ error: "slow_down", statements: 0 });
  clock.advance(tv.interval * secondMs);
  // Ten seconds now; five are too early, and make it fifteen.
  expect((await poll(tv.deviceCode)).error).toBe("slow_down");
  clock.advance(15 * secondMs);
  await web.waitingLinks.reread();
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
});

test("who polls too early is slowed for good by the database too, on a node that remembers nothing", async () => {
  const tv = await ask();
  const forget = () => web.waitingLinks.forget(readSecret(tv.deviceCode)?.digest() ?? expect.fail());
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
  forget();
  clock.advance(4 * secondMs - 1);
  expect(await poll(tv.deviceCode)).toEqual({ error: "slow_down", statements: 1 });
  forget();
  // Ten seconds from here on: in time a fifth before they are over.
  clock.advance(8 * secondMs - 1);
  expect((await poll(tv.deviceCode)).error).toBe("slow_down");
  forget();
  clock.advance(12 * secondMs);
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
});

test("the interval grows with the crowd, for those who come and for those who wait", async () => {
  const other = waitingLinks(ground, { everyMs: dayMs });
  const early = systemRandom.bytes(32);
  const expiresAt = plus(clock.now(), 15 * minuteMs);
  other.remember(early, { intervalSeconds: other.intervalSeconds(), expiresAt });
  expect(other.intervalSeconds()).toBe(5);
  for (let i = 0; i < 12_000; i++) other.remember(systemRandom.bytes(32), { intervalSeconds: 5, expiresAt });
  expect(other.intervalSeconds()).toBe(13);
  // RFC 8628 section 3.5: five seconds more, until it comes as seldom as a newcomer is told.
  clock.advance(5 * secondMs);
  expect(other.answer(early)).toBe("slow-down");
  clock.advance(1 * secondMs);
  expect(other.answer(early)).toBe("slow-down");
  clock.advance(15 * secondMs);
  // Memory that nobody has compared with the database for a while says nothing.
  expect(other.answer(early)).toBeUndefined();
  await other.close();
});

test("memory says nothing of a link that is over", async () => {
  const other = waitingLinks(ground, { everyMs: dayMs });
  const digest = systemRandom.bytes(32);
  other.remember(digest, { intervalSeconds: 5, expiresAt: plus(clock.now(), 5 * secondMs) });
  clock.advance(5 * secondMs - 1);
  expect(other.answer(digest)).toBe("pending");
  clock.advance(1);
  expect(other.answer(digest)).toBeUndefined();
  await other.close();
});

test.each([
  ["memory", () => undefined],
  ["the database", (digest: Buffer) => web.waitingLinks.forget(digest)],
])("nobody is slowed further than to two minutes by %s", async (_what, before) => {
  const tv = await ask();
  const digest = readSecret(tv.deviceCode)?.digest() ?? expect.fail();
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
  for (let early = 0; early < 40; early++) {
    before(digest);
    expect((await poll(tv.deviceCode)).error).toBe("slow_down");
  }
  clock.advance(96 * secondMs - 1);
  await web.waitingLinks.reread();
  before(digest);
  expect((await poll(tv.deviceCode)).error).toBe("slow_down");
  clock.advance(96 * secondMs);
  await web.waitingLinks.reread();
  before(digest);
  expect((await poll(tv.deviceCode)).error).toBe("authorization_pending");
});

test("nothing is remembered of a link that is over, or older than a containment's floor", async () => {
  const tvs = [await ask(), await ask()];
  for (const { deviceCode } of tvs) await poll(deviceCode);
  await ground.plainDb.run(`update floor set epoch = (select max(epoch) + 1 from floor) where kind = 'link'`);
  await web.waitingLinks.reread();
  for (const { deviceCode } of tvs) expect((await poll(deviceCode)).error).toBe("expired_token");
  const last = await ask();
  expect((await poll(last.deviceCode)).error).toBe("authorization_pending");
  expect(web.waitingLinks.waiting()).toBe(1);
  clock.advance(15 * minuteMs);
  await web.waitingLinks.reread();
  expect(web.waitingLinks.waiting()).toBe(0);
  expect((await poll(last.deviceCode)).error).toBe("expired_token");
});
