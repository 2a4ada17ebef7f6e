import { describe, expect, test } from "vitest";
import { asCookie } from "../../test/service.ts";
import { eventOf, pollNow, signalService, subjectOf } from "../../test/signal-service.ts";
import type { AccountId } from "../kernel/brand.ts";
import { dayMs, secondMs } from "../kernel/clock.ts";
import { sessionRevoked, streamUpdated } from "./events.ts";
import { pollPlaces, type PollPlaces } from "./poll-places.ts";
import { pollStream } from "./poll.ts";
import { queueSignal } from "./queue-signal.ts";
import { listReceivers, receiverOf } from "./receivers.ts";
import { dropAged } from "./settle.ts";
import { parseStreamId } from "./streams.ts";
import { Secret } from "../kernel/secret.ts";

/** P15: a relying service polls its own streams, and settles nothing but what it was given over them. */
const { service, issuer, endpoint, transmitting, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;
const { db, random, log } = ground;

const happen = async (count = 1): Promise<AccountId[]> => {
  const ids = Array.from({ length: count }, () => crypto.randomUUID() as AccountId);
  for (const accountId of ids) {
    clock.advance(1);
    await queueSignal(db, random, accountId, ["session revoked"], "devices signed out", clock.now());
  }
  await transmit();
  return ids;
};
/** Streams of one instant would be listed in an order of chance. */
const streamOf = (receiver: Receiver) => {
  clock.advance(1);
  return receiver.createStream({});
};
type Receiver = Awaited<ReturnType<typeof relyingService>>["receiver"];
const streamsOf = async (id: string) => (await listReceivers(db)).find((one) => one.id === id)?.streams;

describe("whose stream it is", () => {
  test("another relying service reads, polls, changes, verifies and removes nothing of it", async () => {
    const { receiver, id } = await relyingService();
    const other = await relyingService();
    const { stream_id, delivery } = await receiver.createStream({ format: "opaque" });
    const subject = { format: "opaque", id: crypto.randomUUID() };
    const asks = [
      ["POST", delivery.endpoint_url, { returnImmediately: true }],
      ["GET", `${receiver.endpoint("status")}?stream_id=${stream_id}`, undefined],
      ["POST", receiver.endpoint("status"), { stream_id, status: "paused" }],
      ["POST", receiver.endpoint("verification"), { stream_id }],
      ["POST", receiver.endpoint("add_subject"), { stream_id, subject }],
      ["POST", receiver.endpoint("remove_subject"), { stream_id, subject }],
      ["DELETE", `${receiver.endpoint("configuration")}?stream_id=${stream_id}`, undefined],
    ] as const;
    await happen();
    for (const [method, url, body] of asks) {
      expect([url, (await other.receiver.ask(method, url, body)).status]).toEqual([url, 404]);
    }
    expect(await streamsOf(id)).toMatchObject([{ status: "enabled", waiting: 1, verifying: false }]);
    for (const [method, url, body] of asks) {
      expect([url, (await receiver.ask(method, url, body)).status < 300]).toEqual([url, true]);
    }
  });

  test("what is acknowledged or refused over one stream still waits for another of the same receiver", async () => {
    const { receiver, id } = await relyingService();
    const [one, two] = [await streamOf(receiver), await streamOf(receiver)];
    await happen(2);
    const { sets } = await pollNow(receiver, one.delivery.endpoint_url);
    const [first, second] = sets.map(({ jti }) => jti);
    await pollNow(receiver, two.delivery.endpoint_url, { ack: [first], setErrs: { [second!]: { err: "x" } } });
    expect(await streamsOf(id)).toMatchObject([{ waiting: 2 }, { waiting: 2, taken: 0, refused: 0 }]);
    await pollNow(receiver, one.delivery.endpoint_url, { ack: [first], setErrs: { [second!]: { err: "x" } } });
    expect(await streamsOf(id)).toMatchObject([{ waiting: 0, taken: 1, refused: 1 }, { waiting: 2 }]);
  });

  test("what eight polls acknowledge and refuse in one moment is counted once", async () => {
    const { receiver, id } = await relyingService();
    const { delivery } = await receiver.createStream({});
    await happen(2);
    const [first, second] = (await pollNow(receiver, delivery.endpoint_url)).sets.map(({ jti }) => jti);
    const body = { ack: [first], setErrs: { [second!]: { err: "x" } }, maxEvents: 0 };
    const polls = Array.from({ length: 8 }, () => pollNow(receiver, delivery.endpoint_url, body));
    expect(await Promise.all(polls)).toEqual(Array(8).fill({ sets: [], more: false }));
    expect(await streamsOf(id)).toMatchObject([{ waiting: 0, taken: 1, refused: 1 }]);
  });

  test("a stream that is pushed is not polled", async () => {
    const { receiver } = await relyingService();
    const { stream_id, delivery: poll } = await receiver.createStream({});
    expect((await receiver.ask("POST", poll.endpoint_url, { returnImmediately: true })).status).toBe(200);
    const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: `${endpoint.origin}/events` };
    const url = receiver.endpoint("configuration");
    expect((await receiver.ask("PATCH", url, { stream_id, delivery })).status).toBe(200);
    expect((await receiver.ask("POST", poll.endpoint_url, { returnImmediately: true })).status).toBe(404);
    const elsewhere = { ...poll, endpoint_url: `${issuer}/elsewhere` };
    expect((await receiver.ask("PATCH", url, { stream_id, delivery: elsewhere })).status).toBe(400);
    expect((await receiver.ask("PATCH", url, { stream_id, delivery: poll })).status).toBe(200);
    expect((await receiver.ask("POST", poll.endpoint_url, { returnImmediately: true })).status).toBe(200);
  });
});

describe("what a poll gives", () => {
  test("however many are asked for, at most a hundred", async () => {
    const { receiver } = await relyingService();
    const stream = await receiver.createStream({});
    const ids = await happen(101);
    const { sets, more } = await pollNow(receiver, stream.delivery.endpoint_url, { maxEvents: 1_000_000 });
    expect([sets.map(subjectOf), more]).toEqual([ids.slice(0, 100), true]);
  });

  test("of a stream that was disabled, that it is; one that was paused, or takes something, is not disabled", async () => {
    const { receiver, id } = await relyingService();
    const [dead, paused, alive] = [await streamOf(receiver), await streamOf(receiver), await streamOf(receiver)];
    const status = { stream_id: paused.stream_id, status: "paused" };
    expect((await receiver.ask("POST", receiver.endpoint("status"), status)).status).toBe(200);
    await happen(2);
    clock.advance(4 * dayMs);
    const [taken] = (await pollNow(receiver, alive.delivery.endpoint_url)).sets;
    await pollNow(receiver, alive.delivery.endpoint_url, { ack: [taken!.jti], maxEvents: 0 });
    clock.advance(3 * dayMs + secondMs);
    expect(await dropAged(db, random, clock.now())).toBe(5);
    expect(await streamsOf(id)).toMatchObject([
      { status: "disabled", dropped: 2 },
      { status: "paused", dropped: 2 },
      { status: "enabled", dropped: 1 },
    ]);
    expect((await pollNow(receiver, dead.delivery.endpoint_url)).sets.map(eventOf)).toEqual([streamUpdated]);
  });

  test("a stream that was paused for a week is not disabled for that as soon as it is enabled", async () => {
    const { receiver, id } = await relyingService();
    const { stream_id } = await receiver.createStream({});
    const status = async (to: string): Promise<void> => {
      const body = { stream_id, status: to };
      expect((await receiver.ask("POST", receiver.endpoint("status"), body)).status).toBe(200);
    };
    await status("paused");
    await happen(2);
    clock.advance(7 * dayMs);
    await status("enabled");
    expect(await dropAged(db, random, clock.now())).toBe(2);
    expect(await streamsOf(id)).toMatchObject([{ status: "enabled", dropped: 2, waiting: 0 }]);
  });

  test("a receiver that refuses everything takes nothing, and its stream is disabled", async () => {
    const { receiver, id } = await relyingService();
    const { delivery } = await receiver.createStream({});
    await happen(2);
    clock.advance(4 * dayMs);
    const [first] = (await pollNow(receiver, delivery.endpoint_url)).sets;
    await pollNow(receiver, delivery.endpoint_url, { setErrs: { [first!.jti]: { err: "x" } }, maxEvents: 0 });
    clock.advance(3 * dayMs + secondMs);
    expect(await dropAged(db, random, clock.now())).toBe(1);
    expect(await streamsOf(id)).toMatchObject([{ status: "disabled", refused: 1, dropped: 1 }]);
  });

  test.each(["poll", "push"])(
    "a signal whose address does not open is counted as refused, and holds up no other: %s",
    async (how) => {
      const { receiver, id } = await relyingService({ addressesBecause: "its customers sign in by address" });
      const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: `${endpoint.origin}/events` };
      const stream = await receiver.createStream({
        format: "email",
        events_requested: [sessionRevoked],
        ...(how === "push" && { delivery }),
      });
      const [ada, bob] = [await person(), await person()];
      for (const { address } of [ada, bob]) {
        const subject = { format: "email", email: address };
        await receiver.ask("POST", receiver.endpoint("add_subject"), { stream_id: stream.stream_id, subject });
      }
      await db.run(`update signal_subject set sealed_address = '\\x01' where account_id = $1`, [ada.accountId]);
      for (const { cookie } of [ada, bob]) {
        await service.call("DELETE", "/api/sessions?except=current", { cookies: asCookie(cookie) });
      }
      await transmit();
      const given =
        how === "push"
          ? await Promise.all(endpoint.came.map(({ set }) => receiver.validate(set)))
          : (await pollNow(receiver, stream.delivery.endpoint_url)).sets;
      expect(given.map(subjectOf)).toEqual([bob.address]);
      expect(await streamsOf(id)).toMatchObject([{ refused: 1, waiting: how === "push" ? 0 : 1 }]);
    },
  );

  const polling = async ({ receiver, token }: Awaited<ReturnType<typeof relyingService>>) => {
    const { stream_id } = await receiver.createStream({});
    const found = await receiverOf(db, new Secret(Buffer.from(token, "base64url")), clock.now());
    const never = new AbortController().signal;
    return {
      ask: (places: PollPlaces) =>
        pollStream({ ...transmitting, log }, places, found!, parseStreamId(stream_id), {}, never),
    };
  };
  const noneFree: PollPlaces = { take: () => undefined, taken: () => 1 };

  test("when all places are taken a poll is answered at once, and a place that was taken is given back", async () => {
    const { ask } = await polling(await relyingService());
    expect(await ask(noneFree)).toEqual({ sets: {} });
    const places = pollPlaces(1);
    const waiting = ask(places);
    await expect.poll(() => places.taken()).toBe(1);
    await happen();
    expect(Object.keys((await waiting)!.sets)).toHaveLength(1);
    expect(places.taken()).toBe(0);
  });

  test("a receiver that has all places keeps no other from waiting: its oldest poll is answered", async () => {
    const [greedy, modest] = [await polling(await relyingService()), await polling(await relyingService())];
    const places = pollPlaces(3);
    const waiting: ReturnType<typeof greedy.ask>[] = [];
    for (const nth of [1, 2, 3]) {
      waiting.push(greedy.ask(places));
      await expect.poll(() => places.taken()).toBe(nth);
    }
    const first = modest.ask(places);
    // The oldest, and no other: it would wait for twenty seconds.
    expect(await waiting[0]).toEqual({ sets: {} });
    expect(places.taken()).toBe(3);
    // Its fourth asks for more than its share, and takes nobody's place.
    expect(await greedy.ask(places)).toEqual({ sets: {} });
    await happen();
    for (const one of [first, waiting[1], waiting[2]]) expect(Object.keys((await one!)!.sets)).toHaveLength(1);
    expect(places.taken()).toBe(0);
  });
});

describe("what is not acknowledged", () => {
  test("comes again with the next poll, and then makes way: a hundred of them hold up nothing", async () => {
    const { receiver } = await relyingService();
    const { delivery } = await receiver.createStream({});
    const ids = await happen(101);
    const poll = async (body = {}) => (await pollNow(receiver, delivery.endpoint_url, body)).sets;
    expect((await poll()).map(subjectOf)).toEqual(ids.slice(0, 100));
    // An answer may have been lost: nothing that came later overtakes it.
    const again = await poll();
    expect(again.map(subjectOf)).toEqual(ids.slice(0, 100));
    const [late] = await poll();
    expect(subjectOf(late!)).toBe(ids[100]);
    // It is refused or acknowledged like any other, and those before it wait still.
    clock.advance(secondMs);
    expect((await poll({ ack: [late!.jti, again[0]!.jti] })).map(subjectOf)).toEqual(ids.slice(1, 100));
  });

  test("and a delivery to a receiver that hung up before it does not count", async () => {
    const { receiver, token } = await relyingService();
    const { stream_id, delivery } = await receiver.createStream({});
    await happen();
    const found = await receiverOf(db, new Secret(Buffer.from(token, "base64url")), clock.now());
    for (let n = 0; n < 4; n++) {
      const order = { returnImmediately: true };
      const needs = { ...transmitting, log };
      await pollStream(needs, pollPlaces(), found!, parseStreamId(stream_id), order, AbortSignal.abort());
    }
    const comes = async (): Promise<number> => (await pollNow(receiver, delivery.endpoint_url)).sets.length;
    expect([await comes(), await comes(), await comes()]).toEqual([1, 1, 0]);
  });

  test("comes again after longer and longer, so that who chokes on it is not answered at once for ever", async () => {
    const { receiver } = await relyingService();
    const { delivery } = await receiver.createStream({});
    await happen();
    const comes = async (): Promise<number> => (await pollNow(receiver, delivery.endpoint_url)).sets.length;
    expect([await comes(), await comes(), await comes()]).toEqual([1, 1, 0]);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      clock.advance(seconds * secondMs - 1);
      expect([seconds, await comes()]).toEqual([seconds, 0]);
      clock.advance(1);
      expect([seconds, await comes()]).toEqual([seconds, 1]);
    }
  });
});
