import { hourMs, secondMs, type EpochMs } from "../kernel/clock.ts";
import type { Later } from "./later.ts";

/** What a letter to a provider may do now. */
export type Turn =
  | { readonly kind: "go" }
  /** In so many milliseconds, few enough to wait for. */
  | { readonly kind: "wait"; readonly waitMs: number }
  /** Not before then: the provider has more letters than it takes. A place is kept for it. */
  | { readonly kind: "put off"; readonly until: EpochMs };

export interface ProviderPace {
  /**
   * Whether a letter may go now; one that goes is counted. `isDue`: it was put off before, and its place has come. `share`
   * of the provider's rate is used, 1 for all of it.
   */
  turn(provider: string, now: EpochMs, isDue: boolean, share?: number): Turn;
  /** What a provider's answer teaches. `putOffSince`: when it first put this letter off; `null` at its first try. */
  learn(provider: string, now: EpochMs, answer: "taken" | Later, putOffSince: EpochMs | null): void;
  /** Letters a second, as far as it is learnt. */
  rateOf(provider: string): number;
  /** Providers that are remembered. */
  size(): number;
}

interface State {
  rate: number;
  /** Until the first "fewer" the rate doubles with each second of use. */
  isUnhindered: boolean;
  /** When the next letter may go at this rate. */
  nextAt: number;
  /** The last place that was kept for a letter put off. */
  bookedUntil: number;
  cutAt: number;
  /** Share of "fewer" among its last answers, about twenty of them. */
  fewerShare: number;
  /** Share of letters that it took at the first try, among the last of those. */
  firstTakenShare: number;
  usedAt: number;
}

/** A provider that nothing is known of: as much as any takes from a sender it has not seen. */
const firstRate = 50;
const leastRate = 0.1;
const mostRate = 100_000;
/** Added for each second of use, in letters a second. */
const increase = 2;
/** What a "fewer" leaves of the rate. */
const decrease = 0.5;
/** Single mailboxes are full at every provider: so large a share is about the rate. */
const mostFewer = 0.1;
const answerWeight = 0.05;
/** Who greylists takes no stranger's letter at the first try; so large a share says that it counts letters instead. */
const fewTaken = 0.02;
/** Greylisting (RFC 6647) is over after minutes; who asks to come again after an hour of it means something else. */
const longestGreylistMs = hourMs;
/** Letters that were under way when a provider says "fewer" bring the same answer: within this time it counts once. */
const oneMessageMs = secondMs;
/** A letter that would wait longer is put off, in the database. */
const longestWaitMs = 2 * secondMs;
/** How far a provider may run ahead of its rate after a pause. */
const burstMs = 100;
/** Domains of their own are many; those used last are remembered. */
const mostProviders = 20_000;

/**
 * Learns how fast each receiving provider takes letters: additive increase, multiplicative decrease (as congestion control
 * does it, RFC 5681 section 3.1), from what the relay answers for its letters. In memory alone: which domains there are
 * stands in no table.
 *
 * Greylisting says nothing of the rate: a provider that asks for each new recipient to come again takes as many letters as
 * ever, later. Where its words leave that open, what it does decides.
 */
export function providerPace(): ProviderPace {
  // In order of use: a map keeps the order in which its keys were set.
  const states = new Map<string, State>();

  function stateOf(provider: string, now: EpochMs): State {
    const known = states.get(provider);
    const state = known ?? {
      rate: firstRate,
      isUnhindered: true,
      nextAt: now,
      bookedUntil: now,
      cutAt: 0,
      fewerShare: 0,
      firstTakenShare: 0,
      usedAt: now,
    };
    const backMs = state.usedAt - now;
    if (backMs > 0) {
      // The clock was set back: what lay ahead lies as far ahead as it did, or nothing would go until it is caught up.
      state.nextAt -= backMs;
      state.bookedUntil -= backMs;
      state.cutAt -= backMs;
    } else if (known !== undefined && -backMs < secondMs) return known;
    state.usedAt = now;
    states.delete(provider);
    states.set(provider, state);
    for (const oldest of states.keys()) {
      if (states.size <= mostProviders) break;
      states.delete(oldest);
    }
    return state;
  }

  return {
    turn: (provider, now, isDue, share = 1) => {
      const state = stateOf(provider, now);
      const stepMs = secondMs / Math.max(state.rate * share, leastRate);
      // Who has not been put off yet comes behind those who have.
      const waitMs = Math.max(state.nextAt, isDue ? 0 : state.bookedUntil - longestWaitMs) - now;
      if (waitMs > longestWaitMs) {
        state.bookedUntil = Math.max(state.bookedUntil, now + longestWaitMs) + stepMs;
        return { kind: "put off", until: Math.ceil(state.bookedUntil) as EpochMs };
      }
      state.nextAt = Math.max(state.nextAt, now - burstMs) + stepMs;
      return waitMs <= 0 ? { kind: "go" } : { kind: "wait", waitMs: Math.ceil(waitMs) };
    },
    learn: (provider, now, answer, putOffSince) => {
      const state = stateOf(provider, now);
      if (putOffSince === null) {
        state.firstTakenShare += ((answer === "taken" ? 1 : 0) - state.firstTakenShare) * answerWeight;
      }
      if (answer !== "taken" && isGreylisting(state, answer, putOffSince === null ? 0 : now - putOffSince)) return;
      state.fewerShare += ((answer === "taken" ? 0 : 1) - state.fewerShare) * answerWeight;
      if (answer === "taken") {
        state.rate = Math.min(state.rate + (state.isUnhindered ? 1 : increase / state.rate), mostRate);
      } else if (state.fewerShare > mostFewer && now - state.cutAt >= oneMessageMs) {
        state.fewerShare = 0;
        state.rate = Math.max(state.rate * decrease, leastRate);
        state.isUnhindered = false;
        state.cutAt = now;
      }
    },
    rateOf: (provider) => states.get(provider)?.rate ?? firstRate,
    size: () => states.size,
  };
}

function isGreylisting({ firstTakenShare }: State, answer: Later, waitedMs: number): boolean {
  if (answer === "fewer" || waitedMs > longestGreylistMs) return false;
  return answer === "come again" || firstTakenShare < fewTaken;
}

/**
 * Keeps a rate over all providers: the relay's allowance, or this walk's part of it. `take` counts a letter that may go now
 * and answers 0, or says how many milliseconds to wait before one may.
 */
export function steadyPace(): { take(now: EpochMs, perSecond: number | undefined): number } {
  let nextAt = 0;
  let askedAt = 0;
  return {
    take: (now, perSecond) => {
      if (perSecond === undefined) return 0;
      // As above, for a clock that was set back.
      nextAt -= Math.max(0, askedAt - now);
      askedAt = now;
      if (nextAt > now) return nextAt - now;
      nextAt = Math.max(nextAt, now - burstMs) + secondMs / perSecond;
      return 0;
    },
  };
}
