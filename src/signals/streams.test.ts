import { describe, expect, test } from "vitest";
import { pollNow, signalService } from "../../test/signal-service.ts";
import type { AccountId } from "../kernel/brand.ts";
import { hourMs, minuteMs } from "../kernel/clock.ts";
import { readTimeline } from "../timeline/read.ts";
import { sessionRevoked } from "./events.ts";
import { queueSignal } from "./queue-signal.ts";
import { listReceivers } from "./receivers.ts";

/** P15: what one relying service may ask for of its streams, and how often, however it asks. */
const { service, issuer, endpoint, transmit, relyingService, person } = await signalService();
const { ground, clock } = service;
const { db, random } = ground;

const push = (more: object = {}) => ({
  method: "urn:ietf:rfc:8935",
  endpoint_url: `${endpoint.origin}/events`,
  ...more,
});
const streamsOf = async (id: string) => (await listReceivers(db)).find((one) => one.id === id)?.streams;
const entriesOf = async (streamId: string): Promise<number> => {
  const entries = await readTimeline(db, { kinds: ["stream changed"], limit: 1_000 });
  return entries.filter(({ detail }) => detail["stream"] === streamId).length;
};

describe("streams", () => {
  test("of ten that are asked for at once four are made", async () => {
    const { receiver, id } = await relyingService();
    const url = receiver.endpoint("configuration");
    const answers = await Promise.all(Array.from({ length: 10 }, () => receiver.ask("POST", url, {})));
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      ...Array(4).fill(201),
      ...Array(6).fill(409),
    ]);
    expect(await streamsOf(id)).toHaveLength(4);
  });

  test("a stream is not changed into one by address without an agreement, nor its poll given a secret", async () => {
    const { receiver } = await relyingService();
    const url = receiver.endpoint("configuration");
    const { stream_id } = await receiver.createStream({});
    const secret = { method: "urn:ietf:rfc:8936", authorization_header: "Bearer secret" };
    for (const [method, body, field] of [
      ["PATCH", { format: "email" }, "body.format"],
      ["PUT", { format: "email" }, "body.format"],
      ["PATCH", { delivery: secret }, "body.delivery.authorization_header"],
    ] as const) {
      const refused = await receiver.ask(method, url, { stream_id, ...body });
      expect([refused.status, refused.body.fields]).toEqual([400, [{ field, rule: expect.any(String) }]]);
    }
    const opaque = await receiver.ask("PATCH", url, { stream_id, format: "opaque" });
    expect([opaque.status, opaque.body.format]).toEqual([200, "opaque"]);
    const agreed = (await relyingService({ addressesBecause: "its customers sign in by address" })).receiver;
    const its = (await agreed.createStream({})).stream_id;
    expect((await agreed.ask("PATCH", url, { stream_id: its, format: "email" })).status).toBe(200);
  });

  test("what waits for a stream that is changed into one by address is told, by the id that it was made with", async () => {
    const { receiver, id } = await relyingService({ addressesBecause: "its customers sign in by address" });
    const stream = await receiver.createStream({ events_requested: [sessionRevoked] });
    const { accountId } = await person();
    await queueSignal(db, random, accountId, ["session revoked"], "devices signed out", clock.now());
    await transmit();
    const { stream_id } = stream;
    const url = receiver.endpoint("configuration");
    expect((await receiver.ask("PATCH", url, { stream_id, format: "email" })).status).toBe(200);
    const { sets } = await pollNow(receiver, stream.delivery.endpoint_url);
    expect(sets.map(({ sub_id }) => sub_id)).toEqual([{ format: "iss_sub", iss: issuer, sub: accountId }]);
    expect((await streamsOf(id))?.[0]).toMatchObject({ refused: 0, dropped: 0, waiting: 1 });
  });

  test("another secret of a push is an entry of the record, and the same status said again is none", async () => {
    const { receiver } = await relyingService();
    const url = receiver.endpoint("configuration");
    const { stream_id } = await receiver.createStream({ delivery: push({ authorization_header: "Bearer one" }) });
    const delivery = push({ authorization_header: "Bearer two" });
    expect((await receiver.ask("PATCH", url, { stream_id, delivery })).status).toBe(200);
    expect(await entriesOf(stream_id)).toBe(1);
    for (let n = 0; n < 3; n++) {
      const body = { stream_id, status: "paused", reason: "moving" };
      expect((await receiver.ask("POST", receiver.endpoint("status"), body)).status).toBe(200);
    }
    expect(await entriesOf(stream_id)).toBe(2);
    const read = await receiver.ask("GET", `${receiver.endpoint("status")}?stream_id=${stream_id}`);
    expect(read.body).toEqual({ stream_id, status: "paused", reason: "moving" });
  });

  test("sixty changes in an hour, and the next once it is over; reading and polling are never too many", async () => {
    const { receiver } = await relyingService();
    const url = receiver.endpoint("configuration");
    const { stream_id, delivery } = await receiver.createStream({});
    const change = (description: string) => receiver.ask("PATCH", url, { stream_id, description });
    for (let n = 1; n < 60; n++) expect((await change(`${n}`)).status).toBe(200);
    const refused = await change("one more");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "3600"]);
    expect((await receiver.ask("GET", url)).body).toMatchObject([{ description: "59" }]);
    expect((await receiver.ask("POST", delivery.endpoint_url, { returnImmediately: true })).status).toBe(200);
    clock.advance(hourMs);
    expect((await change("another")).status).toBe(200);
  });
});

test.each([
  ["making and deleting", 30],
  ["replacing", 60],
  ["setting the status", 60],
])("sixty changes in an hour however they are asked for: %s", async (how, times) => {
  const { receiver } = await relyingService();
  const url = receiver.endpoint("configuration");
  const make = () => receiver.ask("POST", url, {});
  const remove = (id: string) => receiver.ask("DELETE", `${url}?stream_id=${id}`);
  const { stream_id } = how === "making and deleting" ? { stream_id: "" } : await receiver.createStream({});
  const changeOnce = async (n: number): Promise<number[]> => {
    if (how === "replacing") return [(await receiver.ask("PUT", url, { stream_id, description: `${n}` })).status];
    if (how === "setting the status") {
      const status = n % 2 === 0 ? "paused" : "enabled";
      return [(await receiver.ask("POST", receiver.endpoint("status"), { stream_id, status })).status];
    }
    const made = await make();
    return [made.status, (await remove(String(made.body["stream_id"]))).status];
  };
  const statuses: number[] = [];
  for (let n = 0; n < times; n++) statuses.push(...(await changeOnce(n)));
  // Where a stream was made before, that was the first of the sixty.
  const done = how === "making and deleting" ? 60 : 59;
  expect(statuses.filter((status) => status < 300)).toHaveLength(done);
  expect(statuses.slice(done)).toEqual(Array<number>(60 - done).fill(429));
  if (how === "making and deleting") expect((await make()).status).toBe(429);
});

test("deleting is a change too", async () => {
  const { receiver } = await relyingService();
  const url = receiver.endpoint("configuration");
  const { stream_id } = await receiver.createStream({});
  for (let n = 1; n < 60; n++) await receiver.ask("PATCH", url, { stream_id, description: `${n}` });
  expect((await receiver.ask("DELETE", `${url}?stream_id=${stream_id}`)).status).toBe(429);
  clock.advance(hourMs);
  expect((await receiver.ask("DELETE", `${url}?stream_id=${stream_id}`)).status).toBe(204);
});

describe("verification", () => {
  test("of several that are asked for at once one is queued, and the next a minute later", async () => {
    const { receiver, id } = await relyingService();
    const { stream_id } = await receiver.createStream({});
    const verify = () => receiver.ask("POST", receiver.endpoint("verification"), { stream_id });
    const answers = await Promise.all(Array.from({ length: 8 }, verify));
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
      204,
      ...Array(7).fill(429),
    ]);
    expect(await streamsOf(id)).toMatchObject([{ waiting: 1, verifying: true }]);
    clock.advance(minuteMs);
    expect((await verify()).status).toBe(204);
  });

  test("a stream that is disabled is not verified; what else waits is no verification", async () => {
    const { receiver, id } = await relyingService();
    const { stream_id } = await receiver.createStream({});
    const somebody = crypto.randomUUID() as AccountId;
    await queueSignal(db, random, somebody, ["session revoked"], "devices signed out", clock.now());
    await transmit();
    expect(await streamsOf(id)).toMatchObject([{ waiting: 1, verifying: false }]);
    const status = (to: string) => receiver.ask("POST", receiver.endpoint("status"), { stream_id, status: to });
    const verify = () => receiver.ask("POST", receiver.endpoint("verification"), { stream_id });
    await status("disabled");
    expect((await verify()).status).toBe(400);
    expect(await streamsOf(id)).toMatchObject([{ waiting: 0, verifying: false, dropped: 1 }]);
    await status("enabled");
    expect((await verify()).status).toBe(204);
  });
});

test("of accounts that do not exist, or are another issuer's, nothing is written; of one that was removed no address stays", async () => {
  const { receiver } = await relyingService({ addressesBecause: "its customers sign in by address" });
  const { accountId, address } = await person();
  const rows = (streamId: string) =>
    db.many<{ state: string; sealed: Buffer | null }>(
      `select state, sealed_address as sealed from signal_subject where stream_id = $1`,
      [streamId],
    );
  const note = async (name: string, streamId: string, subject: object): Promise<void> => {
    const { status, text } = await receiver.ask("POST", receiver.endpoint(name), { stream_id: streamId, subject });
    expect([status < 300, text]).toEqual([true, ""]);
  };
  const byId = await receiver.createStream({ events_requested: [sessionRevoked] });
  const ours = { format: "iss_sub", iss: issuer, sub: accountId };
  await note("remove_subject", byId.stream_id, { ...ours, iss: "https://other.example" });
  await note("remove_subject", byId.stream_id, { ...ours, sub: crypto.randomUUID() });
  expect(await rows(byId.stream_id)).toEqual([]);
  await note("remove_subject", byId.stream_id, ours);
  expect(await rows(byId.stream_id)).toEqual([{ state: "removed", sealed: null }]);

  const byAddress = await receiver.createStream({ format: "email" });
  const subject = { format: "email", email: address };
  await note("add_subject", byAddress.stream_id, subject);
  expect(await rows(byAddress.stream_id)).toEqual([{ state: "added", sealed: expect.any(Buffer) }]);
  await note("remove_subject", byAddress.stream_id, subject);
  expect(await rows(byAddress.stream_id)).toEqual([{ state: "removed", sealed: null }]);
});
