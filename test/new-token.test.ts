import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { passkeyCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { authenticator, type Authenticator } from "./authenticator.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService, type Answer, type CallOptions } from "./service.ts";
import { authenticatorOf, beginSignIn, setUpTotp, stepCookie } from "./totp-app.ts";

/**
 * Whoever signs in or proves themselves again gets a new token, and the one that was presented with it opens nothing from
 * the same commit on (ASVS 5.0 7.2.4): by every way in, and by every proof.
 */
const service = await testService();
const { ground } = service;
const { person } = peopleOf(service);

type Presented = Pick<CallOptions, "exactCookies" | "bearer">;
const post = (path: string, body: object, presented: Presented = {}): Promise<Answer> =>
  service.call("POST", path, { body, ...presented });
const held = (token: string, more: Readonly<Record<string, string>> = {}): Presented => ({
  exactCookies: { ...asCookie(token), ...more },
});

const sessionOf = (presented: Presented): Promise<Answer> => service.call("GET", "/api/session", presented);
const opens = async (presented: Presented): Promise<boolean> => (await sessionOf(presented)).status === 200;
const tokenIn = (answer: Answer): string => answer.cookies[sessionCookie] ?? "";

/** Asks for a passkey's options. @returns what to answer with. */
async function asked(path: string, presented: Presented = {}) {
  const answer = await post(path, {}, presented);
  return {
    options: answer.body["options"] as Record<string, unknown>,
    more: { [passkeyCookie]: answer.cookies[passkeyCookie] ?? "" },
  };
}

/** Gives the account a passkey. @returns the session's token afterwards. */
async function addPasskey(token: string, device: Authenticator): Promise<Answer> {
  const { options, more } = await asked("/api/account/passkeys/options", held(token));
  return post("/api/account/passkeys", { answer: device.create(options), name: "A key" }, held(token, more));
}

async function approvedLink(approver: Person): Promise<unknown> {
  const link = await post("/oauth/device_authorization", { client_id: "houselights-tv" });
  const body = { userCode: link.body["user_code"], decision: "approve" };
  expect((await post("/api/links/decide", body, held(approver.session))).status).toBe(200);
  return link.body["device_code"];
}
const claim = (code: unknown, use_cookie: boolean) => ({
  grant_type: "urn:ietf:params:oauth:grant-type:device_code",
  device_code: code,
  client_id: "houselights-tv",
  use_cookie,
});

/** Each signs in a browser that holds `old`; cookies are those of the browser. */
const waysInOfBrowsers: Readonly<Record<string, (old: string, ada: Person) => Promise<Answer>>> = {
  "a password": (old, { address }) => post("/api/sessions", { address, password: goodPassword }, held(old)),
  "a password in the form": (old, { address }) => post("/sign-in", { address, password: goodPassword }, held(old)),
  "a passkey": async (old, { session }) => {
    const device = authenticator(ground.config.publicOrigin);
    const added = await addPasskey(session, device);
    expect(added.status, added.text).toBe(201);
    const now = old === session ? tokenIn(added) : old;
    const { options, more } = await asked("/api/sessions/passkey/options");
    return post("/api/sessions/passkey", { answer: device.get(options) }, held(now, more));
  },
  "a second factor": async (old, { address, session }) => {
    const { app, old: now } = await withTotp(session, old);
    const step = await beginSignIn(service, address);
    return post("/api/sessions/second-factor", { code: app.code() }, held(now, { [stepCookie]: step }));
  },
  "a second factor in the form": async (old, { address, session }) => {
    const { app, old: now } = await withTotp(session, old);
    const step = await beginSignIn(service, address);
    return post("/sign-in/code", { code: app.code() }, held(now, { [stepCookie]: step }));
  },
  "the link that the host prints": async (old) => {
    const { secret } = await makeOperatorLink(ground);
    return post("/api/operator-sessions", { secret: secretText(secret) }, held(old));
  },
  "a link that another device approved": async (old, ada) =>
    post("/oauth/token", claim(await approvedLink(ada), true), held(old)),
};

/** Sets an app up for an account. @returns what its browser holds then. */
async function withTotp(session: string, old: string) {
  const begun = await post("/api/account/totp", {}, held(session));
  const app = authenticatorOf(service, String(begun.body["key"]));
  const added = await post("/api/account/totp/confirm", { code: app.code() }, held(session));
  expect(added.status, added.text).toBe(200);
  service.clock.advance(30_000);
  return { app, old: old === session ? tokenIn(added) : old };
}

/** Devices of the account that are signed in, by its newest session. */
const devicesOf = async (token: string): Promise<number> =>
  ((await service.call("GET", "/api/sessions", held(token))).body["devices"] as unknown[]).length;

const rowOf = async (token: string) =>
  ground.db.one<{ ended: boolean; commit: string }>(
    `select ended_at is not null as ended, xmin::text as commit from session where id = encode($1, 'hex')::uuid`,
    [Buffer.from(token, "base64url").subarray(16, 32)],
  );

describe("signing in ends the session that the browser held, in the same commit, by", () => {
  test.each(Object.entries(waysInOfBrowsers))("%s", async (name, signIn) => {
    const [ada, bob] = [await person(), await person()];
    // Of another account: whoever shares a browser leaves nothing behind in it either.
    expect(await opens(held(bob.session))).toBe(true);
    const signedIn = await signIn(bob.session, ada);
    const token = tokenIn(signedIn);
    expect(await opens(held(token)), signedIn.text).toBe(true);
    expect(await opens(held(bob.session))).toBe(false);
    const [before, after] = [await rowOf(bob.session), await rowOf(token)];
    expect([before?.ended, after?.ended, before?.commit === after?.commit]).toEqual([true, false, true]);

    // And of the same: the list of devices does not grow by a dead twin.
    if (name === "the link that the host prints") return;
    const cleo = await person();
    const again = tokenIn(await signIn(cleo.session, cleo));
    expect(await devicesOf(again)).toBe(1);
    expect(await opens(held(cleo.session))).toBe(false);
  });

  test("and every way there is was tried: what writes a session ends the one before", async () => {
    const folder = join(import.meta.dirname, "..", "src");
    const writers: string[] = [];
    const careless: string[] = [];
    for (const path of await readdir(folder, { recursive: true })) {
      if (!path.endsWith(".ts") || path.endsWith(".test.ts")) continue;
      const text = await readFile(join(folder, path), "utf8");
      if (!/await writeSession\(/.test(text)) continue;
      writers.push(path);
      if (!text.includes("endReplaced(tx, ")) careless.push(path);
    }
    expect(writers).toHaveLength(6);
    // A canary is nobody's way in.
    expect(careless).toEqual([join("canaries", "live-on.ts")]);
  });
});

test("a program's new token takes the place of the one it presented, and of no cookie that came with the request", async () => {
  const ada = await person();
  const order = { address: ada.address, password: goodPassword, token: true };
  const first = String((await post("/api/sessions", order)).body["token"]);
  const second = String((await post("/api/sessions", order, { bearer: first })).body["token"]);
  expect([await opens({ bearer: first }), await opens({ bearer: second })]).toEqual([false, true]);
  const third = await post("/oauth/token", claim(await approvedLink(ada), false), { bearer: second });
  expect([await opens({ bearer: second }), third.status]).toEqual([false, 200]);

  expect((await post("/api/sessions", order, held(ada.session))).status).toBe(201);
  expect(await opens(held(ada.session))).toBe(true);
});

test("a sign-in that is refused ends nothing", async () => {
  const { address, session } = await person();
  const refused = await post("/api/sessions", { address, password: "not it at all, not it" }, held(session));
  expect([refused.status, await opens(held(session))]).toEqual([401, true]);
});

interface Provable extends Person {
  readonly prove: (presented: Presented) => Promise<Answer>;
}

const cookiesOf = (presented: Presented, more: Readonly<Record<string, string>>): Presented =>
  presented.bearer === undefined ? { exactCookies: { ...presented.exactCookies, ...more } } : presented;

/** Each is a person, and what proves them again. */
const proofs: Readonly<Record<string, () => Promise<Provable>>> = {
  "a password": async () => ({
    ...(await person()),
    prove: (presented) => post("/api/session/proof", { password: goodPassword }, presented),
  }),
  "a password and a code": async () => {
    const ada = await person();
    const { app } = await setUpTotp(service, ada.session);
    const step = await beginSignIn(service, ada.address);
    const signedIn = await post(
      "/api/sessions/second-factor",
      { code: app.code() },
      { exactCookies: { [stepCookie]: step } },
    );
    service.clock.advance(30_000);
    const prove = (presented: Presented) =>
      post("/api/session/proof", { password: goodPassword, code: app.code() }, presented);
    return { ...ada, session: tokenIn(signedIn), prove };
  },
  "a passkey": async () => {
    const ada = await person();
    const device = authenticator(ground.config.publicOrigin);
    const session = tokenIn(await addPasskey(ada.session, device));
    const prove = async (presented: Presented) => {
      const { options, more } = await asked("/api/session/proof/passkey/options", presented);
      return post(
        "/api/session/proof/passkey",
        { answer: device.get(options), ...(presented.bearer === undefined ? {} : { browser: more[passkeyCookie] }) },
        cookiesOf(presented, more),
      );
    };
    return { ...ada, session, prove };
  },
  "adding a passkey": async () => {
    const device = authenticator(ground.config.publicOrigin);
    const prove = async (presented: Presented) => {
      const { options, more } = await asked("/api/account/passkeys/options", presented);
      return post(
        "/api/account/passkeys",
        {
          answer: device.create(options),
          name: "A key",
          ...(presented.bearer === undefined ? {} : { browser: more[passkeyCookie] }),
        },
        cookiesOf(presented, more),
      );
    };
    return { ...(await person()), prove };
  },
  "setting up an authenticator app": async () => {
    const prove = async (presented: Presented) => {
      const begun = await post("/api/account/totp", {}, presented);
      const app = authenticatorOf(service, String(begun.body["key"]));
      return post("/api/account/totp/confirm", { code: app.code() }, presented);
    };
    return { ...(await person()), prove };
  },
};

async function provable(by: string): Promise<Provable> {
  const make = proofs[by];
  if (make === undefined) throw new Error(`nobody is proved by ${by}`);
  return make();
}

describe("a proof replaces the token of the session, which goes on as it is, by", () => {
  test.each(Object.entries(proofs))("%s", async (_name, make) => {
    const { session, prove } = await make();
    const before = await sessionOf(held(session));
    expect(before.status).toBe(200);
    const [accountId, sessionId] = [before.body["accountId"], before.body["sessionId"]];
    const proved = await prove(held(session));
    expect(Math.floor(proved.status / 100), proved.text).toBe(2);
    expect(proved.body["token"]).toBeUndefined();
    expect(await opens(held(session))).toBe(false);
    const after = await sessionOf(held(tokenIn(proved)));
    // Grants are bound to the id, so that what plays goes on playing; and it is one device in the list.
    expect([after.body["accountId"], after.body["sessionId"]]).toEqual([accountId, sessionId]);
  });

  test("whatever way, for a program too: its answer has the token, and no cookie", async () => {
    for (const name of ["a password", "a passkey", "adding a passkey", "setting up an authenticator app"]) {
      const { session, prove } = await provable(name);
      expect(await opens({ bearer: session })).toBe(true);
      const proved = await prove({ bearer: session });
      expect([Math.floor(proved.status / 100), tokenIn(proved)], proved.text).toEqual([2, ""]);
      expect([await opens({ bearer: session }), await opens({ bearer: String(proved.body["token"]) })]).toEqual([
        false,
        true,
      ]);
    }
  });
});

test("of proofs that are made at once with one token, one replaces it, and there is one token afterwards", async () => {
  const { session, prove } = await provable("a password");
  const answers = await Promise.all(Array.from({ length: 6 }, () => prove(held(session))));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
  const tokens = answers.map(tokenIn).filter((token) => token !== "");
  expect(tokens).toHaveLength(1);
  expect(await opens(held(tokens[0] ?? ""))).toBe(true);
});

test("a proof that is refused replaces nothing", async () => {
  const { session } = await person();
  const refused = await post("/api/session/proof", { password: "not it at all, not it" }, held(session));
  expect([refused.status, await opens(held(session))]).toEqual([403, true]);
});

test("a request that left with the token before is refused without taking the new one from the browser", async () => {
  const { session, prove } = await provable("a password");
  await prove(held(session));
  const late = await sessionOf(held(session));
  expect([late.status, late.cookies]).toEqual([401, {}]);
  const page = await service.call("GET", "/sign-in", held(session));
  expect(page.cookies).toEqual({ [sessionCookie]: "" });
});
