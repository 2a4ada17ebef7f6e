import { secondMs, sleep, toDate, type Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { mostSetsInPoll, type Poll, type Polled } from "../wire/signals.ts";
import type { Receiver } from "./receivers.ts";
import { deliveryColumns, deliveryOf, signDeliveries, type DeliveryRow } from "./sets.ts";
import { settle } from "./settle.ts";
import type { StreamId } from "./streams.ts";
import type { SubjectFormat } from "../wire/signals.ts";

export interface PollNeeds {
  readonly db: Db;
  /** Transmitter's role. */
  readonly keyholder: Pick<Keyholder, "open" | "signSets">;
  readonly clock: Clock;
  readonly log: Log;
  readonly issuer: string;
}

/** How long a poll waits for something to happen; below what proxies and clients give an answer. */
const longPollMs = 20 * secondMs;
const lookEveryMs = secondMs;

/** Polls that wait in this process; whoever comes when all places are taken is answered at once. */
export interface PollPlaces {
  waiting: number;
  readonly most: number;
}
export const pollPlaces = (most = 50): PollPlaces => ({ waiting: 0, most });

/**
 * Answers one poll (RFC 8936 section 2): settles what the receiver acknowledges and refuses, then gives the oldest that
 * wait, at most 100. What is not acknowledged is given again with the next poll. `left` aborts when the receiver is gone.
 *
 * @returns `undefined` if the relying service has no such stream, or it is pushed.
 */
export async function pollStream(
  needs: PollNeeds,
  places: PollPlaces,
  receiver: Receiver,
  streamId: StreamId,
  { maxEvents = mostSetsInPoll, returnImmediately = false, ack = [], setErrs = {} }: Poll,
  left: AbortSignal,
): Promise<Polled | undefined> {
  const { db, clock, log } = needs;
  const stream = await db.one<{ format: SubjectFormat }>(
    `select subject_format as format from signal_stream where id = $1 and receiver_id = $2 and method = 'poll'`,
    [streamId, receiver.id],
  );
  if (stream === undefined) return undefined;
  const idsOf = (jtis: readonly string[]): string[] => jtis.flatMap((jti) => deliveryOf(streamId, jti) ?? []);
  const refused = idsOf(Object.keys(setErrs));
  if (refused.length > 0) log.warn({ stream: streamId, signals: refused.length }, "a receiver refused signals");
  await settle(db, streamId, { taken: idsOf(ack), refused }, clock.now());

  const most = Math.min(maxEvents, mostSetsInPoll);
  if (most === 0) return { sets: {}, ...((await readDue(needs, streamId, 1)).length > 0 && { moreAvailable: true }) };
  const rows = await waitForSome(needs, places, streamId, most, returnImmediately, left);
  const given = rows.slice(0, most);
  const setStream = { streamId, receiverId: receiver.id, audience: receiver.audience, dataKey: receiver.dataKey };
  const { signed, unmade } = await signDeliveries(needs, { ...setStream, format: stream.format }, given);
  await settle(db, streamId, { taken: [], refused: unmade }, clock.now());
  return {
    sets: Object.fromEntries(signed.map(({ jti, token }) => [jti, token])),
    ...(rows.length > most && { moreAvailable: true }),
  };
}

/** Those that wait, one more than asked for if there are as many: so it is known whether more are there. */
async function waitForSome(
  needs: PollNeeds,
  places: PollPlaces,
  streamId: StreamId,
  most: number,
  returnImmediately: boolean,
  left: AbortSignal,
): Promise<DeliveryRow[]> {
  const rows = await readDue(needs, streamId, most + 1);
  if (rows.length > 0 || returnImmediately || places.waiting >= places.most) return rows;
  places.waiting++;
  try {
    for (let waitedMs = 0; waitedMs < longPollMs && !left.aborted; waitedMs += lookEveryMs) {
      await sleep(lookEveryMs, left);
      const found = await readDue(needs, streamId, most + 1);
      if (found.length > 0) return found;
    }
    return [];
  } finally {
    places.waiting--;
  }
}

/** What may be given now: of a stream that is disabled only that it is. */
const readDue = ({ db, clock }: PollNeeds, streamId: StreamId, limit: number): Promise<DeliveryRow[]> =>
  db.many<DeliveryRow>(
    `select ${deliveryColumns} from signal_delivery
      where stream_id = $1 and due_at <= $2
        and (select s.status = 'enabled' or (s.status = 'disabled' and kind = 'stream updated')
               from signal_stream s where s.id = $1)
      order by id limit $3`,
    [streamId, toDate(clock.now()), limit],
  );
