import { expect, test } from "vitest";
import { dayMs, hourMs, minuteMs } from "../kernel/clock.ts";
import { spanWords } from "./span-words.ts";

test("a length of time is said in the largest unit of which it has two, and never as none of a unit", () => {
  expect([0, minuteMs, 119 * minuteMs, 2 * hourMs, 47 * hourMs, 2 * dayMs, 1_234 * dayMs].map(spanWords)).toEqual([
    "less than a minute",
    "1 minute",
    "119 minutes",
    "2 hours",
    "47 hours",
    "2 days",
    "1,234 days",
  ]);
});
