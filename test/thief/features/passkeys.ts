import { passkeyCookie } from "../../../src/http/cookies.ts";
import { authenticator, type Authenticator } from "../../authenticator.ts";
import { asCookie } from "../../cookies.ts";
import type { World } from "../world.ts";
import type { Feature, Person } from "./feature.ts";

/** Asks for a challenge. @returns it, and the browser that may answer. */
export async function askPasskey(world: World, path: string, cookies: Readonly<Record<string, string>>) {
  const asked = await world.done("POST", path, { body: {}, cookies });
  const options = asked.body["options"] as Record<string, unknown>;
  world.wentSecret("a passkey's challenge", String(options["challenge"]));
  const binding = world.wentSecret("a browser binding", asked.cookies[passkeyCookie] ?? cookies[passkeyCookie] ?? "");
  return { options, cookies: { ...cookies, [passkeyCookie]: binding } };
}

/** Adds a passkey to the person's account. @returns the device that has it. */
export async function addPasskey(world: World, { cookie, name }: Person): Promise<Authenticator> {
  const device = authenticator(world.service.ground.config.publicOrigin);
  const asked = await askPasskey(world, "/api/account/passkeys/options", asCookie(cookie));
  world.wentSecret("a user handle", (asked.options["user"] as { id: string }).id);
  const answer = device.create(asked.options);
  world.wentSecret("a credential id", answer.id);
  const body = { answer, name: world.went("a passkey's name", `brass key of ${name}`) };
  await world.done("POST", "/api/account/passkeys", { body, cookies: asked.cookies });
  return device;
}

export const passkeyFeatures: readonly Feature[] = [
  {
    name: "a passkey, and signing in by it",
    phase: "before",
    fills: ["passkey", "passkey_way", "passkey_challenge"],
    each: async (world, person) => {
      const device = await addPasskey(world, person);
      const asked = await askPasskey(world, "/api/sessions/passkey/options", {});
      const label = world.went("a device name", `telephone with a crack of ${person.name}`);
      await world.done("POST", "/api/sessions/passkey", {
        body: { answer: device.get(asked.options), label },
        cookies: asked.cookies,
      });
    },
  },
  {
    name: "challenges that nobody answered",
    phase: "after",
    fills: ["passkey_challenge"],
    each: async (world, { cookie }) => {
      await askPasskey(world, "/api/sessions/passkey/options", {});
      const { cookies } = await askPasskey(world, "/api/session/proof/passkey/options", asCookie(cookie));
      // The same browser once more, in another tab.
      await askPasskey(world, "/api/account/passkeys/options", cookies);
    },
  },
];
