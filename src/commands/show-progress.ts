import { minuteOf, plus, secondMs, steadyClock, toIso, type Clock } from "../kernel/clock.ts";
import type { Progress } from "../kernel/progress.ts";
import { figure } from "./command.ts";
import { lineScreenOf, redrawnLine, type LineScreen } from "./redrawn-line.ts";

interface Screen extends LineScreen {
  readonly isTTY?: boolean | undefined;
  readonly clock: Clock;
}

/** Where a command shows it. */
export const stderr: Screen = { ...lineScreenOf(process.stderr), clock: steadyClock };

const firstAfterMs = secondMs;
const againAfterMs = secondMs / 2;

/**
 * Shows how far long work is, in one line that is drawn over and gone when the work has ended, or the command is ended: on standard
 * error, and only where that is a terminal which can draw over a line, so that neither a script nor a reader of JSON meets it.
 *
 * `units`: what is counted, as "entries"; `unit` how many of what is told make one. `signal` aborts when the command is ended.
 */
export async function showingProgress<Result>(
  { write, columns, isTTY, clock }: Screen,
  { units, unit = 1, signal }: { readonly units: string; readonly unit?: number; readonly signal: AbortSignal },
  work: (progress: Progress) => Promise<Result>,
): Promise<Result> {
  if (isTTY !== true) return work(() => undefined);
  const begun = clock.now();
  let drawnAt = plus(begun, firstAfterMs - againAfterMs);
  const line = redrawnLine({ write, columns });
  // The work may go on for a moment, or is waited for by nobody: it draws no more.
  signal.addEventListener("abort", line.erase);
  try {
    return await work((done, total) => {
      const now = clock.now();
      if (signal.aborted || now < plus(drawnAt, againAfterMs)) return;
      drawnAt = now;
      const perMs = done / Math.max(1, now - begun);
      const of = total === null ? "" : ` of ${figure(Math.ceil(total / unit))}`;
      // An estimate that was too low ends nowhere.
      const end =
        total === null || done === 0 || done > total
          ? ""
          : ` · ends about ${minuteOf(toIso(plus(now, Math.ceil((total - done) / perMs))))}`;
      const rate = figure(Math.round((perMs * secondMs) / unit));
      line.draw(`${figure(Math.floor(done / unit))}${of} ${units} · ${rate}/s${end}`);
    });
  } finally {
    signal.removeEventListener("abort", line.erase);
    line.erase();
  }
}
