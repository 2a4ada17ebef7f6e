import type { AccountId, Brand, IncidentId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import type { SignalCause, SignalKind } from "./events.ts";

type SignalId = Brand<string, "SignalId">;

/**
 * Queues what happened to one account for every stream that wants it, in the caller's transaction and in the order given: it is told
 * if and only if that commits. One read where no relying service listens; otherwise one insert more, of a row for each kind,
 * whatever the number of streams.
 */
export async function queueSignal(
  tx: Tx,
  random: Random,
  accountId: AccountId,
  kinds: readonly SignalKind[],
  cause: SignalCause,
  now: EpochMs,
): Promise<void> {
  const listener = await tx.one(`select 1 as here from signal_stream where status <> 'disabled' limit 1`);
  if (listener === undefined) return;
  // Ids of one millisecond differ by chance: sorted, so that a receiver hears of them in the order given.
  const ids = kinds.map(() => newId<SignalId>(random, now)).toSorted();
  await tx.run(
    `insert into signal (account_id, id, kind, cause, at)
     select $1, id, kind, $4, $5 from unnest($2::uuid[], $3::text[]) as happened (id, kind)`,
    [accountId, ids, kinds, cause, toDate(now)],
  );
}

/**
 * Queues what happened to everybody at once: one row, whatever the number of accounts. The worker walks the accounts and
 * makes their signals (`fan-out.ts`). A copy that is noticed belongs to no case: `null`.
 */
export async function queueFanOut(
  tx: Tx,
  random: Random,
  incidentId: IncidentId | null,
  kinds: readonly SignalKind[],
  now: EpochMs,
  cause: SignalCause = "contained",
): Promise<void> {
  if (kinds.length === 0) return;
  await tx.run(`insert into signal_fan_out (id, incident_id, kinds, at, cause) values ($1, $2, $3, $4, $5)`, [
    newId(random, now),
    incidentId,
    kinds,
    toDate(now),
    cause,
  ]);
}
