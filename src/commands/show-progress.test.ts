import { expect, test } from "vitest";
import { manualClock, minuteMs } from "../kernel/clock.ts";
import { showingProgress } from "./show-progress.ts";

async function shown(isTTY: boolean, more: { units: string; unit?: number }, work: (at: Told) => void | Promise<void>) {
  const clock = manualClock(Date.UTC(2026, 10, 22, 20, 0));
  let text = "";
  const screen = { write: (piece: string) => void (text += piece), isTTY, clock };
  const result = await showingProgress(screen, { ...more, signal: new AbortController().signal }, async (progress) => {
    await work((afterMs, done, total) => {
      clock.advance(afterMs);
      progress(done, total);
    });
    return "done";
  }).catch(() => "failed");
  return { result, lines: text.split("\r\u001b[K") };
}
type Told = (afterMs: number, done: number, total: number | null) => void;

test("on a terminal one line says how far long work is, how fast, and when it ends, and is gone afterwards", async () => {
  const { result, lines } = await shown(true, { units: "entries" }, (at) => {
    // Work of a moment says nothing.
    at(0, 0, 1_200_000);
    at(500, 10_000, 1_200_000);
    at(minuteMs - 500, 400_000, 1_200_000);
    // Drawn again after a while only.
    at(100, 400_100, 1_200_000);
    at(minuteMs - 100, 800_000, 1_200_000);
  });
  expect([result, ...lines]).toEqual([
    "done",
    "",
    "400,000 of 1,200,000 entries · 6,667/s · ends about 2026-11-22 20:03 UTC",
    "800,000 of 1,200,000 entries · 6,667/s · ends about 2026-11-22 20:03 UTC",
    "",
  ]);
});

test("what nobody knows, or was guessed too low, is not promised, and what fails leaves no line behind", async () => {
  const { result, lines } = await shown(true, { units: "MiB", unit: 2 ** 20 }, (at) => {
    at(minuteMs, 120 * 2 ** 20, null);
    at(minuteMs, 240 * 2 ** 20, 200 * 2 ** 20);
    throw new Error("the disk is full");
  });
  expect([result, ...lines]).toEqual(["failed", "", "120 MiB · 2/s", "240 of 200 MiB · 2/s", ""]);
});

test("a command that is ended leaves no line behind at that very moment, and draws none any more", async () => {
  const clock = manualClock(Date.UTC(2026, 10, 22, 20, 0));
  let text = "";
  const screen = { write: (piece: string) => void (text += piece), isTTY: true, clock };
  const ending = new AbortController();
  await showingProgress(screen, { units: "entries", signal: ending.signal }, async (progress) => {
    clock.advance(minuteMs);
    progress(400_000, 1_200_000);
    const drawn = text;
    expect(drawn).toContain("400,000 of 1,200,000 entries");
    ending.abort();
    // Its work may be at something for long, and the process ends before that.
    expect(text).toBe(`${drawn}\r\u001b[K`);
    clock.advance(minuteMs);
    progress(800_000, 1_200_000);
  });
  expect(text).not.toContain("800,000");
});

test("elsewhere than on a terminal nothing is written", async () => {
  const { result, lines } = await shown(false, { units: "entries" }, (at) => at(minuteMs, 1, 2));
  expect([result, ...lines]).toEqual(["done", ""]);
});
