import { every, minuteMs, secondMs, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { PlayableFile } from "../library/titles.ts";
import type { FileLooks } from "./file-looks.ts";
import type { MediaAnswer } from "./routes.ts";

/** Segments that were made a moment ago, for whoever asks next. Asked only behind the check; it knows no viewer. */
export interface HotSegments {
  /**
   * The segment `name` of a file: as it was made before if the file at `path` is still the one that it was cut from, else
   * made now. Requests that come while it is made wait for that one making, which goes on until the last of them has left.
   */
  resource(
    file: Pick<PlayableFile, "fileId" | "fingerprint">,
    path: string,
    name: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<MediaAnswer>,
  ): Promise<MediaAnswer>;
  /** Bytes held now; since the start, what was answered from memory and how often a segment was made. */
  counts(): HotCounts;
  close(): Promise<void>;
}

export interface HotCounts {
  readonly bytes: number;
  readonly sent: number;
  readonly made: number;
}

interface Kept {
  readonly answer: MediaAnswer;
  readonly bytes: number;
  usedAt: EpochMs;
}

interface Making {
  readonly answer: Promise<MediaAnswer>;
  readonly stop: AbortController;
  waiting: number;
}

/** What nobody asked for this long is let go: a service at rest holds no films. */
const idleMs = 5 * minuteMs;

/**
 * Keeps up to `maxBytes` of made segments in this process's memory, the least recently asked for going first; 0 keeps
 * nothing. What is being sent meanwhile is held by its request.
 */
export function startHotSegments(needs: {
  readonly maxBytes: number;
  readonly looks: FileLooks;
  readonly clock: Clock;
  readonly sweepMs?: number;
}): HotSegments {
  const { maxBytes, looks, clock, sweepMs = 30 * secondMs } = needs;
  // By key, the least recently used first.
  const kept = new Map<string, Kept>();
  const making = new Map<string, Making>();
  let bytes = 0;
  let sent = 0;
  let made = 0;

  const drop = (key: string): void => {
    const one = kept.get(key);
    if (one === undefined) return;
    kept.delete(key);
    bytes -= one.bytes;
  };
  const keep = (key: string, answer: MediaAnswer): void => {
    if (answer.kind !== "found") return;
    const size = Buffer.byteLength(answer.body);
    if (size > maxBytes) return;
    drop(key);
    for (const oldest of kept.keys()) {
      if (bytes + size <= maxBytes) break;
      drop(oldest);
    }
    kept.set(key, { answer, bytes: size, usedAt: clock.now() });
    bytes += size;
  };
  const sweeping = every(sweepMs, async () => {
    const now = clock.now();
    for (const [key, { usedAt }] of kept) if (now - usedAt > idleMs) drop(key);
  });

  const begin = (key: string, make: (signal: AbortSignal) => Promise<MediaAnswer>): Making => {
    const stop = new AbortController();
    made++;
    const one: Making = {
      stop,
      waiting: 0,
      answer: make(stop.signal)
        .then((answer) => {
          keep(key, answer);
          return answer;
        })
        .finally(() => {
          if (making.get(key) === one) making.delete(key);
        }),
    };
    making.set(key, one);
    return one;
  };
  const leave = (key: string, one: Making): void => {
    one.waiting--;
    if (one.waiting > 0) return;
    // Whoever comes now begins anew: this one may be refused for want of anybody who waits.
    if (making.get(key) === one) making.delete(key);
    one.stop.abort();
  };

  return {
    resource: async ({ fileId, fingerprint }, path, name, signal, make) => {
      const key = `${fileId} ${fingerprint} ${name}`;
      const before = kept.get(key);
      if (before !== undefined) {
        if ((await looks.fingerprint(path)) === fingerprint) {
          sent++;
          before.usedAt = clock.now();
          if (kept.get(key) === before) {
            kept.delete(key);
            kept.set(key, before);
          }
          return before.answer;
        }
        drop(key);
      }
      const one = making.get(key) ?? begin(key, make);
      one.waiting++;
      const left = (): void => leave(key, one);
      if (signal.aborted) left();
      else signal.addEventListener("abort", left, { once: true });
      try {
        return await one.answer;
      } finally {
        signal.removeEventListener("abort", left);
      }
    },
    counts: () => ({ bytes, sent, made }),
    close: async () => {
      await sweeping.stop();
      kept.clear();
      bytes = 0;
    },
  };
}
