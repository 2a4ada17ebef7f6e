import { dayMs, hourMs, minuteMs } from "../kernel/clock.ts";
import { numbered } from "../kernel/numbered.ts";

/** A length of time in whole units of the largest kind of which it has two: "36 hours", "3 days". In English, for reports and the terminal. */
export function spanWords(ms: number): string {
  if (ms >= 2 * dayMs) return numbered(Math.floor(ms / dayMs), "day");
  if (ms >= 2 * hourMs) return numbered(Math.floor(ms / hourMs), "hour");
  return ms < minuteMs ? "less than a minute" : numbered(Math.floor(ms / minuteMs), "minute");
}
