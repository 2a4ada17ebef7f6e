import { describe, expect, test } from "vitest";
import { authenticator } from "../../test/authenticator.ts";
import { asCookie, goodPassword } from "../../test/service.ts";
import { containNeedsOf } from "../../test/contain-needs.ts";
import { answering, type Misbehave } from "../../test/signal-receiver.ts";
import { claimsOf, eventOf, pollNow, signalService, subjectOf } from "../../test/signal-service.ts";
import { setUpTotp } from "../../test/totp-app.ts";
import { browserCookie, passkeyCookie } from "../http/cookies.ts";
import { contain, containAccount } from "../incidents/contain.ts";
import { deadlineRules } from "../incidents/deadlines.ts";
import { incidentStatus } from "../incidents/status.ts";
import type { AccountId } from "../kernel/brand.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "../kernel/clock.ts";
import { deleteAccount } from "../leaving/delete-account.ts";
import { accountPurged, credentialChange, credentialCompromise, sessionRevoked } from "./events.ts";
import { mayConnect } from "./post-set.ts";
import { queueSignal } from "./queue-signal.ts";
import { listReceivers, removeReceiver } from "./receivers.ts";
import { dropAged } from "./settle.ts";
import { startTransmitter } from "./transmit.ts";

/** P15: relying services are told the standard security events, each once it has happened and not before. */
const { service, issuer, endpoint, transmitting, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;
const { db, random, keyholders } = ground;

describe("what is told, and when", () => {
  test("every path that signs somebody out or changes what opens an account tells it once, and a rollback tells nothing", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({});
    const told = async (): Promise<string[]> => {
      await transmit();
      const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
      await pollNow(receiver, stream.delivery.endpoint_url, { maxEvents: 0, ack: sets.map(({ jti }) => jti) });
      return sets.map(eventOf).toSorted();
    };
    const ada = await person();
    expect(await told()).toEqual([]);

    const changed = await service.call("POST", "/api/password", {
      body: { currentPassword: goodPassword, newPassword: "eight lanterns over the harbour", signOutDevices: true },
      cookies: asCookie(ada.cookie),
    });
    expect(changed.status, changed.text).toBeLessThan(300);
    expect(await told()).toEqual([credentialChange, sessionRevoked].toSorted());
    const undo = (await service.letters()).find(({ to, undo: link }) => to === ada.address && link !== undefined)?.undo;
    expect(
      (await service.call("POST", "/api/sessions", { body: { address: ada.address, password: goodPassword } })).status,
    ).toBe(401);
    expect(await told()).toEqual([]);
    const takenBack = await service.web.app.inject({
      method: "POST",
      url: "/not-me",
      payload: new URLSearchParams({ token: String(undo) }).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(takenBack.statusCode).toBe(303);
    expect(await told()).toEqual([credentialCompromise, sessionRevoked].toSorted());
    for (const [signOutDevices, events] of [
      [true, [credentialChange, sessionRevoked].toSorted()],
      [false, [credentialChange]],
    ] as const) {
      const asked = await service.call("POST", "/api/renewals", { body: { address: ada.address } });
      const isCode = ({ to, letter }: { to: string; letter: string }) =>
        to === ada.address && letter === "renewal code";
      const code = (await service.letters()).find(isCode)?.code;
      const renewed = await service.call("POST", "/api/renewals/complete", {
        body: { code, password: `nine lanterns, devices out: ${signOutDevices}`, signOutDevices },
        cookies: { [browserCookie]: asked.cookies[browserCookie] ?? "" },
      });
      expect(renewed.status, renewed.text).toBe(200);
      expect(await told()).toEqual(events);
    }

    const bob = await person();
    await setUpTotp(service, bob.cookie);
    expect(await told()).toEqual([credentialChange]);
    const needs = containNeedsOf(ground);
    await containAccount(needs, bob.accountId, { reason: "test", operator: "test" });
    expect(await told()).toEqual([credentialCompromise, sessionRevoked].toSorted());
    const forgetting = { db, keyholder: keyholders.web, clock, random, forgetProgress: async () => undefined };
    await deleteAccount(forgetting, bob.accountId, { by: "host", due: false });
    expect(await told()).toEqual([accountPurged, sessionRevoked].toSorted());

    await expect(
      db.transaction(async (tx) => {
        await queueSignal(tx, random, ada.accountId, ["session revoked"], "devices signed out", clock.now());
        throw new Error("rolled back");
      }),
    ).rejects.toThrow("rolled back");
    expect(await told()).toEqual([]);
    await db.run(`update incident set state = 'closed'`);
  });

  test("a passkey that is added, removed, or taken back is told, with whether it roams, to a stream that asks for it", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({ events_requested: [credentialChange] });
    const told = async (): Promise<unknown[]> => {
      await transmit();
      const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
      await pollNow(receiver, stream.delivery.endpoint_url, { maxEvents: 0, ack: sets.map(({ jti }) => jti) });
      return sets.map((set) => {
        const { credential_type, change_type } = claimsOf(set);
        return [eventOf(set), credential_type, change_type];
      });
    };
    const [ada, bob] = [await person(), await person()];
    async function addPasskey({ cookie }: { readonly cookie: string }, transports: readonly string[]): Promise<void> {
      const cookies = asCookie(cookie);
      const asked = await service.call("POST", "/api/account/passkeys/options", { body: {}, cookies });
      const answer = authenticator(issuer).create(asked.body["options"] as Record<string, unknown>);
      const added = await service.call("POST", "/api/account/passkeys", {
        body: { answer: { ...answer, response: { ...answer.response, transports: [...transports] } }, name: "A key" },
        cookies: { ...cookies, [passkeyCookie]: asked.cookies[passkeyCookie] ?? "" },
      });
      expect(added.status, added.text).toBe(201);
    }
    await addPasskey(ada, ["internal", "hybrid"]);
    expect(await told()).toEqual([[credentialChange, "fido2-platform", "create"]]);
    await addPasskey(ada, ["usb", "nfc"]);
    expect(await told()).toEqual([[credentialChange, "fido2-roaming", "create"]]);
    const undo = (await service.letters()).find(({ to, undo: link }) => to === ada.address && link !== undefined)?.undo;
    const payload = new URLSearchParams({ token: String(undo) }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    await service.web.app.inject({ method: "POST", url: "/not-me", payload, headers });
    expect(await told()).toContainEqual([credentialChange, "fido2-roaming", "revoke"]);

    await addPasskey(bob, ["internal"]);
    expect(await told()).toEqual([[credentialChange, "fido2-platform", "create"]]);
    const listed = await service.call("GET", "/api/account/passkeys", { cookies: asCookie(bob.cookie) });
    const [passkey] = listed.body["passkeys"] as { id: string }[];
    const removed = await service.call("DELETE", `/api/account/passkeys/${passkey?.id}`, {
      cookies: asCookie(bob.cookie),
    });
    expect(removed.status, removed.text).toBeLessThan(300);
    expect(await told()).toEqual([[credentialChange, "fido2-platform", "revoke"]]);
  });

  test("containment writes one row, and every account is told of it, with its counts in the case", async () => {
    const { receiver, id } = await relyingService();
    const everybody = await receiver.createStream({ events_requested: [sessionRevoked, credentialCompromise] });
    const some = await receiver.createStream({ events_requested: [credentialCompromise], format: "opaque" });
    const [ada] = [await person(), await person()];
    const remove = { stream_id: some.stream_id, subject: { format: "opaque", id: ada.accountId } };
    expect((await receiver.ask("POST", receiver.endpoint("remove_subject"), remove)).status).toBe(204);
    const accounts = await db.many<{ id: AccountId }>(`select id from account order by id`);
    const before = await db.one<{ count: number }>(`select count(*) as count from signal_fan_out`);
    const needs = containNeedsOf(ground);
    const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
    const { incidentId } = await contain(needs, order);
    const after = await db.one<{ count: number }>(`select count(*) as count from signal_fan_out`);
    expect((after?.count ?? 0) - (before?.count ?? 0)).toBe(1);
    expect((await db.many(`select 1 from signal union all select 1 from signal_delivery`)).length).toBe(0);
    // Who came afterwards was not in it.
    clock.advance(secondMs);
    await person();
    await transmit();
    const { sets } = await pollNow(receiver, everybody.delivery.endpoint_url);
    const revoked = sets.filter((set) => eventOf(set) === sessionRevoked).map(subjectOf);
    expect(revoked.toSorted()).toEqual(accounts.map((one) => one.id));
    expect(sets).toHaveLength(2 * accounts.length);
    // What belongs together says so, and nobody else's belongs with it.
    expect(new Set(sets.map(({ txn }) => txn)).size).toBe(accounts.length);
    const opaque = await pollNow(receiver, some.delivery.endpoint_url);
    expect(opaque.sets.map(subjectOf).toSorted()).toEqual(
      accounts.map((one) => one.id).filter((one) => one !== ada.accountId),
    );
    await pollNow(receiver, everybody.delivery.endpoint_url, {
      ack: sets.slice(1).map(({ jti }) => jti),
      maxEvents: 0,
    });
    await pollNow(receiver, everybody.delivery.endpoint_url, {
      setErrs: { [sets[0]!.jti]: { err: "invalid_request" } },
    });
    const { signals } = (await incidentStatus({ db, clock, deadlines: deadlineRules }, incidentId))!;
    const made = 2 * accounts.length;
    expect(signals.find(({ streamId }) => streamId === everybody.stream_id)).toMatchObject({
      accounts: accounts.length,
      made,
      taken: made - 1,
      refused: 1,
      dropped: 0,
      waiting: 0,
      finished: true,
    });
    expect(signals.find(({ streamId }) => streamId === some.stream_id)).toMatchObject({
      made: accounts.length - 1,
      taken: 0,
      waiting: accounts.length - 1,
      finished: false,
    });
    await removeReceiver({ db, clock, random }, id, "test");
    await db.run(`update incident set state = 'closed'`);
  });

  test("a case calls nothing taken that still waited when its stream was disabled or deleted", async () => {
    const { receiver } = await relyingService();
    const [disabled, deleted] = [await receiver.createStream({}), await receiver.createStream({})];
    await person();
    const { incidentId } = await contain(containNeedsOf(ground), {
      mode: "everyone-out",
      keepTools: false,
      reason: "test",
      operator: "test",
    });
    await transmit();
    const sums = async () =>
      (await incidentStatus({ db, clock, deadlines: deadlineRules }, incidentId))!.signals.map(
        ({ made, taken, dropped, waiting }) => ({
          untold: made - dropped - waiting,
          taken,
          waiting,
        }),
      );
    expect((await sums()).every(({ waiting }) => waiting > 0)).toBe(true);
    const status = { stream_id: disabled.stream_id, status: "disabled" };
    expect((await receiver.ask("POST", receiver.endpoint("status"), status)).status).toBe(200);
    const stream = `${receiver.endpoint("configuration")}?stream_id=${deleted.stream_id}`;
    expect((await receiver.ask("DELETE", stream)).status).toBe(204);
    const nothing = { untold: 0, taken: 0, waiting: 0 };
    expect(await sums()).toEqual([nothing, nothing]);
    await db.run(`update incident set state = 'closed'`);
  });

  test("what is too old is dropped also while there is always something else to do", async () => {
    const { receiver } = await relyingService();
    await receiver.createStream({});
    const happen = (): Promise<void> => {
      const somebody = crypto.randomUUID() as AccountId;
      return queueSignal(db, random, somebody, ["session revoked"], "devices signed out", clock.now());
    };
    await happen();
    await transmit();
    const old = async () =>
      (await db.many(`select 1 from signal_delivery where made_at < $1`, [new Date(agedAt)])).length;
    const agedAt = clock.now() + 1;
    clock.advance(8 * dayMs);
    expect(await old()).toBe(1);
    // Each signal that is given to the streams is followed by another.
    await db.run(`create function again() returns trigger language plpgsql as
      $$ begin insert into signal select (old).*; return null; end $$`);
    await db.run(`create trigger again after delete on signal for each row execute function again()`);
    await happen();
    const transmitter = startTransmitter(transmitting);
    try {
      await expect.poll(old, { timeout: 20_000 }).toBe(0);
    } finally {
      await transmitter.stop();
      await db.run(`drop trigger again on signal`);
      await db.run(`drop function again`);
      await db.run(`delete from signal`);
    }
  });
});

const tooLong: Misbehave = (_request, response) => {
  response.writeHead(200).end("x".repeat(1_000_000));
  return true;
};
const broken: Misbehave = (request) => {
  request.socket.destroy();
  return true;
};

describe("push", () => {
  async function pushed(more: object = {}) {
    const { receiver, id } = await relyingService();
    const delivery = {
      method: "urn:ietf:rfc:8935",
      endpoint_url: `${endpoint.origin}/events`,
      authorization_header: "Bearer of-the-receiver",
    };
    const stream = await receiver.createStream({ delivery, events_requested: [sessionRevoked], ...more });
    const happen = async (): Promise<string> => {
      clock.advance(1);
      const accountId = crypto.randomUUID() as AccountId;
      await queueSignal(db, random, accountId, ["session revoked"], "devices signed out", clock.now());
      return accountId;
    };
    const counts = async () => (await listReceivers(db)).find((one) => one.id === id)?.streams[0];
    return { receiver, stream, happen, counts };
  }

  test("hands each SET over with the receiver's own authorization", async () => {
    const { receiver, stream, happen, counts } = await pushed();
    expect(JSON.stringify(stream)).not.toContain("of-the-receiver");
    const ids = [await happen(), await happen()];
    await transmit();
    expect(
      endpoint.came.map(({ headers }) => [headers["content-type"], headers.accept, headers.authorization]),
    ).toEqual(ids.map(() => ["application/secevent+jwt", "application/json", "Bearer of-the-receiver"]));
    const sets = await Promise.all(endpoint.came.map(({ set }) => receiver.validate(set)));
    expect(sets.map(subjectOf).toSorted()).toEqual(ids.toSorted());
    expect(await counts()).toMatchObject({ taken: 2, waiting: 0 });
  });

  test.each([
    ["503", answering(503)],
    ["a redirect, which is not followed", answering(307, undefined, { location: "/elsewhere" })],
    ["401", answering(401)],
    ["a key that it does not know yet", answering(400, "invalid_key")],
    ["400 without a reason", answering(400)],
    ["an endless answer", tooLong],
    ["a connection that breaks", broken],
  ] as const)("tried again with growing pauses, under the same jti: %s", async (_what, how) => {
    const { receiver, happen, counts } = await pushed();
    await happen();
    endpoint.answer(how);
    await transmit();
    expect(endpoint.came).toHaveLength(1);
    // Not before its time: the pause doubles.
    for (const [pauseMs, tries] of [
      [500, 1],
      [1_000, 2],
      [1_000, 2],
      [2_000, 3],
      [2_000, 3],
      [4_000, 4],
    ] as const) {
      clock.advance(pauseMs);
      await transmit();
      expect([pauseMs, endpoint.came.length]).toEqual([pauseMs, tries]);
    }
    expect(await counts()).toMatchObject({ taken: 0, waiting: 1, failures: 4 });
    endpoint.answer();
    clock.advance(minuteMs);
    await transmit();
    const jtis = await Promise.all(endpoint.came.map(async ({ set }) => (await receiver.validate(set)).jti));
    expect([jtis.length, new Set(jtis).size]).toEqual([5, 1]);
    expect(await counts()).toMatchObject({ taken: 1, waiting: 0, failures: 0 });
  });

  test("what the receiver says it will never take is counted and not tried again", async () => {
    const { happen, counts } = await pushed();
    await happen();
    endpoint.answer(answering(400, "invalid_request"));
    await transmit();
    clock.advance(hourMs);
    await transmit();
    expect(endpoint.came).toHaveLength(1);
    expect(await counts()).toMatchObject({ taken: 0, refused: 1, waiting: 0, failures: 0 });
  });

  test("Retry-After is kept to, and one bad signal holds up no other", async () => {
    const { receiver, happen, counts } = await pushed();
    await happen();
    endpoint.answer(answering(429, undefined, { "retry-after": "600" }));
    await transmit();
    clock.advance(9 * minuteMs);
    await transmit();
    expect(endpoint.came).toHaveLength(1);
    const poison = (await receiver.validate(endpoint.came[0]!.set)).jti;
    const isPoison = (set: string): boolean => Buffer.from(set.split(".")[1]!, "base64url").includes(poison);
    endpoint.answer((request, response, set) => isPoison(set) && answering(500)(request, response, set));
    clock.advance(4 * minuteMs);
    for (let n = 0; n < 3; n++) await happen();
    await transmit();
    expect(await counts()).toMatchObject({ taken: 3, waiting: 1 });
  });

  test("after a week in vain the stream is disabled, told so, and can be enabled again", async () => {
    const { receiver, stream, happen, counts } = await pushed();
    await happen();
    endpoint.answer(answering(503));
    await transmit();
    clock.advance(7 * dayMs - hourMs);
    await happen();
    expect(await dropAged(db, random, clock.now())).toBe(0);
    clock.advance(2 * hourMs);
    await transmit();
    expect(await dropAged(db, random, clock.now())).toBe(2);
    expect(await counts()).toMatchObject({ status: "disabled", dropped: 2, waiting: 1 });
    endpoint.answer();
    endpoint.came.splice(0);
    clock.advance(2 * hourMs);
    await transmit();
    const [updated] = await Promise.all(endpoint.came.map(({ set }) => receiver.validate(set)));
    expect(updated?.events).toEqual({
      "https://schemas.openid.net/secevent/ssf/event-type/stream-updated": {
        status: "disabled",
        reason: "nothing was taken for seven days",
      },
    });
    await happen();
    await transmit();
    expect(endpoint.came).toHaveLength(1);
    await receiver.ask("POST", receiver.endpoint("status"), { stream_id: stream.stream_id, status: "enabled" });
    await happen();
    await transmit();
    expect(endpoint.came).toHaveLength(2);
  });
});

test.each([
  ["93.184.215.14", true, true],
  ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", true, true],
  ["127.0.0.1", false, false],
  ["::1", false, false],
  ["10.1.2.3", false, true],
  ["192.168.0.9", false, true],
  ["172.31.255.255", false, true],
  ["fd00::7", false, true],
  ["169.254.169.254", false, false],
  ["fe80::1", false, false],
  ["::ffff:127.0.0.1", false, false],
  ["::ffff:169.254.169.254", false, false],
  ["64:ff9b::a00:1", false, true],
  ["::ffff:93.184.215.14", true, true],
  ["64:ff9b::5db8:d70e", true, true],
  ["64:ff9b:1::a00:1", false, false],
  ["64:ff9b:1:a:0:0:a9fe:a9fe", false, false],
  ["::127.0.0.1", false, false],
  ["::ffff:0:127.0.0.1", false, false],
  ["2001::a00:1", false, false],
  ["fec0::1", false, false],
  ["0.0.0.0", false, false],
  ["224.0.0.1", false, false],
] as const)("signals to %s: %s, and %s where a private network is agreed", (address, open, agreed) => {
  expect([
    mayConnect(address, { privateNetwork: false, isThisMachine: false }),
    mayConnect(address, { privateNetwork: true, isThisMachine: false }),
  ]).toEqual([open, agreed]);
});
