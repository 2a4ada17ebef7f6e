import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";

/**
 * What somebody else has waiting to get into an account ends in the transaction in which its owner renews, though the
 * box that signs connected devices out was unticked. Each is shown to work a moment before, or with somebody who has not
 * renewed.
 */
const service = await testService();
const fresh = "eleven owls above the orchard";

let people = 0;
async function person(): Promise<{ readonly address: string; readonly session: string }> {
  const address = `person-${++people}@example.org`;
  await service.account(address, goodPassword);
  return { address, session: await service.signIn(address, goodPassword) };
}

/** A code asked for by a browser of its own. @returns what that browser may do with it. */
async function ticket(address: string): Promise<(password: string) => Promise<unknown>> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
  return async (password) => {
    const body = { code: letter?.code, password, signOutDevices: false };
    const answer = await service.call("POST", "/api/renewals/complete", { body, cookies });
    return answer.body["kind"] ?? answer.body["code"];
  };
}

test("another ticket of the account", async () => {
  const { address } = await person();
  const [theirs, owners] = [await ticket(address), await ticket(address)];
  // Its code is right: a password that is refused is told only to who has proved the mailbox.
  expect(await theirs("short")).toBe("password-refused");
  expect(await owners(fresh)).toBe("renewed");
  expect(await theirs("a thief was here this evening")).toBe("code-refused");
  expect(await theirs("short")).toBe("code-refused");
  expect(await service.signIn(address, fresh)).not.toBe("");
  // One asked for afterwards is a way back like any other.
  expect(await (await ticket(address))("nine herons in the shallows")).toBe("renewed");
});

test("several tickets completed at once: one renews, and nobody waits for ever", async () => {
  const { address } = await person();
  const tickets = [await ticket(address), await ticket(address), await ticket(address), await ticket(address)];
  const outcomes = await Promise.all(tickets.map((complete, at) => complete(`${fresh} number ${at}`)));
  expect(outcomes.filter((outcome) => outcome === "renewed")).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === "code-refused")).toHaveLength(3);
});

test("a claim of an address", async () => {
  async function claim(session: string): Promise<() => Promise<number>> {
    const address = `another-${people}@example.org`;
    const cookies = asCookie(session);
    expect((await service.call("POST", "/api/account/addresses", { body: { address }, cookies })).status).toBe(202);
    const letter = (await service.letters()).find(({ to }) => to === address);
    const confirm = { body: { code: letter?.code }, cookies };
    return async () => (await service.call("POST", "/api/account/addresses/confirm", confirm)).status;
  }
  const quiet = await person();
  expect(await (await claim(quiet.session))()).toBe(200);
  const { address, session } = await person();
  const confirm = await claim(session);
  expect(await (await ticket(address))(fresh)).toBe("renewed");
  expect((await service.call("GET", "/api/session", { cookies: asCookie(session) })).status).toBe(200);
  expect(await confirm()).toBe(400);
});

test("an approved link that no device has claimed", async () => {
  async function link(session: string): Promise<() => Promise<number>> {
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const decided = await service.call("POST", "/api/links/decide", {
      body: { userCode: asked.body["user_code"], decision: "approve" },
      cookies: asCookie(session),
    });
    expect(decided.status).toBe(200);
    const body = {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: asked.body["device_code"],
      client_id: "houselights-tv",
    };
    return async () => (await service.call("POST", "/oauth/token", { body })).status;
  }
  const quiet = await person();
  expect(await (await link(quiet.session))()).toBe(200);
  const { address, session } = await person();
  const claim = await link(session);
  expect(await (await ticket(address))(fresh)).toBe("renewed");
  expect((await service.call("GET", "/api/session", { cookies: asCookie(session) })).status).toBe(200);
  expect(await claim()).toBe(400);
});

test("a sign-in that waits for its second factor", async () => {
  const waiting = async () => {
    const { address, session } = await person();
    const { app } = await setUpTotp(service, session);
    return { address, app, step: await beginSignIn(service, address) };
  };
  const quiet = await waiting();
  expect((await completeSignIn(service, quiet.step, quiet.app.code())).status).toBe(201);
  const { address, app, step } = await waiting();
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find(({ to, letter: kind }) => to === address && kind === "renewal code");
  const renewed = await service.call("POST", "/api/renewals/complete", {
    body: { code: letter?.code, password: fresh, secondFactor: app.code(), signOutDevices: false },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  });
  expect(renewed.status, renewed.text).toBe(200);
  service.clock.advance(30_000);
  // Over, and not refused for its code: nobody learns whether that was right.
  expect((await completeSignIn(service, step, app.code())).body["code"]).toBe("sign-in-over");
});
