import { plus, toDate, type Clock } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { sealId, type Receiver, type ReceiverId } from "./receivers.ts";
import { verifyIntervalMs, type StreamId } from "./streams.ts";

/** Where what a signal is sent with is sealed: an address, or what a verification echoes. */
export const sealedPlace = (id: ReceiverId): Place => ({
  table: "signal_delivery",
  column: "sealed",
  accountId: sealId(id),
});

export type VerifyOutcome = "queued" | "no-such-stream" | "disabled" | "too-soon";

/**
 * Queues a verification event with the receiver's own `state`, to be echoed (SSF 1.0 section 8.1.4). At most one in a
 * minute for each stream; the interval is claimed in the statement that judges it.
 */
export async function verifyStream(
  {
    db,
    keyholder,
    clock,
    random,
  }: { readonly db: Db; readonly keyholder: Pick<Keyholder, "seal">; readonly clock: Clock; readonly random: Random },
  receiver: Receiver,
  streamId: StreamId,
  state: string | undefined,
): Promise<VerifyOutcome> {
  const now = clock.now();
  const sealed = state === undefined ? null : await keyholder.seal(receiver.dataKey, sealedPlace(receiver.id), state);
  return db.transaction(async (tx): Promise<VerifyOutcome> => {
    const stream = await tx.one<{ status: string; isSoon: boolean }>(
      `select status, verify_from > $3 as "isSoon" from signal_stream where id = $1 and receiver_id = $2 for update`,
      [streamId, receiver.id, toDate(now)],
    );
    if (stream === undefined) return "no-such-stream";
    if (stream.status === "disabled") return "disabled";
    if (stream.isSoon) return "too-soon";
    await tx.run(`update signal_stream set verify_from = $2 where id = $1`, [
      streamId,
      toDate(plus(now, verifyIntervalMs)),
    ]);
    const id = newId(random, now);
    await tx.run(
      `insert into signal_delivery (stream_id, id, kind, cause, at, txn, sealed, made_at, due_at)
       values ($1, $2, 'verification', '', $3, $2, $4, $3, $3)`,
      [streamId, id, toDate(now), sealed],
    );
    return "queued";
  });
}
