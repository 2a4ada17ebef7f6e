import { plus, toDate, dayMs, hourMs, secondMs, type EpochMs } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import { dropWaiting } from "./drop-waiting.ts";
import type { StreamId } from "./streams.ts";

/** How long a signal waits for a receiver that does not take it. What it tells of is a week old then. */
export const heldForMs = 7 * dayMs;
const longestPauseMs = hourMs;

/** The pause after so many tries in vain: it doubles from one second to an hour. */
export const pauseAfterMs = (failures: number): number =>
  Math.min(secondMs * 2 ** Math.min(Math.max(failures - 1, 0), 20), longestPauseMs);

export interface Settled {
  readonly taken: readonly string[];
  /** The receiver says that it will never take them, or they cannot be made. */
  readonly refused: readonly string[];
}

/** Records what a receiver took and what it refused: both leave the queue, with the counts, in one transaction. */
export async function settle(db: Db, streamId: StreamId, { taken, refused }: Settled, now: EpochMs): Promise<void> {
  if (taken.length === 0 && refused.length === 0) return;
  await db.transaction(async (tx) => {
    const took = await tx.run(`delete from signal_delivery where stream_id = $1 and id = any($2)`, [streamId, taken]);
    const gone = await removeCounted(tx, streamId, refused, "refused");
    await tx.run(
      `update signal_stream
          set taken = taken + $2, refused = refused + $3,
              taken_at = case when $2 > 0 then greatest(taken_at, $4) else taken_at end
        where id = $1`,
      [streamId, took, gone, toDate(now)],
    );
  });
}

/** Removes deliveries and counts them for their cases. */
async function removeCounted(
  tx: Tx,
  streamId: StreamId,
  ids: readonly string[],
  counter: "refused" | "dropped",
): Promise<number> {
  if (ids.length === 0) return 0;
  const gone = await tx.many<{ fanOutId: string | null }>(
    `delete from signal_delivery where stream_id = $1 and id = any($2) returning fan_out_id as "fanOutId"`,
    [streamId, ids],
  );
  const byFanOut = Map.groupBy(gone, ({ fanOutId }) => fanOutId);
  for (const [fanOutId, rows] of byFanOut) {
    if (fanOutId === null) continue;
    await tx.run(
      counter === "refused"
        ? `update signal_fan_out_stream set refused = refused + $3 where fan_out_id = $1 and stream_id = $2`
        : `update signal_fan_out_stream set dropped = dropped + $3 where fan_out_id = $1 and stream_id = $2`,
      [fanOutId, streamId, rows.length],
    );
  }
  return gone.length;
}

/** Deliveries that one round removes for their age. */
const agedBatch = 1_000;

/**
 * Drops what has waited for a week, counted. A stream over which nothing was taken for as long is disabled, holds nothing
 * more, and its receiver is told so, if it hears it (SSF 1.0 section 8.1.5); it can enable it again.
 *
 * @returns how many it dropped.
 */
export async function dropAged(db: Db, random: Random, now: EpochMs): Promise<number> {
  const aged = await db.many<{ streamId: StreamId; ids: string[] }>(
    `select stream_id as "streamId", array_agg(id) as ids
       from (select stream_id, id from signal_delivery where made_at <= $1 order by made_at limit $2) old
      group by stream_id`,
    [toDate(plus(now, -heldForMs)), agedBatch],
  );
  let dropped = 0;
  for (const { streamId, ids } of aged) {
    dropped += await db.transaction(async (tx) => {
      const gone = await removeCounted(tx, streamId, ids, "dropped");
      const stream = await tx.one<{ isDead: boolean }>(
        `update signal_stream set dropped = dropped + $2 where id = $1
         returning status = 'enabled' and taken_at <= $3 as "isDead"`,
        [streamId, gone, toDate(plus(now, -heldForMs))],
      );
      if (stream?.isDead !== true) return gone;
      return gone + (await disable(tx, random, streamId, now));
    });
  }
  return dropped;
}

async function disable(tx: Tx, random: Random, streamId: StreamId, now: EpochMs): Promise<number> {
  const reason = "nothing was taken for seven days";
  const gone = await dropWaiting(tx, streamId);
  await tx.run(
    `update signal_stream set status = 'disabled', status_reason = $2, dropped = dropped + $3 where id = $1`,
    [streamId, reason, gone],
  );
  const id = newId(random, now);
  await tx.run(
    `insert into signal_delivery (stream_id, id, kind, cause, at, txn, made_at, due_at)
     values ($1, $2, 'stream updated', $3, $4, $2, $4, $4)`,
    [streamId, id, reason, toDate(now)],
  );
  const detail = { stream: streamId, status: "disabled", reason, dropped: gone };
  await append(tx, now, { kind: "stream changed", detail }, random);
  return gone;
}
