import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { readInstant, sleep, toIso } from "./clock.ts";

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
