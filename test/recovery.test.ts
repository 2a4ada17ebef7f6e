import { describe, expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { dayMs, hourMs, minuteMs } from "../src/kernel/clock.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { addOperator } from "../src/credentials/operators.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { cancelRecovery, startRecovery } from "../src/renewal/recovery.ts";
import { forgetTickets } from "../src/renewal/clean-up.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress } from "./people.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/** P13: who has lost every way in gets back by an operator who starts it, after a delay in which the owner can stop it. */
const service = await testService();
const { ground, clock } = service;
const { db, random } = ground;
const needs = { db, keyholder: ground.keyholders.web, clock, random };
const newPassword = "eleven lanterns, all of them lost";

let people = 0;
async function person() {
  const address = `lost-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  // Longer ago than a change can be taken back for.
  clock.advance(minuteMs);
  return { accountId, address, newAddress: `found-${people}@example.net` };
}
type Person = Awaited<ReturnType<typeof person>>;

const start = async ({ accountId, newAddress }: Person, more: object = {}, session?: string): Promise<Answer> =>
  service.call("POST", "/api/recoveries", {
    body: { accountId, address: newAddress, ...more },
    cookies: asCookie(session ?? (await service.operator())),
  });

async function started(who: Person, more: object = {}): Promise<Answer> {
  const answer = await start(who, more);
  expect(answer.status, answer.text).toBe(201);
  return answer;
}

/** Asks for a code. @returns the code if one was mailed, and the asking browser. */
async function ask(address: string) {
  clock.advance(hourMs);
  const from = clock.now();
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  expect(asked.status).toBe(202);
  const letter = (await service.letters()).find((one) => one.to === address && one.at === from);
  return {
    letter: letter?.letter,
    code: letter?.letter === "renewal code" ? letter.code : undefined,
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  };
}

const complete = ({ code, cookies }: Awaited<ReturnType<typeof ask>>, more: object = {}): Promise<Answer> =>
  service.call("POST", "/api/renewals/complete", {
    body: { code: code ?? "BCDF-GHJK", password: newPassword, ...more },
    cookies,
  });

const signs = async (address: string, password = newPassword): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;

const lettersTo = async (address: string) => (await service.letters()).filter(({ to }) => to === address);
const kindsOf = async (kind: string, { accountId }: Person): Promise<number> =>
  (
    await db.many(
      `select 1 from timeline_entry where strpos(convert_from(body, 'utf8'), $1) > 0
                      and strpos(convert_from(body, 'utf8'), $2) > 0`,
      [`"${kind}"`, accountId],
    )
  ).length;

const lookUp = async (address: string, session?: string): Promise<Answer> =>
  service.call("POST", "/api/recoveries/lookup", {
    body: { address },
    cookies: asCookie(session ?? (await service.operator())),
  });

const notMe = async (undo: string | undefined): Promise<boolean> =>
  (await service.call("POST", "/not-me", { body: { token: undo ?? "" } })).status === 303;

describe("a recovery", () => {
  test("opens nothing before its delay, one renewal after it, and nothing again", async () => {
    const ada = await person();
    const device = await service.signIn(ada.address, goodPassword);
    const answer = await started(ada);
    expect(answer.body["readyAt"]).toBe(new Date(clock.now() + 72 * hourMs).toISOString());
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    clock.advance(72 * hourMs - 2 * hourMs - 1);
    const early = await ask(ada.newAddress);
    expect(early.letter).toBe("no letter");
    expect((await complete(early)).body["code"]).toBe("code-refused");
    // The owner signing in meanwhile ends nothing.
    expect(await signs(ada.address, goodPassword)).toBe(201);
    const asked = await ask(ada.newAddress);
    expect(asked.letter).toBe("renewal code");
    // Whoever has lost everything has lost the devices too.
    const done = await complete(asked, { signOutDevices: false });
    expect([done.status, done.body["signedOutDevices"]]).toEqual([200, true]);
    expect((await service.call("GET", "/api/session", { cookies: asCookie(device) })).status).toBe(401);
    expect(await signs(ada.newAddress)).toBe(201);
    expect(await signs(ada.address)).toBe(201);
    expect(await signs(ada.address, goodPassword)).toBe(401);
    expect((await complete(asked)).body["code"]).toBe("code-refused");
    expect(await db.many(`select 1 from recovery where account_id = $1`, [ada.accountId])).toEqual([]);
    for (const kind of ["recovery started", "address added", "renewed"]) expect(await kindsOf(kind, ada), kind).toBe(1);
  });

  test("of two codes opens one renewal", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(72 * hourMs);
    const [first, second] = [await ask(ada.newAddress), await ask(ada.newAddress)];
    const done = await Promise.all([complete(first), complete(second)]);
    expect(done.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 400]);
  });

  test("is told to every address, which can stop it, and to the new one, which cannot", async () => {
    const ada = await person();
    const session = await service.signIn(ada.address, goodPassword);
    const second = `second-${people}@example.org`;
    await service.call("POST", "/api/account/addresses", { body: { address: second }, cookies: asCookie(session) });
    const code = (await lettersTo(second))[0]?.code;
    const path = "/api/account/addresses/confirm";
    expect((await service.call("POST", path, { body: { code }, cookies: asCookie(session) })).status).toBe(200);
    clock.advance(8 * dayMs);
    const answer = await started(ada);
    for (const address of [ada.address, second]) {
      const [letter] = await lettersTo(address);
      expect([letter?.letter, typeof letter?.undo]).toEqual(["recovery started", "string"]);
    }
    const [letter, ...more] = await lettersTo(ada.newAddress);
    expect(more).toEqual([]);
    expect([letter?.letter, letter?.undo]).toEqual(["recovery waits", undefined]);
    expect(new Date(letter?.at ?? 0).toISOString()).toBe(answer.body["readyAt"]);
    const again = await service.signIn(ada.address, goodPassword);
    const { body } = await service.call("GET", "/api/account/events", { cookies: asCookie(again) });
    const events = body["events"] as { kind: string; address?: string }[];
    expect(events.find(({ kind }) => kind === "recovery started")?.address).toBe(ada.newAddress);
  });

  test("is stopped by the button of its letter, before the delay is over and while a code of it waits", async () => {
    const [ada, bob] = [await person(), await person()];
    await started(ada);
    await started(bob);
    const undoOf = async ({ address }: Person) => (await lettersTo(address))[0]?.undo;
    const [adas, bobs] = [await undoOf(ada), await undoOf(bob)];
    expect(await notMe(adas)).toBe(true);
    expect(await notMe(adas)).toBe(false);
    clock.advance(72 * hourMs);
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    const waiting = await ask(bob.newAddress);
    expect(waiting.letter).toBe("renewal code");
    expect(await notMe(bobs)).toBe(true);
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    // The way back is the owner's own mailbox.
    expect((await complete(await ask(bob.address))).status).toBe(200);
  });

  test("can be stopped for as long as it is open, also when it waits for 7 days", async () => {
    const ada = await person();
    await started(ada, { withoutSecondFactor: true });
    const [letter] = await lettersTo(ada.address);
    expect(letter?.letter).toBe("recovery without second factor");
    clock.advance(14 * dayMs - 2 * hourMs);
    const waiting = await ask(ada.newAddress);
    expect(waiting.letter).toBe("renewal code");
    expect(await notMe(letter?.undo)).toBe(true);
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
  });

  test("is ended by a renewal with an address of the account, which has not been lost then", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(72 * hourMs);
    const waiting = await ask(ada.newAddress);
    expect(waiting.letter).toBe("renewal code");
    expect((await complete(await ask(ada.address))).status).toBe(200);
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    expect(await kindsOf("recovery ended", ada)).toBe(1);
    const cookies = asCookie(await service.signIn(ada.address, newPassword));
    const { body } = await service.call("GET", "/api/account/events", { cookies });
    const events = (body["events"] as { kind: string }[]).map(({ kind }) => kind);
    expect(events.filter((kind) => kind === "recovery ended")).toHaveLength(1);
  });

  test("is not renewed by a password that is made of its new address", async () => {
    const ada = { ...(await person()), newAddress: "heronsonthemillweir@example.net" };
    await started(ada);
    clock.advance(72 * hourMs);
    const asked = await ask(ada.newAddress);
    const refused = await complete(asked, { password: "herons on the mill weir" });
    expect(refused.body["fields"]).toEqual([{ field: "body.password", rule: "about-you" }]);
    expect((await complete(asked)).status).toBe(200);
  });

  test("that is over proves nothing by a code of its last hours, and makes way for another though nothing has removed it", async () => {
    const [ada, bob] = [await person(), await person()];
    const expiresAt = Date.parse(String((await started(ada)).body["expiresAt"]));
    await started(bob);
    clock.set(expiresAt - 3 * hourMs);
    const [adas, bobs] = [await ask(ada.newAddress), await ask(bob.newAddress)];
    clock.set(expiresAt - 1);
    expect((await complete(bobs)).status).toBe(200);
    expect((await start(ada)).body["code"]).toBe("recovery-under-way");
    clock.set(expiresAt);
    expect((await complete(adas)).body["code"]).toBe("code-refused");
    await started(ada);
  });

  test("that was used is taken back with all it changed", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(72 * hourMs);
    expect((await complete(await ask(ada.newAddress))).status).toBe(200);
    const told = (await lettersTo(ada.address)).find(({ letter }) => letter === "renewed");
    expect(await notMe(told?.undo)).toBe(true);
    expect(await signs(ada.newAddress)).toBe(401);
    expect(await db.many(`select 1 from account_address where account_id = $1`, [ada.accountId])).toHaveLength(1);
  });

  test("is forgotten a week after it could be used", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(10 * dayMs - hourMs);
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    clock.advance(1);
    await forgetTickets(db, clock.now());
    expect(await db.many(`select 1 from recovery where account_id = $1`, [ada.accountId])).toEqual([]);
  });
});

describe("who may start it, and when", () => {
  test("an operator with a strong proof of the last five minutes, and nobody else", async () => {
    const [ada, eve, op] = [await person(), await person(), await person()];
    const viewer = await service.signIn(eve.address, goodPassword);
    expect((await start(ada, {}, viewer)).body["code"]).toBe("operators-only");
    await addOperator(needs, op.address, "host");
    const password = await service.signIn(op.address, goodPassword);
    expect((await start(ada, {}, password)).body["code"]).toBe("second-factor-required");
    const link = await service.operator();
    clock.advance(5 * minuteMs + 1);
    expect((await start(ada, {}, link)).body["code"]).toBe("second-factor-required");
    expect((await start(ada)).status).toBe(201);
  });

  test("one at a time; an operator ends it, and what was mailed for it opens nothing", async () => {
    const ada = await person();
    await started(ada);
    const other = { ...ada, newAddress: `other-${people}@example.net` };
    expect((await start(other)).body["code"]).toBe("recovery-under-way");
    clock.advance(72 * hourMs);
    const waiting = await ask(ada.newAddress);
    expect(waiting.letter).toBe("renewal code");
    const end = async () =>
      service.call("DELETE", `/api/recoveries/${ada.accountId}`, { cookies: asCookie(await service.operator()) });
    const told = async () => {
      const both = [...(await lettersTo(ada.address)), ...(await lettersTo(ada.newAddress))];
      return both.filter(({ letter }) => letter === "recovery ended").map(({ to, undo }) => [to, undo]);
    };
    expect(await told()).toEqual([]);
    expect((await end()).body).toEqual({ kind: "recovery-ended" });
    // Both are told, and neither letter can take anything back: nothing was changed.
    const everybody = [
      [ada.address, undefined],
      [ada.newAddress, undefined],
    ];
    expect(await told()).toEqual(everybody);
    expect((await end()).status).toBe(404);
    expect(await told()).toEqual(everybody);
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    // Another one begins with its own delay, and does not make the code of the first one good.
    await started(ada);
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    expect(await kindsOf("recovery ended", ada)).toBe(1);
  });

  test("an operator finds the account by an address, sees what is under way, and is written down for it", async () => {
    const ada = await person();
    const nobodys = await lookUp(`nobody-${people}@example.org`);
    expect([nobodys.status, nobodys.text]).toEqual([404, expect.not.stringContaining(`nobody-${people}@`)]);
    expect((await lookUp(ada.address, await service.signIn(ada.address, goodPassword))).status).toBe(403);
    expect(await kindsOf("account looked up", ada)).toBe(0);
    const found = await lookUp(ada.address.toUpperCase());
    expect([found.status, found.body]).toEqual([
      200,
      { accountId: ada.accountId, createdAt: expect.any(String), addresses: 1, secondFactor: false, recovery: null },
    ]);
    expect(await kindsOf("account looked up", ada)).toBe(1);
    const { body } = await started(ada, { withoutSecondFactor: true });
    expect((await lookUp(ada.address)).body["recovery"]).toEqual({
      readyAt: body["readyAt"],
      expiresAt: body["expiresAt"],
      withoutSecondFactor: true,
    });
    // The new address is nobody's yet.
    expect((await lookUp(ada.newAddress)).status).toBe(404);
    // Sixty in an hour, from its beginning.
    clock.advance(hourMs - (clock.now() % hourMs));
    const busy = await service.operator();
    const asked: number[] = [];
    for (let looked = 0; looked < 62; looked++) asked.push((await lookUp(ada.address, busy)).status);
    expect(asked).toEqual([...Array<number>(60).fill(200), 429, 429]);
    clock.advance(hourMs);
    expect((await lookUp(ada.address)).body["recovery"]).not.toBeNull();
    clock.set(Date.parse(String(body["expiresAt"])));
    expect((await lookUp(ada.address)).body["recovery"]).toBeNull();
  });

  test("six times in an hour for one account, whatever becomes of it; another's are its own", async () => {
    const [ada, bob] = [await person(), await person()];
    clock.advance(hourMs - (clock.now() % hourMs));
    const statuses: number[] = [];
    for (let tried = 0; tried < 7; tried++) statuses.push((await start(ada)).status);
    expect(statuses).toEqual([201, ...Array<number>(5).fill(409), 429]);
    expect((await start(bob)).status).toBe(201);
    clock.advance(hourMs);
    expect((await start(ada)).status).toBe(409);
  });

  test("two starts at once are one", async () => {
    const ada = await person();
    const order = { accountId: ada.accountId, withoutSecondFactor: false, by: "host" };
    const both = await Promise.all(
      ["one", "two"].map((name) => startRecovery(needs, { ...order, address: `${name}-${people}@example.net` })),
    );
    expect(both.map(({ kind }) => kind).toSorted()).toEqual(["started", "under-way"]);
    expect((await lettersTo(ada.address)).filter(({ letter }) => letter === "recovery started")).toHaveLength(1);
  });

  test("not with an address that an account has, for an account that is none, or where nobody could be told", async () => {
    const [ada, bob] = [await person(), await person()];
    const taken = await start({ ...ada, newAddress: bob.address });
    expect([taken.body["code"], JSON.stringify(taken.body["fields"])]).toEqual([
      "address-refused",
      expect.not.stringContaining(bob.address),
    ]);
    const nobody = "00000000-0000-7000-8000-000000000000" as AccountId;
    expect((await start({ ...ada, accountId: nobody })).status).toBe(404);
    const operator = await service.operator();
    const { body } = await service.call("GET", "/api/session", { cookies: asCookie(operator) });
    const alone = { ...ada, accountId: String(body["accountId"]) as AccountId };
    expect((await start(alone)).body["code"]).toBe("nobody-to-tell");
    const full = await person();
    const session = await service.signIn(full.address, goodPassword);
    for (let place = 2; place <= 5; place++) {
      clock.advance(1_000);
      await addAddress(service, { session }, `place-${place}-of-${full.address}`);
      const isFull = place === 5;
      expect([place, (await start(full)).body["code"]]).toEqual([place, isFull ? "too-many-addresses" : undefined]);
      if (!isFull) expect(await cancelRecovery(needs, full.accountId, "host")).toBe(true);
    }
    expect(await cancelRecovery(needs, ada.accountId, "host")).toBe(false);
  });

  test("an address that became another account's meanwhile proves that account, and not this one", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(72 * hourMs);
    const waiting = await ask(ada.newAddress);
    await service.account(ada.newAddress, "an account of somebody else");
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    expect((await complete(await ask(ada.newAddress))).status).toBe(200);
    expect(await signs(ada.address, goodPassword)).toBe(201);
  });
});

describe("the second factor", () => {
  async function personWithTotp() {
    const ada = await person();
    return { ...ada, ...(await setUpTotp(service, await service.signIn(ada.address, goodPassword))) };
  }

  test("is still asked for", async () => {
    const ada = await personWithTotp();
    expect((await lookUp(ada.address)).body["secondFactor"]).toBe(true);
    await started(ada);
    clock.advance(72 * hourMs);
    const asked = await ask(ada.newAddress);
    expect((await complete(asked)).body["code"]).toBe("second-factor-needed");
    expect((await complete(asked, { secondFactor: "000000" })).body["code"]).toBe("second-factor-refused");
    expect((await complete(asked, { secondFactor: ada.app.code() })).status).toBe(200);
    clock.advance(minuteMs);
    const step = await beginSignIn(service, ada.newAddress, newPassword);
    expect((await completeSignIn(service, step, ada.app.code())).status).toBe(201);
  });

  test("is waived by the start alone, after 7 days, and turned off then", async () => {
    const ada = await personWithTotp();
    await started(ada, { withoutSecondFactor: true });
    clock.advance(7 * dayMs - hourMs - 1);
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    const asked = await ask(ada.newAddress);
    // The password stands alone from now on, and must be as long as one that does.
    expect((await complete(asked, { password: "not so long" })).body["code"]).toBe("password-refused");
    // A renewal by an address of the account still asks for it.
    expect((await complete(await ask(ada.address))).body["code"]).toBe("second-factor-needed");
    expect((await complete(asked)).status).toBe(200);
    expect(await signs(ada.newAddress)).toBe(201);
    const changes = ["second factor removed", "address added", "renewed"];
    const told = (await lettersTo(ada.address)).map(({ letter }) => letter);
    expect(told).toEqual(expect.arrayContaining(changes));
    expect(await kindsOf("second factor removed", ada)).toBe(1);
    // The new address is told of the same, and can take nothing back.
    const toNew = (await lettersTo(ada.newAddress)).filter(({ letter }) => changes.includes(letter));
    expect(toNew.map(({ letter }) => letter).toSorted()).toEqual(changes.toSorted());
    expect(toNew.map(({ undo }) => undo)).toEqual([undefined, undefined, undefined]);
    const undo = (await lettersTo(ada.address)).find(({ letter }) => letter === "second factor removed")?.undo;
    expect(await notMe(undo)).toBe(true);
    // It is back, for the renewal that follows.
    expect((await complete(await ask(ada.address), { password: "twelve lanterns" })).body["code"]).toBe(
      "second-factor-needed",
    );
  });
});

describe("a containment that lies between", () => {
  const containment = containNeedsOf(ground);

  test("of the account ends it", async () => {
    const ada = await person();
    await started(ada);
    clock.advance(72 * hourMs);
    const waiting = await ask(ada.newAddress);
    await containAccount(containment, ada.accountId, { reason: "test", operator: "test" });
    expect((await complete(waiting)).body["code"]).toBe("code-refused");
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
  });

  test.each(["everyone-out", "with-renewal"] as const)("%s refuses it, and another can be started", async (mode) => {
    const [ada, bob] = [await person(), await person()];
    await started(ada);
    await started(bob);
    clock.advance(72 * hourMs);
    const [adas, bobs] = [await ask(ada.newAddress), await ask(bob.newAddress)];
    expect((await complete(bobs)).status).toBe(200);
    await contain(containment, { mode, keepTools: false, reason: "test", operator: "test" });
    expect((await complete(adas)).body["code"]).toBe("code-refused");
    expect((await ask(ada.newAddress)).letter).toBe("no letter");
    expect((await lookUp(ada.address)).body["recovery"]).toBeNull();
    await started(ada);
    clock.advance(72 * hourMs);
    expect((await complete(await ask(ada.newAddress))).status).toBe(200);
  });

  test("of another account, which has the new address by now, leaves the address that account's", async () => {
    const [ada, bob] = [await person(), await person()];
    await started(ada);
    await addAddress(service, { session: await service.signIn(bob.address, goodPassword) }, ada.newAddress);
    clock.advance(72 * hourMs);
    expect((await ask(ada.newAddress)).letter).toBe("renewal code");
    await containAccount(containment, bob.accountId, { reason: "test", operator: "test" });
    expect((await ask(ada.newAddress)).letter).toBe("address doubted");
    const newest = await db.one(`select account_id as "accountId" from ticket order by created_at desc limit 1`);
    expect(newest).toEqual({ accountId: null });
  });

  test("is not got round by an operator's session that it spared", async () => {
    const [ada, bob] = [await person(), await person()];
    const session = await service.operator();
    expect((await start(bob, {}, session)).status).toBe(201);
    await contain(containment, { mode: "with-renewal", keepTools: false, reason: "test", operator: "test" });
    expect((await service.call("GET", "/api/incidents", { cookies: asCookie(session) })).status).toBe(200);
    expect((await start(ada, {}, session)).body["code"]).toBe("renew-first");
    expect((await lettersTo(ada.address)).filter(({ letter }) => letter === "recovery started")).toEqual([]);
    expect((await start(ada)).status).toBe(201);
  });
});
