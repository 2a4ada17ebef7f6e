import { floorKinds, type Epoch } from "../kernel/brand.ts";
import type { Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Witness } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import { doubtAddedSince, doubtedFrom } from "./added-since.ts";
import { highest, raiseFloors } from "./floors.ts";
import { operatorsToCount } from "./operators.ts";
import { queueFanOut } from "../signals/queue-signal.ts";
import { refusedOfCopy, toldOf } from "./reconcile.ts";
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
  const behind = floorKinds.filter((kind) => remembered !== null && before.floors[kind] < remembered[kind]);
  const kinds = refusedOfCopy(behind);
  const passwordsToo = kinds.includes("password");
  const epoch = await db.transaction(async (tx) => {
    const now = clock.now();
    const raised = await raiseFloors(tx, kinds, now, remembered === null ? 0 : highest(remembered) + 1);
    if (passwordsToo) {
      const since = doubtedFrom(now, null);
      await doubtAddedSince(tx, raised, since, await operatorsToCount(tx, since, "host"));
    }
    const detail = { adopted: true, "passwords too": passwordsToo, epoch: raised, kinds, operator };
    await append(tx, now, { kind: "copy detected", detail }, random);
    await queueFanOut(tx, random, null, toldOf(kinds), now, "copy refused");
    return raised;
  });
  const { databaseId, ...now } = await readStanding(db);
  await witness.enrol(databaseId, now);
  return { kind: "adopted", databaseId, epoch, passwordsToo };
}
