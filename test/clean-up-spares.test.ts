import { expect, test } from "vitest";
import { cleanUp } from "../src/clean-up.ts";
import { browserCookie, sessionCookie } from "../src/http/cookies.ts";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import { askPasskey } from "./ask-passkey.ts";
import { authenticator } from "./authenticator.ts";
import { addAddress, peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { authenticatorOf, beginSignIn, completeSignIn, setUpTotp } from "./totp-app.ts";

/** What the clean-up takes when it is over (src/clean-up.test) it leaves alone for as long as it can be used or taken back. */
const service = await testService();
const { ground, clock } = service;
const { person, count } = peopleOf(service);

/** What was changed within a minute before a change is taken back with it. */
const notTogetherMs = 2 * minuteMs;
const clean = (): Promise<void> => cleanUp(ground.plainDb, clock.now(), new AbortController().signal);
const codeTo = async (address: string): Promise<string | undefined> =>
  (await service.letters()).find(({ to }) => to === address)?.code;
async function press({ address }: Person, kind: string): Promise<void> {
  const letter = (await service.letters()).find((one) => one.to === address && one.letter === kind);
  const pressed = await service.call("POST", "/not-me", { body: { token: letter?.undo } });
  expect(pressed.headers["location"]).toBe("/not-me/done");
}
const signs = async ({ address }: Person): Promise<number> =>
  (await service.call("POST", "/api/sessions", { body: { address, password: goodPassword } })).status;

async function personWithPasskey() {
  const ada = await person();
  const device = authenticator(ground.config.publicOrigin);
  const { options, cookies } = await askPasskey(service, "/api/account/passkeys/options", asCookie(ada.session));
  const body = { answer: device.create(options), name: "A telephone" };
  expect((await service.call("POST", "/api/account/passkeys", { body, cookies })).status).toBe(201);
  return { ...ada, device };
}
async function removedPasskey() {
  const ada = await personWithPasskey();
  clock.advance(notTogetherMs);
  const cookies = asCookie(ada.session);
  const listed = await service.call("GET", "/api/account/passkeys", { cookies });
  const [passkey] = listed.body["passkeys"] as { id: string }[];
  expect((await service.call("DELETE", `/api/account/passkeys/${passkey?.id}`, { cookies })).status).toBe(200);
  return ada;
}

/** Each begins something. @returns its end, which is true if it could still be ended. */
const begun: Readonly<Record<string, () => Promise<() => Promise<boolean>>>> = {
  "a registration": async () => {
    const address = `new-${count()}@example.org`;
    const asked = await service.call("POST", "/api/accounts", { body: { address, password: goodPassword } });
    const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
    const body = { code: await codeTo(address) };
    return async () => (await service.call("POST", "/api/accounts/confirm", { body, cookies })).status === 201;
  },
  "an address that waits for its code": async () => {
    const { session } = await person();
    const cookies = asCookie(session);
    const address = `second-${count()}@example.org`;
    await service.call("POST", "/api/account/addresses", { body: { address }, cookies });
    const body = { code: await codeTo(address) };
    return async () => (await service.call("POST", "/api/account/addresses/confirm", { body, cookies })).status === 200;
  },
  "a sign-in by passkey": async () => {
    const { device } = await personWithPasskey();
    const { options, cookies } = await askPasskey(service, "/api/sessions/passkey/options");
    const body = { answer: device.get(options) };
    return async () => (await service.call("POST", "/api/sessions/passkey", { body, cookies })).status === 201;
  },
  "an app that is being set up": async () => {
    const { session } = await person();
    const cookies = asCookie(session);
    const begins = await service.call("POST", "/api/account/totp", { body: {}, cookies });
    const app = authenticatorOf(service, String(begins.body["key"]));
    return async () => {
      const body = { code: app.code() };
      return (await service.call("POST", "/api/account/totp/confirm", { body, cookies })).status === 200;
    };
  },
  "a television that waits": async () => {
    const asked = await service.call("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } });
    const body = { userCode: asked.body["user_code"], decision: "approve" };
    const { session } = await person();
    const cookies = asCookie(session);
    return async () => (await service.call("POST", "/api/links/decide", { body, cookies })).status === 200;
  },
};

test.each(Object.entries(begun))("%s is left alone while it can be ended", async (_what, begin) => {
  const end = await begin();
  clock.advance(minuteMs);
  await clean();
  expect(await end()).toBe(true);
});

/** Each removes something of somebody's. @returns their account, and whether it is back after the button was pressed. */
const removed: Readonly<Record<string, () => Promise<{ ada: Person; kind: string; isBack: () => Promise<boolean> }>>> =
  {
    "an app": async () => {
      const ada = await person();
      const { app } = await setUpTotp(service, ada.session);
      clock.advance(notTogetherMs);
      const signedIn = await completeSignIn(service, await beginSignIn(service, ada.address), app.code());
      const cookies = asCookie(signedIn.cookies[sessionCookie] ?? "");
      const body = { password: goodPassword };
      expect((await service.call("POST", "/api/account/totp/remove", { body, cookies })).status).toBe(200);
      expect(await signs(ada)).toBe(201);
      const isBack = async () =>
        (await ground.plainDb.one(`select 1 as it from totp where account_id = $1 and removed_at is null`, [
          ada.accountId,
        ])) !== undefined;
      return { ada, kind: "second factor removed", isBack };
    },
    "a passkey": async () => {
      const ada = await removedPasskey();
      const isBack = async () => {
        const { options, cookies } = await askPasskey(service, "/api/sessions/passkey/options");
        const body = { answer: ada.device.get(options) };
        return (await service.call("POST", "/api/sessions/passkey", { body, cookies })).status === 201;
      };
      expect(await isBack()).toBe(false);
      return { ada, kind: "passkey removed", isBack };
    },
    "an address": async () => {
      const ada = await person();
      await addAddress(service, ada, `second-${count()}@example.org`);
      const cookies = asCookie(ada.session);
      const account = await service.call("GET", "/api/account", { cookies });
      const own = (account.body["addresses"] as { id: string; address: string }[]).find(
        ({ address }) => address === ada.address,
      );
      expect((await service.call("DELETE", `/api/account/addresses/${own?.id}`, { cookies })).status).toBe(200);
      const isBack = async () =>
        (await ground.plainDb.one(`select 1 as it from account_address where account_id = $1 and id = $2`, [
          ada.accountId,
          own!.id,
        ])) !== undefined;
      expect(await isBack()).toBe(false);
      return { ada, kind: "address removed", isBack };
    },
  };

test.each(Object.entries(removed))(
  "%s that was removed is kept for as long as its removal can be taken back",
  async (_what, remove) => {
    const { ada, kind, isBack } = await remove();
    clock.advance(7 * dayMs - minuteMs);
    await clean();
    await press(ada, kind);
    expect(await isBack()).toBe(true);
  },
);

test("with a passkey that was removed for good, the way from its credential to the account goes too", async () => {
  const [ada, bob] = [await removedPasskey(), await personWithPasskey()];
  const ways = async ({ accountId }: Person): Promise<number> =>
    (await ground.plainDb.many(`select 1 from passkey_way where account_id = $1`, [accountId])).length;
  expect(await ways(ada)).toBe(1);
  clock.advance(100 * dayMs);
  await clean();
  expect([await ways(ada), await ways(bob)]).toEqual([0, 1]);
});
