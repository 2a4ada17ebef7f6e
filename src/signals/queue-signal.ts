import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Tx } from "../db/db.ts";
import type { SignalCause, SignalKind } from "./events.ts";

/**
 * Queues what happened to one account for every stream that wants it, in the caller's transaction: it is told if and only
 * if that commits. One read where no relying service listens, and one row for each kind otherwise, whatever the number
 * of streams.
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
  for (const kind of kinds) {
    await tx.run(`insert into signal (account_id, id, kind, cause, at) values ($1, $2, $3, $4, $5)`, [
      accountId,
      newId(random, now),
      kind,
      cause,
      toDate(now),
    ]);
  }
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
