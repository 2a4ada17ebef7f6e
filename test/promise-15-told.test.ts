import { expect, test } from "vitest";
import { browserCookie } from "../src/http/cookies.ts";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import { startRecovery } from "../src/renewal/recovery.ts";
import { credentialChange } from "../src/signals/events.ts";
import { asCookie, goodPassword } from "./service.ts";
import { claimsOf, eventOf, pollNow, signalService } from "./signal-service.ts";
import { setUpTotp } from "./totp-app.ts";

/**
 * P15: relying services are told of an authenticator app whichever way it comes or goes: also where it is one part of
 * another change, and not what somebody asked for.
 */
const { service, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;

const [added, removed] = ["app create", "app revoke"];

/** A stream of changes of credentials. @returns what has been told over it since it was last asked. */
async function listening(): Promise<() => Promise<string[]>> {
  const { receiver } = await relyingService();
  const stream = await receiver.createStream({ events_requested: [credentialChange] });
  return async () => {
    await transmit();
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    await pollNow(receiver, stream.delivery.endpoint_url, { maxEvents: 0, ack: sets.map(({ jti }) => jti) });
    const signals = sets.map((set) => {
      expect(eventOf(set)).toBe(credentialChange);
      const { credential_type, change_type } = claimsOf(set);
      return `${String(credential_type)} ${String(change_type)}`;
    });
    return signals.toSorted();
  };
}

async function notMe(address: string, letter: string): Promise<void> {
  const { undo } = (await service.letters()).find((one) => one.to === address && one.letter === letter) ?? {};
  expect((await service.call("POST", "/not-me", { body: { token: undo ?? "" } })).status).toBe(303);
}

test("P15: an app that takes another's place, and the one whose place it took, when either is taken back", async () => {
  const told = await listening();
  const ada = await person();
  await setUpTotp(service, ada.cookie);
  expect(await told()).toEqual([added]);
  clock.advance(2 * minuteMs);
  await setUpTotp(service, ada.cookie);
  expect(await told()).toEqual([added, removed]);
  // The later one goes, and the earlier one is asked for again.
  await notMe(ada.address, "second factor added");
  expect(await told()).toEqual([added, removed]);
});

test("P15: an app that was added, and one that was removed, when that is taken back", async () => {
  const told = await listening();
  const ada = await person();
  await setUpTotp(service, ada.cookie);
  expect(await told()).toEqual([added]);
  await notMe(ada.address, "second factor added");
  expect(await told()).toEqual([removed]);

  const bob = await person();
  await setUpTotp(service, bob.cookie);
  expect(await told()).toEqual([added]);
  // Longer than what counts as made with what is taken back.
  clock.advance(2 * minuteMs);
  const off = await service.call("POST", "/api/account/totp/remove", {
    body: { password: goodPassword },
    cookies: asCookie(bob.cookie),
  });
  expect(off.status, off.text).toBe(200);
  expect(await told()).toEqual([removed]);
  await notMe(bob.address, "second factor removed");
  expect(await told()).toEqual([added]);
});

test("P15: an app that a recovery waives", async () => {
  const told = await listening();
  const ada = await person();
  await setUpTotp(service, ada.cookie);
  expect(await told()).toEqual([added]);
  clock.advance(minuteMs);
  const address = `new-${ada.address}`;
  const order = { accountId: ada.accountId, address, withoutSecondFactor: true, by: "host" };
  expect((await startRecovery({ ...ground, keyholder: ground.keyholders.web }, order)).kind).toBe("started");
  clock.advance(8 * dayMs);
  const asked = await service.call("POST", "/api/renewals", { body: { address } });
  const letter = (await service.letters()).find((one) => one.to === address && one.letter === "renewal code");
  const renewed = await service.call("POST", "/api/renewals/complete", {
    body: { code: letter?.code, password: "nine lanterns over the harbour" },
    cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
  });
  expect(renewed.status, renewed.text).toBe(200);
  expect(await told()).toEqual([removed, "password update"]);
});
