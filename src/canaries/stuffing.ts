import {
  dayMs,
  every,
  fromDate,
  hourMs,
  minuteMs,
  plus,
  toDate,
  toIso,
  type Clock,
  type EpochMs,
} from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { recurring } from "../kernel/recurring.ts";
import { batchRows } from "../db/batch.ts";
import type { Db, Tx } from "../db/db.ts";
import type { NoteSignIn } from "../http/tries.ts";
import { networkOf } from "../http/network.ts";
import { stuffingSeen } from "./alarm-words.ts";
import { raiseAlarm, type AlarmFound } from "./raise-alarm.ts";

/** How sign-ins went. */
interface SignInCounts {
  readonly tried: number;
  readonly failed: number;
  readonly unknown: number;
  readonly networks: number;
}

/** How they went in ten minutes. */
export interface SignInWindow extends SignInCounts {
  readonly start: EpochMs;
}

export const windowMs = 10 * minuteMs;
const keptMs = 35 * dayMs;
const startOf = (now: EpochMs): EpochMs => plus(now, -(now % windowMs));

export interface SignInCounter {
  readonly note: NoteSignIn;
  /** Adds what was counted since the last time to the database; also done every five seconds. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const nothing: SignInCounts = { tried: 0, failed: 0, unknown: 0, networks: 0 };

const sum = (one: SignInCounts, other: SignInCounts): SignInCounts => ({
  tried: one.tried + other.tried,
  failed: one.failed + other.failed,
  unknown: one.unknown + other.unknown,
  networks: one.networks + other.networks,
});

/** Above this many networks in ten minutes one process stops telling them apart; the number is an alarm by then. */
const mostNetworks = 100_000;

/**
 * Counts how sign-ins end. What is stored are sums; the networks are told apart in memory alone, for the ten minutes that
 * they are counted. A killed process loses the last five seconds of its counts.
 */
export function countSignIns({
  db,
  clock,
  log,
  everyMs = 5_000,
}: {
  readonly db: Tx;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs?: number;
}): SignInCounter {
  let start = startOf(clock.now());
  let counted = { ...nothing };
  let networks = new Set<string>();
  /** What is not in the database yet, by its window: however long that is away, a sum for each ten minutes. */
  const waiting = new Map<EpochMs, SignInCounts>();
  const troubled = recurring(log, {
    says: "sign-ins are counted later: the database does not take them now",
    ends: "sign-ins are counted again",
  });

  const keep = (of: EpochMs, counts: SignInCounts): unknown => waiting.set(of, sum(waiting.get(of) ?? nothing, counts));

  function turn(): void {
    const now = startOf(clock.now());
    if (now === start) return;
    keep(start, counted);
    start = now;
    counted = { ...nothing };
    networks = new Set();
  }

  async function flush(): Promise<void> {
    turn();
    keep(start, counted);
    counted = { ...nothing };
    const batch = [...waiting].filter(([, { tried }]) => tried > 0);
    waiting.clear();
    for (const [of, counts] of batch) {
      try {
        await db.run(
          `insert into sign_in_window (window_start, tried, failed, unknown, networks) values ($1, $2, $3, $4, $5)
           on conflict (window_start) do update
             set tried = sign_in_window.tried + excluded.tried, failed = sign_in_window.failed + excluded.failed,
                 unknown = sign_in_window.unknown + excluded.unknown,
                 networks = sign_in_window.networks + excluded.networks`,
          [toDate(of), counts.tried, counts.failed, counts.unknown, counts.networks],
        );
        troubled.over();
      } catch (thrown) {
        keep(of, counts);
        troubled.found({ reason: messageOf(thrown) });
      }
    }
  }

  const flusher = every(everyMs, flush);
  return {
    note: ({ failed, isKnown, network }) => {
      turn();
      counted.tried += 1;
      if (!failed) return;
      counted.failed += 1;
      if (!isKnown) counted.unknown += 1;
      const name = networkOf(network);
      if (networks.size < mostNetworks && !networks.has(name)) {
        networks.add(name);
        counted.networks += 1;
      }
    },
    flush,
    close: async () => {
      await flusher.stop();
      await flush();
    },
  };
}

/** What is usual: median and spread, which a few odd windows among many do not move. */
interface Usual {
  readonly median: number;
  /** Median absolute deviation times 1.4826: the standard deviation, if it were a normal distribution. */
  readonly spread: number;
}

const medianOf = (values: readonly number[]): number => {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

export function usualOf(values: readonly number[]): Usual {
  const median = medianOf(values);
  return { median, spread: 1.4826 * medianOf(values.map((value) => Math.abs(value - median))) };
}

/** Fewer failed sign-ins than this in ten minutes are no stuffing that anybody would do. */
const leastFailed = 100;
/** Until so many windows of the same time of day are known (a week of three hours), the least is what a service could not miss. */
const leastKnown = 7 * 18;
const leastFailedUnknown = 500;
/** Of lists that were taken elsewhere, most addresses have no account here. */
const leastUnknownShare = 0.4;

export interface Judgement {
  readonly isStuffing: boolean;
  readonly usualFailed: number;
  readonly usualUnknownPercent: number;
  readonly usualNetworks: number;
  /** Windows that the usual was taken from. */
  readonly known: number;
}

const unknownShare = ({ failed, unknown }: SignInWindow): number => (failed === 0 ? 0 : unknown / failed);

/**
 * Whether a window is stuffing, beside windows of the same time of day in the weeks before: far more failed sign-ins than
 * usual, of which far more are at addresses that nobody has here. Spread over far more networks than usual, half of the
 * distance is enough. After a containment everybody fails at once, and at addresses that exist: that is none.
 */
export function judgeWindow(window: SignInWindow, before: readonly SignInWindow[]): Judgement {
  const failed = usualOf(before.map((one) => one.failed));
  const networks = usualOf(before.map((one) => one.networks));
  const share = usualOf(before.filter((one) => one.failed > 0).map(unknownShare));
  const isKnown = before.length >= leastKnown;
  const isSpread = window.networks > Math.max(networks.median * 3, networks.median + 8 * networks.spread, 20);
  const distance = isSpread ? 6 : 12;
  const most = Math.max(leastFailed, failed.median * (isSpread ? 2 : 3), failed.median + distance * failed.spread);
  // In a quiet hour the share of a handful swings from none to all: its spread says nothing above six in ten.
  const mostShare = Math.max(leastUnknownShare, share.median + 0.15, Math.min(0.6, share.median + 4 * share.spread));
  const isMany = window.failed > (isKnown ? most : Math.max(most, leastFailedUnknown));
  return {
    isStuffing: isMany && unknownShare(window) > mostShare,
    usualFailed: Math.round(failed.median),
    usualUnknownPercent: Math.round(100 * share.median),
    usualNetworks: Math.round(networks.median),
    known: before.length,
  };
}

/** Windows within an hour of the same time of day, in the 28 days before. */
export function sameTimeOfDay(windows: readonly SignInWindow[], start: EpochMs): SignInWindow[] {
  return windows.filter((one) => {
    const age = start - one.start;
    if (age < 20 * hourMs || age > 28 * dayMs + hourMs) return false;
    const off = age % dayMs;
    return off <= hourMs || off >= dayMs - hourMs;
  });
}

function found(window: SignInWindow, judged: Judgement): AlarmFound {
  const seen = {
    from: toIso(window.start),
    failed: window.failed,
    unknownPercent: Math.round(100 * unknownShare(window)),
    networks: window.networks,
    usualFailed: judged.usualFailed,
    usualUnknownPercent: judged.usualUnknownPercent,
    usualNetworks: judged.usualNetworks,
  };
  return stuffingSeen(seen, { tried: window.tried, unknown: window.unknown, compared: judged.known });
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Judges the windows that are over and not judged yet, each once: the claim and its alarm commit together. A minute is
 * left for processes to add what they counted. @returns how many rang.
 */
export async function judgeSignIns({ db, clock, random }: Needs): Promise<number> {
  const now = clock.now();
  const over = toDate(plus(now, -windowMs - minuteMs));
  const rows = await db.many<Omit<SignInWindow, "start"> & { start: Date; judged: boolean }>(
    `select window_start as start, tried, failed, unknown, networks, judged from sign_in_window
      where window_start > $1 and window_start <= $2 order by window_start`,
    [toDate(plus(now, -keptMs)), over],
  );
  const windows = rows.map((row) => ({ ...row, start: fromDate(row.start) }));
  let rang = 0;
  for (const window of windows.filter(({ judged }) => !judged)) {
    const judged = judgeWindow(window, sameTimeOfDay(windows, window.start));
    await db.transaction(async (tx) => {
      const claimed = await tx.run(`update sign_in_window set judged = true where window_start = $1 and not judged`, [
        toDate(window.start),
      ]);
      if (claimed === 0 || !judged.isStuffing) return;
      await raiseAlarm(tx, now, random, found(window, judged));
      rang += 1;
    });
  }
  return rang;
}

/** Judges every minute. */
export function watchSignIns(needs: Needs & { readonly log: Log }): { stop(): Promise<void> } {
  const troubled = recurring(needs.log, {
    says: "sign-ins are compared with the usual later",
    ends: "sign-ins are compared with the usual again",
  });
  return every(minuteMs, async () => {
    await judgeSignIns(needs).then(
      () => troubled.over(),
      (thrown: unknown) => troubled.found({ reason: messageOf(thrown) }),
    );
  });
}

/** Forgets windows that are older than what the usual is taken from. @returns how many. */
export const forgetSignInWindows = (tx: Tx, now: EpochMs): Promise<number> =>
  tx.run(
    `delete from sign_in_window where window_start in (
       select window_start from sign_in_window where window_start < $1 order by window_start limit $2)`,
    [toDate(plus(now, -keptMs)), batchRows],
  );
