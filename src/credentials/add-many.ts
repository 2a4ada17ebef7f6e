import type { AccountId, Epoch } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { costText, type HashCost } from "./hash-pool.ts";

export interface MadePassword {
  readonly accountId: AccountId;
  readonly record: Uint8Array;
}

/** Writes sealed password records that share salt and cost, hundreds in a statement, for a population that is made. */
export async function addPasswords(
  tx: Tx,
  passwords: readonly MadePassword[],
  order: { readonly salt: Uint8Array; readonly cost: HashCost; readonly epoch: Epoch; readonly at: EpochMs },
): Promise<void> {
  await tx.run(
    `insert into password (account_id, salt, parameters, record, epoch, set_at)
     select id, $3, $4, record, $5, $6 from unnest($1::uuid[], $2::bytea[]) as p (id, record)`,
    [
      passwords.map(({ accountId }) => accountId),
      passwords.map(({ record }) => record),
      order.salt,
      costText(order.cost),
      order.epoch,
      toDate(order.at),
    ],
  );
}
