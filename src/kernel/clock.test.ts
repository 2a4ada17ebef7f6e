import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { every, manualClock, minuteMs, plus, readInstant, secondMs, secondsUntil, sleep, toIso } from "./clock.ts";

test("a sleep that is over leaves nothing on its signal, and one under way ends with it", async () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const left = (): number => getEventListeners(signal, "abort").length;
  await sleep(1, signal);
  expect(left()).toBe(0);
  const long = sleep(3_600_000, signal);
  expect(left()).toBe(1);
  stopping.abort();
  await long;
  expect(left()).toBe(0);
  await sleep(3_600_000, signal);
});

test("an instant is read as a person types it, and nothing is guessed", () => {
  const read = (text: string): string | undefined => {
    const instant = readInstant(text);
    return instant === undefined ? undefined : toIso(instant);
  };
  const asPrinted = ["2026-11-22T20:41:07.312Z", "2026-11-22 20:41:07.312 UTC", "2026-11-22T21:41:07.312+01:00"];
  for (const text of asPrinted) expect([text, read(text)]).toEqual([text, "2026-11-22T20:41:07.312Z"]);
  // Without a zone it is the host's own time; without an hour, its midnight.
  expect(read("2026-11-22T20:41")).toBe(new Date(2026, 10, 22, 20, 41).toISOString());
  expect(read("2026-11-22")).toBe(new Date(2026, 10, 22).toISOString());
  expect(read("2028-02-29T00:00Z")).toBe("2028-02-29T00:00:00.000Z");
  const refused = [
    "",
    "yesterday",
    "7",
    "11/12/2026",
    "Nov 22 2026",
    "2026-02-29",
    "2026-11-31T00:00:00Z",
    "2026-13-01",
  ];
  for (const text of [...refused, "2026-11-22T25:00Z", "2026-11-00"])
    expect([text, read(text)]).toEqual([text, undefined]);
});

test("what is repeated never runs twice at once, its end waits for the run under way, and none comes after", async () => {
  let [begun, ended, atOnce] = [0, 0, 0];
  const held = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const repeated = every(1, async () => {
    begun++;
    atOnce = Math.max(atOnce, begun - ended);
    if (begun === 2) {
      second.resolve();
      await held.promise;
    }
    ended++;
  });
  await second.promise;
  let isOver = false;
  const stopped = repeated.stop().then(() => (isOver = true));
  await sleep(5);
  expect([begun, ended, isOver]).toEqual([2, 1, false]);
  held.resolve();
  await stopped;
  await sleep(5);
  expect([begun, ended, atOnce]).toEqual([2, 2, 1]);
  let never = true;
  await every(3_600_000, async () => void (never = false)).stop();
  expect(never).toBe(true);
});

test("what is left is counted in whole seconds, never more than there are, and never fewer than none", () => {
  const clock = manualClock(0);
  const end = plus(clock.now(), minuteMs);
  expect(secondsUntil(clock, end)).toBe(60);
  clock.advance(1);
  expect(secondsUntil(clock, end)).toBe(59);
  clock.advance(59 * secondMs);
  expect(secondsUntil(clock, end)).toBe(0);
  clock.advance(minuteMs);
  expect(secondsUntil(clock, end)).toBe(0);
});
