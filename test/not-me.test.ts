import { describe, expect, test } from "vitest";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { browserCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import { Secret } from "../src/kernel/secret.ts";
import { takeBack } from "../src/renewal/not-me.ts";
import { removeOneAddress } from "../src/credentials/addresses.ts";
import { addOperator } from "../src/credentials/operators.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import type { Viewer } from "../src/http/viewer.ts";
import { forgetChanges } from "../src/credentials/take-back.ts";
import { readTimeline } from "../src/timeline/read.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress as add, peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";
import { pausing } from "./pausable-db.ts";

/**
 * "It was not me": every change of a credential or address is told to every address of the account, and whoever reads
 * mail at one that the account has long had can take it back for a week, once.
 */
const pause = pausing();
const service = await testService({ open: pause.open });
const { ground, clock } = service;
const thiefsPassword = "a thief was here this evening";
const ownersPassword = "eleven owls above the orchard";

const { person, count } = peopleOf(service);

const signs = async (address: string, password: string): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password } })).status;
const isSignedIn = async (session: string): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(session) })).status === 200;

async function changePassword({ session }: Person, currentPassword: string, newPassword: string): Promise<void> {
  const body = { currentPassword, newPassword, signOutDevices: false };
  const answer = await service.call("POST", "/api/password", { body, cookies: asCookie(session) });
  expect(answer.status, answer.text).toBe(200);
}

async function addAddress(who: Person, address: string): Promise<void> {
  clock.advance(1_000);
  await add(service, who, address);
}

async function removeAddress({ session }: Pick<Person, "session">, address: string): Promise<void> {
  const cookies = asCookie(session);
  const { body } = await service.call("GET", "/api/account", { cookies });
  const found = (body["addresses"] as { id: string; address: string }[]).find((one) => one.address === address);
  const removed = await service.call("DELETE", `/api/account/addresses/${found?.id ?? ""}`, { cookies });
  expect(removed.status, removed.text).toBe(200);
}

/** The letters about changes that went to an address, the newest first. */
const told = async (address: string) =>
  (await service.letters()).filter(
    ({ to, code, letter }) => to === address && code === undefined && letter !== "no letter",
  );

async function undoIn(address: string, kind: string): Promise<string> {
  const undo = (await told(address)).find(({ letter }) => letter === kind)?.undo;
  if (undo === undefined) throw new Error(`no letter "${kind}" with a button went to ${address}`);
  return undo;
}

/** Presses the button. @returns where the browser is sent, or the status. */
async function press(token: string): Promise<string | number> {
  const answer = await service.call("POST", "/not-me", { body: { token } });
  return answer.status === 303 ? String(answer.headers["location"]) : answer.status;
}

async function renewal(address: string): Promise<(password: string, secondFactor?: string) => Promise<number>> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  return async (password, secondFactor) => {
    const body = { code: letter?.code, password, secondFactor };
    return (await service.call("POST", "/api/renewals/complete", { body, cookies })).status;
  };
}

const addressesOf = async (accountId: AccountId): Promise<number> =>
  (await ground.db.many(`select 1 from account_address where account_id = $1`, [accountId])).length;

const containNow = () =>
  contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });

describe("a changed password", () => {
  test("is refused by the button, everybody is out, and the owner comes back by renewing", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    expect(await signs(ada.address, thiefsPassword)).toBe(201);
    expect(await isSignedIn(ada.session)).toBe(true);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
    expect(await signs(ada.address, goodPassword)).toBe(401);
    expect(await isSignedIn(ada.session)).toBe(false);
    expect((await told(ada.address))[0]?.letter).toBe("change taken back");
    const [recorded] = await readTimeline(ground.plainDb, { kinds: ["change taken back"], limit: 1 });
    const changes = ["password changed"];
    const detail = { account: ada.accountId, change: changes[0], "taken back": changes, left: [] };
    expect(recorded?.detail).toEqual(detail);
    expect(await (await renewal(ada.address))(ownersPassword)).toBe(200);
    expect(await signs(ada.address, ownersPassword)).toBe(201);
  });

  test("opening the page, as mail scanners do, changes nothing and shows the button", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const undo = await undoIn(ada.address, "password changed");
    for (const path of ["/not-me", `/not-me?token=${undo}`, "/not-me/done"]) {
      expect((await service.call("GET", path)).status, path).toBe(200);
    }
    expect(await signs(ada.address, thiefsPassword)).toBe(201);
    expect(await press(undo)).toBe("/not-me/done");
  });

  test("a form on another site presses nothing", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    const foreign = await service.call("POST", "/not-me", {
      body: { token },
      headers: { origin: "https://elsewhere.example" },
    });
    expect(foreign.status).toBe(403);
    expect(await isSignedIn(ada.session)).toBe(true);
    expect(await press(token)).toBe("/not-me/done");
  });

  test.each(["after it", "well before it"])("a deletion that was asked for %s is called off", async (when) => {
    const ada = await person();
    const dueAt = async () =>
      (
        await ground.db.one<{ at: Date | null }>(`select delete_after as at from account where id = $1`, [
          ada.accountId,
        ])
      )?.at;
    if (when === "after it") await changePassword(ada, goodPassword, thiefsPassword);
    const body = { confirmation: ada.address };
    const asked = await service.call("POST", "/api/account/deletion", { body, cookies: asCookie(ada.session) });
    expect(asked.status, asked.text).toBeLessThan(300);
    if (when === "well before it") {
      clock.advance(10 * minuteMs);
      const session = await service.signIn(ada.address, goodPassword);
      await changePassword({ ...ada, session }, goodPassword, thiefsPassword);
    }
    expect(await dueAt()).toBeInstanceOf(Date);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await dueAt()).toBeNull();
  });

  test("one that its owner has withdrawn leaves nothing to put back", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const cookies = asCookie(ada.session);
    const body = { confirmation: ada.address };
    const asked = await service.call("POST", "/api/account/deletion", { body, cookies });
    expect(asked.status, asked.text).toBeLessThan(300);
    expect((await service.call("DELETE", "/api/account/deletion", { cookies })).status).toBe(200);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
  });

  test("a link that the host made for an operator, and that nobody has used, ends with it", async () => {
    const ada = await person();
    const needs = { db: ground.db, keyholder: ground.keyholders.web, clock, random: ground.random };
    await addOperator(needs, ada.address, "host");
    const link = async (): Promise<() => Promise<number>> => {
      const { secret } = await makeOperatorLink(ground, ada.accountId);
      const body = { secret: secretText(secret) };
      return async () => (await service.call("POST", "/api/operator-sessions", { body })).status;
    };
    expect(await (await link())()).toBe(201);
    const waiting = await link();
    const session = await service.signIn(ada.address, goodPassword);
    await changePassword({ ...ada, session }, goodPassword, thiefsPassword);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await waiting()).toBeGreaterThanOrEqual(400);
    expect(await (await link())()).toBe(201);
  });

  test("a renewal that was under way ends with it", async () => {
    const ada = await person();
    const thiefs = await renewal(ada.address);
    await changePassword(ada, goodPassword, thiefsPassword);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await thiefs(thiefsPassword)).toBe(400);
    expect(await signs(ada.address, thiefsPassword)).toBe(401);
  });
});

test("a renewed password is refused by the button; the owner renews again", async () => {
  const ada = await person();
  expect(await (await renewal(ada.address))(thiefsPassword)).toBe(200);
  expect(await signs(ada.address, thiefsPassword)).toBe(201);
  expect(await press(await undoIn(ada.address, "renewed"))).toBe("/not-me/done");
  expect(await signs(ada.address, thiefsPassword)).toBe(401);
  expect(await (await renewal(ada.address))(ownersPassword)).toBe(200);
});

describe("an added address", () => {
  test("is told to every address, goes by the button, and is free again", async () => {
    const ada = await person();
    const thiefs = `thief-${count()}@elsewhere.example`;
    await addAddress(ada, thiefs);
    expect((await told(thiefs)).map(({ letter }) => letter)).toEqual(["address added"]);
    // It proves a renewal, until it is gone.
    expect(await (await renewal(thiefs))(thiefsPassword)).toBe(200);
    expect(await press(await undoIn(ada.address, "address added"))).toBe("/not-me/done");
    expect(await addressesOf(ada.accountId)).toBe(1);
    expect(await signs(thiefs, thiefsPassword)).toBe(401);
    expect(await (await renewal(thiefs))("another password of the thief")).toBe(400);
    await service.account(thiefs, goodPassword);
  });

  test("can take nothing back itself for a week, and can then", async () => {
    const ada = await person();
    const second = `second-${count()}@example.org`;
    await addAddress(ada, second);
    await changePassword(ada, goodPassword, ownersPassword);
    expect((await told(second)).map(({ undo }) => undo)).toEqual([undefined, undefined]);
    expect((await told(ada.address)).filter(({ undo }) => undo !== undefined)).toHaveLength(2);
    clock.advance(7 * dayMs);
    await changePassword(ada, ownersPassword, goodPassword);
    const [seconds, oldest] = [(await told(second))[0]?.undo, (await told(ada.address))[0]?.undo ?? ""];
    expect(seconds).not.toBe(oldest);
    expect(await press(seconds ?? "")).toBe("/not-me/done");
    expect(await press(oldest)).toBe(400);
  });

  test("that its owner has removed brings nothing back by an older letter; one that is there still does", async () => {
    const older = async (isThere: boolean) => {
      const ada = await person();
      const [slippedIn, other] = [`in-${count()}@elsewhere.example`, `other-${count()}@example.org`];
      await addAddress(ada, slippedIn);
      await addAddress(ada, other);
      clock.advance(8 * dayMs);
      const signedIn = { ...ada, session: await service.signIn(ada.address, goodPassword) };
      await changePassword(signedIn, goodPassword, ownersPassword);
      const token = await undoIn(slippedIn, "password changed");
      await removeAddress(signedIn, isThere ? other : slippedIn);
      expect(await press(token)).toBe(isThere ? "/not-me/done" : "/not-me/done?rest=gone");
      // Whoever it is, the password is refused and everybody is out.
      expect(await signs(ada.address, ownersPassword)).toBe(401);
      return { ada, slippedIn };
    };
    const there = await older(true);
    expect(await addressesOf(there.ada.accountId)).toBe(3);
    const gone = await older(false);
    expect(await addressesOf(gone.ada.accountId)).toBe(2);
    expect(await (await renewal(gone.slippedIn))(thiefsPassword)).toBe(400);
    expect(await (await renewal(gone.ada.address))("another eleven owls of the owner")).toBe(200);
  });

  test("what was changed after it goes back with it, although its letters had no button for the owner to press", async () => {
    const ada = await person();
    const [first, next] = [`one-${count()}@elsewhere.example`, `two-${count()}@elsewhere.example`];
    await addAddress(ada, first);
    const undo = await undoIn(ada.address, "address added");
    clock.advance(10 * minuteMs);
    const again = { ...ada, session: await service.signIn(ada.address, goodPassword) };
    await addAddress(again, next);
    expect(await addressesOf(ada.accountId)).toBe(3);
    const later = await undoIn(ada.address, "address added");
    expect(await press(undo)).toBe("/not-me/done");
    expect(await addressesOf(ada.accountId)).toBe(1);
    expect(await press(later)).toBe(400);
  });

  test.each([
    { before: minuteMs, goes: true },
    { before: minuteMs + 1, goes: false },
  ])("what was changed $before ms before it goes back as well: $goes", async ({ before, goes }) => {
    const ada = await person();
    await addAddress(ada, `before-${count()}@elsewhere.example`);
    clock.advance(before);
    await changePassword(ada, goodPassword, thiefsPassword);
    expect(await addressesOf(ada.accountId)).toBe(2);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await addressesOf(ada.accountId)).toBe(goes ? 1 : 2);
  });

  test("what was changed well before it stays", async () => {
    const ada = await person();
    await addAddress(ada, `kept-${count()}@example.org`);
    clock.advance(10 * minuteMs);
    const session = await service.signIn(ada.address, goodPassword);
    await changePassword({ ...ada, session }, goodPassword, thiefsPassword);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    expect(await addressesOf(ada.accountId)).toBe(2);
  });
});

describe("an authenticator app", () => {
  const codesLeft = async (accountId: AccountId): Promise<number> =>
    (await ground.db.many(`select 1 from recovery_code where account_id = $1 and used_at is null`, [accountId])).length;

  test("that was added goes by the button with its recovery codes, and the owner comes back without it", async () => {
    const ada = await person();
    await setUpTotp(service, ada.session);
    expect(await signs(ada.address, goodPassword)).toBe(202);
    expect(await codesLeft(ada.accountId)).toBe(10);
    expect(await press(await undoIn(ada.address, "second factor added"))).toBe("/not-me/done");
    expect(await isSignedIn(ada.session)).toBe(false);
    expect(await codesLeft(ada.accountId)).toBe(0);
    expect(await (await renewal(ada.address))(ownersPassword)).toBe(200);
    expect(await signs(ada.address, ownersPassword)).toBe(201);
  });

  test("recovery codes that were made, and made again, go by the button, and nothing is said to be missing", async () => {
    const make = async ({ session }: Person): Promise<void> => {
      clock.advance(1_000);
      const made = await service.call("POST", "/api/account/recovery-codes", { body: {}, cookies: asCookie(session) });
      expect(made.status, made.text).toBe(201);
    };
    const [ada, bob] = [await person(), await person()];
    await make(ada);
    const first = await undoIn(ada.address, "recovery codes made");
    await make(ada);
    const [recorded] = await readTimeline(ground.plainDb, { kinds: ["recovery codes made"], limit: 1 });
    expect(recorded?.detail).toMatchObject({ account: ada.accountId, codes: 10 });
    expect(await codesLeft(ada.accountId)).toBe(10);
    expect(await press(first)).toBe("/not-me/done");
    expect(await codesLeft(ada.accountId)).toBe(0);
    await make(bob);
    expect(await codesLeft(bob.accountId)).toBe(10);
    expect(await press(await undoIn(bob.address, "recovery codes made"))).toBe("/not-me/done");
    expect(await codesLeft(bob.accountId)).toBe(0);
  });

  test("that took another's place gives it back: the owner's codes are asked for again, and the thief's are wrong", async () => {
    const ada = await person();
    const owners = await setUpTotp(service, ada.session);
    clock.advance(10 * minuteMs);
    const step = await beginSignIn(service, ada.address);
    const again = await completeSignIn(service, step, owners.app.code());
    const thiefs = await setUpTotp(service, again.cookies[sessionCookie] ?? "");
    const early = await beginSignIn(service, ada.address);
    expect((await completeSignIn(service, early, owners.app.code())).status).toBe(400);
    expect(await press(await undoIn(ada.address, "second factor added"))).toBe("/not-me/done");
    const complete = await renewal(ada.address);
    expect(await complete(ownersPassword)).toBe(403);
    expect(await complete(ownersPassword, thiefs.app.code())).toBe(400);
    expect(await complete(ownersPassword, owners.app.code())).toBe(200);
    expect(await codesLeft(ada.accountId)).toBe(10);
  });

  test("that was removed is asked for again", async () => {
    const ada = await person();
    const { app } = await setUpTotp(service, ada.session);
    clock.advance(10 * minuteMs);
    const step = await beginSignIn(service, ada.address);
    const thiefs = await completeSignIn(service, step, app.code());
    const removed = await service.call("POST", "/api/account/totp/remove", {
      body: { password: goodPassword },
      cookies: asCookie(thiefs.cookies[sessionCookie] ?? ""),
    });
    expect(removed.status, removed.text).toBe(200);
    expect(await signs(ada.address, goodPassword)).toBe(201);
    expect(await press(await undoIn(ada.address, "second factor removed"))).toBe("/not-me/done");
    clock.advance(minuteMs);
    const complete = await renewal(ada.address);
    expect(await complete(ownersPassword)).toBe(403);
    expect(await complete(ownersPassword, app.code())).toBe(200);
    expect(await signs(ada.address, ownersPassword)).toBe(202);
  });
});

describe("the secret", () => {
  test("works once: of two presses at one moment one finds it used, and so does every later one", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    const answers = await Promise.all([press(token), press(token), press(token)]);
    expect(answers.map(String).toSorted()).toEqual(["/not-me/done", "400", "400"]);
    expect(await (await renewal(ada.address))(ownersPassword)).toBe(200);
    expect(await press(token)).toBe(400);
    expect(await signs(ada.address, ownersPassword)).toBe(201);
  });

  test("works for seven days and no longer, and its row goes then", async () => {
    const [ada, bob] = [await person(), await person()];
    const second = `second-${count()}@example.org`;
    await addAddress(bob, second);
    for (const who of [ada, bob]) await changePassword(who, goodPassword, thiefsPassword);
    await removeAddress(bob, second);
    clock.advance(7 * dayMs - 1);
    expect(await press(await undoIn(ada.address, "password changed"))).toBe("/not-me/done");
    clock.advance(1);
    expect(await press(await undoIn(bob.address, "password changed"))).toBe(400);
    expect(await signs(bob.address, thiefsPassword)).toBe(201);
    const aside = () => ground.db.many(`select 1 from removed_address where account_id = $1`, [bob.accountId]);
    await forgetChanges(ground.db, clock.now());
    expect(await aside()).toHaveLength(1);
    clock.advance(1);
    await forgetChanges(ground.db, clock.now());
    expect(await ground.db.many(`select 1 from account_change where account_id = $1`, [bob.accountId])).toEqual([]);
    expect(await aside()).toEqual([]);
  });

  test("of one account takes nothing back in another, and a changed one takes back nothing", async () => {
    const ada = await person();
    const eve = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    await changePassword(eve, goodPassword, thiefsPassword);
    const [adas, eves] = await Promise.all([ada, eve].map(({ address }) => undoIn(address, "password changed")));
    const bytes = [adas, eves].map((text) => Buffer.from(text ?? "", "base64url"));
    const crossed = Buffer.concat([bytes[0]!.subarray(0, 16), bytes[1]!.subarray(16)]).toString("base64url");
    const flipped = Buffer.from(bytes[0]!);
    flipped[40]! ^= 1;
    const wrong = [crossed, flipped.toString("base64url"), "", "x", `${adas}A`, "A".repeat(64), "é".repeat(64), "\0"];
    for (const token of wrong) expect(await press(token), token).toBe(400);
    expect((await service.call("POST", "/not-me", { body: { token: "A".repeat(201) } })).status).toBe(400);
    expect(await isSignedIn(ada.session)).toBe(true);
    expect(await press(` ${adas} `)).toBe("/not-me/done");
    expect(await isSignedIn(eve.session)).toBe(true);
  });

  test("is tried sixty times in ten minutes by one network, and by others all the same", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    clock.advance(10 * minuteMs - (clock.now() % (10 * minuteMs)));
    const from = "198.51.100.20";
    const tries = async (presented: string, network: string): Promise<number> =>
      (await service.call("POST", "/not-me", { body: { token: presented }, from: network })).status;
    const statuses: number[] = [];
    for (let tried = 0; tried < 60; tried++) statuses.push(await tries("A".repeat(64), from));
    expect(statuses).toEqual(Array<number>(60).fill(400));
    expect(await tries(token, from)).toBe(429);
    expect(await isSignedIn(ada.session)).toBe(true);
    expect(await tries(token, "198.51.100.21")).toBe(303);
  });

  test("is stored as a digest only", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const secret = Buffer.from(await undoIn(ada.address, "password changed"), "base64url").subarray(16);
    const rows = await ground.db.many<{ row: string }>(`select account_change::text as row from account_change`);
    expect(rows.some(({ row }) => row.includes(secret.toString("hex")))).toBe(false);
  });

  test("from before a containment still takes away, and lets nobody in", async () => {
    const ada = await person();
    const thiefs = `early-${count()}@elsewhere.example`;
    await addAddress(ada, thiefs);
    const token = await undoIn(ada.address, "address added");
    await containNow();
    expect(await addressesOf(ada.accountId)).toBe(2);
    const answer = await service.call("POST", "/not-me", { body: { token } });
    expect([answer.status, answer.headers["location"]]).toEqual([303, "/not-me/done"]);
    expect(answer.cookies).toEqual({});
    expect(await addressesOf(ada.accountId)).toBe(1);
  });

  test("from before a containment gives nothing back, not even what was removed after it", async () => {
    const removedAfter = async (isContained: boolean): Promise<number> => {
      const ada = await person();
      const second = `second-${count()}@example.org`;
      await addAddress(ada, second);
      // Older than any copy that nobody knows the day of: it counts after the containment too.
      clock.advance(100 * dayMs);
      let session = await service.signIn(ada.address, goodPassword);
      await changePassword({ ...ada, session }, goodPassword, ownersPassword);
      const token = await undoIn(ada.address, "password changed");
      if (isContained) await containNow();
      expect(await (await renewal(ada.address))("twelve owls above the orchard")).toBe(200);
      session = await service.signIn(ada.address, "twelve owls above the orchard");
      await removeAddress({ session }, second);
      expect(await press(token)).toBe(isContained ? "/not-me/done?rest=gone" : "/not-me/done");
      return addressesOf(ada.accountId);
    };
    expect(await removedAfter(false)).toBe(2);
    expect(await removedAfter(true)).toBe(1);
  });
});

describe("a change on its way while the button is pressed", () => {
  /** Holds `late` up before its write, lets the press happen, resumes. */
  async function overtaken<Result>(late: () => Promise<Result>, token: string): Promise<Result> {
    pause.hold();
    const running = late();
    await pause.reached();
    // The press writes as well: it goes by connections that are not held.
    const needs = { db: ground.plainDb, keyholder: ground.keyholders.web, clock, random: ground.random };
    try {
      expect((await takeBack(needs, Secret.fromText(token))).kind).toBe("taken-back");
    } finally {
      pause.letGo();
    }
    return running;
  }

  test("another change of the password is refused", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    const body = { currentPassword: thiefsPassword, newPassword: "the thief insists on this", signOutDevices: false };
    const late = await overtaken(
      () => service.call("POST", "/api/password", { body, cookies: asCookie(ada.session) }),
      token,
    );
    expect(late.status).toBe(401);
    expect(await signs(ada.address, "the thief insists on this")).toBe(401);
  });

  test("an address is not added any more", async () => {
    const ada = await person();
    await changePassword(ada, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    const thiefs = `late-${count()}@elsewhere.example`;
    await service.call("POST", "/api/account/addresses", { body: { address: thiefs }, cookies: asCookie(ada.session) });
    const code = (await service.letters()).find(({ to }) => to === thiefs)?.code;
    const late = await overtaken(
      () => service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(ada.session) }),
      token,
    );
    expect(late.status).toBe(400);
    expect(await addressesOf(ada.accountId)).toBe(1);
  });

  test("a renewal sets nothing", async () => {
    const ada = await person();
    const complete = await renewal(ada.address);
    await changePassword(ada, goodPassword, thiefsPassword);
    const late = await overtaken(
      () => complete("renewed by the thief himself"),
      await undoIn(ada.address, "password changed"),
    );
    expect(late).toBe(400);
    expect(await signs(ada.address, "renewed by the thief himself")).toBe(401);
  });

  test("an address that the thief removes in that moment comes back too", async () => {
    const ada = await person();
    const second = `second-${count()}@example.org`;
    await addAddress(ada, second);
    clock.advance(8 * dayMs);
    const thiefs = { session: await service.signIn(ada.address, goodPassword) };
    await changePassword({ ...ada, ...thiefs }, goodPassword, thiefsPassword);
    const token = await undoIn(ada.address, "password changed");
    const viewer = await ground.plainDb.one<Viewer>(
      `select account_id as "accountId", id as "sessionId", epoch, generation from session where account_id = $1
        order by id desc limit 1`,
      [ada.accountId],
    );
    const address = await ground.plainDb.one<{ id: string }>(
      `select id from account_address where account_id = $1 order by confirmed_at desc limit 1`,
      [ada.accountId],
    );
    pause.hold();
    const pressing = press(token);
    await pause.reached();
    const removing = { db: ground.plainDb, keyholder: ground.keyholders.web, clock, random: ground.random };
    try {
      expect(await removeOneAddress(removing, viewer!, address?.id ?? "")).toBe("removed");
      expect(await addressesOf(ada.accountId)).toBe(1);
    } finally {
      pause.letGo();
    }
    expect(await pressing).toBe("/not-me/done");
    expect(await addressesOf(ada.accountId)).toBe(2);
  });

  test("two letters' buttons at one moment end well, and each change is taken back once", async () => {
    for (let round = 0; round < 5; round++) {
      const ada = await person();
      await changePassword(ada, goodPassword, thiefsPassword);
      await addAddress(ada, `both-${count()}@elsewhere.example`);
      const tokens = await Promise.all(["password changed", "address added"].map((kind) => undoIn(ada.address, kind)));
      const answers = await Promise.all(tokens.map(press));
      expect(answers.every((one) => one === "/not-me/done" || one === 400)).toBe(true);
      expect(answers).toContain("/not-me/done");
      expect(await addressesOf(ada.accountId)).toBe(1);
      expect(await isSignedIn(ada.session)).toBe(false);
    }
  });
});
