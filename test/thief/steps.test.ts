import { expect, test } from "vitest";
import { openSteps } from "./steps.ts";

/** A step of 10,000 accounts, of which a thousand are done every second. */
async function saidOf(terminal: { readonly isTTY?: boolean }): Promise<string> {
  let text = "";
  let nowMs = 0;
  const write = (more: string): void => void (text += more);
  const times = { now: () => nowMs, instant: () => Date.UTC(2026, 10, 22, 20, 0, 0) + nowMs };
  const steps = openSteps({ ...terminal, write }, 2, times);
  await steps.step("signing up", (count) => {
    count.expect(10_000, "accounts");
    for (let second = 0; second < 10; second++) {
      nowMs += 1_000;
      count.did(1_000);
    }
  });
  await steps.step("looking", () => undefined);
  return text.replaceAll(/processor \d+\.\d s/g, "processor");
}

test("a step that lasts is said every five seconds, with its rate and its end, and a short one once", async () => {
  expect((await saidOf({})).split("\n")).toEqual([
    "[1/2] signing up: 5,000 of 10,000 accounts · 1,000/s · ends about 20:00:10 UTC",
    "[1/2] signing up: 10,000 of 10,000 accounts · 1,000/s · ends about 20:00:10 UTC",
    "[1/2] signing up: 10,000 accounts, 1,000/s, 10.0 s, processor",
    "[2/2] looking: 0.0 s, processor",
    "",
  ]);
});

test("on a terminal a step is one line, drawn over", async () => {
  const lines = (await saidOf({ isTTY: true })).split("\n");
  expect(lines).toHaveLength(3);
  const drawn = lines[0]?.split("\r\u001b[K") ?? [];
  expect(drawn[1]).toBe("[1/2] signing up");
  expect(drawn[2]).toBe("[1/2] signing up: 1,000 of 10,000 accounts · 1,000/s · ends about 20:00:10 UTC");
  expect(drawn.at(-1)).toBe("[1/2] signing up: 10,000 accounts, 1,000/s, 10.0 s, processor");
});

test("a step that fails ends its line and says nothing of its end", async () => {
  let text = "";
  const terminal = { isTTY: true, write: (more: string) => void (text += more) };
  const failing = openSteps(terminal, 1).step("looking", () => Promise.reject(new Error("no disk")));
  await expect(failing).rejects.toThrow("no disk");
  expect(text).toBe("\r\u001b[K[1/1] looking\n");
});
