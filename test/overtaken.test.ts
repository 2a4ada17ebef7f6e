import { describe, expect, test } from "vitest";
import { browserCookie, passkeyCookie, sessionCookie } from "../src/http/cookies.ts";
import { contain } from "../src/incidents/contain.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { sleep } from "../src/kernel/clock.ts";
import { addressOnFile } from "../src/renewal/address-on-file.ts";
import { authenticator, type Authenticator } from "./authenticator.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { pausing } from "./pausable-db.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";

/**
 * What proves something is taken away while it proves it: held up before each statement in turn, overtaken, let go. Either all of it
 * was written before, or nothing is.
 */
const pause = pausing();
const service = await testService({ open: pause.open });
const { ground } = service;
const newPassword = "eleven owls above the orchard";

let people = 0;
async function person() {
  const address = `person-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  const session = await service.signIn(address, goodPassword);
  return { address, accountId, session, cookies: asCookie(session) };
}

const isGood = async (token: string): Promise<boolean> =>
  (await service.call("GET", "/api/session", { cookies: asCookie(token) })).status === 200;

/** Whether a session may do what asks for a proof of the last five minutes; asked without doing anything. */
const isFresh = async (token: string): Promise<boolean> => {
  const answer = await service.call("POST", "/api/account/addresses/nobody/keep", {
    body: {},
    cookies: asCookie(token),
  });
  return answer.body["code"] !== "proof-needed" && answer.status !== 401;
};

/** Resolves once a transaction waits for another's lock, or nobody wants to know any more. */
async function someoneWaits(until: AbortSignal): Promise<boolean> {
  for (;;) {
    if (until.aborted) return false;
    const waits = await ground.plainDb.one(
      `select 1 as it from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (waits !== undefined) return true;
    await sleep(5);
  }
}

/**
 * Runs an operation as often as it has statements, overtaken before each of them, and judges each. `written` says by which of its
 * statements it is decided: overtaken after that, it was first.
 */
async function overtakenAnywhere(
  prepare: () => Promise<{
    readonly late: () => Promise<Answer>;
    readonly first: () => Promise<unknown>;
    readonly judge: (late: Answer, wasFirst: boolean) => Promise<void>;
  }>,
  written: RegExp,
): Promise<number> {
  let overtaken = 0;
  for (let before = 0, isHeld = true; isHeld; before++) {
    const { late, first, judge } = await prepare();
    pause.hold(before);
    const running = late();
    isHeld = await Promise.race([pause.reached().then(() => true), running.then(() => false)]);
    let wasFirst = !isHeld || pause.made().some((sql) => written.test(sql));
    const other = wasFirst ? undefined : first();
    const decided = new AbortController();
    // One that holds what the other needs is waited for by it, and was first all the same.
    if (other !== undefined) wasFirst = await Promise.race([other.then(() => false), someoneWaits(decided.signal)]);
    decided.abort();
    pause.letGo();
    const answer = await running;
    await other;
    if (!wasFirst) overtaken++;
    await judge(answer, wasFirst);
  }
  return overtaken;
}

describe("a proof", () => {
  const prove = (cookies: Readonly<Record<string, string>>, code?: string) =>
    service.call("POST", "/api/session/proof", { body: { password: goodPassword, ...(code && { code }) }, cookies });
  const stale = () => service.clock.advance(6 * 60_000);

  test("by a password that a containment refuses meanwhile proves nothing, though the session is spared", async () => {
    const ada = await person();
    stale();
    expect(await isFresh(ada.session)).toBe(false);
    expect((await prove(ada.cookies)).status).toBe(200);
    expect(await isFresh(ada.session)).toBe(true);
    const times = await overtakenAnywhere(async () => {
      const bob = await person();
      stale();
      return {
        late: () => prove(bob.cookies),
        first: () =>
          contain(containNeedsOf(ground), { mode: "with-renewal", keepTools: false, reason: "test", operator: "test" }),
        judge: async (answer, wasFirst) => {
          expect(await isGood(bob.session)).toBe(true);
          expect({ status: answer.status, isFresh: await isFresh(bob.session) }).toEqual(
            wasFirst ? { status: 200, isFresh: true } : { status: expect.toBeOneOf([401, 403]), isFresh: false },
          );
        },
      };
    }, /update session set digest/);
    expect(times).toBeGreaterThan(2);
  });

  test("by a password that is changed meanwhile proves nothing either, though no device is signed out", async () => {
    const times = await overtakenAnywhere(async () => {
      const ada = await person();
      const owner = asCookie(await service.signIn(ada.address, goodPassword));
      stale();
      return {
        late: () => prove(ada.cookies),
        first: () =>
          service.call("POST", "/api/password", {
            body: { currentPassword: goodPassword, newPassword, signOutDevices: false },
            cookies: owner,
          }),
        judge: async ({ status }, wasFirst) => {
          expect([status === 200, await isFresh(ada.session)]).toEqual([wasFirst, wasFirst]);
        },
      };
    }, /update session set digest/);
    expect(times).toBeGreaterThan(2);
  });

  test("by an app that is removed meanwhile proves nothing", async () => {
    const times = await overtakenAnywhere(async () => {
      const ada = await person();
      const { app } = await setUpTotp(service, ada.session);
      const owner = asCookie(ada.session);
      const other = await signInByCode(ada.address, app.code());
      const strong = async () =>
        (
          await ground.plainDb.one<{ strong: boolean }>(
            `select bool_or(strongly_proved_at is not null) as strong from session where account_id = $1`,
            [ada.accountId],
          )
        )?.strong;
      stale();
      expect((await prove(owner, app.code())).status).toBe(200);
      expect(await strong()).toBe(true);
      service.clock.advance(30_000);
      const remove = () =>
        service.call("POST", "/api/account/totp/remove", { body: { password: goodPassword }, cookies: owner });
      return {
        late: () => prove(asCookie(other), app.code()),
        first: remove,
        judge: async () => {
          // Done already, or now: what was proved by it counts no more, whichever came first.
          expect([200, 404]).toContain((await remove()).status);
          expect(await strong()).toBe(false);
        },
      };
    }, /update session set digest/);
    expect(times).toBeGreaterThan(2);
  });

  const signInByCode = async (address: string, code: string): Promise<string> =>
    (await completeSignIn(service, await beginSignIn(service, address), code)).cookies[sessionCookie] ?? "";
});

describe("a passkey that is removed while it signs in", () => {
  const signIn = async (device: Authenticator): Promise<() => Promise<Answer>> => {
    const asked = await service.call("POST", "/api/sessions/passkey/options", { body: {} });
    const body = { answer: device.get(asked.body["options"] as Record<string, unknown>) };
    const cookies = { [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" };
    return () => service.call("POST", "/api/sessions/passkey", { body, cookies });
  };

  test("opens no session that lives, wherever the removal falls", async () => {
    const times = await overtakenAnywhere(async () => {
      const ada = await person();
      const device = authenticator(ground.config.publicOrigin);
      const asked = await service.call("POST", "/api/account/passkeys/options", { body: {}, cookies: ada.cookies });
      const added = await service.call("POST", "/api/account/passkeys", {
        body: { answer: device.create(asked.body["options"] as Record<string, unknown>), name: "A telephone" },
        cookies: { ...ada.cookies, [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" },
      });
      expect(added.status, added.text).toBe(201);
      // It signs in a moment before.
      expect((await (await signIn(device))()).status).toBe(201);
      const { body } = await service.call("GET", "/api/account/passkeys", { cookies: ada.cookies });
      const [passkey] = body["passkeys"] as { id: string }[];
      const remove = () => service.call("DELETE", `/api/account/passkeys/${passkey?.id}`, { cookies: ada.cookies });
      return {
        late: await signIn(device),
        first: remove,
        judge: async (answer) => {
          // Done already, or now: what it opened is ended, whichever came first.
          expect([200, 404]).toContain((await remove()).status);
          expect(await isGood(answer.cookies[sessionCookie] ?? "x")).toBe(false);
        },
      };
    }, /insert into session/);
    expect(times).toBeGreaterThan(2);
  });
});

describe("an address that is removed while it renews its account", () => {
  /** An account with two addresses, and a renewal by the second whose code has arrived. */
  async function underWay() {
    const ada = await person();
    const second = `second-${people}@example.org`;
    await service.call("POST", "/api/account/addresses", { body: { address: second }, cookies: ada.cookies });
    const code = (await service.letters()).find(({ to }) => to === second)?.code;
    await service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: ada.cookies });
    const listed = await service.call("GET", "/api/account", { cookies: ada.cookies });
    const id = (listed.body["addresses"] as { id: string; address: string }[]).find(
      ({ address }) => address === second,
    )?.id;
    const remove = async () => {
      const answer = await service.call("DELETE", `/api/account/addresses/${id}`, { cookies: ada.cookies });
      expect(answer.status, answer.text).toBe(200);
    };
    return { ...ada, second, remove };
  }

  async function askFor(address: string): Promise<() => Promise<Answer>> {
    const asked = await service.call("POST", "/api/renewals", { body: { address } });
    const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    return () =>
      service.call("POST", "/api/renewals/complete", {
        body: { code: letter?.code ?? "BBBB-BBBBBB", password: newPassword },
        cookies,
      });
  }

  const signsIn = async (address: string, password: string): Promise<boolean> =>
    (await service.call("POST", "/api/sessions", { body: { address, password } })).status === 201;

  test("renews nothing afterwards, with a code that arrived before; a code to the address that stayed does", async () => {
    const [ada, bob] = [await underWay(), await underWay()];
    // A moment before, and with nothing removed, the same request renews.
    expect((await (await askFor(bob.second))()).status).toBe(200);
    expect(await signsIn(bob.address, newPassword)).toBe(true);

    const [removed, stayed] = [await askFor(ada.second), await askFor(ada.address)];
    await ada.remove();
    expect((await removed()).body["code"]).toBe("code-refused");
    expect(await signsIn(ada.address, goodPassword)).toBe(true);
    expect((await stayed()).status).toBe(200);
    expect(await signsIn(ada.address, newPassword)).toBe(true);
  });

  test("renews nothing where it is somebody else's by then", async () => {
    const [ada, eve] = [await underWay(), await person()];
    const complete = await askFor(ada.second);
    await ada.remove();
    await service.call("POST", "/api/account/addresses", { body: { address: ada.second }, cookies: eve.cookies });
    const code = (await service.letters()).find(({ to }) => to === ada.second)?.code;
    const added = await service.call("POST", "/api/account/addresses/confirm", {
      body: { code },
      cookies: eve.cookies,
    });
    expect(added.status, added.text).toBe(200);
    expect((await complete()).body["code"]).toBe("code-refused");
    expect(await signsIn(ada.address, goodPassword)).toBe(true);
    expect(await signsIn(eve.address, goodPassword)).toBe(true);
  });

  test("renews all or nothing, wherever in the renewal the removal falls", async () => {
    const times = await overtakenAnywhere(async () => {
      const ada = await underWay();
      return {
        late: await askFor(ada.second),
        first: async () => {
          // Signed out by a renewal that was first, or done.
          await ada.remove().catch(() => undefined);
        },
        judge: async ({ status }) => {
          const still = await ground.plainDb.one<{ count: number }>(
            `select count(*) as count from account_address where account_id = $1`,
            [ada.accountId],
          );
          const isRenewed = status === 200;
          expect(await signsIn(ada.address, newPassword)).toBe(isRenewed);
          // Never both: a renewal signs out the session that removes, and a removed address renews nothing.
          expect(still?.count).toBe(isRenewed ? 2 : 1);
        },
      };
    }, /insert into password/);
    expect(times).toBeGreaterThan(3);
  });

  test("that is asked for while it goes gets no letter", async () => {
    const file = { db: ground.plainDb, keyholder: ground.keyholders.mailer };
    const times = await overtakenAnywhere(async () => {
      const ada = await underWay();
      expect(await addressOnFile(file, ada.accountId, ada.second)).toBeDefined();
      return {
        late: () => service.call("POST", "/api/renewals", { body: { address: ada.second } }),
        first: ada.remove,
        judge: async (_answer, wasFirst) => {
          if (!wasFirst) expect(await addressOnFile(file, ada.accountId, ada.second)).toBeUndefined();
        },
      };
    }, /insert into ticket/);
    expect(times).toBeGreaterThan(0);
  });
});
