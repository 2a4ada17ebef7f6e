import { expect, test } from "vitest";
import { laneQueues, lanes, laneWeights, type Lane } from "./lanes.ts";

const served = (queues: ReturnType<typeof laneQueues<string>>, count: number): Partial<Record<Lane, number>> => {
  const counts: Partial<Record<Lane, number>> = {};
  for (let i = 0; i < count; i++) {
    const next = queues.shift();
    if (next !== undefined) counts[next.lane] = (counts[next.lane] ?? 0) + 1;
  }
  return counts;
};

test("while every lane waits, each is served by its weight", () => {
  const queues = laneQueues<string>();
  for (const lane of lanes) for (let i = 0; i < 200; i++) queues.push(lane, lane);
  const round = lanes.reduce((sum, lane) => sum + laneWeights[lane], 0);
  expect(served(queues, 5 * round)).toEqual(Object.fromEntries(lanes.map((lane) => [lane, 5 * laneWeights[lane]])));
});

test("a flood of sign-ins takes nothing from renewals that come, and a lane that was empty has saved up no turns", () => {
  const queues = laneQueues<string>();
  for (let i = 0; i < 500; i++) queues.push("sign-in", "flood");
  expect(served(queues, 300)).toEqual({ "sign-in": 300 });
  for (let i = 0; i < 100; i++) queues.push("renewal", "way back");
  const counts = served(queues, 110);
  expect(counts.renewal).toBe(80);
  expect(counts["sign-in"]).toBe(30);
});

test("a lane that is empty after each of its turns gets no more of them than its weight", () => {
  const queues = laneQueues<string>();
  for (let i = 0; i < 200; i++) queues.push("operator", "waits");
  let signUps = 0;
  for (let turn = 0; turn < 34; turn++) {
    if (queues.waiting("sign-up") === 0) queues.push("sign-up", "one at a time");
    if (queues.shift()?.lane === "sign-up") signUps++;
  }
  expect(signUps).toBe(2);
});

test("how many are served first is what is then served first", () => {
  const queues = laneQueues<string>();
  for (const lane of lanes) for (let i = 0; i < 40; i++) queues.push(lane, lane);
  for (const lane of ["renewal", "sign-in", "sign-up"] as const) {
    const asked = laneQueues<string>();
    for (const other of lanes) for (let i = 0; i < 40; i++) asked.push(other, other);
    const ahead = asked.ahead(lane);
    asked.push(lane, "me");
    let before = 0;
    while (asked.shift()?.order !== "me") before++;
    // Where lanes are level, one turn of each may fall either way.
    expect(Math.abs(before - ahead), lane).toBeLessThanOrEqual(lanes.length);
  }
});

test("each lane keeps its order, and what is drained is all that waited", () => {
  const queues = laneQueues<number>();
  for (let i = 0; i < 300; i++) queues.push("renewal", i);
  expect(Array.from({ length: 150 }, () => queues.shift()?.order)).toEqual(Array.from({ length: 150 }, (_, i) => i));
  expect(queues.waiting("renewal")).toBe(150);
  expect(queues.drain()).toEqual(Array.from({ length: 150 }, (_, i) => 150 + i));
  expect(queues.shift()).toBeUndefined();
});
