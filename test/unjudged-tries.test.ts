import { expect, test } from "vitest";
import { buildWeb } from "../src/app-web.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { dayMs } from "../src/kernel/clock.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { goodPassword, testService } from "./service.ts";
import { testHashCost } from "./open-service.ts";
import { setUpTotp } from "./totp-app.ts";

/**
 * Who is told to come again, since a node makes no more hashes (its lane is full, or it stops), has used nothing up by then: no
 * try of a code, and no letter that one may ask for.
 */
const service = await testService();
const { ground } = service;
const fresh = "eleven owls above the orchard";

/** A node whose hashing has ended before its last requests. */
async function stoppingNode() {
  const web = await buildWeb(ground, { everyMs: dayMs, hashCost: testHashCost, lobby: { everyMs: dayMs } });
  await web.hashPool.close();
  const post = async (url: string, payload: object, cookies: Readonly<Record<string, string>> = {}) =>
    (await web.app.inject({ method: "POST", url, payload, cookies: { ...cookies } })).statusCode;
  return { post, close: () => web.close() };
}

test("a sign-up that was not taken uses up none of the letters of its address", async () => {
  const node = await stoppingNode();
  const body = { address: "newcomer@example.org", password: goodPassword };
  const letters = async () => (await service.letters()).filter(({ to }) => to === body.address).length;
  for (let tried = 0; tried < 6; tried++) expect(await node.post("/api/accounts", body)).toBe(503);
  expect(await letters()).toBe(0);
  for (let asked = 0; asked < 7; asked++) {
    expect((await service.call("POST", "/api/accounts", { body })).status).toBe(202);
  }
  expect(await letters()).toBe(6);
  await node.close();
});

test("a renewal that was not judged uses up no try of its code, nor of the second factor that was right", async () => {
  const address = "ada@example.org";
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  const { app } = await setUpTotp(service, await service.signIn(address, goodPassword));
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const code = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewal code")?.code;
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  const body = { code, password: fresh, secondFactor: app.code() };
  const node = await stoppingNode();
  for (let tried = 0; tried < 6; tried++) expect(await node.post("/api/renewals/complete", body, cookies)).toBe(503);
  await node.close();
  const totp = await ground.db.one(`select failures from totp where account_id = $1`, [accountId]);
  expect(totp).toEqual({ failures: 0 });
  expect((await service.call("POST", "/api/renewals/complete", { body, cookies })).status).toBe(200);
});
