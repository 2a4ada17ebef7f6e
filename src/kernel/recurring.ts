import { hourMs, minuteMs, steadyClock, type Clock } from "./clock.ts";
import type { Log } from "./log.ts";

const firstPauseMs = minuteMs;
const longestPauseMs = hourMs;
/** How many kinds of one trouble are told apart: the texts of errors may differ without end. */
const mostKinds = 20;

/** Something that a loop finds again at each look, until it is over. */
export interface Recurring {
  /** The trouble is there now. A kind that was not there before is logged at once; unless given, the kind is `facts.reason`. */
  found(facts: Readonly<Record<string, unknown>>, kind?: string): void;
  /** The trouble is not there now. */
  over(): void;
}

/**
 * Logs a trouble that a loop finds at each look and cannot mend: when it begins or is of a new kind; while it lasts, after one minute,
 * two more, four more, and so on up to an hour, with how often it was found since; and once when it is over. A log with the same
 * sentence every second hides every other, and fills the disk, whose being full may be the trouble.
 */
export function recurring(
  log: Pick<Log, "info" | "warn" | "error">,
  {
    says,
    ends,
    level = "warn",
    clock = steadyClock,
  }: { readonly says: string; readonly ends: string; readonly level?: "warn" | "error"; readonly clock?: Clock },
): Recurring {
  const kinds = new Set<string>();
  let pauseMs = firstPauseMs;
  let againAt = 0;
  let times = 0;
  return {
    found: (facts, kind = JSON.stringify(facts["reason"] ?? null)) => {
      const now = clock.now();
      times++;
      const isNew = !kinds.has(kind) && kinds.size < mostKinds;
      if (!isNew && now < againAt) return;
      if (!isNew) pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      kinds.add(kind);
      againAt = now + pauseMs;
      log[level](times > 1 ? { ...facts, times } : facts, says);
      times = 0;
    },
    over: () => {
      if (kinds.size === 0) return;
      kinds.clear();
      pauseMs = firstPauseMs;
      times = 0;
      log.info(ends);
    },
  };
}
