import { expect, test } from "vitest";
import { operatorIds } from "../src/accounts/accounts.ts";
import { secretText, sessionCookie } from "../src/http/cookies.ts";
import type { AccountId, Epoch } from "../src/kernel/brand.ts";
import { minuteMs } from "../src/kernel/clock.ts";
import { addOperator, removeOperator } from "../src/credentials/operators.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

const service = await testService();
const { db } = service.ground;

/** Uses a new link in a browser that speaks a language. */
async function useLink(language: string) {
  const { secret } = await makeOperatorLink(service.ground);
  return () =>
    service.call("POST", "/api/operator-sessions", {
      body: { secret: secretText(secret) },
      headers: { "accept-language": language },
    });
}
const locales = async (): Promise<string[]> =>
  (await db.many<{ locale: string }>(`select locale from account`)).map(({ locale }) => locale);

test("whoever is the first operator after a containment counts as one", async () => {
  // Another service, whose first case was contained on the host before anybody ran it.
  const other = await testService();
  await contain(containNeedsOf(other.ground), {
    mode: "everyone-out",
    keepTools: false,
    reason: "test",
    operator: "host",
  });
  const { secret } = await makeOperatorLink(other.ground);
  const used = await other.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
  expect(used.status, used.text).toBe(201);
  const cookies = asCookie(used.cookies[sessionCookie] ?? "");
  expect((await other.call("GET", "/api/session", { cookies })).body["role"]).toBe("operator");
});

test("of first links used at once, one makes the first operator, who is written to in the language of that browser", async () => {
  const links = [];
  for (let i = 0; i < 6; i++) links.push(await useLink("fr-CH, en;q=0.8"));
  const answers = await Promise.all(links.map((use) => use()));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(await operatorIds(db)).toHaveLength(1);
  expect(await locales()).toEqual(["fr"]);
  const later = await useLink("ja");
  expect((await later()).status).toBe(201);
  expect(await locales()).toEqual(["fr"]);
});

test("a link is good for ten minutes, and no longer", async () => {
  const [inTime, late] = [await useLink("en"), await useLink("en")];
  service.clock.advance(10 * minuteMs - 1);
  expect((await inTime()).status).toBe(201);
  service.clock.advance(1);
  expect((await late()).status).toBe(400);
});

const { person } = peopleOf(service);
const keyholder = service.ground.keyholders.web;
const ends: Readonly<Record<string, (who: Person) => Promise<unknown>>> = {
  "the account's containment": ({ accountId }) =>
    containAccount(containNeedsOf(service.ground), accountId, { reason: "test", operator: "test" }),
  "it was not me": async ({ address, session }) => {
    const body = { currentPassword: goodPassword, newPassword: "eleven owls above the orchard", signOutDevices: false };
    await service.call("POST", "/api/password", { body, cookies: asCookie(session) });
    const undo = (await service.letters()).find(({ to, undo: one }) => to === address && one !== undefined)?.undo;
    return service.call("POST", "/not-me", { body: { token: undo ?? "" } });
  },
  "the operator's being none any more": ({ accountId }) => removeOperator(service.ground, accountId, "host"),
};

test.each(Object.entries(ends))("a link that waits ends with %s", async (_what, end) => {
  const who = await person();
  await addOperator({ ...service.ground, keyholder }, who.address, "host");
  const make = async () => secretText((await makeOperatorLink(service.ground, who.accountId as AccountId)).secret);
  const use = async (secret: string) =>
    (await service.call("POST", "/api/operator-sessions", { body: { secret } })).status;
  const [used, waiting] = [await make(), await make()];
  expect(await use(used)).toBe(201);
  await end(who);
  expect(await use(waiting)).toBe(400);
});

test("who is an operator no more by the time it is written names nobody", async () => {
  const [ada, bob] = [await person(), await person()];
  const needs = { ...service.ground, keyholder };
  await addOperator(needs, ada.address, "host");
  const asking = await db.one<{ epoch: Epoch; generation: number }>(
    `select max(f.epoch) as epoch, a.generation from floor f, account a where a.id = $1 group by a.generation`,
    [ada.accountId],
  );
  const by = { accountId: ada.accountId, ...asking! };
  expect(await addOperator(needs, bob.address, by)).toMatchObject({ kind: "added" });
  expect(await removeOperator(needs, bob.accountId, "host")).toBe("demoted");
  expect(await removeOperator(needs, ada.accountId, "host")).toBe("demoted");
  expect(await addOperator(needs, bob.address, by)).toEqual({ kind: "contained" });
  expect(await operatorIds(db)).not.toContain(bob.accountId);
});

test("a first password is set within five minutes of the link, and no other without the one before", async () => {
  const operator = async () => {
    const who = await person();
    await addOperator({ ...service.ground, keyholder }, who.address, "host");
    const { secret } = await makeOperatorLink(service.ground, who.accountId as AccountId);
    const body = { secret: secretText(secret) };
    const entered = await service.call("POST", "/api/operator-sessions", { body });
    const cookies = asCookie(entered.cookies[sessionCookie] ?? "");
    const forget = () => db.run(`delete from password where account_id = $1`, [who.accountId]);
    const set = async (newPassword: string) =>
      (await service.call("POST", "/api/password", { body: { newPassword }, cookies })).body;
    return { ...who, forget, set };
  };
  const [ada, late] = [await operator(), await operator()];
  expect((await ada.set("eleven owls above the orchard"))["code"]).toBe("wrong-password");
  await Promise.all([ada.forget(), late.forget()]);
  expect((await ada.set("eleven owls above the orchard"))["kind"]).toBe("password-changed");
  expect((await ada.set("twelve owls above the orchard"))["code"]).toBe("wrong-password");
  service.clock.advance(5 * minuteMs + 1);
  expect((await late.set("eleven owls above the orchard"))["code"]).toBe("wrong-password");
  expect(await service.signIn(ada.address, "eleven owls above the orchard")).not.toBe("");
});
