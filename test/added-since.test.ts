import { describe, expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { openIncident } from "../src/incidents/open.ts";
import { dayMs, hourMs, minuteMs, toIso, plus } from "../src/kernel/clock.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress as add, peopleOf } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/**
 * What was added since the copy was taken does not count from containment on: an address that a thief has added opens no
 * renewal, and one from before, or the one that the account began with, does.
 */
const service = await testService();
const { ground, clock } = service;
const containNeeds = () => containNeedsOf(ground);

const { person } = peopleOf(service);

async function addAddress(session: string, address: string): Promise<void> {
  await service.call("POST", "/api/session/proof", { body: { password: goodPassword }, cookies: asCookie(session) });
  await add(service, { session }, address);
}

/** Whether asking for a renewal by this address mails a code that sets a password. */
async function renews(address: string): Promise<boolean> {
  const before = (await service.letters()).length;
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  expect(asked.status).toBe(202);
  const letters = await service.letters();
  expect(letters).toHaveLength(before + 1);
  const code = letters[0]?.letter === "renewal code" ? letters[0].code : "BBBBBBBBBB";
  const completed = await service.call("POST", "/api/renewals/complete", {
    body: { code, password: `the sentence number ${letters.length} of the day` },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  });
  return completed.status === 200;
}

const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;

async function closeCase(): Promise<void> {
  await ground.plainDb.run(`update incident set state = 'closed'`);
}

describe("an address added to an account", () => {
  test("renews it before a containment, and not after one if it was added since the copy was taken", async () => {
    const ada = await person();
    await addAddress(ada.session, "ada.old@example.org");
    clock.advance(2 * hourMs);
    const copiedAt = clock.now();
    clock.advance(hourMs);
    await addAddress(ada.session, "thief@example.net");
    expect(await renews("thief@example.net")).toBe(true);

    clock.advance(hourMs);
    await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "test");
    await contain(containNeeds(), order);
    expect(await renews("thief@example.net")).toBe(false);
    // Told why, in the letter that takes the code's place; nobody else learns of it.
    const [letter] = await service.letters();
    expect(letter).toMatchObject({ to: "thief@example.net", letter: "address doubted" });
    expect(letter?.code).toBeDefined();
    expect(await renews("ada.old@example.org")).toBe(true);
    expect(await renews(ada.address)).toBe(true);
    await closeCase();
  });

  test("at the very instant of the copy is doubted, and a millisecond before is not", async () => {
    const ada = await person();
    await addAddress(ada.session, "before@example.org");
    clock.advance(1);
    await addAddress(ada.session, "at@example.org");
    const copiedAt = clock.now();
    clock.advance(minuteMs);
    await openIncident(ground, { reason: "test", copiedAt: toIso(copiedAt) }, "test");
    await contain(containNeeds(), order);
    expect(await renews("at@example.org")).toBe(false);
    expect(await renews("before@example.org")).toBe(true);
    await closeCase();
  });

  test("is doubted for 90 days back when nobody knows when the copy was taken", async () => {
    const ada = await person();
    await addAddress(ada.session, "long.ago@example.org");
    clock.advance(20 * dayMs);
    const session = await service.signIn(ada.address, goodPassword);
    await addAddress(session, "lately@example.org");
    clock.advance(70 * dayMs + 1);
    await contain(containNeeds(), order);
    expect(await renews("lately@example.org")).toBe(false);
    expect(await renews("long.ago@example.org")).toBe(true);
    await closeCase();
  });

  test("after the containment, by a session from after it, counts", async () => {
    await contain(containNeeds(), order);
    const bob = await person();
    await addAddress(bob.session, "bob.new@example.org");
    expect(await renews("bob.new@example.org")).toBe(true);
    await closeCase();
  });

  test("is doubted for one account when that account alone is contained", async () => {
    const [ada, bob] = [await person(), await person()];
    clock.advance(hourMs);
    await addAddress(ada.session, "ada.lately@example.org");
    await addAddress(bob.session, "bob.lately@example.org");
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    expect(await renews("ada.lately@example.org")).toBe(false);
    expect(await renews(ada.address)).toBe(true);
    expect(await renews("bob.lately@example.org")).toBe(true);
    await closeCase();
  });

  test("and was removed before one account is contained is doubted too, and comes back with the doubt", async () => {
    const ada = await person();
    clock.advance(hourMs);
    await addAddress(ada.session, "ada.removed@example.org");
    await service.call("POST", "/api/session/proof", {
      body: { password: goodPassword },
      cookies: asCookie(ada.session),
    });
    const account = await service.call("GET", "/api/account", { cookies: asCookie(ada.session) });
    const added = (account.body["addresses"] as { id: string; address: string }[]).find(
      ({ address }) => address === "ada.removed@example.org",
    );
    const path = `/api/account/addresses/${added?.id}`;
    expect((await service.call("DELETE", path, { cookies: asCookie(ada.session) })).status).toBe(200);
    const doubted = async (): Promise<number> =>
      (await ground.plainDb.many(`select 1 from removed_address where id = $1 and doubted_at is not null`, [added!.id]))
        .length;
    expect(await doubted()).toBe(0);
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    expect(await doubted()).toBe(1);
    await closeCase();
  });

  test("is not added by a session from before a containment that spared it; by one from after it, it is", async () => {
    const ada = await person();
    await addAddress(ada.session, "ada.first@example.org");
    await contain(containNeeds(), { ...order, mode: "with-renewal" });
    const cookies = asCookie(ada.session);
    expect((await service.call("GET", "/api/session", { cookies })).status).toBe(200);
    const late = "ada.late@example.org";
    clock.advance(1_000);
    const asked = await service.call("POST", "/api/account/addresses", { body: { address: late }, cookies });
    expect(asked.body["code"]).toBe("renew-first");
    expect((await service.letters()).filter(({ to }) => to === late)).toEqual([]);
    expect(await renews(late)).toBe(false);
    await closeCase();
  });

  test("is told of a change while it is doubted, and can take none back", async () => {
    const ada = await person();
    const another = "ada.another@example.org";
    await addAddress(ada.session, another);
    // Until its own addition can be taken back no more.
    clock.advance(8 * dayMs);
    const buttons = async () => {
      clock.advance(minuteMs);
      expect(await renews(ada.address)).toBe(true);
      const told = (await service.letters()).filter(({ letter }) => letter === "renewed");
      return [ada.address, another].map((address) => told.find(({ to }) => to === address)?.undo !== undefined);
    };
    expect(await buttons()).toEqual([true, true]);
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    expect(await buttons()).toEqual([true, false]);
    await closeCase();
  });

  test("of one contained account counts if it is older than the copy that the case in hand is about", async () => {
    const ada = await person();
    await addAddress(ada.session, "ada.before@example.org");
    clock.advance(hourMs);
    await openIncident(ground, { reason: "test", copiedAt: toIso(clock.now()) }, "test");
    clock.advance(hourMs);
    await addAddress(ada.session, "ada.behind@example.org");
    await containAccount(containNeeds(), ada.accountId, { reason: "test", operator: "test" });
    expect(await renews("ada.behind@example.org")).toBe(false);
    expect(await renews("ada.before@example.org")).toBe(true);
    await closeCase();
  });

  test("costs one row, whatever the number of addresses", async () => {
    const rows = async () => (await ground.plainDb.one<{ n: number }>(`select count(*) as n from added_since`))?.n ?? 0;
    const before = await rows();
    await contain(containNeeds(), order);
    expect(await rows()).toBe(before + 1);
    const since = await ground.plainDb.one<{ since: Date }>(
      `select since from added_since order by epoch desc limit 1`,
    );
    expect(since?.since.getTime()).toBe(plus(clock.now(), -90 * dayMs));
    await closeCase();
  });
});
