import { hashRawSync } from "@node-rs/argon2";
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import { Crowded, Fault } from "../kernel/fault.ts";
import { costText, ordinaryCost, readCost, startHashPool, type HashCost } from "./hash-pool.ts";
import { longestWaitMs } from "./lanes.ts";

const cheap: HashCost = { memoryKib: 64, passes: 1, parallelism: 1 };
const salt = Buffer.alloc(16, 7);
const pool = startHashPool({ threads: 1, laneLength: 4, log: silentLog });
afterAll(() => pool.close());
const outcomeOf = (hash: Promise<unknown>): Promise<string> =>
  hash.then(
    () => "hashed",
    (thrown: unknown) => (thrown instanceof Fault ? thrown.code : String(thrown)),
  );

test("each caller gets the hash of its own password, in NFC", async () => {
  const passwords = ["first", "second", "zoe\u0308 in two code points", "fourth"];
  const tags = await Promise.all(passwords.map((one) => pool.hash("sign-in", Secret.fromText(one), salt, cheap)));
  const wanted = passwords.map((one) =>
    hashRawSync(one.normalize("NFC"), {
      algorithm: 2,
      version: 1,
      memoryCost: 64,
      timeCost: 1,
      parallelism: 1,
      outputLen: 32,
      salt,
    }),
  );
  expect(tags.map((tag) => Buffer.from(tag.reveal()))).toEqual(wanted.map((tag) => Buffer.from(tag)));
});

test("what is urgent overtakes all that waits, but not the two that the thread holds", async () => {
  const order: string[] = [];
  const ask = (lane: "sign-in" | "operator", name: string) =>
    pool.hash(lane, Secret.fromText(name), salt, cheap).then(() => order.push(name));
  await Promise.all([
    ask("sign-in", "held 1"),
    ask("sign-in", "held 2"),
    ask("sign-in", "waits"),
    ask("operator", "urgent"),
  ]);
  expect(order).toEqual(["held 1", "held 2", "urgent", "waits"]);
});

test("a full lane refuses at once, and another lane still takes orders", async () => {
  const asked = Array.from({ length: 7 }, () => pool.hash("sign-in", Secret.fromText("one of many"), salt, cheap));
  const renewal = pool.hash("renewal", Secret.fromText("the way back"), salt, cheap);
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.map(({ status }) => status)).toEqual([...Array<string>(6).fill("fulfilled"), "rejected"]);
  await expect(renewal).resolves.toBeInstanceOf(Secret);
});

test("the pool measures its own rate while it is busy, and predicts the wait by it", async () => {
  const dear: HashCost = { memoryKib: 8_192, passes: 2, parallelism: 1 };
  const measured = startHashPool({ threads: 1, cost: cheap, log: silentLog });
  try {
    const assumed = measured.perSecond();
    const orders = Array.from({ length: 200 }, () => measured.hash("sign-in", Secret.fromText("one"), salt, dear));
    await Promise.all(orders.slice(0, 100));
    // Hashes a thousand times dearer than what was assumed: the rate is theirs now.
    expect(measured.perSecond()).toBeLessThan(assumed / 10);
    expect(measured.waitMs("sign-in")).toBeGreaterThan(measured.waitMs("renewal"));
    await Promise.all(orders);
    expect(measured.lane("sign-in")).toEqual({ waiting: 0, made: 200, turnedAway: 0 });
  } finally {
    await measured.close();
  }
});

test("beyond a few seconds nobody is queued: told before any work, and the renewal lane still has room", async () => {
  const crowded = startHashPool({ threads: 1, laneLength: 100_000, cost: cheap, log: silentLog });
  try {
    crowded.expectRoom("sign-in");
    const orders: Promise<unknown>[] = [];
    while (crowded.waitMs("sign-in") <= longestWaitMs) {
      orders.push(crowded.hash("sign-in", Secret.fromText("one of many"), salt, cheap));
    }
    expect(() => crowded.expectRoom("sign-in")).toThrow(Crowded);
    expect(crowded.lane("sign-in").turnedAway).toBe(1);
    expect(crowded.hashes()).toBe(0);
    crowded.expectRoom("renewal");
    void Promise.allSettled(orders);
  } finally {
    await crowded.close();
  }
});

test("a pool that is closed leaves nobody without an answer: who waits is told to come again, and so is who comes later", async () => {
  const closing = startHashPool({ threads: 1, laneLength: 8, log: silentLog });
  const ask = () => outcomeOf(closing.hash("sign-in", Secret.fromText("seven lanterns"), salt, cheap));
  expect(await ask()).toBe("hashed");
  const answers = Array.from({ length: 6 }, ask);
  await closing.close();
  const said = await Promise.all([...answers, ask()]);
  // The thread holds two, which may be done before it ends.
  expect(said.slice(2)).toEqual(["BUSY", "BUSY", "BUSY", "BUSY", "BUSY"]);
  expect(said.slice(0, 2).filter((one) => one !== "hashed" && one !== "BUSY")).toEqual([]);
});

test("a thread that ends under its work leaves nobody without an answer, and another takes its place", async () => {
  const started = once(process, "worker") as Promise<[Worker]>;
  const broken = startHashPool({ threads: 1, log: silentLog });
  try {
    const ask = () => outcomeOf(broken.hash("sign-in", Secret.fromText("seven lanterns"), salt, cheap));
    const asked = Array.from({ length: 4 }, ask);
    const [thread] = await started;
    await thread.terminate();
    // The two that it held are told to come again; those that waited get another thread.
    expect(await Promise.all(asked)).toEqual(["BUSY", "BUSY", "hashed", "hashed"]);
    expect(await ask()).toBe("hashed");
  } finally {
    await broken.close();
  }
});

test("a hash that cannot be made fails by itself, and the thread goes on", async () => {
  const none: HashCost = { ...cheap, parallelism: 0 };
  const asked = [none, cheap].map((cost) => outcomeOf(pool.hash("sign-in", Secret.fromText("one"), salt, cost)));
  expect(await Promise.all(asked)).toEqual(["IMPOSSIBLE", "hashed"]);
});

test("parameters of a row are read as they were written, and refused where no row of ours could have them", () => {
  expect(readCost(costText(ordinaryCost))).toEqual(ordinaryCost);
  expect(readCost("m=999999,t=99,p=9")).toEqual({ memoryKib: 999_999, passes: 99, parallelism: 9 });
  for (const text of [
    "",
    "m=1000000,t=2,p=1",
    "m=19456,t=100,p=1",
    "m=19456,t=2,p=10",
    "m=19456,t=2",
    " m=8,t=1,p=1",
  ]) {
    expect(() => readCost(text), text).toThrow(Fault);
  }
});
