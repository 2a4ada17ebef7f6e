import { expect, test } from "vitest";
import { dayMs, secondMs, systemClock, type Clock, type EpochMs } from "../src/kernel/clock.ts";
import { newLog } from "../src/kernel/log.ts";
import { append } from "../src/timeline/append.ts";
import { queueSignal } from "../src/signals/queue-signal.ts";
import type { AccountId } from "../src/kernel/brand.ts";
import { createStream } from "../src/signals/streams.ts";
import { addReceiver, receiverOf } from "../src/signals/receivers.ts";
import { goodPassword } from "./service.ts";
import { workerOverRelay } from "./worker-over-relay.ts";

/** A worker on a host whose clock is not the database's decides nothing: much of what it decides is for good. */
const { service, relay, start } = await workerOverRelay();

const startWorker = (clock: Clock, said: string[], more: Parameters<typeof start>[0] = {}) =>
  start({ clock, log: newLog("worker", "warn", { write: (text) => void said.push(text) }), ...more });

test("a worker whose clock runs a month ahead drops nothing and sends nothing, and works once it is right, until it is wrong again", async () => {
  const { db, keyholders, clock, random } = service.ground;
  const needs = { db, keyholder: keyholders.operator, clock, random, issuer: "http://localhost:8400" };
  const order = { name: "Rely", audience: "https://rely.example", addressesBecause: null, privateNetwork: false };
  const added = await addReceiver(needs, { ...order, pushOrigin: null, by: "test" });
  const receiver = await receiverOf(db, added!.token, clock.now());
  expect((await createStream({ ...needs, keyholder: keyholders.web }, receiver!, {})).kind).toBe("created");
  const happen = () =>
    queueSignal(db, random, crypto.randomUUID() as AccountId, ["session revoked"], "devices signed out", clock.now());
  await happen();
  const waiting = async () =>
    (await db.one<{ signals: number; given: number; dropped: number }>(
      `select (select count(*) from signal) as signals, (select count(*) from signal_delivery) as given,
              (select sum(dropped)::bigint from signal_stream) as dropped`,
    ))!;
  const address = "ada@example.org";
  await service.account(address, goodPassword);
  const ask = () => service.call("POST", "/api/renewals", { body: { address } });
  await ask();

  let aheadMs = 30 * dayMs;
  let asked = 0;
  const wrong: Clock = { now: () => (asked++, (systemClock.now() + aheadMs) as EpochMs) };
  /** Nothing else asks what time it is while no work is done. */
  const looksAgain = async (): Promise<void> => {
    const before = asked;
    await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(before + 4);
  };
  const said: string[] = [];
  const stop = await startWorker(wrong, said, { lookEveryMs: 500 });
  const differs = (): number => said.filter((text) => text.includes("clock and the database's differ")).length;
  try {
    expect(differs()).toBe(1);
    // It is still so when it looks again, which is not worth another line, and nothing of what waits was touched.
    await looksAgain();
    expect(differs()).toBe(1);
    expect(await waiting()).toEqual({ signals: 1, given: 0, dropped: 0 });
    expect(relay.letters).toEqual([]);

    aheadMs = 0;
    await expect.poll(waiting, { timeout: 20_000 }).toEqual({ signals: 0, given: 1, dropped: 0 });
    await expect.poll(() => relay.letters.length, { timeout: 20_000 }).toBeGreaterThan(0);
    // And what it does at fixed times, without anybody asking, is put down for them.
    const known = () => db.many(`select identifier from graphile_worker._private_known_crontabs order by identifier`);
    const scheduled = ["clean-up 17 * * * *", "keep-keys */5 * * * *"].map((identifier) => ({ identifier }));
    await expect.poll(known).toEqual(scheduled);

    aheadMs = -10 * secondMs;
    await expect.poll(differs, { timeout: 20_000 }).toBe(2);
    await looksAgain();
    await happen();
    expect(await waiting()).toEqual({ signals: 1, given: 1, dropped: 0 });
    await looksAgain();
    expect(await waiting()).toEqual({ signals: 1, given: 1, dropped: 0 });
    expect(differs()).toBe(2);
    // One that was set in vain is said again.
    aheadMs = dayMs;
    await expect.poll(differs, { timeout: 20_000 }).toBe(3);
  } finally {
    await stop();
  }
}, 120_000);

test("a worker that cannot begin again once its clock is right leaves nothing at work, and begins when it can", async () => {
  const { plainDb: db, clock } = service.ground;
  const tooNew = 1_000_000;
  let aheadMs = 30 * dayMs;
  const said: string[] = [];
  const stop = await startWorker({ now: () => (systemClock.now() + aheadMs) as EpochMs }, said);
  const notBegun = (): number => said.filter((text) => text.includes("or its work not begun")).length;
  await db.run(`insert into graphile_worker.migrations (id, ts, breaking) values ($1, now(), true)`, [tooNew]);
  const waitsForTree = async () =>
    (await db.one<{ count: number }>(`select count(*) as count from timeline_entry where leaf_index is null`))!.count;
  try {
    aheadMs = 0;
    await expect.poll(notBegun, { timeout: 30_000 }).toBe(1);
    await append(db, clock.now(), { kind: "password changed", detail: {} }, service.ground.random);
    const waiting = await waitsForTree();
    expect(waiting).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await waitsForTree()).toBe(waiting);
    await db.run(`delete from graphile_worker.migrations where id = $1`, [tooNew]);
    await expect.poll(waitsForTree, { timeout: 30_000 }).toBe(0);
  } finally {
    await stop();
  }
}, 120_000);
