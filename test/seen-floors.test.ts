import { expect, test } from "vitest";
import type { Epoch, FloorKind } from "../src/kernel/brand.ts";
import { highest, readFloors } from "../src/credentials/floors.ts";
import { authenticator } from "./authenticator.ts";
import { peopleOf } from "./people.ts";
import { passkeyCookie } from "../src/http/cookies.ts";
import { asCookie, goodPassword, testService, type Answer } from "./service.ts";

/**
 * P8: what a process has once seen refused it refuses, whatever the database under it says later. Each kind by itself, with
 * what it refuses good a moment before.
 */
const service = await testService();
const { ground, clock } = service;
const { person } = peopleOf(service);

/** The process has seen this floor raised; the database has not. */
async function see(kind: FloorKind): Promise<void> {
  ground.seen.seeOne(kind, (highest(await readFloors(ground.plainDb)) + 1) as Epoch);
}

async function ceremony(path: string, cookies: Readonly<Record<string, string>> = {}) {
  const { body, cookies: given } = await service.call("POST", path, { body: {}, cookies });
  const options = body["options"] as Record<string, unknown>;
  return { options, cookies: { ...cookies, [passkeyCookie]: given[passkeyCookie] ?? "" } };
}

test("a passkey, a password and a session are refused by the floor that was seen", async () => {
  const ada = await person();
  const device = authenticator(ground.config.publicOrigin);
  const adding = await ceremony("/api/account/passkeys/options", asCookie(ada.session));
  const body = { answer: device.create(adding.options), name: "A telephone" };
  expect((await service.call("POST", "/api/account/passkeys", { body, cookies: adding.cookies })).status).toBe(201);
  const session = service.newestOf(ada.session);

  const byPasskey = async (): Promise<Answer> => {
    const { options, cookies } = await ceremony("/api/sessions/passkey/options");
    return service.call("POST", "/api/sessions/passkey", { body: { answer: device.get(options) }, cookies });
  };
  const byPassword = () =>
    service.call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } });
  const bySession = () => service.call("GET", "/api/session", { cookies: asCookie(session) });
  const statuses = async () => [(await byPasskey()).status, (await byPassword()).status, (await bySession()).status];

  expect(await statuses()).toEqual([201, 201, 200]);
  await see("passkey");
  expect(await statuses()).toEqual([401, 201, 200]);
  await see("password");
  expect(await statuses()).toEqual([401, 401, 200]);
  await see("browser");
  expect(await statuses()).toEqual([401, 401, 401]);
  // A lower one, as an older copy has it, changes nothing.
  ground.seen.see(await readFloors(ground.plainDb));
  clock.advance(1_000);
  expect(await statuses()).toEqual([401, 401, 401]);
});
