import { expect, test } from "vitest";
import { browserCookie, sessionCookie } from "../src/http/cookies.ts";
import { hourMs } from "../src/kernel/clock.ts";
import { triesFromAll } from "../src/sessions/sign-in.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { setUpTotp } from "./totp-app.ts";

/**
 * One address tried from more networks than any limit for a network can see: slowed down, and never shut for its owner.
 * What is decided, and what that costs, is the same for an address that nobody has.
 */
const service = await testService();
const { ground, web, clock } = service;
const [ada, nobody] = ["ada@example.org", "nobody@example.org"] as const;
const home = "198.51.100.7";
await service.account(ada, goodPassword);

let networks = 0;
const elsewhere = (): string => `10.${Math.floor(++networks / 250)}.${networks % 250}.1`;

const signIn = (address: string, password: string, from: string): Promise<Answer> =>
  service.call("POST", "/api/sessions", { body: { address, password }, from });

async function cost(address: string, from: string) {
  const before = { ...web.work(), asked: ground.keyholders.web.stats().askedBytes };
  const { status, text } = await signIn(address, "wrong words by far", from);
  const after = { ...web.work(), asked: ground.keyholders.web.stats().askedBytes };
  return {
    status,
    // The reference is each request's own.
    text: text.replace(/"reference":"[^"]*"/, ""),
    hashes: after.hashes - before.hashes,
    statements: after.statements - before.statements,
    keyholderCalls: after.keyholderCalls - before.keyholderCalls,
    askedBytes: after.asked - before.asked,
  };
}

test("guessing from many networks is slowed; home, renewal and devices are not; an address without an account looks the same", async () => {
  const signedIn = await signIn(ada, goodPassword, home);
  expect(signedIn.status).toBe(201);
  const device = asCookie(signedIn.cookies[sessionCookie] ?? "");
  // One more, of ada's alone, has been counted: the other address gets it too.
  await signIn(nobody, goodPassword, home);

  for (let tried = 1; tried < triesFromAll.limit; tried++) {
    const from = elsewhere();
    const [at, ofNobody] = [await cost(ada, from), await cost(nobody, from)];
    expect([tried, at.status, at.hashes]).toEqual([tried, 401, 1]);
    expect(ofNobody).toEqual({ ...at, askedBytes: ofNobody.askedBytes });
  }
  const from = elsewhere();
  const [slowed, ofNobody] = [await cost(ada, from), await cost(nobody, from)];
  expect([slowed.status, slowed.hashes]).toEqual([429, 0]);
  expect(ofNobody).toEqual({ ...slowed, askedBytes: ofNobody.askedBytes });
  // The right password from a new network waits as well.
  expect((await signIn(ada, goodPassword, elsewhere())).status).toBe(429);

  // At home nothing has changed, and guesses from there end at the share of one network.
  expect((await signIn(ada, goodPassword, home)).status).toBe(201);
  expect((await service.call("GET", "/api/session", { cookies: device })).status).toBe(200);
  const guesses: number[] = [];
  for (let tried = 0; tried < 30; tried++) guesses.push((await signIn(ada, "wrong words by far", home)).status);
  expect([guesses[0], guesses.at(-1)]).toEqual([401, 429]);

  // Renewal is open from anywhere.
  const asked = await service.call("POST", "/api/renewals", { body: { address: ada }, from: elsewhere() });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === ada && kind === "renewal code");
  const renewed = await service.call("POST", "/api/renewals/complete", {
    body: { code: letter?.code, password: "eleven owls above the orchard" },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
    from: elsewhere(),
  });
  expect(renewed.body["kind"]).toBe("renewed");

  // It slows down for an hour, and shuts nothing.
  clock.advance(triesFromAll.windowMs);
  expect((await signIn(ada, "eleven owls above the orchard", elsewhere())).status).toBe(201);
}, 120_000);

test("a network is known for what it has proved, and to that address alone", async () => {
  const [own, other] = ["own@example.org", "other@example.org"];
  await service.account(own, goodPassword);
  await service.account(other, goodPassword);
  const [usual, guessing] = ["203.0.113.5", "203.0.113.9"];
  expect((await signIn(own, goodPassword, usual)).status).toBe(201);
  expect((await signIn(other, "wrong words by far", guessing)).status).toBe(401);
  for (let tried = 0; tried < triesFromAll.limit; tried++) await signIn(own, "wrong words by far", elsewhere());
  for (let tried = 0; tried < triesFromAll.limit; tried++) await signIn(other, "wrong words by far", elsewhere());
  // A wrong password makes nobody known, and being known at one address says nothing at another.
  expect((await signIn(other, goodPassword, guessing)).status).toBe(429);
  expect((await signIn(other, goodPassword, usual)).status).toBe(429);
  expect((await signIn(own, goodPassword, usual)).status).toBe(201);
  const rows = await ground.plainDb.many<{ subject: Buffer }>(`select subject from known_network`);
  expect(rows.every(({ subject }) => subject.length >= 32)).toBe(true);
}, 120_000);

test("who signs in again on the same day from the same network writes nothing more", async () => {
  const address = "daily@example.org";
  await service.account(address, goodPassword);
  const statements = async (): Promise<number> => {
    const before = web.work().statements;
    expect((await signIn(address, goodPassword, home)).status).toBe(201);
    return web.work().statements - before;
  };
  const [first, second] = [await statements(), await statements()];
  expect(first - second).toBe(1);
});

test("an account with a second factor is known at home as well, by its right password", async () => {
  const bob = "bob@example.org";
  await service.account(bob, goodPassword);
  await setUpTotp(service, await service.signIn(bob, goodPassword));
  const step = () => signIn(bob, goodPassword, home);
  const wrongFromEverywhere = async (): Promise<void> => {
    for (let tried = 0; tried < triesFromAll.limit; tried++) await signIn(bob, "wrong words by far", elsewhere());
  };
  await wrongFromEverywhere();
  // Nobody has signed in from here yet.
  expect((await step()).status).toBe(429);
  clock.advance(hourMs);
  expect((await step()).status).toBe(202);
  await wrongFromEverywhere();
  expect((await signIn(bob, goodPassword, elsewhere())).status).toBe(429);
  expect((await step()).status).toBe(202);
});

test("letters that strangers ask for from everywhere do not use up those of the owner", async () => {
  const cleo = "cleo@example.org";
  await service.account(cleo, goodPassword);
  const mailed = async (from: string): Promise<number> => {
    const count = async () =>
      (await service.letters()).filter(({ to, letter }) => to === cleo && letter === "renewal code").length;
    const before = await count();
    expect((await service.call("POST", "/api/renewals", { body: { address: cleo }, from })).status).toBe(202);
    return (await count()) - before;
  };
  expect((await signIn(cleo, goodPassword, home)).status).toBe(201);
  for (let asked = 0; asked < 60; asked++) expect(await mailed(elsewhere())).toBe(1);
  expect(await mailed(elsewhere())).toBe(0);
  for (let asked = 0; asked < 6; asked++) expect(await mailed(home)).toBe(1);
  // One network's share ends at home too.
  expect(await mailed(home)).toBe(0);
});
