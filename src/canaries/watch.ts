import { every, secondMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Db } from "../db/db.ts";
import type { NoteTry, TryWay } from "../http/tries.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { ringFor } from "./ring.ts";

export interface CanaryWatch {
  readonly note: NoteTry;
  /** Looks at what was noted since the last time; also done every second. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Uses that are looked at together. */
const atOnce = 500;
/** Above what can be tried in a second by far: what is noted beyond it waits for nothing and is dropped, and said. */
const mostNoted = 50_000;

/**
 * Notes every use of an address and looks a moment later, for all of them together, whether one was of a canary. Nothing
 * about it happens while a request is answered, so a canary's answer costs what every other costs. What a killed
 * process had noted in its last second is lost; the thief's next try is not.
 */
export function watchCanaries(needs: {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "index" | "open">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A second unless told otherwise; tests look when they want to. */
  readonly everyMs?: number;
}): CanaryWatch {
  const { log, everyMs = secondMs } = needs;
  let noted = new Map<string, { way: TryWay; form: string; times: number }>();
  let dropped = 0;
  const troubled = recurring(log, {
    says: "uses of addresses are compared with the canaries later",
    ends: "uses of addresses are compared with the canaries again",
  });

  const note = (way: TryWay, form: string, times = 1): void => {
    const key = `${way} ${form}`;
    const found = noted.get(key);
    if (found !== undefined) found.times += times;
    else if (noted.size < mostNoted) noted.set(key, { way, form, times });
    else dropped += times;
  };

  async function flush(): Promise<void> {
    const uses = [...noted.values()];
    noted = new Map();
    if (dropped > 0) log.error({ dropped }, "more addresses were tried at once than the watch over canaries holds");
    dropped = 0;
    for (let from = 0; from < uses.length; from += atOnce) {
      const batch = uses.slice(from, from + atOnce);
      try {
        await ringFor(needs, batch);
        troubled.over();
      } catch (thrown) {
        // Rung twice is counted twice on one alarm; not rung at all would be worse.
        for (const { way, form, times } of batch) note(way, form, times);
        troubled.found({ reason: messageOf(thrown) });
      }
    }
  }

  const looking = every(everyMs, flush);
  return {
    note: (way, form) => note(way, form),
    flush,
    close: async () => {
      await looking.stop();
      await flush();
    },
  };
}
