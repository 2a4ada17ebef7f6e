import { randomUUID } from "node:crypto";
import { secondMs, sleep } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { WitnessBook } from "./witness.ts";

/** How long a standby waits for news before it hears that there are none. */
const heartbeatMs = secondMs / 2;
/** After so long without a word the standby is taken for gone, and nothing waits for it. */
const awayAfterMs = 2 * heartbeatMs;

/** The end that is followed: hands each change of the witness to the standby before whoever made it is answered. */
export interface Followed {
  /** After a change is on disk here. Resolves when the standby has it on disk too, or is away. */
  tell(book: WitnessBook): Promise<void>;
  /** What a standby that has `have` asks for: answered at once if it lacks something, else with the next change or heartbeat. */
  news(have: string): Promise<{ readonly at: string; readonly book: WitnessBook }>;
}

export function openFollowed({ log }: { readonly log: Log }, first: WitnessBook): Followed {
  // Numbers begin anew with the process.
  const instance = randomUUID();
  let book = first;
  let version = 0;
  let acknowledged = 0;
  let leaving: AbortController | undefined;
  /** Standbys that wait for news, and changes that wait for a standby. */
  const waiting = new Set<() => void>();
  const owing = new Set<() => void>();
  const wakeAll = (sleepers: ReadonlySet<() => void>): void => {
    for (const wake of sleepers) wake();
  };
  /** Resolves when it is woken, or after a time. */
  const sleepAmong = (sleepers: Set<() => void>, ms: number): Promise<void> =>
    new Promise((resolve) => {
      const rest = new AbortController();
      const wake = (): void => {
        sleepers.delete(wake);
        rest.abort();
        resolve();
      };
      sleepers.add(wake);
      void sleep(ms, rest.signal).then(wake);
    });

  function heard(): void {
    if (leaving === undefined) log.info("a standby follows");
    leaving?.abort();
    const left = new AbortController();
    leaving = left;
    void sleep(awayAfterMs, left.signal).then(() => {
      if (left.signal.aborted || leaving !== left) return;
      leaving = undefined;
      log.error("the standby does not follow any more; what changes now it does not know");
      wakeAll(owing);
    });
  }

  return {
    tell: async (changed) => {
      book = changed;
      version += 1;
      const told = version;
      wakeAll(waiting);
      // One that asks again and again and takes nothing is not waited for either.
      if (leaving !== undefined) await sleepAmong(owing, awayAfterMs);
      if (leaving !== undefined && acknowledged < told) log.error("the standby does not take what changed");
    },
    news: async (have) => {
      heard();
      const [, of = "", number = ""] = /^([0-9a-f-]{36})\.(\d{1,15})$/.exec(have) ?? [];
      const known = of === instance ? Number(number) : -1;
      if (known > acknowledged) acknowledged = Math.min(known, version);
      if (acknowledged === version) wakeAll(owing);
      if (known === version) await sleepAmong(waiting, heartbeatMs);
      return { at: `${instance}.${version}`, book };
    },
  };
}
