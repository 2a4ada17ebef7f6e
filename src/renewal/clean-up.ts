import type { AccountId } from "../kernel/brand.ts";
import { dayMs, plus, toDate, type EpochMs } from "../kernel/clock.ts";
import { batchRows } from "../db/batch.ts";
import type { Tx } from "../db/db.ts";

/**
 * Removes tickets that are used or too old to be, and recoveries that nobody used. @returns how many rows went; call
 * again while it is a batch or more.
 */
export async function forgetTickets(tx: Tx, now: EpochMs): Promise<number> {
  const tickets = await tx.run(
    `delete from ticket where browser_digest in (
       select browser_digest from ticket where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  const recoveries = await tx.run(
    `delete from recovery where account_id in (
       select account_id from recovery where expires_at < $1 order by expires_at limit $2)`,
    [toDate(now), batchRows],
  );
  return tickets + recoveries;
}

/** Removes the renewals of an account, and its recovery, when it is deleted. */
export async function forgetTicketsOf(tx: Tx, accountId: AccountId): Promise<void> {
  await tx.run(`delete from ticket where account_id = $1`, [accountId]);
  await tx.run(`delete from recovery where account_id = $1`, [accountId]);
}

/** How long the minutes of a line are kept, for the case's charts. */
const minutesKeptMs = 90 * dayMs;

/** Removes what the lobby needs no more: numbers that came in, shares of networks, old minutes. @returns how many rows went. */
export async function forgetLines(tx: Tx, now: EpochMs): Promise<number> {
  const twoDaysAgo = toDate(plus(now, -2 * dayMs));
  const entries = await tx.run(
    `delete from lobby_entry where (case_id, number) in (
       select case_id, number from lobby_entry where entered_at < $1 order by entered_at limit $2)`,
    [twoDaysAgo, batchRows],
  );
  const networks = await tx.run(
    `delete from lobby_network where (case_id, window_start, network) in (
       select case_id, window_start, network from lobby_network where window_start < $1 order by window_start limit $2)`,
    [twoDaysAgo, batchRows],
  );
  const minutes = await tx.run(
    `delete from lobby_minute where (case_id, minute) in (
       select case_id, minute from lobby_minute where minute < $1 order by minute limit $2)`,
    [toDate(plus(now, -minutesKeptMs)), batchRows],
  );
  return Math.max(entries, networks, minutes);
}
