import { expect, test } from "vitest";
import { comeBackSeconds, newPace, type PaceReading } from "./pace.ts";

const reading: PaceReading = { hashesPerSecond: 200, otherHashes: 0, inLine: 0 };
const given = 100;

/** A node's door through a day of half seconds, with whoever knocks. */
function door(hashesPerSecond: number) {
  const pace = newPace(hashesPerSecond);
  let nowMs = 0;
  return {
    pace,
    /** Half a second passes. @returns how many numbers were called. */
    pass: (more: Partial<PaceReading> = {}): number => {
      nowMs += 500;
      return pace.advance(0.5, { ...reading, hashesPerSecond, ...more });
    },
    walkIns: (): number => {
      let count = 0;
      while (pace.walkIn(nowMs)) count++;
      return count;
    },
    /**
     * One after the other for half a second, of so many who knock at even distances.
     * @returns how many came in, in each fiftieth of a second.
     */
    comeIn: (knocks: number, waitMs = 0): number[] => {
      const cameIn = Array.from({ length: 25 }, () => 0);
      for (let knock = 0; knock < knocks; knock++) {
        pace.knocked();
        if (!pace.open(nowMs - 500 + (500 * knock) / knocks, waitMs)) continue;
        pace.entered();
        cameIn[Math.floor((25 * knock) / knocks)]! += 1;
      }
      return cameIn;
    },
  };
}
const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

test("so many are let in as two hashes each can be made for", () => {
  const { pass, walkIns } = door(200);
  walkIns();
  let letIn = 0;
  for (let half = 0; half < 100; half++) {
    pass();
    letIn += walkIns();
  }
  expect(letIn).toBe(100 * Math.floor(given / 10));
  // What is not taken within a tenth of a second is gone: nobody may save it up.
  for (let half = 0; half < 100; half++) pass();
  expect(walkIns()).toBe(Math.floor(given / 10));
});

/** People who are called, of whom some have gone away; the others ask every two seconds until they are let in. */
function crowd(node: ReturnType<typeof door>, { stay }: { readonly stay: number }) {
  let atTheDoor = 0;
  return (): { readonly calls: number; readonly cameIn: readonly number[] } => {
    const calls = node.pass({ inLine: 1_000_000 });
    atTheDoor += calls * stay;
    const cameIn = node.comeIn(Math.floor(atTheDoor / 4));
    atTheDoor -= sum(cameIn);
    return { calls, cameIn };
  };
}

test.each([{ stay: 1 }, { stay: 0.5 }])(
  "a crowd comes in evenly and without a pause when $stay of those called are there",
  (who) => {
    const node = door(200);
    const next = crowd(node, who);
    for (let half = 0; half < 400; half++) next();
    const halves = Array.from({ length: 200 }, next);
    const cameIn = halves.map((one) => sum(one.cameIn));
    expect(sum(cameIn)).toBeGreaterThan(0.97 * 100 * given);
    expect(sum(cameIn)).toBeLessThanOrEqual(100 * given + 5);
    // A fiftieth of a second is room for two; as many again, and who waited for them, may be at the door.
    expect(Math.max(...halves.flatMap((one) => one.cameIn))).toBeLessThanOrEqual(7);
    const calls = sum(halves.map((one) => one.calls));
    expect(calls * who.stay).toBeGreaterThan(0.9 * sum(cameIn));
    expect(calls * who.stay).toBeLessThan(1.1 * sum(cameIn));
    expect(node.pace.showRate()).toBeCloseTo(who.stay, 1);
  },
);

test("nobody comes in from the line while those inside wait long for a hash", () => {
  const { pass, comeIn } = door(200);
  pass({ inLine: 10_000 });
  expect(sum(comeIn(100, 500))).toBe(0);
  expect(sum(comeIn(100, 20))).toBeGreaterThan(10);
  // Where a hash takes 100 ms, a wait of 350 is not long.
  const slow = door(10);
  slow.pass({ inLine: 10_000 });
  expect(sum(slow.comeIn(100, 350))).toBeGreaterThan(0);
});

test("who was let in and had no need of it leaves their turn to the next", () => {
  const { pace, pass, comeIn } = door(200);
  pass({ inLine: 10_000 });
  comeIn(100);
  while (pace.open(500, 0));
  pace.gaveBack();
  expect(pace.open(500, 0)).toBe(true);
});

test("what other lanes take is taken off, but a quarter stays", () => {
  const { pace } = door(200);
  for (let second = 1; second <= 60; second++) pace.advance(1, { ...reading, otherHashes: 100 * second });
  expect(pace.perSecond()).toBeCloseTo(50, 0);
  for (let second = 61; second <= 160; second++) pace.advance(1, { ...reading, otherHashes: 6_000 + 300 * second });
  expect(pace.perSecond()).toBeCloseTo((200 * 0.25) / 2, 1);
});

test("a page asks again half way, and often near the front", () => {
  expect([null, 1, 6, 60, 3_600].map(comeBackSeconds)).toEqual([5, 2, 3, 30, 90]);
});

test("no more numbers are called than stand in line, nor than twice the pace, and what could not be called is not saved up", () => {
  const { pace, pass, walkIns } = door(200);
  walkIns();
  expect(pass({ inLine: 3 })).toBeLessThanOrEqual(3);
  for (let person = 0; person < 1_000; person++) pace.entered();
  expect(pass({ inLine: 1_000_000 })).toBeLessThanOrEqual((2 * given) / 2 + 1);
  // A minute with nobody to call leaves one to be owed at most.
  for (let half = 0; half < 120; half++) expect(pass({ inLine: 0 })).toBe(0);
  expect(pass({ inLine: 1_000_000 })).toBeLessThanOrEqual((2 * given) / 2 + 1);
});

test("while a line moves fewer come in at one moment than while nobody waits", () => {
  const [alone, inLine] = [door(200), door(200)];
  for (let half = 0; half < 10; half++) alone.pass();
  for (let half = 0; half < 10; half++) inLine.pass({ inLine: 1_000 });
  expect([alone.walkIns(), inLine.walkIns()]).toEqual([given / 10, given / 20]);
});
