import { expect, test } from "vitest";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/** What counts tries: it cannot be got around by one network, and nobody can use it up for somebody else. */
const service = await testService();

/** A request from a peer of that address. */
async function from(remoteAddress: string, path: string, body: object): Promise<Pick<Answer, "status" | "body">> {
  const answer = await service.web.app.inject({ method: "POST", url: path, payload: body, remoteAddress });
  return { status: answer.statusCode, body: answer.json() };
}

test("a whole IPv6 /64 is one network", async () => {
  const ask = (i: number) =>
    from(`2001:db8:1:2::${i.toString(16)}`, "/oauth/device_authorization", { client_id: "houselights-tv" });
  expect((await ask(1)).status).toBe(200);
  for (let i = 2; i <= 60; i++) await ask(i);
  expect((await ask(61)).status).toBe(429);
  expect((await from("2001:db8:1:3::1", "/oauth/device_authorization", { client_id: "houselights-tv" })).status).toBe(
    200,
  );
});

test("a TV and a phone with two addresses of one /64 are on the same network", async () => {
  await service.account("ada@example.org", goodPassword);
  const cookie = await service.signIn("ada@example.org", goodPassword);
  const asked = await from("2001:db8:7:8::51", "/oauth/device_authorization", { client_id: "houselights-tv" });
  const look = async (remoteAddress: string) =>
    (
      await service.web.app.inject({
        method: "POST",
        url: "/api/links/lookup",
        payload: { userCode: asked.body["user_code"] },
        cookies: { "__Host-houselights": cookie },
        remoteAddress,
      })
    ).json<{ sameNetwork: boolean }>().sameNetwork;
  expect(await look("2001:db8:7:8:1111:2222:3333:4444")).toBe(true);
  expect(await look("2001:db8:7:9::51")).toBe(false);
});

test("guessing one account's password from one network is slowed down, and its owner elsewhere is not", async () => {
  await service.account("bea@example.org", goodPassword);
  const signIn = (peer: string, address: string, password: string) =>
    from(peer, "/api/sessions", { address, password }).then(({ status }) => status);
  expect(await signIn("203.0.113.66", "bea@example.org", goodPassword)).toBe(201);
  const answers: number[] = [];
  for (let i = 0; i < 40; i++)
    answers.push(await signIn("203.0.113.66", "bea@example.org", `a wrong guess number ${i}`));
  expect(answers[0]).toBe(401);
  expect(answers.at(-1)).toBe(429);
  // Even the right one: otherwise the answer would tell.
  expect(await signIn("203.0.113.66", "bea@example.org", goodPassword)).toBe(429);
  // The same for an address that nobody has.
  for (let i = 0; i < 40; i++) answers.push(await signIn("203.0.113.66", "nobody@example.org", `a wrong guess ${i}`));
  // (One try of the first thirty was the owner's own.)
  expect(answers.slice(40)).toEqual(answers.slice(0, 40).with(29, 401));
  expect(await signIn("198.51.100.7", "bea@example.org", goodPassword)).toBe(201);
});

test("nobody uses up the renewal letters of somebody else", async () => {
  await service.account("cy@example.org", goodPassword);
  const letters = async () =>
    (await service.letters()).filter(({ to, letter }) => to === "cy@example.org" && letter === "renewal code").length;
  const ask = (peer: string) => from(peer, "/api/renewals", { address: "cy@example.org" });
  for (let i = 0; i < 20; i++) expect((await ask("203.0.113.66")).status).toBe(202);
  const flooded = await letters();
  expect(flooded).toBe(6);
  expect((await ask("198.51.100.7")).status).toBe(202);
  expect(await letters()).toBe(flooded + 1);
});

test("an address gets few sign-up letters from one network, and the answer does not change", async () => {
  const ask = (peer: string) => from(peer, "/api/accounts", { address: "di@example.org", password: goodPassword });
  for (let i = 0; i < 12; i++) expect((await ask("203.0.113.66")).status).toBe(202);
  const letters = async () => (await service.letters()).filter(({ to }) => to === "di@example.org").length;
  expect(await letters()).toBe(6);
  expect((await ask("198.51.100.7")).status).toBe(202);
  expect(await letters()).toBe(7);
});

test("asking for a renewal costs the same whether or not anybody has the address", async () => {
  await service.account("ed@example.org", goodPassword);
  const cost = async (address: string) => {
    const before = service.web.work();
    expect((await from("203.0.113.99", "/api/renewals", { address })).status).toBe(202);
    const after = service.web.work();
    return {
      statements: after.statements - before.statements,
      keyholderCalls: after.keyholderCalls - before.keyholderCalls,
      hashes: after.hashes - before.hashes,
    };
  };
  expect(await cost("nobody-at-all@example.org")).toEqual(await cost("ed@example.org"));
});

const noId = "00000000-0000-7000-8000-000000000000";
/** What one account may ask for again and again, and how often. */
const perAccount: Readonly<
  Record<
    string,
    { readonly method: "POST" | "DELETE"; readonly path: string; readonly limit: number; readonly body?: object }
  >
> = {
  "a change of the password": {
    method: "POST",
    path: "/api/password",
    limit: 20,
    body: { currentPassword: "a wrong guess of it", newPassword: "eleven owls above the orchard" },
  },
  "a change of the second factor": { method: "POST", path: "/api/account/totp/remove", limit: 20, body: {} },
  "a passkey": { method: "POST", path: "/api/account/passkeys/options", limit: 30, body: {} },
  "an address": { method: "POST", path: "/api/account/addresses", limit: 10, body: { address: "more@example.org" } },
  "a change of the addresses": { method: "DELETE", path: `/api/account/addresses/${noId}`, limit: 20 },
  "the account's deletion": { method: "POST", path: "/api/account/deletion", limit: 6, body: { confirmation: "x" } },
};
let asking = 0;
test.each(Object.entries(perAccount))("one account asks for %s so often and no more", async (_what, one) => {
  const { method, path, limit, body } = one;
  const somebody = async () => {
    const address = `asking-${++asking}@example.org`;
    await service.account(address, goodPassword);
    const cookies = asCookie(await service.signIn(address, goodPassword));
    return async () => (await service.call(method, path, { cookies, ...(body === undefined ? {} : { body }) })).status;
  };
  const [ask, other] = [await somebody(), await somebody()];
  const answers: number[] = [];
  for (let times = 0; times < limit; times++) answers.push(await ask());
  expect(answers).not.toContain(429);
  expect(await ask()).toBe(429);
  expect(await other()).toBe(answers[0]);
});
