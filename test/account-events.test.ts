import { expect, test } from "vitest";
import { dayMs } from "../src/kernel/clock.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { forgetEvents } from "../src/accounts/security-events.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { changeLetterKinds, type ChangeLetterKind } from "../src/jobs/jobs.ts";
import { timelineKinds, type TimelineKind } from "../src/timeline/append.ts";
import { eventKinds, type AccountEvents, type EventKind } from "../src/wire/account-events.ts";
import { en } from "../web/text/en.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/** What has happened to an account stands on its page, written in the transaction of what it tells of, and is its own. */
const service = await testService();
const { ground, clock } = service;
const containNeeds = containNeedsOf(ground);

let people = 0;
const newAddress = () => `person-${++people}@example.org`;
const step = () => clock.advance(1_000);

async function events(session: string): Promise<AccountEvents["events"]> {
  const answer = await service.call("GET", "/api/account/events", { cookies: asCookie(session) });
  expect(answer.status, answer.text).toBe(200);
  return answer.body["events"] as AccountEvents["events"];
}
const kinds = async (session: string) => (await events(session)).map(({ kind }) => kind);

async function renew(address: string, password: string): Promise<void> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  const done = await service.call("POST", "/api/renewals/complete", {
    body: { code: letter?.code, password },
    cookies,
  });
  expect(done.status, done.text).toBe(200);
}

test("each thing that happens is listed once, the newest first, with device, network and address", async () => {
  const address = newAddress();
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  step();
  const signedIn = await service.call("POST", "/api/sessions", {
    body: { address, password: goodPassword },
    headers: { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" },
    from: "203.0.113.17",
  });
  const session = Object.values(signedIn.cookies)[0] ?? "";
  const call = (method: "POST" | "DELETE", path: string, body?: object) =>
    service.call(method, path, { ...(body === undefined ? {} : { body }), cookies: asCookie(session) });

  step();
  const asked = await service.call("POST", "/oauth/device_authorization", {
    body: { client_id: "houselights-tv", device_name: "Living-room TV" },
  });
  await call("POST", "/api/links/decide", { userCode: asked.body["user_code"], decision: "approve" });
  const linked = await service.call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: asked.body["device_code"],
      client_id: "houselights-tv",
    },
  });
  const tv = await service.call("GET", "/api/session", { bearer: String(linked.body["access_token"]) });
  step();
  expect((await call("DELETE", `/api/sessions/${String(tv.body["sessionId"])}`)).status).toBe(200);
  step();
  const second = newAddress();
  await call("POST", "/api/account/addresses", { address: second });
  const code = (await service.letters()).find(({ to }) => to === second)?.code;
  expect((await call("POST", "/api/account/addresses/confirm", { code })).status).toBe(200);
  step();
  const listed = await service.call("GET", "/api/account", { cookies: asCookie(session) });
  const [, added] = listed.body["addresses"] as { id: string }[];
  expect((await call("POST", `/api/account/addresses/${added?.id}/first`)).status).toBe(200);
  step();
  expect((await call("DELETE", `/api/account/addresses/${added?.id}`)).status).toBe(200);
  step();
  await call("POST", "/api/password", { currentPassword: goodPassword, newPassword: "ten lanterns in the lane" });
  step();
  expect((await call("DELETE", "/api/sessions?except=current")).status).toBe(200);
  step();
  await renew(address, "eleven owls above the orchard");
  step();
  const undo = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewed")?.undo;
  expect((await service.call("POST", "/not-me", { body: { token: undo } })).status).toBe(303);
  step();
  await renew(address, "twelve owls above the orchard");
  step();
  await containAccount(containNeeds, accountId, { reason: "test", operator: "test" });
  step();
  await renew(address, "thirteen owls above the orchard");
  step();
  const back = await service.signIn(address, "thirteen owls above the orchard");
  const all = await events(back);
  expect(all.map(({ kind }) => kind)).toEqual([
    "signed in",
    "renewed",
    "contained",
    "renewed",
    "change taken back",
    "renewed",
    "devices signed out",
    "password changed",
    "address removed",
    "first address changed",
    "address added",
    "device signed out",
    "linked",
    "signed in",
    "account created",
  ]);
  const first = all.findLast(({ kind }) => kind === "signed in");
  expect(first).toMatchObject({ device: "Firefox on Linux", network: "203.0.113.17", class: "browser" });
  expect(all.find(({ kind }) => kind === "linked")).toMatchObject({ device: "Living-room TV", class: "tv" });
  expect(all.find(({ kind }) => kind === "device signed out")).toMatchObject({ device: "Living-room TV" });
  for (const kind of ["address added", "address removed", "first address changed"]) {
    expect(all.find((one) => one.kind === kind)).toMatchObject({ address: second });
  }
});

test("what did not happen leaves no event: a wrong password, a refused change, a code typed wrong", async () => {
  const address = newAddress();
  await service.account(address, goodPassword);
  const session = await service.signIn(address, goodPassword);
  const before = await kinds(session);
  await service.call("POST", "/api/sessions", { body: { address, password: "wrong by a long way" } });
  const body = { currentPassword: "wrong by a long way", newPassword: "ten lanterns in the lane" };
  expect((await service.call("POST", "/api/password", { body, cookies: asCookie(session) })).status).toBe(403);
  const code = { code: "BBBBB-BBBBB" };
  await service.call("POST", "/api/account/addresses/confirm", { body: code, cookies: asCookie(session) });
  expect(await kinds(session)).toEqual(before);
});

test("an account sees its own events and nobody else's, and everybody's containments since it exists", async () => {
  const [one, other] = [newAddress(), newAddress()];
  await service.account(one, goodPassword);
  step();
  await contain(containNeeds, { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });
  step();
  await service.account(other, goodPassword);
  step();
  await renew(one, "eleven owls above the orchard");
  step();
  const ones = await service.signIn(one, "eleven owls above the orchard");
  const others = await service.signIn(other, goodPassword);
  expect(await kinds(ones)).toEqual(["signed in", "renewed", "contained", "account created"]);
  expect((await events(ones)).find(({ kind }) => kind === "contained")?.reference).toMatch(/^HL-/);
  expect(await kinds(others)).toEqual(["signed in", "account created"]);
});

test("at most 100 are answered, and what is older than 90 days is removed", async () => {
  const address = newAddress();
  const accountId = await service.account(address, goodPassword);
  const session = await service.signIn(address, goodPassword);
  await ground.db.run(
    `insert into security_event (account_id, id, kind, at)
     select $1, gen_random_uuid(), 'renewed', $2 from generate_series(1, 150)`,
    [accountId, new Date(clock.now())],
  );
  expect(await events(session)).toHaveLength(100);
  const count = async () =>
    (await ground.db.many(`select 1 from security_event where account_id = $1`, [accountId])).length;
  clock.advance(90 * dayMs);
  await forgetEvents(ground.db, clock.now());
  expect(await count()).toBe(152);
  clock.advance(1);
  while ((await forgetEvents(ground.db, clock.now())) > 0);
  expect(await count()).toBe(0);
});

test("a detail moved to another account does not open; the kind is still shown", async () => {
  const [one, other] = [newAddress(), newAddress()];
  const ids = [await service.account(one, goodPassword), await service.account(other, goodPassword)];
  step();
  const sessions = [await service.signIn(one, goodPassword), await service.signIn(other, goodPassword)];
  expect((await events(sessions[0] ?? ""))[0]).toMatchObject({ device: "Browser" });
  await ground.db.run(
    `update security_event e set sealed_detail = (
       select sealed_detail from security_event where account_id = $2 and kind = 'signed in')
      where e.account_id = $1 and e.kind = 'signed in'`,
    ids,
  );
  const moved = (await events(sessions[0] ?? ""))[0];
  expect(moved?.kind).toBe("signed in");
  expect(moved?.device).toBe(undefined);
});

/** What the record calls otherwise than the page does. */
const shownAs: Partial<Record<TimelineKind, EventKind>> = {
  "account deletion asked": "deletion asked",
  "account deletion withdrawn": "deletion withdrawn",
  "account exported": "exported",
  "sign-in": "signed in",
  "sign-out": "device signed out",
  "operator link used": "signed in",
  "operator added": "made operator",
  "operator kept": "made operator",
  "operator removed": "operator no more",
  "link claimed": "linked",
};

/** What the page does not list, and why. */
const notOfOneAccount =
  /^(service|database|copy|alarm|canaries|incident|campaign|way in|review|report|key|rotation|relying|stream|signals|witness)/;
const notListed: Partial<Record<TimelineKind | ChangeLetterKind, string>> = {
  "account deleted": "the page is gone with the account",
  "link approved": "nothing has come in until the device claims it",
  "link denied": "nothing comes in",
  "renewal asked": "anybody can ask; nothing is changed",
  "renewal reverted": "written by older versions; a change taken back is listed",
  "account looked up": "an operator saw that there is an account, and nothing was changed",
  "operator link made": "nobody has come in until it is used",
  letter: "the case is listed, with the letter's receipt",
  bounce: "the case is listed, with the letter's receipt",
  "recovery waits": "the start of the recovery is listed",
};

test("whatever is recorded or written of one account has a place on its page, and words there", () => {
  const kinds = [...timelineKinds, ...changeLetterKinds].filter((kind) => !notOfOneAccount.test(kind));
  expect(kinds.length).toBeGreaterThan(40);
  for (const kind of kinds) {
    const listed = eventKinds.some((one) => one === (shownAs[kind as TimelineKind] ?? kind));
    expect([kind, listed || notListed[kind] !== undefined]).toEqual([kind, true]);
  }
  for (const kind of eventKinds) {
    const words = (en as Readonly<Record<string, string>>)[`event.${kind}`] ?? "";
    expect([kind, words.trim().length > 10, words.includes("{")]).toEqual([kind, true, false]);
  }
});

test("an address that is kept after a containment is listed as kept", async () => {
  const address = newAddress();
  await service.account(address, goodPassword);
  step();
  const session = await service.signIn(address, goodPassword);
  const added = newAddress();
  await addAddress(service, { session }, added);
  step();
  await contain(containNeeds, { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });
  step();
  await renew(address, "fourteen herons over the weir");
  const back = await service.signIn(address, "fourteen herons over the weir");
  const { body } = await service.call("GET", "/api/account", { cookies: asCookie(back) });
  const doubted = (body["addresses"] as { id: string; doubted: boolean }[]).find((one) => one.doubted);
  const path = `/api/account/addresses/${doubted?.id}/keep`;
  expect((await service.call("POST", path, { cookies: asCookie(back) })).status).toBe(200);
  expect((await kinds(back)).filter((kind) => kind === "address kept")).toHaveLength(1);
});
