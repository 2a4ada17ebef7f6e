import type { LetterSum } from "../../wire/incidents.ts";
import type { Killed } from "./kill.ts";
import type { Kill } from "./schedule.ts";
import type { Tries } from "./thief.ts";

/** One instant of the drill, in milliseconds since it began. */
export interface Moment {
  readonly atMs: number;
  readonly what: string;
}

/** A promise of the product, as this drill found it. */
export interface Held {
  readonly promise: string;
  readonly held: boolean;
  /** What was counted. */
  readonly how: string;
}

/** One term of the projection, with where it is from. */
export interface Term {
  readonly term: string;
  readonly value: string;
  readonly source: string;
}

export interface DrillOrder {
  readonly accounts: number;
  readonly watching: number;
  /** The part of the accounts that comes back on the first day. */
  readonly crowd: number;
  readonly seed: number;
  readonly kills: number;
  /** Letters that the drill's relay takes in a second, as the service is told; null for as many as come. */
  readonly rate: number | null;
  /** Pauses are shortened: leases, second tries, and the crowd's hours. */
  readonly isHurried: boolean;
  /** The real population, for the projection. */
  readonly real: number;
  /** Letters that the real relay takes an hour; null if nobody said. */
  readonly allowancePerHour: number | null;
}

/** What was measured, before anything is judged. */
export interface Measured {
  readonly containCommitMs: number;
  readonly containCountMs: number;
  readonly containExitCode: number | null;
  readonly devices: number;
  readonly playedBefore: number;
  readonly darkMs: readonly number[];
  readonly triedByDevices: number;
  readonly servedOld: number;
  readonly thiefBefore: Tries;
  readonly thief: Tries;
  readonly looks: number;
  readonly wrongLooks: number;
  readonly sum: LetterSum | undefined;
  readonly isFinished: boolean;
  /** Over the first three quarters of those handed over, before most second tries. */
  readonly lettersPerSecond: number;
  /** Notices that the mailboxes have more than once. */
  readonly duplicates: number;
  /** Handed over by the service's count, and in no mailbox. */
  readonly lost: number;
  /** Letters that a provider took and sent back later. */
  readonly returned: number;
  /** Their reports that the service took, and refusals of them. */
  readonly reportsTaken: number;
  readonly reportsRefused: readonly string[];
  /** Letters that may be in flight at once. */
  readonly inFlight: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly expectedBack: number;
  readonly renewed: number;
  /** In the busiest five seconds. */
  readonly renewalsPerSecond: number;
  readonly renewalMs: readonly number[];
  readonly again: number;
  readonly places: number;
  readonly strange: Readonly<Record<string, number>>;
  readonly returnsTried: number;
  readonly returnsLost: number;
  readonly schedule: readonly Kill[];
  readonly killed: readonly Killed[];
  readonly closed: boolean;
  readonly verified: boolean;
  readonly verdict: string;
  readonly reportAgrees: boolean;
  readonly failedCommands: readonly string[];
}

export interface DrillResult {
  readonly format: "houselights drill 1";
  readonly order: DrillOrder;
  readonly moments: readonly Moment[];
  readonly measured: Measured;
  readonly promises: readonly Held[];
  readonly projection: readonly Term[];
  readonly folder: string;
}

/** The middle of some durations; 0 of none. */
export function middle(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Per second, in the busiest stretch of that length. */
export function busiest(instantsMs: readonly number[], stretchMs: number): number {
  const sorted = instantsMs.toSorted((one, other) => one - other);
  let most = 0;
  let from = 0;
  for (const [index, instant] of sorted.entries()) {
    while (instant - (sorted[from] ?? instant) >= stretchMs) from++;
    most = Math.max(most, index - from + 1);
  }
  return (most * 1_000) / stretchMs;
}
