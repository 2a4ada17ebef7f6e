import { every, secondMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { honeywordTried } from "./alarm-words.ts";
import { raiseAlarm } from "./raise-alarm.ts";

interface Needs {
  readonly db: Db;
  /** Mailer's role: the process that tries passwords must not learn which of them fitted. */
  readonly keyholder: Pick<Keyholder, "honeywords">;
  readonly clock: Clock;
  readonly random: Random;
}

/** Fetches what hit since `fetched`, and rings for each. @returns up to where it is written down; 0 where nothing is left to be forgotten. */
export async function ringForHoneywords({ db, keyholder, clock, random }: Needs, fetched: number): Promise<number> {
  const hits = await keyholder.honeywords(fetched);
  let written = fetched;
  for (const { number, accountId } of hits) {
    await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, honeywordTried(accountId)));
    written = number;
  }
  // A keyholder whose clock was set back before it was started again has numbers below what was written down.
  return hits.length === 0 ? 0 : written;
}

/** Looks every second. A hit whose alarm did not commit is fetched again. */
export function watchHoneywords(needs: Needs & { readonly log: Log }): { stop(): Promise<void> } {
  let fetched = 0;
  return every(secondMs, async () => {
    try {
      fetched = await ringForHoneywords(needs, fetched);
    } catch (thrown) {
      fetched = 0;
      needs.log.debug({ reason: messageOf(thrown) }, "honeywords are looked for again in a second");
    }
  });
}
