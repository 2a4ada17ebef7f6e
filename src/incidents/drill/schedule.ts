import { processNames, type ProcessName } from "./processes.ts";
import { seeded } from "./seeded.ts";

/** One process to be killed by SIGKILL, when so many letters have been taken, or so many people are back. */
export interface Kill {
  readonly victim: ProcessName;
  readonly when: "letters" | "returns";
  readonly after: number;
  /** And so much later. */
  readonly delayMs: number;
}

/**
 * When which process is killed: by progress and not by the clock, so that the same seed gives the same schedule on any
 * machine. Three of four fall into the campaign, the rest into the crowd that comes back.
 */
export function killSchedule(
  seed: number,
  { kills, letters, returns }: { readonly kills: number; readonly letters: number; readonly returns: number },
): Kill[] {
  const random = seeded(seed);
  const schedule = Array.from({ length: kills }, (_, index): Kill => {
    const when = index % 4 === 3 && returns > 0 ? "returns" : "letters";
    // None at the very end, where there would be nothing left to be lost.
    const most = Math.max(1, Math.floor((when === "letters" ? letters : returns) * 0.8));
    return {
      victim: processNames[random.below(processNames.length)] ?? "worker",
      when,
      after: random.below(most),
      delayMs: random.below(40),
    };
  });
  return schedule.toSorted((one, other) => one.after - other.after);
}
