import { floorKinds, type Epoch, type FloorKind } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import type { Floors } from "../keyholder/keyholder.ts";

/**
 * Raises the floor of each kind to one new epoch, higher than every floor before it, or to `atLeast` if that is higher.
 * A fixed number of rows, whatever the number of accounts.
 *
 * @returns the new epoch. Concurrent callers take turns on the row locks and each get their own.
 */
export async function raiseFloors(
  tx: Tx,
  kinds: readonly FloorKind[],
  now: EpochMs,
  atLeast: number = 0,
): Promise<Epoch> {
  await holdFloors(tx);
  const row = await tx.one<{ epoch: Epoch }>(
    `with next as (select greatest(max(epoch) + 1, $3::bigint) as epoch from floor)
     update floor set epoch = next.epoch, raised_at = $2 from next where kind = any($1)
     returning floor.epoch`,
    [kinds, toDate(now), atLeast],
  );
  if (row === undefined) throw new Error("the floor table is empty: run the migrations first");
  return row.epoch;
}

/** Makes containments take turns: whoever holds the floors is alone in deciding which case is in hand. */
export async function holdFloors(tx: Tx): Promise<void> {
  await tx.run(`select 1 from floor order by kind for update`);
}

/** Every floor, as this connection sees it now. */
export async function readFloors(tx: Tx): Promise<Floors> {
  const rows = await tx.many<{ kind: FloorKind; epoch: Epoch }>(`select kind, epoch from floor`);
  const floors = Object.fromEntries(rows.map(({ kind, epoch }) => [kind, epoch]));
  for (const kind of floorKinds) {
    if (floors[kind] === undefined) throw new Error(`the floor of ${kind} is missing: run the migrations first`);
  }
  return floors as Floors;
}

export const highest = (floors: Floors): Epoch => Math.max(...Object.values(floors)) as Epoch;

/**
 * The highest floors this process has ever seen. They only rise, and the check applies the higher of these and the
 * database's, so that a database swapped for an older copy under a running process revives nothing.
 */
export interface SeenFloors {
  see(floors: Partial<Floors>): void;
  /** The same for one kind, as each session check sees it. */
  seeOne(kind: FloorKind, floor: Epoch): void;
  of(kind: FloorKind): Epoch;
}

export function seenFloors(): SeenFloors {
  const seen = new Map<FloorKind, Epoch>();
  const seeOne = (kind: FloorKind, floor: Epoch): void => {
    if (floor > (seen.get(kind) ?? 0)) seen.set(kind, floor);
  };
  return {
    see: (floors) => {
      for (const kind of floorKinds) {
        const floor = floors[kind];
        if (floor !== undefined) seeOne(kind, floor);
      }
    },
    seeOne,
    of: (kind) => seen.get(kind) ?? (0 as Epoch),
  };
}
