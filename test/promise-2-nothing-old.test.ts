import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { browserCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { findAccount } from "../src/accounts/accounts.ts";
import { contain } from "../src/incidents/contain.ts";
import { newId } from "../src/kernel/random.ts";
import type { AccountId, FileId, SessionId, TitleId } from "../src/kernel/brand.ts";
import { operatorsThatCount } from "../src/credentials/added-since.ts";
import { addOperator } from "../src/credentials/operators.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { newGrants } from "../src/streaming/grants.ts";
import type { ContainmentMode } from "../src/wire/incidents.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator, type Authenticator } from "./authenticator.ts";
import { authenticatorOf, beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";
import { asCookie, goodPassword, testService, type Answer, type CallOptions } from "./service.ts";
import { pausing } from "./pausable-db.ts";

/**
 * P2: after "everyone out" nothing made before it, or proved by anything made before it, is accepted anywhere. Walked
 * over the real route table: a route added tomorrow is covered the day it is added.
 */
const pause = pausing();
const service = await testService({ open: pause.open });
const { ground } = service;
await mkdir(join(service.folder, "library"), { recursive: true });

const containNow = (keepTools = false, mode: ContainmentMode = "everyone-out") =>
  contain(containNeedsOf(ground), { mode, keepTools, reason: "test", operator: "test" });

async function addPasskey(session: string, device: Authenticator): Promise<Answer> {
  const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(session));
  const body = { answer: device.create(options), name: "A telephone" };
  return service.call("POST", "/api/account/passkeys", { body, cookies });
}

/**
 * Somebody with a passkey, whose session is one that it has opened. It was added long before any copy of today, unless
 * told otherwise: nothing but its epoch stands against what it proves.
 */
async function personWithPasskey({ added = "long ago" }: { added?: "long ago" | "today" } = {}): Promise<{
  device: Authenticator;
  session: string;
}> {
  const ada = await person();
  const device = authenticator(ground.config.publicOrigin);
  const made = await addPasskey(await service.signIn(ada.address, ada.password), device);
  expect(made.status, made.text).toBe(201);
  if (added === "long ago") {
    await ground.plainDb.run(`update passkey set added_at = added_at - interval '100 days' where added_at > $1`, [
      new Date(ground.clock.now() - 50 * 86_400_000),
    ]);
  }
  const signedIn = await signInByPasskey(device);
  expect(signedIn.status, signedIn.text).toBe(201);
  return { device, session: signedIn.cookies[sessionCookie] ?? "" };
}

async function signInByPasskey(device: Authenticator): Promise<Answer> {
  const { options, cookies } = await askPasskey(service, "/api/sessions/passkey/options");
  return service.call("POST", "/api/sessions/passkey", { body: { answer: device.get(options) }, cookies });
}

let people = 0;
async function person(): Promise<{ address: string; password: string }> {
  const address = `person-${++people}@example.org`;
  await service.account(address, goodPassword);
  return { address, password: goodPassword };
}

/** Somebody whose sign-in asks for a second factor. */
async function personWithTotp() {
  const ada = await person();
  const session = await service.signIn(ada.address, ada.password);
  return { ...ada, session, ...(await setUpTotp(service, session)) };
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
const someId = "00000000-0000-7000-8000-000000000000";

/** Asks for a link, and approves it if told to. @returns the device code. */
async function link(approver: string | undefined): Promise<string> {
  const asked = await service.call("POST", "/oauth/device_authorization", {
    body: { client_id: "houselights-tv", device_name: "Living-room TV" },
  });
  if (approver !== undefined) {
    const decided = await service.call("POST", "/api/links/decide", {
      body: { userCode: asked.body["user_code"], decision: "approve" },
      cookies: asCookie(approver),
    });
    expect(decided.body).toEqual({ kind: "approved" });
  }
  return String(asked.body["device_code"]);
}

const textIn = ({ body }: Answer, name: string): string => {
  const value = body[name];
  return typeof value === "string" ? value : "nothing";
};

const claim = (deviceCode: string): Promise<Answer> =>
  service.call("POST", "/oauth/token", {
    body: { grant_type: deviceGrant, device_code: deviceCode, client_id: "houselights-tv" },
  });

async function codeFor(path: string, address: string, body: object): Promise<{ code: string; browser: string }> {
  const asked = await service.call("POST", path, { body: { address, ...body } });
  expect(asked.status).toBe(202);
  const letter = (await service.letters()).find(({ to }) => to === address);
  return { code: letter?.code ?? "", browser: asked.cookies[browserCookie] ?? "" };
}

/** A recovery whose delay is over. @returns the new address, which can renew. */
async function readyRecovery(): Promise<{ address: string }> {
  const accountId = await service.account(`lost-${++people}@example.org`, goodPassword);
  const address = `found-${people}@example.org`;
  const started = await service.call("POST", "/api/recoveries", {
    body: { accountId, address },
    cookies: asCookie(await service.operator()),
  });
  expect(started.status, started.text).toBe(201);
  await makeReady(accountId);
  return { address };
}

const makeReady = (accountId: string): Promise<number> =>
  ground.plainDb.run(
    `update recovery set started_at = started_at - interval '4 days', ready_at = ready_at - interval '4 days'
      where account_id = $1`,
    [accountId],
  );

describe("P2: every session and bearer token, on every route there is", () => {
  test("opened a moment before, and nothing after", async () => {
    const ada = await person();
    const browser = await service.signIn(ada.address, ada.password);
    const operator = await service.operator();
    const bearer = async (sessionClass: "app" | "tool") =>
      String(
        (await service.call("POST", "/api/sessions", { body: { ...ada, token: true, class: sessionClass } })).body[
          "token"
        ],
      );
    const [app, tool] = [await bearer("app"), await bearer("tool")];
    const tv = String((await claim(await link(browser))).body["access_token"]);
    expect(tv).toHaveLength(86);

    const credentials: Readonly<Record<string, CallOptions>> = {
      "browser cookie": { cookies: asCookie(browser) },
      "operator cookie": { cookies: asCookie(operator) },
      "app token": { bearer: app },
      "tool token": { bearer: tool },
      "tv token": { bearer: tv },
      "cookie from a passkey": { cookies: asCookie((await personWithPasskey()).session) },
    };
    const routes = service.web.app.routeTable.filter(
      ({ access, method }) => access !== "anyone" && access !== "grant" && method !== "HEAD",
    );
    expect(routes.length).toBeGreaterThan(20);

    const opened = new Map<string, number>();
    const walk = async (expectation: "before" | "after"): Promise<void> => {
      for (const { method, url, access } of routes) {
        // A stream never ends by itself; its refusal is asked for below like any other.
        if (expectation === "before" && url === "/api/events") continue;
        // Signing out would end what the next route needs.
        if (expectation === "before" && method === "DELETE") continue;
        for (const [name, credential] of Object.entries(credentials)) {
          const answer = await service.call(method as "GET", url.replaceAll(/:[a-z]+/gi, someId).replace("*", "x"), {
            ...credential,
            ...(method === "GET" ? {} : { body: {} }),
          });
          const isOpen = answer.status !== 401 && !(answer.status === 303 && answer.headers["location"] !== undefined);
          if (expectation === "after")
            expect(`${method} ${url} ${name} ${isOpen}`).toBe(`${method} ${url} ${name} false`);
          else if (isOpen && answer.status !== 403) opened.set(url, (opened.get(url) ?? 0) + 1);
          else if (access === "viewer") throw new Error(`${method} ${url} was closed to ${name}: ${answer.text}`);
        }
      }
    };
    await walk("before");
    expect(opened.size).toBeGreaterThan(15);
    await containNow();
    await walk("after");
  }, 120_000);

  test("`keep tools` spares tool tokens and nothing else", async () => {
    const ada = await person();
    const answer = async (sessionClass: "app" | "tool") =>
      String(
        (await service.call("POST", "/api/sessions", { body: { ...ada, token: true, class: sessionClass } })).body[
          "token"
        ],
      );
    const [app, tool] = [await answer("app"), await answer("tool")];
    await containNow(true);
    expect((await service.call("GET", "/api/session", { bearer: tool })).status).toBe(200);
    expect((await service.call("GET", "/api/session", { bearer: app })).status).toBe(401);
  });
});

describe("P2: everything used once, made before: one of each was accepted a moment before", () => {
  /** Each makes something that opens a door and says how to try it; the first is tried before, the second after. */
  const kinds: Readonly<Record<string, () => Promise<() => Promise<Answer>>>> = {
    password: async () => {
      const ada = await person();
      return () => service.call("POST", "/api/sessions", { body: ada });
    },
    "approved link": async () => {
      const ada = await person();
      const code = await link(await service.signIn(ada.address, ada.password));
      return () => claim(code);
    },
    "waiting link": async () => {
      const asked = await service.call("POST", "/oauth/device_authorization", {
        body: { client_id: "houselights-tv" },
      });
      return async () => {
        // A person who is back approves it: the code itself is old.
        const eve = await backAgain();
        return service.call("POST", "/api/links/decide", {
          body: { userCode: asked.body["user_code"], decision: "approve" },
          cookies: asCookie(eve),
        });
      };
    },
    "sign-up code": async () => {
      const address = `new-${++people}@example.org`;
      const { code, browser } = await codeFor("/api/accounts", address, { password: goodPassword });
      return () =>
        service.call("POST", "/api/accounts/confirm", { body: { code }, cookies: { [browserCookie]: browser } });
    },
    "renewal code": async () => {
      const ada = await person();
      const { code, browser } = await codeFor("/api/renewals", ada.address, {});
      return () =>
        service.call("POST", "/api/renewals/complete", {
          body: { code, password: "a fresh and longer sentence" },
          cookies: { [browserCookie]: browser },
        });
    },
    "recovery that is ready": async () => {
      const { address } = await readyRecovery();
      return async () => {
        const asked = await service.call("POST", "/api/renewals", { body: { address } });
        const code = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewal code");
        return service.call("POST", "/api/renewals/complete", {
          body: { code: code?.code ?? "BCDF-GHJK", password: "a fresh and longer sentence" },
          cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
        });
      };
    },
    "renewal code of a recovery": async () => {
      const { address } = await readyRecovery();
      const { code, browser } = await codeFor("/api/renewals", address, {});
      return () =>
        service.call("POST", "/api/renewals/complete", {
          body: { code, password: "a fresh and longer sentence" },
          cookies: { [browserCookie]: browser },
        });
    },
    "operator link": async () => {
      const { secret } = await makeOperatorLink(ground);
      return () => service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
    },
    "passkey's challenge": async () => {
      const { device } = await personWithPasskey();
      const { options, cookies } = await askPasskey(service, "/api/sessions/passkey/options");
      const body = { answer: device.get(options) };
      return () => service.call("POST", "/api/sessions/passkey", { body, cookies });
    },
    "challenge for a new passkey": async () => {
      const { session } = await personWithPasskey();
      const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(session));
      const body = { answer: authenticator(ground.config.publicOrigin).create(options), name: "Another" };
      return () => service.call("POST", "/api/account/passkeys", { body, cookies });
    },
    "passkey added since the copy": async () => {
      const { device } = await personWithPasskey({ added: "today" });
      return () => signInByPasskey(device);
    },
    "a password that waits for its second factor": async () => {
      const { address, app } = await personWithTotp();
      const step = await beginSignIn(service, address);
      return () => completeSignIn(service, step, app.code());
    },
    "a password that waits for a recovery code": async () => {
      const { address, recoveryCodes } = await personWithTotp();
      const step = await beginSignIn(service, address);
      return () => completeSignIn(service, step, recoveryCodes[0] ?? "");
    },
    grant: async () => {
      const ada = await person();
      const token = await service.signIn(ada.address, ada.password);
      const session = (await service.call("GET", "/api/session", { cookies: asCookie(token) })).body;
      const grants = newGrants({ keyholder: ground.keyholders.web, clock: ground.clock });
      const now = ground.clock.now();
      const grant = await grants.issue({
        accountId: String(session["accountId"]) as AccountId,
        sessionId: String(session["sessionId"]) as SessionId,
        titleId: newId<TitleId>(ground.random, now),
        fileId: newId<FileId>(ground.random, now),
        expiresAt: (now + 3_600_000) as typeof now,
      });
      // An accepted grant for a file that is gone answers 404; a refused one never gets that far.
      return async () => {
        const answer = await service.call("GET", `/media/${grant}/master.m3u8`);
        return answer.status === 404 ? { ...answer, status: 200 } : answer;
      };
    },
  };

  /** Somebody who signed up after the last containment: a session that is good now. */
  async function backAgain(): Promise<string> {
    const fresh = await person();
    return service.signIn(fresh.address, fresh.password);
  }

  test.each(Object.keys(kinds))("%s", async (name) => {
    const make = kinds[name];
    if (make === undefined) throw new Error("unreachable");
    const tryFirst = await make();
    const trySecond = await make();
    const before = await tryFirst();
    expect(before.status, before.text).toBeLessThan(300);
    await containNow();
    const after = await trySecond();
    expect(after.status, after.text).toBeGreaterThanOrEqual(400);
    expect(after.status).toBeLessThan(500);
    expect(after.cookies[sessionCookie] ?? "").toBe("");
  });
});

describe("P2: the race: paused before its write, containment commits, it resumes, and what it made opens nothing", () => {
  /** Prepares, then returns the operation that is raced and a way to see whether anything it made is alive. */
  const races: Readonly<
    Record<
      string,
      () => Promise<{ run: () => Promise<Answer>; alive: (made: Answer, mode: ContainmentMode) => Promise<boolean> }>
    >
  > = {
    "sign-in": async () => {
      const ada = await person();
      return {
        run: () => service.call("POST", "/api/sessions", { body: ada }),
        alive: async (made) => cookieOpens(made),
      };
    },
    "signing in by passkey": async () => {
      const { device } = await personWithPasskey();
      return { run: () => signInByPasskey(device), alive: async (made) => cookieOpens(made) };
    },
    "adding a passkey": async () => {
      const { session } = await personWithPasskey();
      const device = authenticator(ground.config.publicOrigin);
      return {
        run: () => addPasskey(session, device),
        // What is added is doubted as well; here it must not be there at all.
        alive: async (made) => made.status === 201 || (await signInByPasskey(device)).status === 201,
      };
    },
    "keeping a passkey": async () => {
      const { device, session } = await personWithPasskey();
      const listed = await service.call("GET", "/api/account/passkeys", { cookies: asCookie(session) });
      const [passkey] = listed.body["passkeys"] as { id: string }[];
      // Doubted by itself, and not by any containment of today: keeping it is all it needs.
      await ground.plainDb.run(`update passkey set doubted_at = added_at where id = $1`, [passkey?.id ?? ""]);
      expect((await signInByPasskey(device)).status).toBe(401);
      return {
        run: () => service.call("POST", `/api/account/passkeys/${passkey?.id}/keep`, { cookies: asCookie(session) }),
        alive: async () => (await signInByPasskey(device)).status === 201,
      };
    },
    "keeping an address": async () => {
      const ada = await person();
      const token = await service.signIn(ada.address, ada.password);
      const { body } = await service.call("GET", "/api/session", { cookies: asCookie(token) });
      await ground.plainDb.run(
        `update account_address set doubted_at = confirmed_at, founding = false,
                                    confirmed_at = confirmed_at - interval '100 days'
          where account_id = $1`,
        [String(body["accountId"])],
      );
      const account = await service.call("GET", "/api/account", { cookies: asCookie(token) });
      const [own] = account.body["addresses"] as { id: string; doubted: boolean }[];
      expect(own?.doubted).toBe(true);
      return {
        run: () => service.call("POST", `/api/account/addresses/${own?.id}/keep`, { cookies: asCookie(token) }),
        alive: async () => {
          await service.call("POST", "/api/renewals", { body: { address: ada.address } });
          const [newest] = (await service.letters()).filter(({ to }) => to === ada.address);
          return newest?.letter === "renewal code";
        },
      };
    },
    "proving again by passkey": async () => {
      const { device, session } = await personWithPasskey();
      return {
        run: async () => {
          const { options, cookies } = await askPasskey(
            service,
            "/api/session/proof/passkey/options",
            asCookie(session),
          );
          const body = { answer: device.get(options) };
          return service.call("POST", "/api/session/proof/passkey", { body, cookies });
        },
        alive: async () => (await service.call("GET", "/api/session", { cookies: asCookie(session) })).status === 200,
      };
    },
    "beginning a sign-in with a second factor": async () => {
      const { address, password, app } = await personWithTotp();
      return {
        run: () => service.call("POST", "/api/sessions", { body: { address, password } }),
        alive: async (made) => {
          const step = made.cookies["__Host-houselights-step"] ?? "x";
          return cookieOpens(await completeSignIn(service, step, app.code()));
        },
      };
    },
    "completing a sign-in with a second factor": async () => {
      const { address, app } = await personWithTotp();
      const step = await beginSignIn(service, address);
      return {
        run: () => completeSignIn(service, step, app.code()),
        alive: async (made) => cookieOpens(made),
      };
    },
    "completing a sign-in with a recovery code": async () => {
      const { address, recoveryCodes } = await personWithTotp();
      const step = await beginSignIn(service, address);
      return {
        run: () => completeSignIn(service, step, recoveryCodes[1] ?? ""),
        alive: async (made) => cookieOpens(made),
      };
    },
    "setting a second factor up": async () => {
      const ada = await person();
      const cookies = asCookie(await service.signIn(ada.address, ada.password));
      const begun = await service.call("POST", "/api/account/totp", { body: {}, cookies });
      const app = authenticatorOf(service, String(begun.body["key"]));
      return {
        run: () => service.call("POST", "/api/account/totp/confirm", { body: { code: app.code() }, cookies }),
        alive: async (made) => made.status === 200 || (await factorsOf(ada.address)) > 0,
      };
    },
    "making recovery codes": async () => {
      const ada = await person();
      const cookies = asCookie(await service.signIn(ada.address, ada.password));
      return {
        run: () => service.call("POST", "/api/account/recovery-codes", { body: {}, cookies }),
        alive: async (made) => made.status === 201 || (await factorsOf(ada.address)) > 0,
      };
    },
    "proving again with a second factor": async () => {
      const { password, session, app } = await personWithTotp();
      const cookies = asCookie(session);
      return {
        run: () => service.call("POST", "/api/session/proof", { body: { password, code: app.code() }, cookies }),
        alive: async () =>
          (await service.call("POST", "/api/account/recovery-codes", { body: {}, cookies })).status === 201,
      };
    },
    "keeping a second factor": async () => {
      const { address, session, app } = await personWithTotp();
      const cookies = asCookie(session);
      // Doubted by itself, and not by any containment of today: keeping it is all it needs.
      await ground.plainDb.run(
        `update totp t set doubted_at = added_at, added_at = added_at - interval '100 days' from address w
          where w.account_id = t.account_id and w.blind_index = $1`,
        [await ground.keyholders.web.index("address", address)],
      );
      return {
        run: () => service.call("POST", "/api/account/totp/keep", { body: { code: app.code() }, cookies }),
        alive: async (made) => made.status === 200 || (await isKept(address)),
      };
    },
    "wanting a second address": async () => {
      const ada = await person();
      const cookies = asCookie(await service.signIn(ada.address, ada.password));
      const wanted = `second-of-${ada.address}`;
      return {
        run: () => service.call("POST", "/api/account/addresses", { body: { address: wanted }, cookies }),
        alive: async () => {
          const code = (await service.letters()).find(({ to }) => to === wanted)?.code ?? "BBBBBBBBBB";
          await service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies });
          return belongs(wanted);
        },
      };
    },
    "confirming a second address": async () => {
      const ada = await person();
      const cookies = asCookie(await service.signIn(ada.address, ada.password));
      const wanted = `second-of-${ada.address}`;
      await service.call("POST", "/api/account/addresses", { body: { address: wanted }, cookies });
      const code = (await service.letters()).find(({ to }) => to === wanted)?.code;
      return {
        run: () => service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies }),
        alive: () => belongs(wanted),
      };
    },
    "naming an operator": async () => {
      const ada = await person();
      const operator = await service.operator();
      return {
        run: () =>
          service.call("POST", "/api/operators", { body: { address: ada.address }, cookies: asCookie(operator) }),
        alive: async () => (await roleOf(ada.address)) === "operator",
      };
    },
    "keeping an operator": async () => {
      const ada = await person();
      // The first of all counts in any case, and is not ada.
      await service.operator();
      service.clock.advance(1);
      await addOperator({ ...ground, keyholder: ground.keyholders.web }, ada.address, "host");
      await containNow();
      const { accountId } = await accountAt(ada.address);
      const cookies = asCookie(await service.operator());
      return {
        run: () => service.call("POST", `/api/operators/${accountId}/keep`, { cookies }),
        alive: async () => (await operatorsThatCount(ground.plainDb)).some((id) => id === accountId),
      };
    },
    "starting a recovery": async () => {
      const ada = await person();
      const operator = await service.operator();
      const index = await ground.keyholders.web.index("address", ada.address);
      const { accountId } = await findAccount(ground.plainDb, index);
      const address = `found-${people}@example.org`;
      return {
        run: () =>
          service.call("POST", "/api/recoveries", { body: { accountId, address }, cookies: asCookie(operator) }),
        alive: async () => {
          await makeReady(String(accountId));
          await service.call("POST", "/api/renewals", { body: { address } });
          return (await service.letters()).find(({ to }) => to === address)?.letter === "renewal code";
        },
      };
    },
    "asking for the renewal of a recovery": async () => {
      const { address } = await readyRecovery();
      return {
        run: () => service.call("POST", "/api/renewals", { body: { address } }),
        alive: async (made) => renewsAt(address, made.cookies[browserCookie] ?? ""),
      };
    },
    "completing the renewal of a recovery": async () => {
      const { address } = await readyRecovery();
      const { code, browser } = await codeFor("/api/renewals", address, {});
      return {
        run: () =>
          service.call("POST", "/api/renewals/complete", {
            body: { code, password: "yet another fresh sentence" },
            cookies: { [browserCookie]: browser },
          }),
        alive: async (made) => made.status === 200 || (await belongs(address)),
      };
    },
    "claiming a link": async () => {
      const ada = await person();
      const code = await link(await service.signIn(ada.address, ada.password));
      return {
        run: () => claim(code),
        alive: async (made) =>
          (await service.call("GET", "/api/session", { bearer: textIn(made, "access_token") })).status === 200,
      };
    },
    "approving a link": async () => {
      const ada = await person();
      const token = await service.signIn(ada.address, ada.password);
      const asked = await service.call("POST", "/oauth/device_authorization", {
        body: { client_id: "houselights-tv" },
      });
      return {
        run: () =>
          service.call("POST", "/api/links/decide", {
            body: { userCode: asked.body["user_code"], decision: "approve" },
            cookies: asCookie(token),
          }),
        alive: async () => (await claim(String(asked.body["device_code"]))).status === 200,
      };
    },
    "asking for a link": async () => ({
      run: () => service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } }),
      alive: async (made) => {
        const fresh = await person();
        const token = await service.signIn(fresh.address, fresh.password);
        const decided = await service.call("POST", "/api/links/decide", {
          body: { userCode: made.body["user_code"] ?? "BBBB-BBBB", decision: "approve" },
          cookies: asCookie(token),
        });
        return decided.status === 200;
      },
    }),
    "signing up": async () => {
      const address = `racer-${++people}@example.org`;
      return {
        run: () => service.call("POST", "/api/accounts", { body: { address, password: goodPassword } }),
        alive: async (made) => {
          const letter = (await service.letters()).find(({ to }) => to === address);
          const confirmed = await service.call("POST", "/api/accounts/confirm", {
            body: { code: letter?.code ?? "BBBBBBBBBB" },
            cookies: { [browserCookie]: made.cookies[browserCookie] ?? "" },
          });
          return confirmed.status === 201;
        },
      };
    },
    "confirming a sign-up": async () => {
      const address = `confirmer-${++people}@example.org`;
      const { code, browser } = await codeFor("/api/accounts", address, { password: goodPassword });
      return {
        run: () =>
          service.call("POST", "/api/accounts/confirm", { body: { code }, cookies: { [browserCookie]: browser } }),
        alive: async () =>
          (await service.call("POST", "/api/sessions", { body: { address, password: goodPassword } })).status === 201,
      };
    },
    "asking for a renewal": async () => {
      const ada = await person();
      return {
        run: () => service.call("POST", "/api/renewals", { body: { address: ada.address } }),
        alive: async (made) => renewsAt(ada.address, made.cookies[browserCookie] ?? ""),
      };
    },
    "completing a renewal": async () => {
      const ada = await person();
      const { code, browser } = await codeFor("/api/renewals", ada.address, {});
      return {
        run: () =>
          service.call("POST", "/api/renewals/complete", {
            body: { code, password: "yet another fresh sentence" },
            cookies: { [browserCookie]: browser },
          }),
        alive: async () =>
          (
            await service.call("POST", "/api/sessions", {
              body: { address: ada.address, password: "yet another fresh sentence" },
            })
          ).status === 201,
      };
    },
    "changing a password": async () => {
      const ada = await person();
      const token = await service.signIn(ada.address, ada.password);
      return {
        run: () =>
          service.call("POST", "/api/password", {
            body: { currentPassword: ada.password, newPassword: "the next sentence, longer" },
            cookies: asCookie(token),
          }),
        alive: async (_made, mode) =>
          (mode === "everyone-out" &&
            (await service.call("GET", "/api/session", { cookies: asCookie(token) })).status === 200) ||
          (
            await service.call("POST", "/api/sessions", {
              body: { address: ada.address, password: "the next sentence, longer" },
            })
          ).status === 201,
      };
    },
    "using an operator's link": async () => {
      const { secret } = await makeOperatorLink(ground);
      return {
        run: () => service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } }),
        alive: async (made) => cookieOpens(made),
      };
    },
    "signing out the others": async () => {
      const ada = await person();
      const token = await service.signIn(ada.address, ada.password);
      return {
        run: () => service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(token) }),
        alive: async () => (await service.call("GET", "/api/session", { cookies: asCookie(token) })).status === 200,
      };
    },
  };

  const accountAt = async (address: string) =>
    findAccount(ground.plainDb, await ground.keyholders.web.index("address", address));
  const belongs = async (address: string): Promise<boolean> => (await accountAt(address)).accountId !== null;
  const roleOf = async (address: string): Promise<string | undefined> =>
    (
      await ground.plainDb.one<{ role: string }>(`select role from account where id = $1`, [
        (await accountAt(address)).accountId,
      ])
    )?.role;
  const isKept = async (address: string): Promise<boolean> =>
    (await ground.plainDb.one(`select 1 as it from totp where account_id = $1 and doubted_at is null`, [
      (await accountAt(address)).accountId,
    ])) !== undefined;
  /** Whether the newest code that was mailed there sets a password, in the browser that asked for it. */
  const renewsAt = async (address: string, browser: string): Promise<boolean> => {
    const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
    const completed = await service.call("POST", "/api/renewals/complete", {
      body: { code: letter?.code ?? "BBBBBBBBBB", password: "one more fresh sentence" },
      cookies: { [browserCookie]: browser },
    });
    return completed.status === 200;
  };

  /** How many apps and recovery codes the account of an address has, whatever their epoch. */
  const factorsOf = async (address: string): Promise<number> => {
    const row = await ground.plainDb.one<{ count: number }>(
      `select (select count(*) from totp t where t.account_id = w.account_id and t.proved_at is not null)
            + (select count(*) from recovery_code r where r.account_id = w.account_id) as count
         from address w where w.blind_index = $1`,
      [await ground.keyholders.web.index("address", address)],
    );
    return row?.count ?? 0;
  };

  const cookieOpens = async (made: Answer): Promise<boolean> =>
    (await service.call("GET", "/api/session", { cookies: asCookie(made.cookies[sessionCookie] ?? "x") })).status ===
    200;

  /** What "with renewal" leaves to whoever has a session or a passkey from before. */
  const spared: ReadonlySet<string> = new Set([
    "signing in by passkey",
    "proving again by passkey",
    "signing out the others",
  ]);
  /** Answered the same whatever comes of it: what is written is old, and opens nothing; or what only takes away. */
  const answersAlike: ReadonlySet<string> = new Set([
    "asking for a link",
    "signing up",
    "asking for a renewal",
    "asking for the renewal of a recovery",
    "wanting a second address",
    "signing out the others",
  ]);
  test.each(Object.keys(races))("%s", async (name) => {
    const race = races[name];
    if (race === undefined) throw new Error("unreachable");
    for (const mode of spared.has(name) ? (["everyone-out"] as const) : (["everyone-out", "with-renewal"] as const)) {
      // Its twin, not raced, makes something that is alive: the test could fail.
      const twin = await race();
      expect(await twin.alive(await twin.run(), mode), `${mode}: the twin that was not raced`).toBe(true);

      const { run, alive } = await race();
      pause.hold();
      const running = run();
      await pause.reached();
      await containNow(false, mode);
      pause.letGo();
      const made = await running;
      expect(made.status, mode).toBeLessThan(500);
      if (!answersAlike.has(name))
        expect(made.status, `${mode}: it fails clearly, and makes no dead row`).toBeGreaterThanOrEqual(400);
      expect(await alive(made, mode), mode).toBe(false);
    }
  });

  /** What outlives a containment, and is doubted by it if it was added since the copy: once its floor is read it is made before. */
  const outlives =
    /insert into passkey\b|update passkey set confirmed_epoch|update totp set proved_at|as may from floor|as it from floor/;
  /** Asked for by nobody in particular: until its epoch is read, it is asked for after the containment, and good. */
  const askedForAnew = /^(asking|signing)/;
  // All of them, by STRADDLE=all, take a minute; these have the most between their first read and their commit.
  const straddled =
    process.env["STRADDLE"] === "all" ? Object.keys(races) : ["sign-in", "completing a sign-in with a recovery code"];
  test.each(straddled)("%s, held up before each of its statements in turn", { timeout: 600_000 }, async (name) => {
    const race = races[name];
    if (race === undefined) throw new Error("unreachable");
    let judged = 0;
    for (let before = 0, isHeld = true; isHeld; before++) {
      const { run, alive } = await race();
      pause.hold(before);
      const running = run();
      isHeld = await Promise.race([pause.reached().then(() => true), running.then(() => false)]);
      const isBegun = !askedForAnew.test(name) || pause.made().some((sql) => sql.includes("floor"));
      const isMade = pause.made().some((sql) => outlives.test(sql));
      if (isHeld) await containNow();
      pause.letGo();
      const made = await running;
      expect(made.status, `before statement ${before}`).toBeLessThan(500);
      if (!isHeld || !isBegun || isMade) continue;
      judged++;
      expect(await alive(made, "everyone-out"), `before statement ${before}`).toBe(false);
    }
    expect(judged).toBeGreaterThan(0);
  });
});
