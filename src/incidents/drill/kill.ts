import { sleep } from "../../kernel/clock.ts";
import { ask } from "./ask.ts";
import type { DrillService } from "./service.ts";
import type { Kill } from "./schedule.ts";

export interface Killed extends Kill {
  /** Milliseconds until all four processes were there again, the service said that it is ready and the worker was at work. */
  readonly backMs: number;
  /** Letters were still on their way. */
  readonly isMidway: boolean;
}

interface Progress {
  letters(): number;
  returns(): number;
  /** Nothing more will come: what is left of the schedule is not waited for. */
  isOver(): boolean;
  areLettersOver(): boolean;
  /** The worker has connections to the database: it is more than a process that starts. */
  isWorking(): Promise<boolean>;
}

const lookEveryMs = 10;
const backWithinMs = 60_000;

/** Carries out a schedule: waits for each kill's moment, kills by SIGKILL, and waits until the service is whole again. */
export async function carryOutKills(
  {
    service,
    monotonicMs,
    signal,
  }: {
    readonly service: Pick<DrillService, "processes" | "origin">;
    readonly monotonicMs: () => number;
    readonly signal: AbortSignal;
  },
  schedule: readonly Kill[],
  progress: Progress,
  told: (killed: Killed) => void,
): Promise<Killed[]> {
  const killed: Killed[] = [];
  // Both kinds at once: those of the crowd do not wait for those of the campaign.
  await Promise.all([lane("letters"), lane("returns")]);
  return killed;

  async function lane(when: Kill["when"]): Promise<void> {
    const reached = (): number => (when === "letters" ? progress.letters() : progress.returns());
    const isOver = (): boolean => (when === "letters" ? progress.areLettersOver() : progress.isOver());
    for (const kill of schedule.filter((one) => one.when === when)) {
      while (reached() < kill.after && !isOver() && !signal.aborted) await sleep(lookEveryMs, signal);
      await sleep(kill.delayMs, signal);
      const pid = (await whole())?.[kill.victim];
      if (pid === undefined || signal.aborted) return;
      const began = monotonicMs();
      const isMidway = !progress.areLettersOver();
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself in this moment, which is as good.
      }
      await whole(pid);
      const done = { ...kill, backMs: monotonicMs() - began, isMidway };
      killed.push(done);
      told(done);
    }
  }

  /** The four processes once they are all there, `without` not among them, and the service is ready and at work. */
  async function whole(without?: number): Promise<Awaited<ReturnType<DrillService["processes"]>>> {
    const latest = monotonicMs() + backWithinMs;
    while (monotonicMs() < latest && !signal.aborted) {
      const found = await service.processes();
      if (found !== undefined && !Object.values(found).includes(without ?? 0)) {
        const isReady = (await ask(service.origin, "/readyz")).status === 200;
        if (isReady && (await progress.isWorking())) return found;
      }
      await sleep(50, signal);
    }
    return undefined;
  }
}
