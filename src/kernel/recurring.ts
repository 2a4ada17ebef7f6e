import { hourMs, minuteMs, steadyClock, type Clock } from "./clock.ts";
import type { Log } from "./log.ts";

const firstPauseMs = minuteMs;
const longestPauseMs = hourMs;
/** Kinds of one trouble that are told apart: what a system says is not always of a few. */
const mostKinds = 20;

/** Something that a loop finds again at each look, until it is over. */
export interface Recurring {
  /** It is so now. Of another kind than before it is news; by itself the kind is its `reason`. */
  found(facts: Readonly<Record<string, unknown>>, kind?: string): void;
  /** It is not so now. */
  over(): void;
}

/**
 * Says what a loop finds at each look and cannot mend itself: when it begins or is of another kind; while it lasts after a minute, two,
 * four, up to an hour, with how often it was found since; and once that it is over. A log that says one sentence every second
 * hides every other, and fills the disk whose being full it may tell of.
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
