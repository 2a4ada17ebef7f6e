import { secondMs, type Clock, type EpochMs } from "../kernel/clock.ts";

export interface RareReadingNeeds {
  readonly clock: Clock;
  /** Monotonic milliseconds: how long a reading took, and how old it is. */
  readonly monotonicMs: () => number;
}

/** A reading that takes no longer than this is made whenever it is asked for. */
const quickMs = secondMs;

/**
 * Shares a reading of very many rows between everybody who looks. A console asks every two seconds, and with millions of
 * accounts the answer takes longer than that: who asks while a reading is under way waits for the same one, and a slow one is
 * good for `goodFor` times as long as it took. So all who look together keep one connection busy for at most one part in
 * `goodFor + 1` of the time.
 */
export function rareReading<Value extends object>(
  { clock, monotonicMs }: RareReadingNeeds,
  goodFor: number,
  read: () => Promise<Value>,
): () => Promise<Value & { readonly countedAt: EpochMs }> {
  let last: (Value & { readonly countedAt: EpochMs }) | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let reading: ReturnType<typeof readNow> | undefined;

  async function readNow(): Promise<Value & { readonly countedAt: EpochMs }> {
    const from = monotonicMs();
    const countedAt = clock.now();
    last = { ...(await read()), countedAt };
    const tookMs = monotonicMs() - from;
    goodUntilMs = tookMs <= quickMs ? Number.NEGATIVE_INFINITY : from + tookMs * (1 + goodFor);
    return last;
  }

  return async () => {
    if (last !== undefined && monotonicMs() < goodUntilMs) return last;
    reading ??= readNow().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

/** The same for a reading that has a parameter. It keeps the reading of the last one only: people hardly look at several at once. */
export function rareReadingOf<Of, Value extends object>(
  needs: RareReadingNeeds,
  goodFor: number,
  read: (of: Of) => Promise<Value>,
): (of: Of) => Promise<Value & { readonly countedAt: EpochMs }> {
  let last: { readonly key: string; readonly read: ReturnType<typeof rareReading<Value>> } | undefined;
  return (of) => {
    const key = JSON.stringify(of);
    if (last?.key !== key) last = { key, read: rareReading(needs, goodFor, () => read(of)) };
    return last.read();
  };
}
