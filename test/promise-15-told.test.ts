import { expect, test } from "vitest";
import { layGround } from "../src/app.ts";
import { readStanding } from "../src/credentials/standing.ts";
import { testConnection } from "../src/db/test-database.ts";
import { browserCookie } from "../src/http/cookies.ts";
import type { Epoch } from "../src/kernel/brand.ts";
import { dayMs, minuteMs } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { startRecovery } from "../src/renewal/recovery.ts";
import { credentialChange, credentialCompromise, sessionRevoked } from "../src/signals/events.ts";
import { asCookie, goodPassword } from "./service.ts";
import { claimsOf, eventOf, pollNow, signalService, subjectOf } from "./signal-service.ts";
import { setUpTotp } from "./totp-app.ts";

/**
 * P15: relying services are told of what nobody asked for by name as well: an authenticator app that comes or goes as one
 * part of another change, and sessions that end because an older copy of the database was put back.
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

/** A process that starts beside this one, and compares what it finds with the witness. */
async function startBeside(): Promise<void> {
  const { credentials, socketPath } = service.keyholder;
  const connection = testConnection(String(ground.db.pool.options.database));
  const surroundings = { connection, keyholder: { socketPath, credentials } };
  const beside = await layGround({ config: ground.config, surroundings, log: silentLog, clock });
  try {
    await beside.db.one(`select 1 as it`);
  } finally {
    await beside.close();
  }
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

test.each([
  ["sessions alone, where no containment lies between", "browser", [sessionRevoked]],
  ["passwords too, where one does", "password", [sessionRevoked, credentialCompromise]],
] as const)("P15: everybody, of an older copy that was put back: %s", async (_what, behind, events) => {
  const { receiver } = await relyingService();
  const stream = await receiver.createStream({ events_requested: [sessionRevoked, credentialCompromise] });
  const told = async () => {
    await transmit();
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    return sets.map((set) => `${subjectOf(set)} ${eventOf(set)} ${JSON.stringify(claimsOf(set)["reason_admin"])}`);
  };
  const ada = await person();
  expect(await told()).toEqual([]);
  // The witness remembers more than the database has, as after a restore.
  const { databaseId, floors } = await readStanding(ground.plainDb);
  const next = (Math.max(...Object.values(floors)) + 1) as Epoch;
  await ground.keyholders.operator.witness.confirm(databaseId, { ...floors, [behind]: next });
  await startBeside();
  const accounts = await ground.plainDb.many<{ id: string }>(`select id from account`);
  expect(accounts.map(({ id }) => id)).toContain(ada.accountId);
  const sets = await told();
  for (const { id } of accounts) {
    const itsOwn = sets.filter((set) => set.startsWith(id));
    expect(new Set(itsOwn.map((set) => set.split(" ")[1]))).toEqual(new Set(events));
    expect(itsOwn).toHaveLength(events.length);
    for (const set of itsOwn) expect(set).toContain("An older copy of the database was put back");
  }
});
