import { browserCookie, lineCookie, sessionCookie } from "../../../src/http/cookies.ts";
import { asCookie } from "../../cookies.ts";
import type { IncidentId } from "../../../src/kernel/brand.ts";
import { newId } from "../../../src/kernel/random.ts";
import { openLine } from "../../../src/renewal/lobby/line.ts";
import type { World } from "../world.ts";
import type { Feature, Person } from "./feature.ts";

/** Asks for a sign-up. @returns its code and the browser that may use it. */
export async function askSignUp(world: World, { address, password, name, network }: Person) {
  const asked = await world.done("POST", "/api/accounts", { body: { address, password, name }, from: network });
  const browser = world.wentSecret("a browser binding", asked.cookies[browserCookie] ?? "");
  return { code: await world.codeSentTo(address, "sign-up code"), cookies: { [browserCookie]: browser } };
}

/** Completes a sign-up: the person has an account. */
export async function confirmSignUp(
  world: World,
  person: Person,
  { code, cookies }: { readonly code: string; readonly cookies: Readonly<Record<string, string>> },
): Promise<void> {
  const confirmed = await world.done("POST", "/api/accounts/confirm", {
    body: { code },
    cookies,
    from: person.network,
  });
  person.accountId = String(confirmed.body["accountId"]);
}

/** Asks for a renewal. @returns its code and the browser that may use it. */
export async function askRenewal(world: World, { address, network }: Person) {
  const asked = await world.done("POST", "/api/renewals", { body: { address }, from: network });
  const browser = world.wentSecret("a browser binding", asked.cookies[browserCookie] ?? "");
  return { code: await world.codeSentTo(address, "renewal code"), cookies: { [browserCookie]: browser } };
}

export async function signIn(world: World, person: Person): Promise<string> {
  const userAgent = world.went("a user agent", `Peculiar Browser of ${person.name}`);
  const { address, password, network } = person;
  const headers = { "user-agent": userAgent };
  const answer = await world.done("POST", "/api/sessions", { body: { address, password }, headers, from: network });
  return world.wentSecret("a session cookie", answer.cookies[sessionCookie] ?? "");
}

async function bearer(world: World, person: Person, sessionClass: "app" | "tool"): Promise<string> {
  const { name, address, password, network } = person;
  const label = world.went("a device name", `${sessionClass} in the cellar of ${name}`);
  const body = { address, password, token: true, class: sessionClass, label };
  const answer = await world.done("POST", "/api/sessions", { body, from: network });
  return world.wentSecret("a bearer token", String(answer.body["token"]));
}

export const accountFeatures: readonly Feature[] = [
  {
    name: "signing up",
    phase: "before",
    fills: ["sign_up", "account", "account_address", "address", "password", "throttle"],
    each: async (world, person) => {
      await confirmSignUp(world, person, await askSignUp(world, person));
    },
  },
  {
    name: "signing up again",
    phase: "before",
    fills: ["graphile_worker._private_jobs"],
    once: async (world, [first]) => {
      if (first === undefined) return;
      const { address, password, name, network } = first;
      await world.done("POST", "/api/accounts", { body: { address, password, name }, from: network });
    },
  },
  {
    name: "signing in",
    phase: "before",
    fills: ["session", "timeline_entry", "known_network"],
    each: async (world, person) => {
      person.cookie = await signIn(world, person);
      await bearer(world, person, person.number % 2 === 0 ? "app" : "tool");
    },
  },
  {
    name: "trying in vain",
    phase: "before",
    fills: [],
    each: async (world, { number }) => {
      // A person who has no account here, and who must not have left anything of themselves.
      const body = {
        address: world.went("an address", `nobody.${String(number).padStart(5, "0")}@elsewhere.example`),
        password: world.went("a password", `guessed at random by ${String(number).padStart(5, "0")}`),
      };
      const from = world.went("a network address", `192.0.2.${100 + (number % 150)}`);
      const refused = await world.service.call("POST", "/api/sessions", { body, from });
      if (refused.status !== 401) throw new Error(`a stranger was answered ${refused.status}`);
    },
  },
  {
    name: "an address that is chosen, and removed again",
    phase: "before",
    fills: ["removed_address", "security_event"],
    each: async (world, { cookie, number }) => {
      const cookies = asCookie(cookie);
      const address = world.went("an address", `removed.${String(number).padStart(5, "0")}@mail.example.net`);
      await world.done("POST", "/api/account/addresses", { body: { address }, cookies });
      const code = await world.codeSentTo(address, "sign-up code");
      await world.done("POST", "/api/account/addresses/confirm", { body: { code }, cookies });
      const { body } = await world.done("GET", "/api/account", { cookies });
      const added = (body["addresses"] as { id: string; address: string }[]).find((one) => one.address === address);
      await world.done("POST", `/api/account/addresses/${added?.id}/first`, { cookies });
      await world.done("DELETE", `/api/account/addresses/${added?.id}`, { cookies });
      await world.done("GET", "/api/account/events", { cookies });
    },
  },
  {
    name: "a second address",
    phase: "before",
    fills: ["address_claim"],
    each: async (world, { secondAddress, cookie, number }) => {
      const cookies = asCookie(cookie);
      world.went("an address", secondAddress);
      const ask = () => world.done("POST", "/api/account/addresses", { body: { address: secondAddress }, cookies });
      await ask();
      if (number % 10 === 1) await ask();
      const code = await world.codeSentTo(secondAddress, "sign-up code");
      // Every other one stays as it is: asked for and not proved.
      if (number % 2 === 0) await world.done("POST", "/api/account/addresses/confirm", { body: { code }, cookies });
    },
  },
  {
    name: "changing the password",
    phase: "before",
    fills: ["account_change"],
    each: async (world, person) => {
      const next = world.went("a password", `eight lanterns for ${person.name}`);
      const body = { currentPassword: person.password, newPassword: next };
      await world.done("POST", "/api/password", { body, cookies: asCookie(person.cookie) });
      person.password = next;
    },
  },
  {
    name: "renewing after the theft",
    phase: "after",
    fills: ["ticket", "refused_password"],
    each: async (world, person) => {
      const refused = await world.service.call("GET", "/api/session", { cookies: asCookie(person.cookie) });
      if (refused.status !== 401) throw new Error("a session from before the containment was served");
      const { code, cookies } = await askRenewal(world, person);
      person.password = world.went("a password", `nine lanterns after it, ${person.name}`);
      await world.done("POST", "/api/renewals/complete", { body: { code, password: person.password }, cookies });
      person.cookie = await signIn(world, person);
    },
  },
  {
    name: "waiting in the lobby",
    phase: "after",
    fills: ["lobby", "lobby_entry", "lobby_network", "lobby_minute"],
    once: async (world) => {
      const { web, ground } = world.service;
      world.crowd.hashesPerSecond = 0.001;
      await web.lobby.advance();
      const places = [];
      // A handful walks in; the others wait.
      for (let asks = 0; asks < 100; asks++) {
        const from = world.went("a network address", `203.0.113.${100 + asks}`);
        const body = { address: world.went("an address", `crowd.${1000 + asks}@come-back.example`) };
        const answer = await world.done("POST", "/api/renewals", { body, from });
        if (answer.body["kind"] === "in-line") places.push(answer.cookies);
      }
      world.crowd.hashesPerSecond = 1_000_000;
      for (let seconds = 0; seconds < 3; seconds++) await web.lobby.advance();
      for (const cookies of places) {
        world.wentSecret("what a place in line is bound to", cookies[lineCookie] ?? "");
        const called = await world.done("POST", "/api/renewals/place", { body: {}, cookies });
        if (called.body["kind"] !== "called") throw new Error("nobody was called");
      }
      await web.lobby.advance();
      // The lines of cases that were: a service has few, and of few keys nothing can be told.
      const needs = { ...ground, keyholder: ground.keyholders.web };
      for (let cases = 0; cases < 60; cases++) {
        await openLine(needs, newId<IncidentId>(ground.random, world.clock.now()), world.clock.now());
      }
    },
  },
  {
    name: "under way when the copy is made",
    phase: "after",
    fills: [],
    each: async (world, person) => {
      await askRenewal(world, person);
      const { name, network, number } = person;
      const address = world.went("an address", `newcomer.${String(number).padStart(5, "0")}@new.example`);
      const password = world.went("a password", `a newcomer's lantern ${number} and more`);
      const newcomer = { ...person, address, password, name, network };
      const { code, cookies } = await askSignUp(world, newcomer);
      // One in four is through, and has used nothing yet.
      if (number % 4 === 0) await world.done("POST", "/api/accounts/confirm", { body: { code }, cookies });
    },
  },
];
