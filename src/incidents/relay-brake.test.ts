import { expect, test } from "vitest";
import { plus, systemClock } from "../kernel/clock.ts";
import type { SendOutcome } from "../mail/mail.ts";
import { relayBrake } from "./relay-brake.ts";

/** When a relay is said to take nothing, and when not. */
const now = systemClock.now();
const [due, later] = [plus(now, 30_000), plus(now, 60_000)];
const [batch, concurrency] = [2, 2];
const putOff = (cause: "letter" | "relay"): SendOutcome => ({
  kind: "deferred",
  reply: "451 4.3.2 try again",
  mayHaveArrived: false,
  cause,
});
const taken: SendOutcome = { kind: "handed over", reply: "250 taken" };

function brakeAfter(letters: number, cause: "letter" | "relay") {
  const brake = relayBrake({ batch, concurrency });
  for (let n = 0; n < letters; n++) brake.note(putOff(cause), "fewer", due);
  return brake;
}

test("three batches that are put off in a row make a walk rest until the last of them is due, and none before", () => {
  expect(brakeAfter(3 * batch - 1, "letter").resting()).toBeUndefined();
  expect(brakeAfter(3 * batch, "letter").resting()).toBe(due);
});

test("a relay that is not reached makes it rest after twice as many letters as may be on their way", () => {
  expect(brakeAfter(2 * concurrency - 1, "relay").resting()).toBeUndefined();
  expect(brakeAfter(2 * concurrency, "relay").resting()).toBe(due);
});

test.each([
  ["takes one", taken, undefined],
  ["asks for one to come again, as greylists do", putOff("letter"), "come again"],
] as const)("a relay that %s in between can be reached: counting begins anew", (_what, heard, how) => {
  for (const [most, cause] of [
    [3 * batch, "letter"],
    [2 * concurrency, "relay"],
  ] as const) {
    const brake = brakeAfter(most - 1, cause);
    brake.note(heard, how, due);
    for (let n = 0; n < most - 1; n++) brake.note(putOff(cause), "fewer", due);
    expect(brake.resting()).toBeUndefined();
    brake.note(putOff(cause), "fewer", due);
    expect(brake.resting()).toBe(due);
  }
});

test("a relay that greylists everybody makes no walk rest, however many letters come again", () => {
  const brake = relayBrake({ batch, concurrency });
  for (let n = 0; n < 10 * batch; n++) brake.note(putOff("letter"), "come again", due);
  expect(brake.resting()).toBeUndefined();
});

test("a rest that is under way is not made longer, nor ended, by what is heard meanwhile; released, counting begins anew", () => {
  const brake = relayBrake({ batch, concurrency });
  brake.restUntil(due);
  brake.restUntil(later);
  for (let n = 0; n < 3 * batch; n++) brake.note(putOff("letter"), "fewer", later);
  brake.note(taken, undefined, null);
  expect(brake.resting()).toBe(due);
  for (let n = 0; n < 3 * batch - 1; n++) brake.note(putOff("letter"), "fewer", later);
  brake.release();
  expect(brake.resting()).toBeUndefined();
  brake.note(putOff("letter"), "fewer", later);
  expect(brake.resting()).toBeUndefined();
});
