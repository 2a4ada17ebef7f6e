import { sleep } from "../../kernel/clock.ts";

/** Who has been kept for so long is told how they stand, and asks again: longer than it takes for somebody to come in. */
const patienceMs = 1_000;
/** How often those at the door are looked at; a hash takes longer. */
const lookEveryMs = 5;
/** Requests kept at once, whatever their numbers: some kilobytes each. */
const mostKept = 1_000;

export interface Door {
  /**
   * Somebody who was called asks to come in: answered as soon as there is room, in the order of asking, or with `false` after a
   * second. Two requests with one number share one turn.
   */
  knock(number: number): Promise<boolean>;
}

interface Kept {
  readonly untilMs: number;
  readonly answer: Promise<boolean>;
  readonly settle: (mayEnter: boolean) => void;
}

/**
 * Where those who were called wait for room. Answering "not now" to whoever comes at the wrong moment left
 * hashing threads without work: what became free between two people's asking was nobody's.
 */
export function newDoor({
  isOpen,
  monotonicMs,
}: {
  /** Whether one more may come in now, which is then taken as done. */
  readonly isOpen: () => boolean;
  readonly monotonicMs: () => number;
}): Door {
  /** By number, in the order of asking. */
  const kept = new Map<number, Kept>();
  let isLooking = false;

  const settle = (number: number, one: Kept, mayEnter: boolean): void => {
    kept.delete(number);
    one.settle(mayEnter);
  };
  const letIn = (): void => {
    const now = monotonicMs();
    for (const [number, one] of kept) {
      if (one.untilMs <= now) settle(number, one, false);
      else if (isOpen()) settle(number, one, true);
      else return;
    }
  };
  const keepLooking = async (): Promise<void> => {
    isLooking = true;
    while (kept.size > 0) {
      await sleep(lookEveryMs);
      letIn();
    }
    isLooking = false;
  };

  return {
    knock: (number) => {
      const same = kept.get(number);
      if (same !== undefined) return same.answer;
      if (kept.size >= mostKept) return Promise.resolve(false);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      kept.set(number, { untilMs: monotonicMs() + patienceMs, answer: promise, settle: resolve });
      letIn();
      if (kept.size > 0 && !isLooking) void keepLooking();
      return promise;
    },
  };
}
