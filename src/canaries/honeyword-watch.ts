import { every, secondMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { AccountId } from "../kernel/brand.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { raiseAlarm, type AlarmFound } from "./raise-alarm.ts";

interface Needs {
  readonly db: Db;
  /** Mailer's role: the process that tries passwords must not learn which of them fitted. */
  readonly keyholder: Pick<Keyholder, "honeywords">;
  readonly clock: Clock;
  readonly random: Random;
}

const found = (accountId: AccountId): AlarmFound => ({
  kind: "honeyword",
  about: "honeyword",
  place: null,
  title: "A word cracked from a password record was tried",
  evidence:
    "Somebody tried a word that fits an account's password record and is not its password. Such words are found by cracking the record: that takes a copy of the database and the key that seals records, as from a backup of the keys.",
  notEvidence:
    "It does not tell which copy was read, nor that the account was entered: the answer was no. A wrong password fits by chance once in 1.2 thousand million tries. Who has copied the keyholder's whole folder would not ring this bell.",
  facts: { "last account": accountId },
  proposes: {
    foundHow: "a honeyword of a password record was tried",
    copiedAt: null,
    dataClasses: ["addresses", "names", "password records", "sessions", "viewing history"],
    keysReachable: "yes",
  },
});

/** Fetches what hit since `fetched`, and rings for each. @returns up to where it is written down. */
export async function ringForHoneywords({ db, keyholder, clock, random }: Needs, fetched: number): Promise<number> {
  const hits = await keyholder.honeywords(fetched);
  let written = fetched;
  for (const { number, accountId } of hits) {
    await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, found(accountId)));
    written = number;
  }
  // The keyholder's numbers begin anew with its process: what it gives is then below what was written down.
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
