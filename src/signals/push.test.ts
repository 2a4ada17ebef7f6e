import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { answering } from "../../test/signal-receiver.ts";
import { claimsOf, eventOf, signalService, subjectOf } from "../../test/signal-service.ts";
import type { AccountId } from "../kernel/brand.ts";
import { hourMs, minuteMs, secondMs } from "../kernel/clock.ts";
import { newLog } from "../kernel/log.ts";
import { distributeSignals } from "./distribute.ts";
import { accountPurged, credentialChange, sessionRevoked } from "./events.ts";
import { pushDue } from "./push.ts";
import { queueSignal } from "./queue-signal.ts";
import { listReceivers } from "./receivers.ts";
import { startTransmitter } from "./transmit.ts";

/** P15: what is pushed goes out when its turn is, by one worker at a time, whatever else the receiver does not take. */
const { service, endpoint, transmitting, transmit, relyingService } = await signalService();
const { ground, clock } = service;
const { db, random } = ground;

const push = (): Promise<number> => pushDue(transmitting, new AbortController().signal);
const happen = async (count = 1): Promise<AccountId[]> => {
  const ids = Array.from({ length: count }, () => crypto.randomUUID() as AccountId);
  for (const accountId of ids) {
    clock.advance(1);
    await queueSignal(db, random, accountId, ["session revoked"], "devices signed out", clock.now());
  }
  return ids;
};
const deliveryTo = (path: string) => ({ method: "urn:ietf:rfc:8935", endpoint_url: `${endpoint.origin}${path}` });
async function pushed(path = "/events") {
  const { receiver, id } = await relyingService();
  const delivery = deliveryTo(path);
  const { stream_id } = await receiver.createStream({ delivery, events_requested: [sessionRevoked] });
  const change = async (method: string, name: string, body: object): Promise<void> => {
    const { status, text } = await receiver.ask(method, receiver.endpoint(name), { stream_id, ...body });
    expect(status, text).toBe(200);
  };
  const counts = async () => (await listReceivers(db)).find((one) => one.id === id)?.streams[0];
  return { receiver, stream_id, delivery, change, counts };
}
type Change = Awaited<ReturnType<typeof pushed>>["change"];

describe("whose turn it is", () => {
  test("a stream that another worker pushes is left to it for a minute, and to nobody longer", async () => {
    const { stream_id, counts } = await pushed();
    await happen();
    endpoint.answer(answering(503));
    await transmit();
    endpoint.answer();
    endpoint.came.splice(0);
    clock.advance(minuteMs);
    await db.run(`update signal_stream set lease_until = $2 where id = $1`, [
      stream_id,
      new Date(clock.now() + minuteMs),
    ]);
    expect(await push()).toBe(0);
    expect(endpoint.came).toEqual([]);
    clock.advance(minuteMs);
    expect(await push()).toBe(1);
    expect(await counts()).toMatchObject({ taken: 1, waiting: 0 });
    // It is given back with the end of the round, and not with that minute.
    await happen();
    await transmit();
    expect(await counts()).toMatchObject({ taken: 2, waiting: 0 });
  });

  test("a polled stream is none that is pushed, whatever waits for it", async () => {
    const { receiver } = await relyingService();
    await receiver.createStream({});
    await happen();
    await transmit();
    const said: string[] = [];
    const log = newLog("worker", "warn", { write: (text) => void said.push(text) });
    expect(await pushDue({ ...transmitting, log }, new AbortController().signal)).toBe(0);
    expect(said).toEqual([]);
  });

  test("a paused stream is not pushed, and what came meanwhile goes out once it is enabled", async () => {
    const { change, counts } = await pushed();
    await change("POST", "status", { status: "paused" });
    await happen();
    await transmit();
    expect(endpoint.came).toEqual([]);
    expect(await counts()).toMatchObject({ waiting: 1 });
    await change("POST", "status", { status: "enabled" });
    await transmit();
    expect(await counts()).toMatchObject({ taken: 1, waiting: 0 });
  });

  test("an hour's pause ends when the receiver enables its stream, or names another address", async () => {
    const { change, counts, delivery } = await pushed();
    const again = [
      () => change("POST", "status", { status: "enabled", reason: "back" }),
      () => change("PATCH", "configuration", { delivery: { ...delivery, endpoint_url: `${endpoint.origin}/other` } }),
    ];
    for (const [n, begin] of again.entries()) {
      await happen();
      endpoint.answer(answering(429, undefined, { "retry-after": "3600" }));
      await transmit();
      endpoint.answer();
      await transmit();
      expect(await counts()).toMatchObject({ taken: n, waiting: 1, failures: 1 });
      await begin();
      expect(await counts()).toMatchObject({ failures: 0 });
      await transmit();
      expect(await counts()).toMatchObject({ taken: n + 1, waiting: 0 });
    }
  });

  test("no receiver is left alone for longer than an hour, whatever it asks for", async () => {
    const { counts } = await pushed();
    await happen();
    endpoint.answer(answering(503, undefined, { "retry-after": "999999" }));
    await transmit();
    endpoint.answer();
    // An hour, and the fifth that is added by chance.
    clock.advance(hourMs + hourMs / 5);
    await transmit();
    expect(await counts()).toMatchObject({ taken: 1, waiting: 0 });
  });
});

describe("what a receiver does not take", () => {
  const claims = (set: string) => JSON.parse(Buffer.from(set.split(".")[1]!, "base64url").toString()) as Claims;
  type Claims = Parameters<typeof subjectOf>[0];
  const refusing = (bad: readonly string[]): void =>
    endpoint.answer((request, response, set) =>
      bad.includes(subjectOf(claims(set))) ? answering(500)(request, response, set) : false,
    );
  const triesOf = (id: string): number => endpoint.came.filter(({ set }) => subjectOf(claims(set)) === id).length;

  test("one bad signal waits by itself, and is tried again after its own pause", async () => {
    const { counts } = await pushed();
    const [bad, ...good] = await happen(4);
    refusing([bad!]);
    await transmit();
    expect(await counts()).toMatchObject({ taken: good.length, waiting: 1, failures: 0 });
    // Others that come do not bring it back before its time.
    await happen();
    await transmit();
    expect(triesOf(bad!)).toBe(1);
    clock.advance(minuteMs);
    endpoint.answer();
    await transmit();
    expect(triesOf(bad!)).toBe(2);
    expect(await counts()).toMatchObject({ taken: good.length + 2, waiting: 0 });
  });

  test("a receiver that takes nothing gets eight at once, and forty bad ones keep none from what comes after them", async () => {
    const { counts } = await pushed();
    const bad = await happen(40);
    refusing(bad);
    await transmit();
    expect(endpoint.came).toHaveLength(8);
    const [good] = await happen();
    for (let round = 0; round < 6; round++) {
      clock.advance(2 * hourMs);
      await transmit();
    }
    expect(triesOf(good!)).toBe(1);
    expect(await counts()).toMatchObject({ taken: 1, waiting: bad.length });
  });

  test("the secret of an address that was given up goes to no other", async () => {
    const { change, delivery } = await pushed();
    await change("PATCH", "configuration", { delivery: { ...delivery, authorization_header: "Bearer of-the-first" } });
    await happen();
    await transmit();
    await change("PATCH", "configuration", { delivery: { ...delivery, endpoint_url: `${endpoint.origin}/other` } });
    clock.advance(secondMs);
    await happen();
    await transmit();
    expect(endpoint.came.map(({ headers }) => headers.authorization)).toEqual(["Bearer of-the-first", undefined]);
  });
});

describe("of several streams", () => {
  /** What has come so far at each path, counted as it comes. */
  const count = (path: string, counts: Map<string, number>): void => void counts.set(path, (counts.get(path) ?? 0) + 1);

  test("a receiver that is slow to answer holds up no other", async () => {
    await pushed("/slow");
    const { counts } = await pushed("/fast");
    const held: ServerResponse[] = [];
    let isGivenUp = false;
    endpoint.answer((request, response) => {
      if (request.url !== "/slow") return false;
      held.push(response);
      response.once("close", () => {
        if (!response.writableEnded) isGivenUp = true;
      });
      return true;
    });
    await happen(100);
    const transmitter = startTransmitter(transmitting);
    try {
      await expect.poll(async () => (await counts())?.taken, { timeout: 20_000 }).toBe(100);
      expect(held.length).toBe(8);
      expect(isGivenUp).toBe(false);
    } finally {
      endpoint.answer();
      for (const response of held) response.writeHead(202).end();
      await transmitter.stop();
    }
  });

  test("each has its turn, however many there are", async () => {
    const { receiver } = await pushed("/0");
    const { receiver: other } = await pushed("/1");
    for (const [at, path] of ["/2", "/3", "/4", "/5"].entries()) {
      const order = { delivery: deliveryTo(path), events_requested: [sessionRevoked] };
      await (at % 2 === 0 ? receiver : other).createStream(order);
    }
    const counts = new Map<string, number>();
    let streamsAtThirdRound: number | undefined;
    endpoint.answer((request) => {
      count(request.url ?? "", counts);
      // A round has 32.
      if ((counts.get(request.url ?? "") ?? 0) > 64) streamsAtThirdRound ??= counts.size;
      return false;
    });
    await happen(70);
    const transmitter = startTransmitter(transmitting);
    try {
      await expect.poll(() => [...counts.values()], { timeout: 20_000 }).toEqual(Array<number>(6).fill(70));
      expect(streamsAtThirdRound).toBe(6);
    } finally {
      await transmitter.stop();
    }
  });
});

test.each([
  ["paused", async (change: Change) => change("POST", "status", { status: "paused" })],
  ["moved", async (change: Change) => change("PATCH", "configuration", { delivery: deliveryTo("/other") })],
])("a stream that is %s in the middle of a round is told nothing more where it was", async (_what, how) => {
  const { change, counts } = await pushed();
  await happen(20);
  await distributeSignals(transmitting);
  let changed: Promise<void> | undefined;
  endpoint.answer((_request, response) => {
    changed ??= how(change);
    void changed.then(() => response.writeHead(202).end());
    return true;
  });
  await push();
  expect(endpoint.came).toHaveLength(8);
  await change("POST", "status", { status: "enabled" });
  endpoint.answer();
  await transmit();
  expect(await counts()).toMatchObject({ taken: 20, waiting: 0 });
});

describe("order and trouble", () => {
  const claims = (set: string) => JSON.parse(Buffer.from(set.split(".")[1]!, "base64url").toString()) as Claims;
  type Claims = Parameters<typeof subjectOf>[0];

  test("what happened to one account is handed over one by one, in that order, also after a pause", async () => {
    const { receiver } = await relyingService();
    const { stream_id } = await receiver.createStream({ delivery: deliveryTo("/events") });
    const status = (to: string) => receiver.ask("POST", receiver.endpoint("status"), { stream_id, status: to });
    await status("paused");
    const [ada, bob] = [crypto.randomUUID() as AccountId, crypto.randomUUID() as AccountId];
    const changes = ["authenticator added", "authenticator removed", "password changed", "account purged"] as const;
    for (const kind of changes) {
      for (const accountId of [ada, bob]) {
        clock.advance(1);
        await queueSignal(db, random, accountId, [kind], "second factor changed", clock.now());
      }
    }
    await transmit();
    await status("enabled");
    const underWay = new Map<string, number>();
    let mostOfOne = 0;
    let mostAtOnce = 0;
    let held: (() => void)[] = [];
    endpoint.answer((_request, response, set) => {
      const subject = subjectOf(claims(set));
      underWay.set(subject, (underWay.get(subject) ?? 0) + 1);
      mostOfOne = Math.max(mostOfOne, ...underWay.values());
      mostAtOnce = Math.max(
        mostAtOnce,
        [...underWay.values()].reduce((sum, one) => sum + one, 0),
      );
      held.push(() => {
        underWay.set(subject, underWay.get(subject)! - 1);
        response.writeHead(202).end();
      });
      if (held.length < 2) return true;
      // One of each is there, and is answered once whatever else was sent in the same moment has had the time to come.
      const both = held;
      held = [];
      setTimeout(() => both.forEach((answer) => answer()), 50);
      return true;
    });
    await transmit();
    expect([mostOfOne, mostAtOnce]).toEqual([1, 2]);
    const told = endpoint.came.map(({ set }) => claims(set)).filter((one) => subjectOf(one) === ada);
    expect(told.map((one) => [eventOf(one), claimsOf(one)["change_type"]])).toEqual([
      [credentialChange, "create"],
      [credentialChange, "revoke"],
      [credentialChange, "update"],
      [accountPurged, undefined],
    ]);
  });

  test.each([
    ["while nobody is there", 503, "all"],
    ["while one is told to wait", 429, "one"],
    ["while one is answered with an error once", 500, "one"],
  ])("what happens to an account %s comes after what happened before", async (_when, status, who) => {
    const { receiver } = await relyingService();
    await receiver.createStream({ delivery: deliveryTo("/events") });
    const [ada, bob] = [crypto.randomUUID() as AccountId, crypto.randomUUID() as AccountId];
    const change = async (accountId: AccountId, kind: "authenticator added" | "authenticator removed") => {
      clock.advance(1);
      await queueSignal(db, random, accountId, [kind], "second factor changed", clock.now());
    };
    const told = () =>
      endpoint.came
        .map(({ set }) => claims(set))
        .filter((one) => subjectOf(one) === ada)
        .map((one) => claimsOf(one)["change_type"]);
    endpoint.answer((request, response, set) =>
      who === "all" || subjectOf(claims(set)) === ada ? answering(status)(request, response, set) : false,
    );
    await change(ada, "authenticator added");
    await change(bob, "authenticator added");
    await transmit();
    expect(told()).toEqual(["create"]);
    endpoint.answer();
    endpoint.came.splice(0);
    await change(ada, "authenticator removed");
    for (let n = 0; n < 4; n++) {
      await transmit();
      clock.advance(minuteMs / 3);
    }
    expect(told()).toEqual(["create", "revoke"]);
  });

  test.each([429, 503])(
    "one that is answered with %i while others are taken does not hold up its account for longer than two tries",
    async (status) => {
      const { counts } = await pushed();
      const [bad] = await happen();
      const first = async (): Promise<boolean> => (await counts())?.waiting === 1;
      let bads: string | undefined;
      endpoint.answer((request, response, set) => {
        const { jti } = JSON.parse(Buffer.from(set.split(".")[1]!, "base64url").toString()) as { jti: string };
        if (subjectOf(claims(set)) === bad) bads ??= jti;
        return jti === bads ? answering(status)(request, response, set) : false;
      });
      for (let tried = 0; tried < 2; tried++) {
        await happen();
        await transmit();
        expect(await first()).toBe(true);
        clock.advance(minuteMs);
      }
      await queueSignal(db, random, bad!, ["session revoked"], "devices signed out", clock.now());
      await transmit();
      expect(await counts()).toMatchObject({ taken: 3, waiting: 1 });
    },
  );

  test.each([429, 500, 503])(
    "one that is answered with %i for good does not hold up its account for good",
    async (status) => {
      const { counts } = await pushed();
      const [bad] = await happen();
      let tries = 0;
      endpoint.answer((request, response, set) => {
        const { jti } = JSON.parse(Buffer.from(set.split(".")[1]!, "base64url").toString()) as { jti: string };
        first ??= jti;
        tries++;
        return jti === first ? answering(status)(request, response, set) : false;
      });
      let first: string | undefined;
      await transmit();
      expect(tries).toBe(1);
      await queueSignal(db, random, bad!, ["session revoked"], "devices signed out", clock.now());
      for (let n = 0; n < 6; n++) {
        clock.advance(hourMs);
        await transmit();
      }
      expect(await counts()).toMatchObject({ taken: 1, waiting: 1 });
    },
  );

  test("a bad signal that waits alone keeps one that comes hours later waiting for no longer than a minute", async () => {
    const { counts } = await pushed();
    const [bad] = await happen();
    endpoint.answer((request, response, set) =>
      subjectOf(claims(set)) === bad ? answering(500)(request, response, set) : false,
    );
    for (let hour = 0; hour < 20; hour++) {
      clock.advance(2 * hourMs);
      await transmit();
    }
    expect(await counts()).toMatchObject({ taken: 0, waiting: 1, failures: 20 });
    await happen();
    await transmit();
    expect(await counts()).toMatchObject({ taken: 0, waiting: 2 });
    clock.advance(minuteMs + minuteMs / 5);
    await transmit();
    expect(await counts()).toMatchObject({ taken: 1, waiting: 1, failures: 0 });
  });

  test("a stream whose address does not open is left alone for longer each time, and said", async () => {
    const { stream_id, counts } = await pushed();
    await happen();
    await db.run(`update signal_stream set sealed_endpoint = '\\x01' where id = $1`, [stream_id]);
    const said: string[] = [];
    const log = newLog("worker", "warn", { write: (text) => void said.push(text) });
    const tryNow = () => pushDue({ ...transmitting, log }, new AbortController().signal);
    await distributeSignals(transmitting);
    for (let n = 0; n < 3; n++) await tryNow();
    expect(await counts()).toMatchObject({ waiting: 1, failures: 1 });
    expect(said).toEqual([expect.stringContaining("its address does not open")]);
    clock.advance(2 * secondMs);
    await tryNow();
    expect(await counts()).toMatchObject({ waiting: 1, failures: 2 });
  });

  test("a keyholder that refuses is not asked as fast as it can refuse", async () => {
    const { counts } = await pushed();
    await happen();
    await distributeSignals(transmitting);
    let asked = 0;
    const refusing = {
      ...transmitting.keyholder,
      signSets: (claimed: readonly string[]) => {
        asked++;
        return ground.keyholders.mailer.signSets(claimed);
      },
    };
    const tryNow = () => pushDue({ ...transmitting, keyholder: refusing }, new AbortController().signal);
    for (let n = 0; n < 3; n++) await tryNow();
    expect(asked).toBe(1);
    await transmit();
    clock.advance(2 * secondMs);
    await transmit();
    expect(await counts()).toMatchObject({ taken: 1, waiting: 0 });
  });
});
