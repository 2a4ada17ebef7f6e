import type { Tx } from "../db/db.ts";

/**
 * Removes whatever waits for a stream, and counts it as dropped for the cases that it tells of: what a case calls taken is
 * what was made less what was not. The rows stay in the database, however many there are. @returns how many went.
 */
export async function dropWaiting(tx: Tx, streamId: string): Promise<number> {
  const row = await tx.one<{ dropped: number }>(
    `with gone as (
       delete from signal_delivery where stream_id = $1 returning fan_out_id
     ), counted as (
       update signal_fan_out_stream w set dropped = w.dropped + g.dropped
         from (select fan_out_id, count(*) as dropped from gone where fan_out_id is not null group by fan_out_id) g
        where w.fan_out_id = g.fan_out_id and w.stream_id = $1
     )
     select count(*) as dropped from gone`,
    [streamId],
  );
  return row?.dropped ?? 0;
}
