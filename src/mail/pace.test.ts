import { expect, test } from "vitest";
import { hourMs, plus, secondMs, type EpochMs } from "../kernel/clock.ts";
import { providerPace, steadyPace } from "./pace.ts";

const start = 1_800_000_000_000 as EpochMs;

/** A provider that takes so many letters in each second and asks for fewer when there are more. */
function provider(perSecond: number) {
  let second = 0;
  let count = 0;
  const taken: number[] = [];
  return {
    taken,
    answer: (now: EpochMs): "taken" | "fewer" => {
      const current = Math.floor((now - start) / secondMs);
      if (current !== second) count = 0;
      second = current;
      if (count >= perSecond) return "fewer";
      count++;
      taken[current] = (taken[current] ?? 0) + 1;
      return "taken";
    },
  };
}

test.each([5, 40, 400, 3_000])(
  "a provider that takes %i letters a second is found out and mostly used",
  (perSecond) => {
    const pace = providerPace();
    const receiving = provider(perSecond);
    let later = 0;
    let sent = 0;
    const seconds = 300;
    // The clock stands at each letter's turn: whoever waits is the next to go.
    let now = start;
    const due: EpochMs[] = [];
    while (now < start + seconds * secondMs) {
      const isDue = due.length > 0 && due[0]! <= now;
      if (isDue) due.shift();
      const turn = pace.turn("mail.example", now, isDue);
      if (turn.kind === "put off") {
        due.push(turn.until);
        now = plus(now, 1);
        continue;
      }
      if (turn.kind === "wait") now = plus(now, turn.waitMs);
      const answer = receiving.answer(now);
      sent++;
      if (answer === "fewer") later++;
      pace.learn("mail.example", now, answer, null);
    }
    const lastMinutes = receiving.taken.slice(-120).reduce((sum, count) => sum + count, 0) / 120;
    expect(lastMinutes).toBeGreaterThan(perSecond * 0.55);
    expect(later / sent).toBeLessThan(0.25);
  },
);

test("one provider that says later slows no other", () => {
  const pace = providerPace();
  for (let number = 0; number < 100; number++) pace.learn("slow.example", plus(start, number * 2_000), "fewer", null);
  const now = plus(start, 400_000);
  expect(pace.rateOf("slow.example")).toBeCloseTo(0.1);
  expect(pace.turn("fast.example", now, false)).toEqual({ kind: "go" });
  const turns = Array.from({ length: 5 }, () => pace.turn("slow.example", now, false));
  expect(turns.map(({ kind }) => kind)).toEqual(["go", "put off", "put off", "put off", "put off"]);
  const places = turns.flatMap((turn) => (turn.kind === "put off" ? [turn.until - now] : []));
  // Each has a place of its own, ten seconds apart.
  for (const [index, place] of places.slice(1).entries()) expect(place - places[index]!).toBeCloseTo(10_000, -1);
});

test("a letter whose place has come goes before those that come now", () => {
  const pace = providerPace();
  for (let number = 0; number < 100; number++) pace.learn("slow.example", plus(start, number * 2_000), "fewer", null);
  const turns = Array.from({ length: 4 }, () => pace.turn("slow.example", plus(start, 400_000), false));
  const [first] = turns.flatMap((turn) => (turn.kind === "put off" ? [turn.until] : []));
  expect(pace.turn("slow.example", first!, false)).toMatchObject({ kind: "put off" });
  expect(pace.turn("slow.example", first!, true)).toEqual({ kind: "go" });
});

test.each([
  [1, 380],
  [0.5, 760],
])("of a provider's fifty letters a second a share of %d is used: twenty take %i ms", (share, takesMs) => {
  const pace = providerPace();
  let now = start;
  for (let letter = 0; letter < 20; letter++) {
    const turn = pace.turn("mail.example", now, false, share);
    if (turn.kind === "wait") now = plus(now, turn.waitMs);
  }
  expect(now - start).toBe(takesMs);
});

test("what a burst of letters is told at once counts as one message", () => {
  const pace = providerPace();
  for (let number = 0; number < 50; number++) pace.learn("mail.example", plus(start, number), "fewer", null);
  expect(pace.rateOf("mail.example")).toBe(25);
  pace.learn("mail.example", plus(start, 2 * secondMs), "fewer", null);
  expect(pace.rateOf("mail.example")).toBe(12.5);
});

test("single mailboxes that are put off say nothing of the rate", () => {
  const pace = providerPace();
  for (let number = 0; number < 10_000; number++) {
    pace.learn("mail.example", plus(start, number * 10), number % 50 === 0 ? "fewer" : "taken", null);
  }
  expect(pace.rateOf("mail.example")).toBeGreaterThan(5_000);
});

test.each(["come again", "maybe come again"] as const)(
  "a provider that asks each new recipient to come again (%s) is not slowed, as long as it takes them then",
  (answer) => {
    const pace = providerPace();
    for (let number = 0; number < 300; number++) {
      pace.learn("grey.example", plus(start, number * 100), answer, null);
    }
    expect(pace.rateOf("grey.example")).toBe(50);
    // Too early a second try is asked to come again as well.
    pace.learn("grey.example", plus(start, 60_000), answer, start);
    for (let number = 0; number < 300; number++) {
      pace.learn("grey.example", plus(start, 300_000 + number * 100), "taken", plus(start, number * 100));
    }
    expect(pace.rateOf("grey.example")).toBe(350);
    for (let number = 0; number < 30; number++) {
      pace.learn("grey.example", plus(start, 2 * hourMs + number * secondMs), answer, start);
    }
    expect(pace.rateOf("grey.example")).toBeLessThan(100);
  },
);

test("one that takes some at once and says 4.7.1 to the others counts letters, and is slowed", () => {
  const pace = providerPace();
  for (let number = 0; number < 300; number++) {
    const answer = number % 10 === 0 ? "taken" : "maybe come again";
    pace.learn("mail.example", plus(start, number * 100), answer, null);
  }
  expect(pace.rateOf("mail.example")).toBeLessThan(10);
});

test("however many domains there are, so many are remembered, those used last", () => {
  const pace = providerPace();
  for (let number = 0; number < 25_000; number++) pace.turn(`d${number}.example`, start, false);
  expect(pace.size()).toBe(20_000);
});

test("an allowance is kept over any stretch of time, and none is no limit", () => {
  const pace = steadyPace();
  let now = start;
  for (let letter = 0; letter < 1_000; letter++) {
    const waitMs = pace.take(now, 100);
    now = plus(now, waitMs);
    if (waitMs > 0) expect(pace.take(now, 100)).toBe(0);
  }
  expect(now - start).toBeGreaterThan(9_500);
  expect(now - start).toBeLessThan(10_100);
  expect(steadyPace().take(start, undefined)).toBe(0);
});

test("a clock that is set back holds up neither a provider's letters nor the relay's", () => {
  const hourBack = plus(start, -hourMs);
  const pace = providerPace();
  const steady = steadyPace();
  // As many as go ahead of the rate, until the next has to wait.
  while (pace.turn("mail.example", start, false).kind === "go");
  while (steady.take(start, 10) === 0);
  expect(pace.turn("mail.example", hourBack, false)).toMatchObject({ kind: "wait" });
  expect(pace.turn("mail.example", plus(hourBack, secondMs), false)).toEqual({ kind: "go" });
  expect(steady.take(hourBack, 10)).toBeLessThanOrEqual(100);
  expect(steady.take(plus(hourBack, secondMs), 10)).toBe(0);
});
