import { browserCookie, passkeyCookie, secretText, sessionCookie } from "../../src/http/cookies.ts";
import { makeOperatorLink } from "../../src/sessions/operator-link.ts";
import { stepMs } from "../../src/credentials/second-factors.ts";
import { asCookie } from "../cookies.ts";
import { authenticatorOf } from "../totp-app.ts";
import { askRenewal, askSignUp } from "./features/accounts.ts";
import { askLink, decideLink } from "./features/devices.ts";
import { addRelyingService } from "./features/signals.ts";
import { addPasskey, askPasskey } from "./features/passkeys.ts";
import type { Person } from "./features/feature.ts";
import type { Ask } from "./http.ts";
import type { Populated } from "./populate.ts";
import type { World } from "./world.ts";

const sessionHeader = (token: string) => ({ cookie: `${sessionCookie}=${token}` });
const browserHeader = (cookies: Readonly<Record<string, string>>) => ({
  cookie: `${browserCookie}=${cookies[browserCookie] ?? ""}`,
});

/** Somebody without a second factor, another one each time: an account has few addresses. The last two are used up. */
function another({ people, spare }: Populated) {
  const without = people.slice(0, -2).filter((person) => !person.wantsSecondFactor);
  const person = without[spare.turn++ % without.length];
  if (person === undefined) throw new Error("nobody is without a second factor");
  return person;
}

const first = ({ people }: Populated) => {
  const person = people[0];
  if (person === undefined) throw new Error("nobody is there");
  return person;
};

/** Who types a code of an app to show that one is accepted, and so can type no other for half a minute. */
export const lastWithApp = (people: readonly Person[]): Person | undefined =>
  people.findLast(({ totpKey }) => totpKey !== "");

/** For each way in, by its name: a request that it has to accept, made with a true credential the moment before. */
export const controls: Readonly<Record<string, (world: World, populated: Populated) => Promise<Ask>>> = {
  "a session's cookie": async (_world, populated) => ({
    method: "GET",
    path: "/api/session",
    headers: sessionHeader(first(populated).cookie),
  }),
  "a bearer token": async (_world, populated) => ({
    method: "GET",
    path: "/api/session",
    headers: { authorization: `Bearer ${first(populated).cookie}` },
  }),
  "a grant in a media path": async (world, populated) => {
    const granted = await world.done("POST", `/api/titles/${populated.spare.titleId}/grants`, {
      cookies: asCookie(first(populated).cookie),
    });
    return { method: "GET", path: String(granted.body["playlist"]) };
  },
  "a password": async (world, populated) => {
    const { address, password } = another(populated);
    return { method: "POST", path: "/api/sessions", body: { address, password } };
  },
  "a passkey": async (world, populated) => {
    const device = await addPasskey(world, another(populated));
    const asked = await askPasskey(world, "/api/sessions/passkey/options", {});
    const headers = { cookie: `${passkeyCookie}=${asked.cookies[passkeyCookie]}` };
    return { method: "POST", path: "/api/sessions/passkey", headers, body: { answer: device.get(asked.options) } };
  },
  "a recovery code": async (world, populated) => {
    const person = first(populated);
    const code = populated.spare.recoveryCodes.shift();
    const body = { address: person.address, password: person.password, token: true };
    const asked = await world.done("POST", "/api/sessions", { body, from: person.network });
    return { method: "POST", path: "/api/sessions/second-factor", body: { step: asked.body["step"], code } };
  },
  "an authenticator app's code": async (world, populated) => {
    const { address, password, network, totpKey } = lastWithApp(populated.people) ?? first(populated);
    world.clock.advance(stepMs);
    const asked = await world.done("POST", "/api/sessions", {
      body: { address, password, token: true },
      from: network,
    });
    const body = { step: asked.body["step"], code: authenticatorOf(world.service, totpKey).code() };
    return { method: "POST", path: "/api/sessions/second-factor", body };
  },
  "a renewal code": async (world, populated) => {
    const person = populated.people.at(-1) ?? first(populated);
    const { code, cookies } = await askRenewal(world, person);
    const body = { code, password: world.went("a password", `ten lanterns for ${person.name} ${world.sought.length}`) };
    return { method: "POST", path: "/api/renewals/complete", headers: browserHeader(cookies), body };
  },
  "a sign-up code": async (world, populated) => {
    const address = world.went("an address", `the.last.${world.sought.length}@new.example`);
    const { code, cookies } = await askSignUp(world, { ...first(populated), address });
    return { method: "POST", path: "/api/accounts/confirm", headers: browserHeader(cookies), body: { code } };
  },
  "a code for a further address": async (world, populated) => {
    world.clock.advance(1_000);
    const { cookie } = another(populated);
    const address = world.went("an address", `the.third.${world.sought.length}@mail.example.net`);
    await world.done("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(cookie) });
    const code = await world.codeSentTo(address, "sign-up code");
    return { method: "POST", path: "/api/account/addresses/confirm", headers: sessionHeader(cookie), body: { code } };
  },
  "a device's code": async (world, populated) => {
    const person = first(populated);
    const tv = await askLink(world, person.network, "Television of the control");
    await decideLink(world, tv.userCode, person.cookie, "approve");
    const grant = "urn:ietf:params:oauth:grant-type:device_code";
    const body = { grant_type: grant, client_id: "houselights-tv", device_code: tv.deviceCode };
    return { method: "POST", path: "/oauth/token", body };
  },
  "a user code": async (world, populated) => {
    const person = first(populated);
    const { userCode } = await askLink(world, person.network, "Projector of the control");
    return { method: "POST", path: "/api/links/lookup", headers: sessionHeader(person.cookie), body: { userCode } };
  },
  "a relying service's token": async (world) => {
    const token = await addRelyingService(world, `control ${world.sought.length}`);
    return { method: "GET", path: "/signals/stream", headers: { authorization: `Bearer ${token}` } };
  },
  'the link of "it was not me"': async (world, { people }) => {
    await world.readLetters();
    return { method: "POST", path: "/not-me", form: { token: world.undoSentTo(people.at(-2)?.address ?? "") } };
  },
  "an operator's link": async ({ service }) => {
    const { secret } = await makeOperatorLink(service.ground);
    return { method: "POST", path: "/api/operator-sessions", body: { secret: secretText(secret) } };
  },
};
