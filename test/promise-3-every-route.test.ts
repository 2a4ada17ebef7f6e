import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { dayMs, hourMs } from "../src/kernel/clock.ts";
import { startRecovery } from "../src/renewal/recovery.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress, peopleOf } from "./people.ts";
import { costOf } from "./request-cost.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { setUpTotp } from "./totp-app.ts";

/**
 * P3: no answer tells whether an account exists, on no route that takes an address, whatever state the account is in: it is
 * the same answer at the same cost as for an address that nobody has.
 */
const service = await testService();
const { ground, clock } = service;
const { person } = peopleOf(service);
const order = { reason: "test", operator: "test" };
const wrongWords = "wrong words, same length here!!";

type Ask = (address: string) => Promise<Answer>;
const api =
  (path: string, more: object = {}): Ask =>
  (address) =>
    service.call("POST", path, { body: { address, ...more } });
const form =
  (path: string, more: object = {}): Ask =>
  (address) =>
    service.call("POST", path, { body: { address, ...more }, headers: { accept: "text/html" } });
/** A code is asked for, and a wrong one typed. */
const thenTyped =
  (asking: Ask, path: string, more: object = {}): Ask =>
  async (address) => {
    const asked = await asking(address);
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    return service.call("POST", path, { body: { code: "BCDF-GHJK-LM", ...more }, cookies });
  };

/** With the status that each has for everybody. */
const routes: Readonly<Record<string, readonly [status: number, ask: Ask]>> = {
  "signing in": [401, api("/api/sessions", { password: wrongWords })],
  "signing in by the form": [401, form("/sign-in", { password: wrongWords })],
  "asking for a renewal": [202, api("/api/renewals")],
  "asking for a renewal by the form": [303, form("/renew")],
  "a wrong code for a renewal": [
    400,
    thenTyped(api("/api/renewals"), "/api/renewals/complete", { password: goodPassword }),
  ],
  "signing up": [202, api("/api/accounts", { password: goodPassword })],
  "signing up by the form": [303, form("/sign-up", { password: goodPassword, name: "Somebody" })],
  "a wrong code for a sign-up": [
    400,
    thenTyped(api("/api/accounts", { password: goodPassword }), "/api/accounts/confirm"),
  ],
};

/** What differs from one request to the next for anybody: secrets, instants, what was typed, and the error's number. */
const sameForAll = (seen: object, address: string): string =>
  JSON.stringify(seen)
    .replaceAll(address, "somebody")
    .replaceAll(/[\w-]{43}/g, "secret")
    .replaceAll(/HL-[A-Z0-9-]+/g, "number")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "instant")
    .replaceAll(/Expires=[^;"]*/g, "instant");

async function seen(ask: Ask, address: string): Promise<string> {
  // Within what one network may ask for in an hour.
  clock.advance(2 * hourMs);
  return sameForAll(await costOf(service, () => ask(address)), address);
}

async function allAnswerAlike(when: string, addresses: Readonly<Record<string, string>>): Promise<void> {
  for (const [route, [status, ask]] of Object.entries(routes)) {
    // The first statement of a kind is prepared.
    await seen(ask, "person-w@example.org");
    const nobodys = await seen(ask, "person-x@example.org");
    expect(nobodys).toContain(`"status":${status}`);
    for (const [state, address] of Object.entries(addresses)) {
      expect(await seen(ask, address), `${when}: ${route}, ${state}`).toBe(nobodys);
    }
  }
}

/** One account in each state; all addresses are as long. */
async function addressesOfAllStates(): Promise<Record<string, string>> {
  const app = await person();
  await setUpTotp(service, app.session);

  const leaving = await person();
  const asked = await service.call("POST", "/api/account/deletion", {
    body: { confirmation: leaving.address },
    cookies: asCookie(leaving.session),
  });
  expect(asked.status, asked.text).toBe(202);

  const two = await person();
  await addAddress(service, two, "person-s@example.org");

  const removed = "person-r@example.org";
  const less = await person();
  await addAddress(service, less, removed);
  const cookies = asCookie(less.session);
  const { body } = await service.call("GET", "/api/account", { cookies });
  const found = (body["addresses"] as { id: string; address: string }[]).find(({ address }) => address === removed);
  expect((await service.call("DELETE", `/api/account/addresses/${found?.id}`, { cookies })).status).toBe(200);

  const lost = await person();
  const recovery = {
    accountId: lost.accountId,
    address: "person-n@example.org",
    withoutSecondFactor: false,
    by: "host",
  };
  expect((await startRecovery({ ...ground, keyholder: ground.keyholders.web }, recovery)).kind).toBe("started");

  return {
    "nothing special": (await person()).address,
    "with an authenticator app": app.address,
    "to be deleted": leaving.address,
    "a later address": "person-s@example.org",
    "an address that was removed": removed,
    "an address that a recovery names": recovery.address,
    "whose account is recovered": lost.address,
  };
}

test(
  "P3: whatever an account goes through, its address answers as one that nobody has",
  { timeout: 120_000 },
  async () => {
    const addresses = await addressesOfAllStates();
    await allAnswerAlike("on a quiet day", addresses);
    clock.advance(4 * dayMs);
    await allAnswerAlike("once the recovery is ready", addresses);
    const one = await person();
    await containAccount(containNeedsOf(ground), one.accountId, order);
    await allAnswerAlike("with one account contained", { "contained by itself": one.address });
    await contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, ...order });
    await allAnswerAlike("after everyone out", { ...addresses, "contained by itself": one.address });
  },
);
