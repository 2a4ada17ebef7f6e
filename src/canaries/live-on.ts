import type { AccountId } from "../kernel/brand.ts";
import { every, minuteMs, type Clock } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { findAccount } from "../accounts/accounts.ts";
import type { SeenFloors } from "../credentials/floors.ts";
import { readPasswordProof, type Decoy } from "../credentials/passwords.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { lookUpForm } from "../mail/address.ts";
import { noteUse } from "../sessions/note-use.ts";
import { prepareSession, writeSession, type SessionLifetimesMs } from "../sessions/open-session.ts";
import { sealPlace } from "./plant.ts";

interface Needs {
  readonly db: Db;
  readonly keyholder: Keyholder;
  readonly clock: Clock;
  readonly random: Random;
  readonly decoy: Decoy;
  readonly seen: SeenFloors;
  readonly lifetimesMs: SessionLifetimesMs;
  /** What somebody who has an account has watched; the streaming room owns that table and stands after this one. */
  readonly watchSomething: (accountId: AccountId) => Promise<void>;
}

const turnMs = 10 * minuteMs;
/** One in so many turns: somebody signs in within the hour of signing up, and is back every few evenings. */
const turnsUntilFirst = 3;
const turnsBetween = 200;

/** What people have; televisions are linked, and leave traces of that. */
const devices = [
  "Firefox on Linux",
  "Chrome on Windows",
  "Safari on an iPhone",
  "Edge on Windows",
  "Chrome on Android",
];

/**
 * One turn of what canaries do: some sign in, or come back, and watch something. A copy shows when each account was made, signed in
 * and used; one that never did anything, or all of it in one instant, would be told from people.
 *
 * @returns how many did something.
 */
export async function liveOn(needs: Needs, chance = oneIn): Promise<number> {
  const { db, keyholder } = needs;
  const rows = await db.many<{ sealId: AccountId; dataKey: Buffer; sealed: Buffer }>(
    `select seal_id as "sealId", data_key as "dataKey", sealed_address as sealed from canary
      where retired_on is null and kind <> 'decoy' limit 1000`,
  );
  const opened = await keyholder.open(
    rows.map(({ sealId, dataKey, sealed }) => ({ dataKey, place: sealPlace(sealId), sealed })),
  );
  let lived = 0;
  for (const address of opened) {
    if (address === null) continue;
    const { accountId } = await findAccount(db, await keyholder.index("address", lookUpForm(address)));
    if (accountId !== null && (await liveOne(needs, accountId, chance))) lived += 1;
  }
  return lived;
}

async function liveOne(needs: Needs, accountId: AccountId, chance: typeof oneIn): Promise<boolean> {
  const { db, clock, random, decoy, seen } = needs;
  const now = clock.now();
  if (chance(random, turnsBetween)) {
    if ((await noteUse(db, accountId, now)) === 0) return false;
  } else {
    if (!chance(random, turnsUntilFirst) || (await noteUse(db, accountId, now, { only: "whether" })) > 0) return false;
    const { acceptable, dataKey, epoch, generation } = await readPasswordProof(db, accountId, decoy, seen);
    // Contained like everybody: nobody comes back for it.
    if (!acceptable) return false;
    const label = devices[random.below(devices.length)] ?? "";
    const network = `${20 + random.below(180)}.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`;
    const session = await prepareSession(needs, { accountId, dataKey, class: "browser", label, network, now });
    if (!(await writeSession(db, session, { epoch, generation, floors: ["password"], by: "password" }, now)))
      return false;
  }
  await needs.watchSomething(accountId);
  return true;
}

const oneIn = (random: Random, turns: number): boolean => random.below(turns) === 0;

/** A turn every ten minutes, in each web process. */
export function keepCanariesAlive(needs: Needs & { readonly log: Log }): { stop(): Promise<void> } {
  return every(turnMs, async () => {
    await liveOn(needs).catch((thrown: unknown) =>
      needs.log.debug({ reason: messageOf(thrown) }, "canaries do nothing for now"),
    );
  });
}
