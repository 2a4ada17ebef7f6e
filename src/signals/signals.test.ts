import { describe, expect, test } from "vitest";
import { asCookie, goodPassword } from "../../test/service.ts";
import { claimsOf, eventOf, pollNow, signalService, subjectOf } from "../../test/signal-service.ts";
import type { AccountId } from "../kernel/brand.ts";
import { dayMs, hourMs, minuteMs, toIso } from "../kernel/clock.ts";
import { keepKeys } from "../rotation/keep-keys.ts";
import { rotateKeys } from "../rotation/rotate.ts";
import { readTimeline } from "../timeline/read.ts";
import { credentialChange, sessionRevoked, supportedEvents } from "./events.ts";
import { queueSignal } from "./queue-signal.ts";
import { listReceivers, renewToken, tokenText } from "./receivers.ts";

/** P15: relying services subscribe, as the Shared Signals Framework 1.0 has it, and nobody else can. */
const { service, issuer, endpoint, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;
const { db, random, keyholders, log } = ground;

// First, while the clock that can be moved is behind the keyholder's own.
test("a new key stands in the key set for an hour before it signs, and what the old one signed stays valid", async () => {
  const { receiver } = await relyingService();
  const stream = await receiver.createStream({});
  const kids = async (): Promise<string[]> =>
    ((await receiver.ask("GET", receiver.configuration.jwks_uri)).body.keys as { kid: string }[]).map(({ kid }) => kid);
  const signedBy = async (): Promise<string | undefined> => {
    const { body } = await receiver.ask("POST", stream.delivery.endpoint_url, { returnImmediately: true });
    const [set = ""] = Object.values(body.sets as Record<string, string>);
    await receiver.validate(set);
    return (JSON.parse(Buffer.from(set.split(".")[0]!, "base64url").toString()) as { kid: string }).kid;
  };
  await queueSignal(db, random, crypto.randomUUID() as AccountId, ["session revoked"], "not me", clock.now());
  await transmit();
  const [old] = await kids();
  expect(await signedBy()).toBe(old);
  const rotating = { db, keys: keyholders.keeper.keys, clock, random };
  clock.set(Math.max(clock.now(), Date.now()));
  expect(await rotateKeys(rotating, ["signal"])).toMatchObject({ rotated: [{ purpose: "signal", isPrepared: true }] });
  const both = await kids();
  expect(both).toHaveLength(2);
  const keeping = { ...rotating, keyholder: keyholders.mailer, log, remarkCanaries: async () => undefined };
  await keepKeys(keeping);
  expect(await signedBy()).toBe(old);
  clock.advance(hourMs + minuteMs);
  await keepKeys(keeping);
  expect(await signedBy()).toBe(both.find((kid) => kid !== old));
}, 60_000);

describe("a receiver built on jose", () => {
  test("finds the transmitter, makes a polled stream, verifies it, and is told of a sign-out", async () => {
    const { receiver } = await relyingService();
    expect(receiver.configuration).toMatchObject({
      spec_version: "1_0",
      issuer,
      delivery_methods_supported: ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
      default_subjects: "ALL",
    });
    expect((await receiver.ask("GET", receiver.endpoint("configuration"))).body).toEqual([]);
    // Without a delivery a stream is polled (SSF 1.0 section 8.1.1.1).
    const stream = await receiver.createStream({ events_requested: [sessionRevoked, "urn:of:nobody"] });
    expect(stream.delivery.method).toBe("urn:ietf:rfc:8936");
    expect([stream.events_delivered, stream.events_supported]).toEqual([[sessionRevoked], supportedEvents]);
    const url = stream.delivery.endpoint_url;

    const state = "what I expect back \u2603";
    const verify = { stream_id: stream.stream_id, state };
    const shown = async () => {
      const { body } = await service.call("GET", "/api/console", { cookies: asCookie(await service.operator()) });
      const [listed] = body["receivers"] as { readonly name: string; readonly streams: object[] }[];
      return listed?.streams[0];
    };
    const fresh = { id: stream.stream_id, method: "poll", status: "enabled", waiting: 0, taken: 0 };
    expect(await shown()).toMatchObject({ ...fresh, takenAt: null, verifying: false });
    expect((await receiver.ask("POST", receiver.endpoint("verification"), verify)).status).toBe(204);
    expect(await shown()).toMatchObject({ ...fresh, waiting: 1, verifying: true });
    const [verification, ...none] = (await pollNow(receiver, url)).sets;
    expect(none).toEqual([]);
    expect(verification?.sub_id).toEqual({ format: "opaque", id: stream.stream_id });
    expect(verification?.events).toEqual({
      "https://schemas.openid.net/secevent/ssf/event-type/verification": { state },
    });
    const tooSoon = await receiver.ask("POST", receiver.endpoint("verification"), verify);
    expect([tooSoon.status, tooSoon.headers.get("retry-after")]).toEqual([429, "60"]);

    const ada = await person();
    await service.signIn(ada.address, goodPassword);
    clock.advance(1);
    await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(ada.cookie) });
    await transmit();
    // The verification is not acknowledged yet, and comes again as it was.
    const { sets } = await pollNow(receiver, url);
    expect(sets).toHaveLength(2);
    expect(sets[0]).toEqual(verification);
    const told = sets[1]!;
    expect(told.sub_id).toEqual({ format: "iss_sub", iss: issuer, sub: ada.accountId });
    expect(eventOf(told)).toBe(sessionRevoked);
    expect(claimsOf(told)).toEqual({
      event_timestamp: Math.floor(clock.now() / 1_000),
      initiating_entity: "user",
      reason_admin: { en: expect.stringMatching(/./) },
    });
    const ack = sets.map(({ jti }) => jti);
    expect(await pollNow(receiver, url, { ack })).toEqual({ sets: [], more: false });
    expect((await listReceivers(db))[0]?.streams).toMatchObject([{ taken: 2, waiting: 0, refused: 0, dropped: 0 }]);
    expect(await shown()).toMatchObject({ taken: 2, waiting: 0, takenAt: toIso(clock.now()), verifying: false });
  });

  test("gets at most what it asks for, is told of more, refuses some, and acknowledges without asking", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({});
    const url = stream.delivery.endpoint_url;
    const ids = Array.from({ length: 5 }, () => crypto.randomUUID() as AccountId);
    for (const accountId of ids) {
      clock.advance(1);
      await queueSignal(db, random, accountId, ["session revoked"], "devices signed out", clock.now());
    }
    await transmit();
    const first = await pollNow(receiver, url, { maxEvents: 2 });
    expect([first.sets.map(subjectOf), first.more]).toEqual([ids.slice(0, 2), true]);
    const acknowledged = await pollNow(receiver, url, { maxEvents: 0, ack: [first.sets[0]!.jti] });
    expect(acknowledged).toEqual({ sets: [], more: true });
    const setErrs = {
      [first.sets[1]!.jti]: { err: "invalid_audience", description: "not mine" },
      "no-such-jti": { err: "x" },
    };
    const rest = await pollNow(receiver, url, { setErrs });
    expect([rest.sets.map(subjectOf), rest.more]).toEqual([ids.slice(2), false]);
    expect((await listReceivers(db))[0]?.streams).toMatchObject([{ taken: 1, refused: 1, waiting: 3 }]);
  });

  test("waits with a long poll until something happens", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({});
    const waiting = receiver.poll(stream.delivery.endpoint_url, {});
    const ada = await person();
    await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(ada.cookie) });
    await transmit();
    expect((await waiting).sets.map(subjectOf)).toEqual([ada.accountId]);
  });

  test("reads, changes, replaces and deletes its streams, and finds none of another's", async () => {
    const { receiver } = await relyingService();
    const url = receiver.endpoint("configuration");
    const made = await receiver.createStream({ description: "one", events_requested: [sessionRevoked] });
    const one = `${url}?stream_id=${made.stream_id}`;
    expect((await receiver.ask("GET", one)).body).toEqual(made);
    expect((await receiver.ask("GET", url)).body).toEqual([made]);

    const changed = await receiver.ask("PATCH", url, {
      stream_id: made.stream_id,
      events_requested: [credentialChange],
    });
    expect(changed.body).toEqual({
      ...made,
      events_requested: [credentialChange],
      events_delivered: [credentialChange],
    });
    const wrong = await receiver.ask("PATCH", url, { stream_id: made.stream_id, aud: "https://other.example" });
    expect([wrong.status, wrong.body.fields]).toEqual([400, [{ field: "body.aud", rule: expect.any(String) }]]);
    // What was read may be sent back, with changes.
    const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: `${endpoint.origin}/events` };
    const { events_delivered: _delivered, ...rest } = changed.body;
    const replaced = await receiver.ask("PUT", url, { ...rest, delivery, description: undefined });
    expect(replaced.status, replaced.text).toBe(200);
    expect(replaced.body).toMatchObject({ delivery, events_delivered: [credentialChange] });
    expect(replaced.body).not.toHaveProperty("description");

    const other = (await relyingService()).receiver;
    expect((await other.ask("GET", one)).status).toBe(404);
    expect((await other.ask("PATCH", url, { stream_id: made.stream_id, description: "mine" })).status).toBe(404);
    expect((await other.ask("DELETE", one)).status).toBe(404);
    expect((await other.ask("POST", made.delivery.endpoint_url, {})).status).toBe(404);
    for (const name of ["status", "verification"]) {
      const asked = await other.ask("POST", other.endpoint(name), {
        stream_id: made.stream_id,
        ...(name === "status" && { status: "disabled" }),
      });
      expect([name, asked.status]).toEqual([name, 404]);
    }
    expect((await receiver.ask("DELETE", one)).status).toBe(204);
    expect((await receiver.ask("GET", one)).status).toBe(404);
    const kinds = ["stream made", "stream changed", "stream removed"] as const;
    const entries = await readTimeline(db, { kinds, limit: 6 });
    const ours = entries.filter(({ detail }) => detail["stream"] === made.stream_id).map(({ kind }) => kind);
    expect(ours.toSorted()).toEqual(["stream changed", "stream changed", "stream made", "stream removed"]);
  });

  test("a paused stream holds what happens, a disabled one holds nothing", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({});
    const url = stream.delivery.endpoint_url;
    const status = (to: string) =>
      receiver.ask("POST", receiver.endpoint("status"), { stream_id: stream.stream_id, status: to, reason: "a test" });
    const happen = async () => {
      await queueSignal(
        db,
        random,
        crypto.randomUUID() as AccountId,
        ["session revoked"],
        "devices signed out",
        clock.now(),
      );
      await transmit();
    };
    expect((await status("paused")).body).toEqual({ stream_id: stream.stream_id, status: "paused", reason: "a test" });
    await happen();
    expect((await pollNow(receiver, url)).sets).toEqual([]);
    await status("enabled");
    expect((await pollNow(receiver, url)).sets).toHaveLength(1);
    await status("disabled");
    await happen();
    await status("enabled");
    expect((await pollNow(receiver, url)).sets).toEqual([]);
    const read = await receiver.ask("GET", `${receiver.endpoint("status")}?stream_id=${stream.stream_id}`);
    expect(read.body).toMatchObject({ status: "enabled" });
  });
});

describe("who may ask", () => {
  test("a relying service by its token alone; a session is none, and a token is no session", async () => {
    const { token, receiver, id } = await relyingService();
    const url = receiver.endpoint("configuration");
    expect((await receiver.ask("GET", url)).status).toBe(200);
    const ada = await person();
    const refusals = [
      { authorization: "" },
      { authorization: "Bearer " },
      { authorization: `Basic ${token}` },
      { authorization: `Bearer ${"A".repeat(43)}` },
      { authorization: `Bearer ${ada.cookie}` },
      { authorization: "", cookie: `__Host-session=${ada.cookie}` },
    ];
    for (const headers of refusals) {
      const refused = await receiver.ask("GET", url, undefined, headers);
      expect([refused.status, refused.body.code]).toEqual([401, "receiver-refused"]);
      expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
    expect((await service.call("GET", "/api/session", { bearer: token })).status).toBe(401);

    const renewed = await renewToken({ db, clock, random }, id, "test");
    expect((await receiver.ask("GET", url)).status).toBe(401);
    const fresh = { authorization: `Bearer ${tokenText(renewed!.token)}` };
    expect((await receiver.ask("GET", url, undefined, fresh)).status).toBe(200);
    clock.advance(366 * dayMs);
    expect((await receiver.ask("GET", url, undefined, fresh)).status).toBe(401);
  });

  test("a fifth stream, a foreign endpoint, an unknown field and an endless one are refused by name", async () => {
    const { receiver } = await relyingService();
    const url = receiver.endpoint("configuration");
    const push = (endpoint_url: string) => ({ delivery: { method: "urn:ietf:rfc:8935", endpoint_url } });
    const bad: readonly (readonly [object, string])[] = [
      [push("https://elsewhere.example/events"), "body.delivery.endpoint_url"],
      [push(endpoint.origin.replace("://", "://user:secret@")), "body.delivery.endpoint_url"],
      [push(endpoint.origin.replace("localhost", "127.0.0.1")), "body.delivery.endpoint_url"],
      [push("file:///etc/passwd"), "body.delivery.endpoint_url"],
      [{ delivery: { method: "urn:ietf:rfc:8935" } }, "body.delivery.endpoint_url"],
      [{ delivery: { method: "urn:example:pigeon" } }, "body.delivery.method"],
      [{ format: "email" }, "body.format"],
      [{ events_requested: Array.from({ length: 51 }, () => sessionRevoked) }, "body.events_requested"],
      [{ description: "x".repeat(201) }, "body.description"],
      [{ secret_field: 1 }, "body"],
    ];
    for (const [body, field] of bad) {
      const refused = await receiver.ask("POST", url, body);
      const fields = (refused.body.fields as { field: string }[]).map((one) => one.field);
      expect([refused.status, fields]).toEqual([400, expect.arrayContaining([field])]);
      expect(refused.text).not.toMatch(/secret|elsewhere|passwd|pigeon/);
    }
    for (let n = 0; n < 4; n++) await receiver.createStream(push(`${endpoint.origin}/${n}`));
    const fifth = await receiver.ask("POST", url, {});
    expect([fifth.status, fifth.body.code]).toEqual([409, "too-many-streams"]);
  });

  test("addresses only where they are agreed, only of accounts that were added, and nobody learns who has one", async () => {
    const { receiver, id } = await relyingService({ addressesBecause: "its customers sign in by address" });
    const stream = await receiver.createStream({ format: "email", events_requested: [sessionRevoked] });
    const [ada, bob] = [await person(), await person()];
    const add = (email: string) =>
      receiver.ask("POST", receiver.endpoint("add_subject"), {
        stream_id: stream.stream_id,
        subject: { format: "email", email },
      });
    const spelling = ada.address.toUpperCase();
    const answers = [await add(spelling), await add("nobody@example.org"), await add("no address at all")];
    expect(answers.map(({ status, text }) => [status, text])).toEqual([200, 200, 200].map((status) => [status, ""]));
    const signOut = ({ cookie }: { cookie: string }) =>
      service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(cookie) });
    for (const one of [ada, bob]) await signOut(one);
    await transmit();
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    // As the receiver spelt it, whatever the account's own spelling.
    expect(sets.map(({ sub_id }) => sub_id)).toEqual([{ format: "email", email: spelling }]);
    const removed = await receiver.ask("POST", receiver.endpoint("remove_subject"), {
      stream_id: stream.stream_id,
      subject: { format: "email", email: ada.address },
    });
    expect([removed.status, removed.text]).toEqual([204, ""]);
    await signOut(ada);
    await transmit();
    expect((await pollNow(receiver, stream.delivery.endpoint_url, { ack: sets.map(({ jti }) => jti) })).sets).toEqual(
      [],
    );
    const other = await receiver.ask("POST", receiver.endpoint("add_subject"), {
      stream_id: stream.stream_id,
      subject: { format: "opaque", id: bob.accountId },
    });
    expect(other.status).toBe(400);
    expect((await listReceivers(db)).find((one) => one.id === id)?.addressesBecause).toMatch(/customers/);
  });
});
