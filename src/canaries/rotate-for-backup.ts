import { toIso } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { canaryAddresses, mostAtOnce, rotateCanaries, type PlantNeeds } from "./plant.ts";

/** Kinds that stand in the database and go with a copy of it. */
const inDatabase = ["account", "address"] as const;

interface Live {
  readonly kind: (typeof inDatabase)[number];
  readonly place: string;
  readonly count: number;
}

/** Canaries that a backup made now would hold, by kind and place, the newest place last. */
export const liveCanaries = (tx: Tx): Promise<Live[]> =>
  tx.many<Live>(
    `select kind, place, count(*) as count from canary where retired_on is null and kind = any($1)
      group by kind, place order by min(planted_on), place`,
    [inDatabase],
  );

/**
 * Before a backup is written: the canaries of each kind are rotated to a place that is named after the day, as many as
 * there were and under the same domain, so that the row that rings names the backup. A service that has planted none
 * gets none. @returns the place, or `null`; the new addresses are read by `canary list --place`.
 */
export async function rotateForBackup(
  needs: PlantNeeds,
  by: string,
): Promise<{ readonly place: string; readonly planted: number; readonly retired: number } | null> {
  const { db, keyholder, clock } = needs;
  const live = await liveCanaries(db);
  if (live.length === 0) return null;
  const places = await db.many<{ place: string }>(`select distinct place from canary`);
  const taken = new Set(places.map(({ place }) => place));
  const day = `backup-${toIso(clock.now()).slice(0, 10)}`;
  let place = day;
  for (let again = 2; taken.has(place); again++) place = `${day}-${again}`;
  let [planted, retired] = [0, 0];
  for (const kind of inDatabase) {
    const ofKind = live.filter((one) => one.kind === kind);
    const newest = ofKind.at(-1);
    if (newest === undefined) continue;
    const [address = ""] = await canaryAddresses({ db, keyholder }, newest.place, kind);
    const domain = address.split("@")[1];
    if (domain === undefined) continue;
    const count = Math.min(
      mostAtOnce,
      ofKind.reduce((sum, one) => sum + one.count, 0),
    );
    const done = await rotateCanaries(needs, { place, kind, count, domain, by });
    planted += done.planted.length;
    retired += done.retired;
  }
  return { place, planted, retired };
}
