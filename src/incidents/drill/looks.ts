import type { IncidentId } from "../../kernel/brand.ts";
import { every } from "../../kernel/clock.ts";
import type { Db } from "../../db/db.ts";
import type { LetterSum } from "../../wire/incidents.ts";
import { addsUp, letterSum } from "../letter-sum.ts";

export interface Looks {
  made(): number;
  /** Looks at which the sum of P5 did not hold, or the campaign was said to be finished while letters waited. */
  readonly wrong: readonly LetterSum[];
  last(): LetterSum | undefined;
  isFinished(): boolean;
  stop(): Promise<void>;
}

/** Looks at the letters of a case again and again while everything is being killed; a look that meets a restart is none. */
export function startLooking(db: Db, incidentId: IncidentId, everyMs: number): Looks {
  const wrong: LetterSum[] = [];
  let made = 0;
  let last: LetterSum | undefined;
  let isFinished = false;
  const looking = every(everyMs, async () => {
    try {
      // Read before the sum: what was said to be finished then must still be so.
      const said = await db.one<{ at: Date | null }>(`select letters_finished_at as at from incident where id = $1`, [
        incidentId,
      ]);
      const sum = await letterSum(db, incidentId);
      if (said === undefined || sum === undefined) return;
      made++;
      last = sum;
      isFinished = said.at !== null;
      if (!addsUp(sum) || (isFinished && sum.waiting > 0)) wrong.push(sum);
    } catch {
      // PostgreSQL was killed a moment ago.
    }
  });
  return { made: () => made, wrong, last: () => last, isFinished: () => isFinished, stop: () => looking.stop() };
}
