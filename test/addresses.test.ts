import { describe, expect, test } from "vitest";
import { minuteMs } from "../src/kernel/clock.ts";
import { browserCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf, type Person } from "./people.ts";
import { costOf } from "./request-cost.ts";
import { asCookie, goodPassword, testService } from "./service.ts";

/**
 * Several addresses: each is a way back, so each change wants a fresh proof, is told to all of them, and can be taken
 * back; no answer tells whether an address that somebody wants has an account.
 */
const service = await testService();
const { ground, clock } = service;

const { person, count } = peopleOf(service);

const claim = ({ session }: Person, address: string) =>
  service.call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(session) });

async function add(who: Person, address: string): Promise<number> {
  clock.advance(1_000);
  expect((await claim(who, address)).status).toBe(202);
  const code = (await service.letters()).find(({ to }) => to === address)?.code;
  const body = { code };
  const cookies = asCookie(who.session);
  return (await service.call("POST", "/api/account/addresses/confirm", { body, cookies })).status;
}

async function listed({ session }: Pick<Person, "session">): Promise<{ id: string; address: string }[]> {
  const answer = await service.call("GET", "/api/account", { cookies: asCookie(session) });
  return answer.body["addresses"] as { id: string; address: string }[];
}
async function idOf(who: Person, address: string): Promise<string> {
  const found = (await listed(who)).find((one) => one.address === address);
  if (found === undefined) throw new Error(`${address} is not listed`);
  return found.id;
}
const remove = ({ session }: Pick<Person, "session">, id: string) =>
  service.call("DELETE", `/api/account/addresses/${id}`, { cookies: asCookie(session) });
const useFirst = ({ session }: Pick<Person, "session">, id: string) =>
  service.call("POST", `/api/account/addresses/${id}/first`, { cookies: asCookie(session) });

async function renew(address: string, password: string): Promise<number> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  if (letter === undefined) return 0;
  return (
    await service.call("POST", "/api/renewals/complete", {
      body: { code: letter.code, password },
      cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
    })
  ).status;
}
const signs = async (address: string, password: string): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;

async function undoIn(address: string, kind: string): Promise<string> {
  const undo = (await service.letters()).find(({ to, letter }) => to === address && letter === kind)?.undo;
  if (undo === undefined) throw new Error(`no letter "${kind}" with a button went to ${address}`);
  return undo;
}
async function press(token: string): Promise<string | number> {
  const answer = await service.call("POST", "/not-me", { body: { token } });
  return answer.status === 303 ? String(answer.headers["location"]) : answer.status;
}

test("P3: wanting an address costs and answers the same whether it is free, another's or one's own", async () => {
  const ada = await person();
  const taken = await person();
  const cost = (address: string) => costOf(service, () => claim(ada, address));
  await cost("warm@example.org");
  const free = await cost(taken.address.replace("person", "nobody"));
  expect(free.status).toBe(202);
  const others = await cost(taken.address.replace("person", "PERSON"));
  const own = await cost(ada.address.replace("person", "PERSON"));
  expect(others).toEqual(free);
  expect(own).toEqual(free);
  expect(await service.letters()).toEqual(
    expect.arrayContaining([expect.objectContaining({ letter: "already registered" })]),
  );
  // And a code typed for one that is taken is as wrong as any other.
  const body = { code: "BBBBB-BBBBB" };
  const confirmed = await service.call("POST", "/api/account/addresses/confirm", {
    body,
    cookies: asCookie(ada.session),
  });
  expect(confirmed.body["code"]).toBe("code-refused");
});

test("signing in and renewing work through each confirmed address, and not through one that waits for its code", async () => {
  const ada = await person();
  const second = `second-${count()}@example.org`;
  const waiting = `waiting-${count()}@example.org`;
  expect(await add(ada, second)).toBe(200);
  expect((await claim(ada, waiting)).status).toBe(202);
  expect(await signs(second, goodPassword)).toBe(201);
  expect(await signs(waiting, goodPassword)).toBe(401);
  expect(await renew(waiting, "not this one by any means")).not.toBe(200);
  expect(await renew(second, "eleven owls above the orchard")).toBe(200);
  expect(await signs(ada.address, "eleven owls above the orchard")).toBe(201);
});

test("adding, removing and choosing want a proof of the last five minutes", async () => {
  const ada = await person();
  const [second, third] = [`second-${count()}@example.org`, `third-${count()}@example.org`];
  expect(await add(ada, second)).toBe(200);
  expect(await add(ada, third)).toBe(200);
  const ids = [await idOf(ada, second), await idOf(ada, third)] as const;
  expect((await useFirst(ada, ids[0])).status).toBe(200);
  expect((await remove(ada, ids[0])).status).toBe(200);
  clock.advance(6 * minuteMs);
  for (const answer of [await remove(ada, ids[1]), await useFirst(ada, ids[1]), await claim(ada, "x@example.org")]) {
    expect([answer.status, answer.body["code"]]).toEqual([403, "proof-needed"]);
  }
  const proved = await service.call("POST", "/api/session/proof", {
    body: { password: goodPassword },
    cookies: asCookie(ada.session),
  });
  expect(proved.status).toBe(200);
  expect((await remove(ada, ids[1])).status).toBe(200);
});

describe("removing an address", () => {
  test("frees it, tells every address of it, the removed one too, and never goes down to none", async () => {
    const ada = await person();
    const second = `second-${count()}@example.org`;
    await add(ada, second);
    expect((await remove(ada, await idOf(ada, second))).status).toBe(200);
    const told = (await service.letters()).filter(({ letter }) => letter === "address removed").map(({ to }) => to);
    expect(told).toEqual(expect.arrayContaining([ada.address, second]));
    expect(await signs(second, goodPassword)).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(201);
    const last = await remove(ada, await idOf(ada, ada.address));
    expect([last.status, last.body["code"]]).toEqual([409, "last-address"]);
    expect(await listed(ada)).toHaveLength(1);
    await service.account(second, goodPassword);
  });

  test("two at once cannot take the last two", async () => {
    for (let round = 0; round < 5; round++) {
      const ada = await person();
      const second = `pair-${count()}@example.org`;
      await add(ada, second);
      const ids = (await listed(ada)).map(({ id }) => id);
      const answers = await Promise.all(ids.map((id) => remove(ada, id)));
      expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 409]);
      expect(await listed(ada)).toHaveLength(1);
    }
  });

  test("of another account, or of none, is not found and changes nothing", async () => {
    const ada = await person();
    const eve = await person();
    await add(ada, `second-${count()}@example.org`);
    await add(eve, `eves-${count()}@example.org`);
    for (const id of [await idOf(ada, ada.address), "00000000-0000-7000-8000-000000000000"]) {
      expect((await remove(eve, id)).status).toBe(404);
      expect((await useFirst(eve, id)).status).toBe(404);
    }
    expect((await remove(eve, "x")).status).toBe(400);
    expect(await listed(ada)).toHaveLength(2);
    expect((await remove(ada, await idOf(ada, ada.address))).status).toBe(200);
  });

  test("an address that does not count since a containment is not one to be left with", async () => {
    const ada = await person();
    const second = `doubted-${count()}@example.org`;
    await add(ada, second);
    // What containing the account does to an address that was added since the copy.
    await ground.db.run(`update account_address set doubted_at = now() where account_id = $1 and not founding`, [
      ada.accountId,
    ]);
    expect((await remove(ada, await idOf(ada, ada.address))).body["code"]).toBe("last-address");
    expect((await remove(ada, await idOf(ada, second))).status).toBe(200);
  });
});

describe("a removal that was not the owner's", () => {
  async function removedByThief(): Promise<{ ada: Person; thiefs: string }> {
    const ada = await person();
    const thiefs = `thief-${count()}@elsewhere.example`;
    await add(ada, thiefs);
    expect((await remove(ada, await idOf(ada, ada.address))).status).toBe(200);
    expect(await signs(ada.address, goodPassword)).toBe(401);
    return { ada, thiefs };
  }

  test("is taken back from the removed address: it is a way back again, at its old age", async () => {
    const { ada } = await removedByThief();
    expect(await press(await undoIn(ada.address, "address removed"))).toBe("/not-me/done");
    const backs = (await service.letters()).filter(({ letter }) => letter === "change taken back");
    expect(backs.map(({ to }) => to)).toContain(ada.address);
    expect(await renew(ada.address, "eleven owls above the orchard")).toBe(200);
    const session = await service.signIn(ada.address, "eleven owls above the orchard");
    // What the thief had added a moment before the removal is gone as well.
    expect((await listed({ session })).map(({ address }) => address)).toEqual([ada.address]);
    const row = await ground.db.one(`select founding from account_address where account_id = $1`, [ada.accountId]);
    expect(row).toEqual({ founding: true });
  });

  test("cannot be undone by the thief's address once the owner has answered", async () => {
    const ada = await person();
    const thiefs = `thief-${count()}@elsewhere.example`;
    await add(ada, thiefs);
    clock.advance(8 * 24 * 60 * minuteMs);
    const session = await service.signIn(ada.address, goodPassword);
    expect((await remove({ session }, await idOf({ ...ada, session }, thiefs))).status).toBe(200);
    const letters = (await service.letters()).filter(({ letter }) => letter === "address removed");
    expect(letters.find(({ to }) => to === thiefs)?.undo).toBe(undefined);
    expect(letters.find(({ to }) => to === ada.address)?.undo).toHaveLength(64);
  });

  test("gives nothing back where somebody else has the address by now, and says so", async () => {
    const { ada } = await removedByThief();
    const undo = await undoIn(ada.address, "address removed");
    await service.account(ada.address, "a wholly new account of mine");
    expect(await press(undo)).toBe("/not-me/done?rest=gone");
    expect(await signs(ada.address, "a wholly new account of mine")).toBe(201);
  });

  test("after a containment takes away and gives nothing back: what gives back makes authority", async () => {
    const { ada, thiefs } = await removedByThief();
    const undo = await undoIn(ada.address, "address removed");
    await contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });
    expect(await press(undo)).toBe("/not-me/done?rest=gone");
    expect(await renew(ada.address, "eleven owls above the orchard")).not.toBe(200);
    expect(await signs(thiefs, goodPassword)).toBe(401);
  });
});

test("the address that is used first is listed first, and taking the choice back restores the one before", async () => {
  const ada = await person();
  const second = `second-${count()}@example.org`;
  await add(ada, second);
  clock.advance(2 * minuteMs);
  expect((await useFirst(ada, await idOf(ada, second))).status).toBe(200);
  expect((await listed(ada)).map(({ address }) => address)).toEqual([second, ada.address]);
  const undo = await undoIn(ada.address, "first address changed");
  const before = (await service.letters()).length;
  expect((await useFirst(ada, await idOf(ada, second))).status).toBe(200);
  expect((await service.letters()).length).toBe(before);
  expect(await press(undo)).toBe("/not-me/done");
  const rows = await ground.db.many<{ first: boolean; founding: boolean }>(
    `select used_first as first, founding from account_address where account_id = $1`,
    [ada.accountId],
  );
  expect(rows.find(({ first }) => first)?.founding).toBe(true);
});

test("a choice of an address that the account does not have is not found, and leaves the first as it is", async () => {
  const [ada, bob] = [await person(), await person()];
  const second = `second-${count()}@example.org`;
  expect(await add(ada, second)).toBe(200);
  const chosen = await idOf(ada, second);
  expect((await useFirst(ada, chosen)).status).toBe(200);
  expect((await useFirst(ada, await idOf(bob, bob.address))).status).toBe(404);
  const first = await ground.db.many(`select id from account_address where account_id = $1 and used_first`, [
    ada.accountId,
  ]);
  expect(first).toEqual([{ id: chosen }]);
});

test("a code for an address is good for a day and no longer", async () => {
  const [ada, bob] = [await person(), await person()];
  const codeOf = async (who: Person): Promise<unknown> => {
    const wanted = `second-of-${who.address}`;
    expect((await claim(who, wanted)).status).toBe(202);
    return (await service.letters()).find(({ to }) => to === wanted)?.code;
  };
  const confirm = async ({ session }: Person, code: unknown): Promise<number> =>
    (await service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(session) }))
      .status;
  const [adas, bobs] = [await codeOf(ada), await codeOf(bob)];
  clock.advance(24 * 60 * minuteMs - 1);
  expect(await confirm(ada, adas)).toBe(200);
  clock.advance(1);
  expect(await confirm(bob, bobs)).toBe(400);
});

test("a new password is refused if it is made of any of the account's addresses", async () => {
  const [ada, bob] = [await person(), await person()];
  expect(await add(ada, "heronsonthemillweir@example.org")).toBe(200);
  const change = async ({ session }: Person) => {
    const body = { currentPassword: goodPassword, newPassword: "herons on the mill weir" };
    const answer = await service.call("POST", "/api/password", { body, cookies: asCookie(session) });
    return answer.body["fields"] ?? answer.status;
  };
  expect(await change(bob)).toBe(200);
  expect(await change(ada)).toEqual([{ field: "body.newPassword", rule: "about-you" }]);
});

test("two choices that are taken back together end where the first began", async () => {
  const ada = await person();
  const [second, third] = [`second-${count()}@example.org`, `third-${count()}@example.org`];
  for (const address of [second, third]) await add(ada, address);
  // What was added just before would be taken back with the choices.
  clock.advance(10 * minuteMs);
  const session = await service.signIn(ada.address, goodPassword);
  const who = { ...ada, session };
  expect((await useFirst(who, await idOf(who, second))).status).toBe(200);
  const undo = await undoIn(ada.address, "first address changed");
  clock.advance(minuteMs);
  expect((await useFirst(who, await idOf(who, third))).status).toBe(200);
  expect(await press(undo)).toBe("/not-me/done");
  const first = await ground.db.one(`select founding from account_address where account_id = $1 and used_first`, [
    ada.accountId,
  ]);
  expect(first).toEqual({ founding: true });
});

test("an account has five addresses at most, and a code that is confirmed many times at one moment adds one", async () => {
  const ada = await person();
  for (let place = 2; place <= 5; place++) expect(await add(ada, `many-${count()}-${place}@example.org`)).toBe(200);
  const full = await claim(ada, `many-${count()}-6@example.org`);
  expect([full.status, full.body["code"]]).toEqual([409, "too-many-addresses"]);
  expect(await listed(ada)).toHaveLength(5);
  expect((await remove(ada, await idOf(ada, `many-${count()}-5@example.org`))).status).toBe(200);
  clock.advance(11 * minuteMs);
  const session = await service.signIn(ada.address, goodPassword);
  const sixth = `many-${count()}-6@example.org`;
  expect((await claim({ ...ada, session }, sixth)).status).toBe(202);
  const code = (await service.letters()).find(({ to }) => to === sixth)?.code;
  const confirm = () =>
    service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(session) });
  const answers = await Promise.all(Array.from({ length: 4 }, confirm));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400, 400, 400]);
  expect(await listed({ session })).toHaveLength(5);
});

test("the sixth is refused at its code as well: there were four when it was asked for", async () => {
  const ada = await person();
  for (let place = 2; place <= 4; place++) expect(await add(ada, `more-${count()}-${place}@example.org`)).toBe(200);
  const wanted = `more-${count()}-6@example.org`;
  clock.advance(1_000);
  expect((await claim(ada, wanted)).status).toBe(202);
  const code = (await service.letters()).find(({ to }) => to === wanted)?.code;
  const confirm = () =>
    service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(ada.session) });
  // A fifth, as a removed one is that is taken back meanwhile.
  const [fifth] = await ground.plainDb.many<{ id: string }>(
    `insert into account_address select (jsonb_populate_record(a, '{"id": "00000000-0000-7000-8000-000000000005"}')).*
       from account_address a where account_id = $1 limit 1 returning id`,
    [ada.accountId],
  );
  expect((await confirm()).body["code"]).toBe("code-refused");
  expect(await listed(ada)).toHaveLength(5);
  await ground.plainDb.run(`delete from account_address where account_id = $1 and id = $2`, [ada.accountId, fifth!.id]);
  expect((await confirm()).status).toBe(200);
});
