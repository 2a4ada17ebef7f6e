import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { plus, type Clock, type EpochMs } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import { readFresh, releaseDue, reserveDue, type WaitingLetter } from "./claims.ts";
import { leaseShard, leaveShard, type Shard } from "./shards.ts";
import { untilItCan } from "./until-it-can.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
}

/** A range with what this walk has read of it and not settled. */
interface Range {
  readonly shard: Shard;
  readUpTo: AccountId;
  open: number;
}

/** The letters that wait, as one walk comes upon them. */
export interface ReadAhead {
  /** The next ones, read and not claimed; none when nothing can be had at this moment. */
  next(): Promise<WaitingLetter[]>;
  /** This walk has done with a letter: it has an outcome, or is another's. */
  settled(letter: WaitingLetter): void;
  /** Gives back what was read and not settled, and the ranges. */
  leave(): Promise<void>;
}

/**
 * Reads ahead: range by range, each held by a lease, and between two reads of them what is due again. Letters that were
 * put off are outside the ranges: they come due one by one, for days, and a range that waited for them would never be done.
 */
export function readAhead(
  { db, clock, log }: Needs,
  incidentId: IncidentId,
  {
    walkId,
    leaseMs,
    batch,
    signal,
  }: {
    readonly walkId: string;
    readonly leaseMs: number;
    readonly batch: number;
    readonly signal: AbortSignal | undefined;
  },
): ReadAhead {
  const rangeOf = new Map<AccountId, Range>();
  const reserved = new Map<AccountId, number>();
  /** Ranges with nothing left to read, whose last letters are on their way. */
  const ending = new Set<Range>();
  let current: Range | undefined;
  let reads = 0;

  const patiently = <Result>(work: () => Promise<Result>): Promise<Result> => untilItCan(log, signal, work);
  const leaseEnd = (now: EpochMs): EpochMs => plus(now, leaseMs);

  async function nextFresh(): Promise<WaitingLetter[]> {
    const seen = new Set<number>();
    for (;;) {
      const now = clock.now();
      if (current === undefined) {
        const shard = await patiently(() => leaseShard(db, incidentId, walkId, now, leaseEnd(now)));
        if (shard === undefined) return [];
        current = { shard, readUpTo: shard.resumeAfter, open: 0 };
      }
      const range = current;
      const letters = await patiently(() =>
        readFresh(db, incidentId, range.shard, range.readUpTo, { now, most: batch }),
      );
      const last = letters.at(-1);
      if (last !== undefined) {
        range.readUpTo = last.accountId;
        range.open += letters.length;
        for (const { accountId } of letters) rangeOf.set(accountId, range);
        return letters;
      }
      // Its last letters are on their way still; the next range need not wait for them.
      ending.add(range);
      current = undefined;
      // Whatever is left in it is claimed by another walk at this moment.
      if (seen.has(range.shard.shard)) return [];
      seen.add(range.shard.shard);
      await leaveEnded();
    }
  }

  async function nextDue(): Promise<WaitingLetter[]> {
    const now = clock.now();
    const letters = await patiently(() => reserveDue(db, incidentId, { now, most: batch, until: leaseEnd(now) }));
    for (const { accountId, attempts } of letters) reserved.set(accountId, attempts);
    return letters;
  }

  async function leaveEnded(): Promise<void> {
    for (const range of ending) {
      if (range.open > 0) continue;
      ending.delete(range);
      await patiently(() => leaveShard(db, incidentId, range.shard, walkId, clock.now()));
    }
  }

  return {
    next: async () => {
      await leaveEnded();
      // In turns: letters that a provider defers again and again must not stand before people who have had none yet.
      const ways = reads++ % 2 === 0 ? [nextFresh, nextDue] : [nextDue, nextFresh];
      for (const way of ways) {
        const letters = await way();
        if (letters.length > 0) return letters;
      }
      return [];
    },
    settled: ({ accountId }) => {
      const range = rangeOf.get(accountId);
      if (range !== undefined) range.open--;
      rangeOf.delete(accountId);
      reserved.delete(accountId);
    },
    leave: async () => {
      await patiently(() => releaseDue(db, incidentId, reserved, clock.now()));
      if (current !== undefined) ending.add(current);
      for (const { shard } of ending) await patiently(() => leaveShard(db, incidentId, shard, walkId, clock.now()));
    },
  };
}
