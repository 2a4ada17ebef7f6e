import { performance } from "node:perf_hooks";
import type { Brand } from "./brand.ts";

/** Milliseconds since the Unix epoch, UTC. Durations in ms are plain numbers, so the two cannot be swapped. */
export type EpochMs = Brand<number, "EpochMs">;

/** Where an operation gets its one instant from. Read it once, pass the instant on, into SQL too. */
export interface Clock {
  now(): EpochMs;
}

export const systemClock: Clock = { now: () => Date.now() as EpochMs };

/**
 * A clock that nobody can set back or forward, for measuring within one process how long something takes or has not been used.
 * Instants that are stored or shown are `systemClock`'s.
 */
export const steadyClock: Clock = { now: () => (performance.timeOrigin + performance.now()) as EpochMs };

/** A clock for tests: it stands still until it is moved. */
export interface ManualClock extends Clock {
  set(instant: number): void;
  advance(durationMs: number): void;
}

export function manualClock(start: number): ManualClock {
  let instant = start;
  return {
    now: () => instant as EpochMs,
    set: (value) => {
      instant = value;
    },
    advance: (durationMs) => {
      instant += durationMs;
    },
  };
}

export const plus = (start: EpochMs, durationMs: number): EpochMs => (start + durationMs) as EpochMs;

/** Whole seconds that are left, rounded down, as a cookie's `Max-Age` and OAuth's `expires_in` count them; 0 once it has passed. */
export const secondsUntil = (clock: Clock, instant: EpochMs): number =>
  Math.max(0, Math.floor((instant - clock.now()) / secondMs));

/** For SQL parameters of type timestamptz. */
export const toDate = (instant: EpochMs): Date => new Date(instant);
export const fromDate = (date: Date): EpochMs => date.getTime() as EpochMs;

/** ISO 8601 in UTC with milliseconds, the only form of an instant that leaves the process. */
export const toIso = (instant: EpochMs): string => new Date(instant).toISOString();

/** `2026-11-22 20:41 UTC`, from ISO 8601 in UTC: for a person to read. */
export const minuteOf = (iso: string): string => `${iso.slice(0, 16).replace("T", " ")} UTC`;

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Resolves after `durationMs`; at once when the signal aborts. */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = (): void => {
      clearTimeout(timer);
      // A signal may live as long as the process: listeners left on it would pile up, and adding one walks all of them.
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, durationMs);
    signal?.addEventListener("abort", wake);
  });
}

/** Calls `work` once after `durationMs`. @returns what calls it off. The process may exit while it waits. */
export function after(durationMs: number, work: () => void): () => void {
  const timer = setTimeout(work, durationMs).unref();
  return () => clearTimeout(timer);
}

/** @returns what says whether `limitMs` have passed since this call; by a timer, so that it needs no clock. The process may exit meanwhile. */
export function timeIsOver(limitMs: number): () => boolean {
  let isOver = false;
  after(limitMs, () => {
    isOver = true;
  });
  return () => isOver;
}

/**
 * Runs `work` after each pause of `intervalMs`, never twice at once, until stopped; `stop` waits for the run under way. `work` catches
 * its own errors: one that it throws would end the repetition.
 */
export function every(intervalMs: number, work: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await sleep(intervalMs, stopping.signal);
      if (stopping.signal.aborted) return;
      await work();
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

/** Reads what a database's JSON or a wire field says; the schema has already said that it is an instant. */
export const parseInstant = (text: string): EpochMs => Date.parse(text) as EpochMs;

const typedInstant = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d\d:\d\d)?)?$/;

/**
 * Reads an instant as a person types it: ISO 8601, the host's own time where it names no zone, midnight where it names no hour.
 * `undefined` for a date that does not exist, and for other notations, whose meaning `Date.parse` would guess (11/12/2026).
 */
export function readInstant(text: string): EpochMs | undefined {
  const [, year, month, day, time = "00:00", zone = ""] = typedInstant.exec(text.trim()) ?? [];
  if (Number(day) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()) return undefined;
  const instant = Date.parse(`${year}-${month}-${day}T${time}${zone === "UTC" ? "Z" : zone}`);
  return Number.isNaN(instant) ? undefined : (instant as EpochMs);
}
