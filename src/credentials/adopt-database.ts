import type { Epoch } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Witness } from "../keyholder/keyholder.ts";
import { lowest, withinReach } from "../keyholder/witness.ts";
import { highest } from "./floors.ts";
import { behindIn, refusedOfCopy, refuseKinds } from "./refuse-copy.ts";
import { readStanding } from "./standing.ts";

interface Needs {
  /** Connections that do not ask the witness first: it would refuse this database. */
  readonly db: Db;
  readonly witness: Witness;
  readonly clock: Clock;
  readonly random: Random;
}

export type AdoptOutcome =
  | { readonly kind: "already-known" }
  | { readonly kind: "adopted"; readonly databaseId: string; readonly epoch: Epoch; readonly passwordsToo: boolean };

/** Whether the witness would refuse this database. The first database of new keys is remembered by asking. */
export async function isUnknown({ db, witness }: Pick<Needs, "db" | "witness">): Promise<boolean> {
  const { databaseId, ...first } = await readStanding(db);
  try {
    await witness.read(databaseId, first);
    return false;
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "DATABASE_UNKNOWN") return true;
    throw thrown;
  }
}

/**
 * Makes a database that the witness refuses one that it knows. It may be a copy of another: so every session, ticket,
 * code and link floor is raised above all that the witness remembers, the password floor too if any database it
 * remembers is further there, and "copy detected" is recorded; only then is the witness told. Killed in between, it
 * is done again.
 */
export async function adoptDatabase({ db, witness, clock, random }: Needs, operator: string): Promise<AdoptOutcome> {
  if (!(await isUnknown({ db, witness }))) return { kind: "already-known" };
  const remembered = await witness.highestFloors();
  const before = await readStanding(db);
  // Otherwise it would refuse the database at the very end, when everybody's sessions are ended and other services told.
  withinReach(remembered ?? lowest, before.floors);
  const kinds = refusedOfCopy(remembered === null ? [] : behindIn(before.floors, remembered));
  const passwordsToo = kinds.includes("password");
  const atLeast = remembered === null ? 0 : highest(remembered) + 1;
  const detail = { adopted: true, "passwords too": passwordsToo, operator };
  const epoch = await db.transaction((tx) =>
    refuseKinds(tx, random, clock.now(), { kinds, atLeast, entry: "copy detected", detail }),
  );
  const { databaseId, ...now } = await readStanding(db);
  await witness.enrol(databaseId, now);
  return { kind: "adopted", databaseId, epoch, passwordsToo };
}
