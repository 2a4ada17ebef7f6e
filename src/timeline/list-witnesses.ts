import { fromDate, toIso } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { witnessKey } from "./cosign.ts";
import type { PolicyWitness } from "./policy.ts";

export interface WitnessState {
  readonly name: string;
  /** The largest tree that it cosigned. */
  readonly cosignedSize: number;
  readonly cosignedAt: string | null;
  /** Since when it has not done what it was asked for, and why; null while it does. */
  readonly failingSince: string | null;
  readonly problem: string | null;
}

/** How far the timeline is signed, and by whom elsewhere: the witnesses that are named now, or else all that ever cosigned. */
export async function listWitnesses(
  tx: Tx,
  named: readonly Pick<PolicyWitness, "name" | "key">[] | undefined,
): Promise<{ readonly size: number; readonly waiting: number; readonly witnesses: readonly WitnessState[] }> {
  const head = await tx.one<{ size: number; waiting: number }>(
    `select coalesce((select max(size) from timeline_checkpoint where note is not null), 0) as size,
            (select count(*) from timeline_entry where leaf_index is null) as waiting`,
  );
  const rows = await tx.many<{
    key: string;
    size: number;
    cosignedAt: Date | null;
    failingSince: Date | null;
    problem: string | null;
  }>(
    `select key, size, cosigned_at as "cosignedAt", failing_since as "failingSince", problem
       from timeline_witness order by key limit 100`,
  );
  const asked =
    named?.map(({ name, key }) => ({ name, key: witnessKey(key) })) ?? rows.map(({ key }) => ({ name: key, key }));
  return {
    size: head?.size ?? 0,
    waiting: head?.waiting ?? 0,
    witnesses: asked.map(({ name, key }) => {
      const row = rows.find((one) => one.key === key);
      return {
        name,
        cosignedSize: row?.size ?? 0,
        cosignedAt: isoOrNull(row?.cosignedAt),
        failingSince: isoOrNull(row?.failingSince),
        problem: row?.problem ?? null,
      };
    }),
  };
}

const isoOrNull = (date: Date | null | undefined): string | null => (date == null ? null : toIso(fromDate(date)));
