import { floorKinds, type Epoch, type FloorKind } from "../kernel/brand.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import type { Floors } from "../keyholder/keyholder.ts";
import { isWithinReach } from "../keyholder/witness.ts";
import { append } from "../timeline/append.ts";
import type { SignalKind } from "../signals/events.ts";
import { queueFanOut } from "../signals/queue-signal.ts";
import { doubtAddedSince, doubtedFrom } from "./added-since.ts";
import { raiseFloors, readFloors } from "./floors.ts";
import { operatorsToCount } from "./operators.ts";

/** Sessions, and whatever leads to one without a password. */
export const revivable: readonly FloorKind[] = ["browser", "tv", "app", "tool", "ticket", "code", "link"];

/** The kinds in which one lies behind the other. */
export const behindIn = (one: Floors, other: Floors): FloorKind[] =>
  floorKinds.filter((kind) => one[kind] < other[kind]);

/**
 * What a copy that lies behind in these kinds must not revive. Behind a containment of a single account it has
 * a password that was refused, and nobody knows whose: all are.
 */
export function refusedOfCopy(behind: readonly FloorKind[]): FloorKind[] {
  const passwordsToo = behind.includes("account");
  return floorKinds.filter(
    (kind) => revivable.includes(kind) || behind.includes(kind) || (kind === "password" && passwordsToo),
  );
}

/** What other services are told of every account once these kinds are refused. */
const toldOf = (kinds: readonly FloorKind[]): SignalKind[] => [
  ...(kinds.includes("password") ? (["password compromised"] as const) : []),
  ...(kinds.includes("browser") ? (["session revoked"] as const) : []),
];

/** What stands in the record, besides the epoch and the kinds. */
export type Detail = Readonly<Record<string, string | number | boolean>>;

/**
 * Refuses what was made before now, in these kinds: raises their floors to an epoch above all others, or to `atLeast` if that is
 * higher, and writes the record and what other services are told. With passwords, what was added in the last 90 days is doubted:
 * a containment lies behind it that this database does not know of, nor when the copy was taken. All of it is the caller's transaction.
 */
export async function refuseKinds(
  tx: Tx,
  random: Random,
  now: EpochMs,
  {
    kinds,
    atLeast,
    entry,
    detail,
  }: {
    readonly kinds: readonly FloorKind[];
    readonly atLeast: number;
    readonly entry: "contained" | "copy detected";
    readonly detail: Detail;
  },
): Promise<Epoch> {
  const epoch = await raiseFloors(tx, kinds, now, atLeast);
  if (kinds.includes("password")) {
    const since = doubtedFrom(now, null);
    await doubtAddedSince(tx, epoch, since, await operatorsToCount(tx, since, "host"));
  }
  await append(tx, now, { kind: entry, detail: { ...detail, epoch, kinds } }, random);
  await queueFanOut(tx, random, null, toldOf(kinds), now, entry === "contained" ? entry : "copy refused");
  return epoch;
}

/**
 * Refuses, in the restore's own commit, what the backup that takes a database's place could revive. `replaced` are the floors of that
 * database: it may know of a containment that the witness was never told of. A floor that nobody can have raised by containing says
 * nothing: a database is restored because of such floors too.
 */
export async function refuseRestored(
  tx: Tx,
  random: Random,
  now: EpochMs,
  replaced: Floors,
): Promise<{ readonly epoch: Epoch; readonly passwordsToo: boolean }> {
  const restored = await readFloors(tx);
  const told = floorKinds.filter((kind) => isWithinReach(replaced[kind], restored));
  const kinds = refusedOfCopy(behindIn(restored, replaced).filter((kind) => told.includes(kind)));
  const passwordsToo = kinds.includes("password");
  const detail = { "restored by": "host", "passwords too": passwordsToo };
  const atLeast = Math.max(0, ...told.map((kind) => replaced[kind])) + 1;
  const epoch = await refuseKinds(tx, random, now, { kinds, atLeast, entry: "copy detected", detail });
  return { epoch, passwordsToo };
}
