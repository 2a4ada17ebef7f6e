import { expect, test } from "vitest";
import { comeBackSeconds, newPace, type PaceReading } from "./pace.ts";

const reading: PaceReading = { hashesPerSecond: 200, otherHashes: 0, renewalWaitMs: 0, inLine: 0 };
const walkIns = (pace: ReturnType<typeof newPace>): number => {
  let count = 0;
  while (pace.walkIn()) count++;
  return count;
};

test("so many are let in as two hashes each can be made for, less a tenth", () => {
  const pace = newPace(200);
  walkIns(pace);
  let letIn = 0;
  for (let half = 0; half < 100; half++) {
    pace.advance(0.5, reading);
    letIn += walkIns(pace);
  }
  expect(letIn).toBe(50 * 90);
  // What is not taken within half a second is gone: nobody may save it up.
  for (let half = 0; half < 100; half++) pace.advance(0.5, reading);
  expect(walkIns(pace)).toBe(45);
  let called = 0;
  for (let half = 0; half < 200; half++) {
    const calls = pace.advance(0.5, { ...reading, inLine: 10_000 });
    called += calls;
    for (let come = 0; come < calls; come++) pace.entered();
  }
  expect(called).toBeGreaterThan(8_900);
  expect(called).toBeLessThan(9_100);
});

test("what other lanes take is taken off, but a quarter stays", () => {
  const pace = newPace(200);
  for (let second = 1; second <= 60; second++) pace.advance(1, { ...reading, otherHashes: 100 * second });
  expect(pace.perSecond()).toBeCloseTo(40, 0);
  for (let second = 61; second <= 160; second++) pace.advance(1, { ...reading, otherHashes: 6_000 + 300 * second });
  expect(pace.perSecond()).toBeCloseTo((200 * 0.9 * 0.25) / 2, 1);
});

test("when half of those who are called have gone away, twice as many are called; with a full lane nobody", () => {
  const pace = newPace(200);
  let called: number[] = [];
  for (let half = 0; half < 600; half++) {
    called.push(pace.advance(0.5, { ...reading, inLine: 1_000_000 }));
    // Half of those who were called a moment ago come.
    for (let come = 0; come < (called.at(-2) ?? 0) / 2; come++) pace.entered();
  }
  called = called.slice(-100);
  expect(called.reduce((sum, one) => sum + one, 0) / 50).toBeGreaterThan(160);
  expect(pace.showRate()).toBeCloseTo(0.5, 1);
  expect(pace.advance(1, { ...reading, inLine: 1_000_000, renewalWaitMs: 500 })).toBe(0);
});

test("a page asks again after a quarter of its wait, and often near the front", () => {
  expect([null, 1, 8, 60, 3_600].map(comeBackSeconds)).toEqual([5, 2, 2, 15, 60]);
});
