import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { sleep } from "./clock.ts";

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
