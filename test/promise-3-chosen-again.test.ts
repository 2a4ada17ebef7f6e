import { expect, test } from "vitest";
import { cleanUp } from "../src/clean-up.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { dayMs } from "../src/kernel/clock.ts";
import { keepKeys } from "../src/rotation/keep-keys.ts";
import { rotateKeys } from "../src/rotation/rotate.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf } from "./people.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * P3: the old password is never accepted once more: who has renewed does not choose it again either, by a second renewal or
 * by changing the password, as long as its case is in hand.
 */
const service = await testService();
const { ground, clock } = service;
const { plainDb: db, random, keyholders, log } = ground;
const { person } = peopleOf(service);

const containNow = () =>
  contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });

async function renew(address: string, password: string): Promise<Answer> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const code = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewal code")?.code;
  return service.call("POST", "/api/renewals/complete", {
    body: { code, password },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  });
}

async function change(address: string, currentPassword: string, newPassword: string): Promise<Answer> {
  const cookies = asCookie(await service.signIn(address, currentPassword));
  return service.call("POST", "/api/password", { body: { currentPassword, newPassword }, cookies });
}

const outcome = ({ status, body }: Answer) => [status, body["code"] ?? body["kind"]];
const isOld = [400, "password-is-old"];
const [first, second, third] = [
  "four herons on the weir at noon",
  "five herons on the weir at noon",
  "six herons on the weir at noon",
];

test("P3: a password that was refused is chosen again by nobody while its case is in hand, and by anybody later", async () => {
  const ada = await person();
  // A moment before, any password is followed by any other, and by itself again.
  expect(outcome(await change(ada.address, goodPassword, first))).toEqual([200, "password-changed"]);
  expect(outcome(await change(ada.address, first, goodPassword))).toEqual([200, "password-changed"]);
  await containNow();
  expect(outcome(await renew(ada.address, goodPassword))).toEqual(isOld);
  expect(outcome(await renew(ada.address, first))).toEqual([200, "renewed"]);

  expect(outcome(await renew(ada.address, goodPassword))).toEqual(isOld);
  expect(outcome(await change(ada.address, first, goodPassword))).toEqual(isOld);
  expect(outcome(await change(ada.address, first, second))).toEqual([200, "password-changed"]);

  // Another containment refuses that one too, and does not make anybody forget the first.
  await containNow();
  expect(outcome(await renew(ada.address, third))).toEqual([200, "renewed"]);
  for (const old of [goodPassword, second]) {
    expect(outcome(await renew(ada.address, old))).toEqual(isOld);
    expect(outcome(await change(ada.address, third, old))).toEqual(isOld);
  }

  // Other keys seal them again.
  clock.set(Math.max(clock.now(), Date.now()));
  const rotating = { db, keys: keyholders.keeper.keys, clock, random };
  expect((await rotateKeys(rotating, ["password"])).kind).toBe("rotated");
  await keepKeys({ ...rotating, keyholder: keyholders.mailer, log, remarkCanaries: async () => undefined });
  expect(outcome(await change(ada.address, third, goodPassword))).toEqual(isOld);

  const kept = async () => (await db.many(`select 1 from refused_password`)).length;
  const { signal } = new AbortController();
  clock.advance(100 * dayMs);
  await cleanUp(db, clock.now(), signal);
  expect(await kept()).toBe(2);
  await db.run(`update incident set state = 'closed'`);
  await cleanUp(db, clock.now(), signal);
  expect(await kept()).toBe(0);
  expect(outcome(await change(ada.address, third, goodPassword))).toEqual([200, "password-changed"]);
});

test('P3: nor is one that its owner has refused by "it was not me"', async () => {
  const ada = await person();
  expect(outcome(await change(ada.address, goodPassword, first))).toEqual([200, "password-changed"]);
  const { undo } =
    (await service.letters()).find(({ to, undo: token }) => to === ada.address && token !== undefined) ?? {};
  expect((await service.call("POST", "/not-me", { body: { token: undo ?? "" } })).status).toBe(303);
  expect(outcome(await renew(ada.address, second))).toEqual([200, "renewed"]);
  // As long as the button could have been pressed, and no longer: it belongs to no case.
  clock.advance(7 * dayMs);
  await cleanUp(db, clock.now(), new AbortController().signal);
  expect(outcome(await change(ada.address, second, first))).toEqual(isOld);
  expect(outcome(await change(ada.address, second, third))).toEqual([200, "password-changed"]);
  clock.advance(1);
  await cleanUp(db, clock.now(), new AbortController().signal);
  expect(outcome(await change(ada.address, third, first))).toEqual([200, "password-changed"]);
});

test("P3: of many that were refused the last three are compared, and one that was not refused is none of them", async () => {
  const [ada, bob] = [await person(), await person()];
  expect(outcome(await renew(bob.address, first))).toEqual([200, "renewed"]);
  expect(outcome(await change(bob.address, first, goodPassword))).toEqual([200, "password-changed"]);
  const fourth = "seven herons on the weir at noon";
  for (const next of [first, second, third, fourth]) {
    await containNow();
    clock.advance(1_000);
    expect(outcome(await renew(ada.address, next))).toEqual([200, "renewed"]);
  }
  for (const old of [first, second, third]) expect(outcome(await change(ada.address, fourth, old))).toEqual(isOld);
  expect(outcome(await change(ada.address, fourth, goodPassword))).toEqual([200, "password-changed"]);
  await db.run(`update incident set state = 'closed'`);
});
