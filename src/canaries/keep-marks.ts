import { toIso, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";

/** A row of the table, as it stands there. */
interface MarkRow {
  readonly mark: Buffer;
  readonly place: string;
  readonly kind: string;
  readonly sealId: string;
  readonly dataKey: Buffer;
  readonly sealedAddress: Buffer;
  readonly plantedOn: string;
  readonly retiredOn: string | null;
  readonly recorded: boolean;
}

/** Every canary that this database knows. */
export const readMarks = (tx: Tx): Promise<MarkRow[]> =>
  tx.many<MarkRow>(
    `select mark, place, kind, seal_id as "sealId", data_key as "dataKey", sealed_address as "sealedAddress",
            planted_on::text as "plantedOn", retired_on::text as "retiredOn", recorded from canary`,
  );

/**
 * Adds those that a database does not know: an older backup has been put in its place, and copies that were made since then have
 * canaries that it never heard of. Their accounts are gone, so they are retired; used, they ring with their place.
 *
 * @returns how many.
 */
export const bringMarks = (tx: Tx, marks: readonly MarkRow[], now: EpochMs): Promise<number> =>
  tx.run(
    // By the id and not by the mark, which another version of its key has changed.
    `insert into canary (mark, place, kind, seal_id, data_key, sealed_address, planted_on, retired_on, recorded)
     select mark, place, kind, seal_id, data_key, sealed_address, planted_on, coalesce(retired_on, $10::date), recorded
       from unnest($1::bytea[], $2::text[], $3::text[], $4::uuid[], $5::bytea[], $6::bytea[], $7::date[], $8::date[], $9::boolean[])
            as known (mark, place, kind, seal_id, data_key, sealed_address, planted_on, retired_on, recorded)
      where not exists (select from canary c where c.seal_id = known.seal_id)
     on conflict (mark) do nothing`,
    [
      marks.map(({ mark }) => mark),
      marks.map(({ place }) => place),
      marks.map(({ kind }) => kind),
      marks.map(({ sealId }) => sealId),
      marks.map(({ dataKey }) => dataKey),
      marks.map(({ sealedAddress }) => sealedAddress),
      marks.map(({ plantedOn }) => plantedOn),
      marks.map(({ retiredOn }) => retiredOn),
      marks.map(({ recorded }) => recorded),
      toIso(now).slice(0, 10),
    ],
  );
