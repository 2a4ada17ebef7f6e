/**
 * Gives a request up after `limitMs`; browsers from before 2022 wait as long as they do by themselves. Not `app/limit.ts`: what
 * both kinds of pages load would be a file of its own, and one more request for a slow phone.
 */
export const within = (limitMs: number): AbortSignal | null =>
  "timeout" in AbortSignal ? AbortSignal.timeout(limitMs) : null;
