import { describe, expect, test } from "vitest";
import { passkeyCookie, secretText, sessionCookie } from "../src/http/cookies.ts";
import { minuteMs } from "../src/kernel/clock.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { addOperator } from "../src/credentials/operators.ts";
import { makeOperatorLink } from "../src/sessions/operator-link.ts";
import { authenticator, type Authenticator } from "./authenticator.ts";
import { setUpTotp } from "./totp-app.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * What operators do takes more than a password: the host's own link while it is fresh, a passkey, or an app's code. Walked over the
 * route table, so that an act added tomorrow is covered that day.
 */
const service = await testService();
const { ground, clock } = service;
const someId = "00000000-0000-7000-8000-000000000000";

let people = 0;
async function operatorByPassword() {
  const address = `operator-${++people}@example.org`;
  const accountId = (await service.account(address, goodPassword)) as AccountId;
  await addOperator({ ...ground, keyholder: ground.keyholders.web }, address, "host");
  return { address, accountId, session: await service.signIn(address, goodPassword) };
}

async function ask(path: string, session: string) {
  const asked = await service.call("POST", path, { body: {}, cookies: asCookie(session) });
  return { asked, cookies: { ...asCookie(session), [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" } };
}

async function add(session: string, device: Authenticator): Promise<Answer> {
  const { asked, cookies } = await ask("/api/account/passkeys/options", session);
  if (asked.status !== 200) return asked;
  const answer = device.create(asked.body["options"] as Record<string, unknown>);
  return service.call("POST", "/api/account/passkeys", { body: { answer, name: "A key" }, cookies });
}

async function prove(session: string, device: Authenticator): Promise<number> {
  const { asked, cookies } = await ask("/api/session/proof/passkey/options", session);
  const answer = device.get(asked.body["options"] as Record<string, unknown>);
  return (await service.call("POST", "/api/session/proof/passkey", { body: { answer }, cookies })).status;
}

const proveByPassword = (session: string) =>
  service.call("POST", "/api/session/proof", { body: { password: goodPassword }, cookies: asCookie(session) });

const acts = service.web.app.routeTable.filter(
  ({ access, method }) => (access === "operator act" || access === "fresh operator") && method !== "HEAD",
);
const grave = acts.filter(({ access }) => access === "fresh operator");

/** The problem codes that routes answer this session with; a route that lets it in answers something else. */
async function codes(routes: typeof acts, session: string): Promise<string[]> {
  const seen = new Set<string>();
  for (const { method, url } of routes) {
    const answer = await service.call(method as "POST", url.replaceAll(/:[a-z]+/gi, someId), {
      body: {},
      cookies: asCookie(session),
    });
    const code = String(answer.body["code"]);
    seen.add(
      ["second-factor-required", "strong-proof-needed", "proof-needed", "operators-only"].includes(code)
        ? code
        : "let in",
    );
  }
  return [...seen];
}

describe("what operators do", () => {
  test("is refused to a password alone and leads to a second factor; reading the console is not", async () => {
    expect(grave.map(({ url }) => url)).toEqual(
      expect.arrayContaining([
        "/api/incidents/:id/contain",
        "/api/incidents/:id/notify",
        "/api/incidents/:id/close",
        "/api/operators",
        "/api/recoveries",
      ]),
    );
    expect(acts.length).toBeGreaterThan(grave.length);
    const { session } = await operatorByPassword();
    expect(await codes(acts, session)).toEqual(["second-factor-required"]);
    for (const url of ["/api/console", "/api/incidents", "/api/operators", "/api/mailbox"]) {
      expect((await service.call("GET", url, { cookies: asCookie(session) })).status, url).toBe(200);
    }
  });

  test("is let in by the host's link for five minutes, and no longer", async () => {
    const session = await service.operator();
    expect(await codes(acts, session)).toEqual(["let in"]);
    clock.advance(5 * minuteMs);
    expect(await codes(acts, session)).toEqual(["let in"]);
    clock.advance(1);
    expect(await codes(acts, session)).toEqual(["second-factor-required"]);
  });

  test("is let in once a passkey is added, for as long as the session lasts; the gravest acts ask again after five minutes", async () => {
    const { session } = await operatorByPassword();
    const device = authenticator(ground.config.publicOrigin);
    const added = await add(session, device);
    expect(added.status, added.text).toBe(201);
    expect(await codes(acts, session)).toEqual(["let in"]);
    clock.advance(6 * minuteMs);
    const lasting = acts.filter((route) => !grave.includes(route));
    expect(await codes(lasting, session)).toEqual(["let in"]);
    expect(await codes(grave, session)).toEqual(["strong-proof-needed"]);
    // A password is not enough any more, however fresh.
    expect((await proveByPassword(session)).status).toBe(200);
    expect(await codes(grave, session)).toEqual(["strong-proof-needed"]);
    expect(await prove(session, device)).toBe(200);
    expect(await codes(grave, session)).toEqual(["let in"]);
  });

  test("is let in by password and code of an app, and by neither alone", async () => {
    const { session } = await operatorByPassword();
    const { app } = await setUpTotp(service, session);
    expect(await codes(acts, session)).toEqual(["let in"]);
    clock.advance(6 * minuteMs);
    expect(await codes(grave, session)).toEqual(["strong-proof-needed"]);
    const proveBy = (body: object) => service.call("POST", "/api/session/proof", { body, cookies: asCookie(session) });
    expect((await proveByPassword(session)).body["code"]).toBe("second-factor-needed");
    expect((await proveBy({ code: app.code() })).body["code"]).toBe("wrong-password");
    expect(await codes(grave, session)).toEqual(["strong-proof-needed"]);
    expect((await proveBy({ password: goodPassword, code: app.code() })).status).toBe(200);
    expect(await codes(grave, session)).toEqual(["let in"]);
    expect(await codes(acts, session)).toEqual(["let in"]);
  });

  test("is refused to another session of the same account that only its password proved", async () => {
    const { address, session } = await operatorByPassword();
    const device = authenticator(ground.config.publicOrigin);
    expect((await add(session, device)).status).toBe(201);
    const other = await service.signIn(address, goodPassword);
    expect(await codes(acts, other)).toEqual(["strong-proof-needed"]);
    // Nor can it add a passkey of its own, or remove the operator's: who has guessed a password gets no further.
    const own = await add(other, authenticator(ground.config.publicOrigin));
    expect(own.body["code"]).toBe("strong-proof-needed");
    const removed = await service.call("DELETE", `/api/account/passkeys/${someId}`, { cookies: asCookie(other) });
    expect(removed.body["code"]).toBe("strong-proof-needed");
    expect(await prove(other, device)).toBe(200);
    expect(await codes(acts, other)).toEqual(["let in"]);
  });

  test("ends with the last passkey: what an account cannot prove any more, its sessions have not proved", async () => {
    const { session } = await operatorByPassword();
    expect((await add(session, authenticator(ground.config.publicOrigin))).status).toBe(201);
    expect(await codes(acts, session)).toEqual(["let in"]);
    const passkeys = await service.call("GET", "/api/account/passkeys", { cookies: asCookie(session) });
    const [passkey] = passkeys.body["passkeys"] as { id: string }[];
    const removed = await service.call("DELETE", `/api/account/passkeys/${passkey?.id}`, {
      cookies: asCookie(session),
    });
    expect(removed.status, removed.text).toBe(200);
    expect(await codes(acts, session)).toEqual(["second-factor-required"]);
  });

  test("is refused to viewers as ever, with a passkey or without", async () => {
    await service.account("viewer@example.org", goodPassword);
    const session = await service.signIn("viewer@example.org", goodPassword);
    expect((await add(session, authenticator(ground.config.publicOrigin))).status).toBe(201);
    expect(await codes(acts, session)).toEqual(["operators-only"]);
  });
});

test("the link's session may add a passkey, and goes on by it when the link's proof is no longer fresh", async () => {
  const { accountId } = await operatorByPassword();
  const { secret } = await makeOperatorLink(ground, accountId);
  const used = await service.call("POST", "/api/operator-sessions", { body: { secret: secretText(secret) } });
  const session = used.cookies[sessionCookie] ?? "";
  const device = authenticator(ground.config.publicOrigin);
  expect((await add(session, device)).status).toBe(201);
  clock.advance(6 * minuteMs);
  expect(await prove(session, device)).toBe(200);
  expect(await codes(acts, session)).toEqual(["let in"]);
});
