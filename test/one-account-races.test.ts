import { describe, expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { containAccount } from "../src/incidents/contain.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { pausing } from "./pausable-db.ts";

/**
 * The owner takes the account back while a thief's request is on its way: paused before its write, resumed afterwards,
 * and what the thief proved with the old things sets nothing.
 */
const pause = pausing();
const service = await testService({ open: pause.open });
const { ground } = service;
const ownersPassword = "eleven owls above the orchard";
const thiefsPassword = "a thief was here this evening";

let people = 0;
async function person(): Promise<{ address: string; accountId: AccountId; session: string }> {
  const address = `person-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  return { address, accountId, session: await service.signIn(address, goodPassword) };
}

async function renewal(address: string): Promise<(password: string, signOutDevices: boolean) => Promise<number>> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  return async (password, signOutDevices) => {
    const body = { code: letter?.code, password, signOutDevices };
    return (await service.call("POST", "/api/renewals/complete", { body, cookies })).status;
  };
}

const change = (session: string, newPassword: string) =>
  service.call("POST", "/api/password", {
    body: { currentPassword: goodPassword, newPassword, signOutDevices: false },
    cookies: asCookie(session),
  });
const signs = async (address: string, password: string): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;

const contain = (accountId: AccountId) =>
  containAccount(
    {
      db: ground.plainDb,
      witness: ground.keyholders.operator.witness,
      clock: ground.clock,
      monotonicMs: ground.monotonicMs,
      random: ground.random,
      log: ground.log,
    },
    accountId,
    { reason: "test", operator: "test" },
  );

/** Holds `late` up before its write, lets `first` happen, resumes. */
async function overtaken<Result>(late: () => Promise<Result>, first: () => Promise<unknown>): Promise<Result> {
  pause.hold();
  const running = late();
  await pause.reached();
  try {
    await first();
  } finally {
    pause.letGo();
  }
  return running;
}

describe("a change of password proved by the old one", () => {
  test("works by itself", async () => {
    const ada = await person();
    expect((await change(ada.session, thiefsPassword)).status).toBe(200);
    expect(await signs(ada.address, thiefsPassword)).toBe(201);
  });

  test("does not replace a password that was changed meanwhile", async () => {
    const ada = await person();
    const { accountId } = ada;
    // The owner's own change, written the moment the thief's is about to be.
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () =>
        ground.plainDb.run(`update password set record = record || '\\x00', set_at = now() where account_id = $1`, [
          accountId,
        ]),
    );
    expect(answer.status).not.toBe(200);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });

  test("does not set one after the account was contained", async () => {
    const ada = await person();
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () => contain(ada.accountId),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });

  test("does not set one after the account was signed out everywhere", async () => {
    const ada = await person();
    const answer = await overtaken(
      () => change(ada.session, thiefsPassword),
      () => ground.plainDb.run(`update account set generation = generation + 1 where id = $1`, [ada.accountId]),
    );
    expect(answer.status).toBe(401);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(201);
  });
});

describe("a renewal begun before its account was contained", () => {
  test("works by itself", async () => {
    const ada = await person();
    expect(await (await renewal(ada.address))(ownersPassword, false)).toBe(200);
  });

  test("sets nothing when it ends afterwards, even on a node whose clock is behind", async () => {
    const ada = await person();
    const complete = await renewal(ada.address);
    const status = await overtaken(
      () => complete(thiefsPassword, false),
      async () => {
        service.clock.advance(1_000);
        await contain(ada.accountId);
      },
    );
    expect(status).toBe(400);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });
});
