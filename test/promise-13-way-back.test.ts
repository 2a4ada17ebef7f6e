import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { dayMs } from "../src/kernel/clock.ts";
import { contain } from "../src/incidents/contain.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator } from "./authenticator.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { addAddress, peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";
import { authenticatorOf, beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";

/**
 * P13: after everyone was signed out, everyone has a way back, and none is weaker than the one it replaces. Who has lost
 * every mailbox and every passkey is helped by an operator: `recovery.test.ts`.
 */
const service = await testService();
const { ground, clock } = service;
const { person } = peopleOf(service);
const newPassword = "four herons on the weir at noon";

const containNow = () =>
  contain(containNeedsOf(ground), { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" });
/** Added so long ago that no copy of today is doubted for it. */
const longAgo = () => clock.advance(100 * dayMs);

const statusOf = async (headers: Readonly<Record<string, string>>): Promise<number> =>
  (await service.call("GET", "/api/session", { headers })).status;
const bearer = (token: unknown) => ({ authorization: `Bearer ${String(token)}` });

/** Sets a new password by the code that is mailed to an address. */
async function renew(address: string, more: object = {}): Promise<Answer> {
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const code = (await service.letters()).find(({ to, letter }) => to === address && letter === "renewal code")?.code;
  return service.call("POST", "/api/renewals/complete", {
    body: { code, password: newPassword, ...more },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  });
}

async function withPasskey() {
  const who = await person();
  const device = authenticator(ground.config.publicOrigin);
  const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(who.session));
  const body = { answer: device.create(options), name: "A telephone" };
  const added = await service.call("POST", "/api/account/passkeys", { body, cookies });
  expect(added.status, added.text).toBe(201);
  const enter = async (): Promise<string> => {
    const asked = await askPasskey(service, "/api/sessions/passkey/options");
    const entered = await service.call("POST", "/api/sessions/passkey", {
      body: { answer: device.get(asked.options) },
      cookies: asked.cookies,
    });
    expect(entered.status, entered.text).toBe(201);
    return entered.cookies["__Host-houselights"] ?? "";
  };
  return { ...who, enter };
}

/** Links a device or a program by a code that somebody who is signed in approves (RFC 8628). @returns its token. */
async function link(clientId: string, approver: string): Promise<unknown> {
  const asked = await service.call("POST", "/oauth/device_authorization", {
    body: { client_id: clientId, device_name: "In the hall" },
  });
  expect(asked.status, asked.text).toBe(200);
  const body = { userCode: asked.body["user_code"], decision: "approve" };
  const decided = await service.call("POST", "/api/links/decide", { body, cookies: asCookie(approver) });
  expect(decided.status, decided.text).toBe(200);
  const claimed = await service.call("POST", "/oauth/token", {
    body: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: asked.body["device_code"],
      client_id: clientId,
    },
  });
  expect(claimed.status, claimed.text).toBe(200);
  return claimed.body["access_token"];
}

const classOf = async (token: unknown): Promise<unknown> =>
  (await service.call("GET", "/api/session", { headers: bearer(token) })).body["class"];

test("P13: who lost the mailbox comes back by a second address that was there before", async () => {
  const ada = await person();
  await addAddress(service, ada, "second@example.net");
  longAgo();
  await containNow();
  expect((await renew("second@example.net")).status).toBe(200);
  expect(
    (await service.call("POST", "/api/sessions", { body: { address: ada.address, password: newPassword } })).status,
  ).toBe(201);
});

test("P13: who lost the mailbox, or never had a password in use, comes back by a passkey, and links a TV and a tool from there", async () => {
  const ada = await withPasskey();
  longAgo();
  const old = {
    tv: await link("houselights-tv", await ada.enter()),
    tool: await link("lamps tool", await ada.enter()),
  };
  expect([await classOf(old.tv), await classOf(old.tool)]).toEqual(["tv", "tool"]);
  await containNow();
  expect([await statusOf(bearer(old.tv)), await statusOf(bearer(old.tool))]).toEqual([401, 401]);

  const back = await ada.enter();
  const now = { tv: await link("houselights-tv", back), tool: await link("lamps tool", back) };
  expect([await classOf(now.tv), await classOf(now.tool)]).toEqual(["tv", "tool"]);
});

test("P13: a tool is shown as one to whoever is asked, and shall not link another", async () => {
  const ada = await person();
  const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "lamps tool" } });
  const userCode = asked.body["user_code"];
  const shown = await service.call("POST", "/api/links/lookup", { body: { userCode }, cookies: asCookie(ada.session) });
  expect([shown.body["class"], shown.body["label"]]).toEqual(["tool", "Tool"]);

  const tool = await link("lamps tool", ada.session);
  const body = { userCode, decision: "approve" };
  const spread = await service.call("POST", "/api/links/decide", { body, headers: bearer(tool) });
  expect(spread.status).toBe(403);
  expect((await service.call("POST", "/api/links/decide", { body, cookies: asCookie(ada.session) })).status).toBe(200);
});

test("P13: no second factor at hand: a recovery code stands in, and without either nothing opens", async () => {
  const ada = await person();
  const { recoveryCodes, app } = await setUpTotp(service, ada.session);
  longAgo();
  await containNow();
  const bare = await renew(ada.address);
  expect([bare.status, bare.body["code"]]).toEqual([403, "second-factor-needed"]);
  const renewed = await renew(ada.address, { secondFactor: recoveryCodes[0] });
  expect(renewed.status, renewed.text).toBe(200);
  // What was renewed is what a password alone does not open.
  const step = await beginSignIn(service, ada.address, newPassword);
  const used = await completeSignIn(service, step, recoveryCodes[0] ?? "");
  expect([used.status, used.body["code"]]).toEqual([400, "second-factor-refused"]);
  expect((await completeSignIn(service, step, app.code())).status).toBe(201);
});

test("P13: the password that everybody had sets nothing right by itself: it is refused until it is renewed", async () => {
  const ada: Person = await person();
  expect(
    (await service.call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } })).status,
  ).toBe(201);
  await containNow();
  expect(
    (await service.call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } })).status,
  ).toBe(401);
  expect((await renew(ada.address)).status).toBe(200);
  expect(
    (await service.call("POST", "/api/sessions", { body: { address: ada.address, password: newPassword } })).status,
  ).toBe(201);
});

test("P13: an app that was half set up before is refused as a code, not as a session, and is set up anew", async () => {
  const ada = await person();
  const begun = await service.call("POST", "/api/account/totp", { body: {}, cookies: asCookie(ada.session) });
  const half = authenticatorOf(service, String(begun.body["key"]));
  await containNow();
  expect((await renew(ada.address)).status).toBe(200);
  const back = await service.signIn(ada.address, newPassword);
  const confirmed = await service.call("POST", "/api/account/totp/confirm", {
    body: { code: half.code() },
    cookies: asCookie(back),
  });
  expect([confirmed.status, confirmed.body["code"]]).toEqual([400, "second-factor-refused"]);
  await setUpTotp(service, back);
});

test("P13: who kept a session through a renewal is told at once that it adds no address, and adds it after signing in", async () => {
  const ada = await person();
  const wanted = "second-of-kept@example.net";
  const order = { mode: "with-renewal", keepTools: false, reason: "test", operator: "test" } as const;
  await contain(containNeedsOf(ground), order);
  expect((await renew(ada.address, { signOutDevices: false })).status).toBe(200);
  const asked = await service.call("POST", "/api/account/addresses", {
    body: { address: wanted },
    cookies: asCookie(ada.session),
  });
  // A code that was mailed could only be refused.
  expect([asked.status, asked.body["code"]]).toEqual([403, "renew-first"]);
  expect((await service.letters()).some(({ to }) => to === wanted)).toBe(false);
  await addAddress(service, { session: await service.signIn(ada.address, newPassword) }, wanted);
});
