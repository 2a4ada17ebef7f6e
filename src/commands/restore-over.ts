import type { Clock } from "../kernel/clock.ts";
import { impossible } from "../kernel/fault.ts";
import type { Progress } from "../kernel/progress.ts";
import type { Random } from "../kernel/random.ts";
import { restoreDatabase, type RestoreOutcome } from "../db/backup.ts";
import type { Db } from "../db/db.ts";
import type { Floors } from "../keyholder/keyholder.ts";
import { readFloors } from "../credentials/floors.ts";
import { refuseRestored } from "../credentials/refuse-copy.ts";
import { copyDetected } from "../canaries/alarm-words.ts";
import { bringMarks, readMarks } from "../canaries/keep-marks.ts";
import { raiseAlarm } from "../canaries/raise-alarm.ts";

/**
 * Puts a backup in place of all that is in the database. In the same commit what the backup could revive is refused, the alarm rings,
 * and canaries that the database knew stay known.
 */
export async function restoreOver(
  db: Db,
  file: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  progress?: Progress,
): Promise<RestoreOutcome> {
  let replaced: { readonly floors: Floors; readonly marks: Awaited<ReturnType<typeof readMarks>> } | undefined;
  return restoreDatabase(
    db,
    file,
    async (tx) => {
      const { floors, marks } = replaced ?? impossible("what is replaced was read before");
      // Nothing that the backup could revive is good for one moment.
      const now = clock.now();
      const refused = await refuseRestored(tx, random, now, floors);
      const facts = { "restored by": "host", "passwords too": refused.passwordsToo, epoch: refused.epoch };
      await raiseAlarm(tx, now, random, copyDetected(facts));
      // Copies that were made since the backup was ring as before.
      await bringMarks(tx, marks, now);
    },
    progress,
    async (tx) => {
      replaced = { floors: await readFloors(tx), marks: await readMarks(tx) };
    },
  );
}
