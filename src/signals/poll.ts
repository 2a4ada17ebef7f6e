import { minuteMs, secondMs, sleep, toDate, type Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { mostSetsInPoll, type Poll, type Polled } from "../wire/signals.ts";
import type { Receiver } from "./receivers.ts";
import type { PollPlaces } from "./poll-places.ts";
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

/** Given so often and not acknowledged, a signal comes after those that were given less often, and rests. */
const timesInOrder = 2;
const longestRestMs = minuteMs;

/**
 * Answers one poll (RFC 8936 section 2): settles what the receiver acknowledges and refuses, then gives the oldest that
 * wait, at most 100, in the order in which they happened. What is not acknowledged is given again with the next poll, so that an
 * answer that was lost costs nothing; given twice, it makes way for what waits behind it, and comes again after a second, then
 * two, up to a minute: a receiver that never acknowledges hears all of it, and one that chokes on something is not answered
 * with it at once for ever. (Section 2.2 leaves it to us which are given first.) `left` aborts when the receiver is gone.
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
  const wait = (): Promise<DeliveryRow[]> => waitForSome(needs, places, receiver.id, streamId, most, left);
  const now = await readDue(needs, streamId, most + 1);
  const rows = now.length > 0 || returnImmediately ? now : await wait();
  const given = rows.slice(0, most).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const setStream = { streamId, receiverId: receiver.id, audience: receiver.audience, dataKey: receiver.dataKey };
  const { signed, unmade } = await signDeliveries(needs, { ...setStream, format: stream.format }, given);
  await settle(db, streamId, { taken: [], refused: unmade }, clock.now());
  if (!left.aborted) await noteGiven(needs, streamId, signed);
  return {
    sets: Object.fromEntries(signed.map(({ jti, token }) => [jti, token])),
    ...(rows.length > most && { moreAvailable: true }),
  };
}

/** Those that wait, one more than asked for if there are as many, so that it is known whether more are there; none, after a while. */
async function waitForSome(
  needs: PollNeeds,
  places: PollPlaces,
  receiverId: Receiver["id"],
  streamId: StreamId,
  most: number,
  left: AbortSignal,
): Promise<DeliveryRow[]> {
  const place = places.take(receiverId);
  if (place === undefined) return [];
  const over = AbortSignal.any([left, place.ended]);
  try {
    for (let waitedMs = 0; waitedMs < longPollMs && !over.aborted; waitedMs += lookEveryMs) {
      await sleep(lookEveryMs, over);
      const found = await readDue(needs, streamId, most + 1);
      if (found.length > 0) return found;
    }
    return [];
  } finally {
    place.giveBack();
  }
}

/** What may be given now, those first that were given less often: of a stream that is disabled only that it is. */
async function readDue(needs: PollNeeds, streamId: StreamId, limit: number): Promise<DeliveryRow[]> {
  const { db, clock } = needs;
  const read = (which: string, most: number): Promise<DeliveryRow[]> =>
    db.many<DeliveryRow>(
      `select ${deliveryColumns} from signal_delivery
        where stream_id = $1 and due_at <= $2
          and (select s.status = 'enabled' or (s.status = 'disabled' and kind = 'stream updated')
                 from signal_stream s where s.id = $1)
          and ${which} limit $4`,
      [streamId, toDate(clock.now()), timesInOrder, most],
    );
  const first = await read("attempts < $3 order by id", limit);
  if (first.length === limit) return first;
  return [...first, ...(await read("attempts >= $3 order by attempts, id", limit - first.length))];
}

/** Counts how often each was given, and lets rest what was given often enough. */
async function noteGiven(
  { db, clock }: PollNeeds,
  streamId: StreamId,
  given: readonly { id: string }[],
): Promise<void> {
  if (given.length === 0) return;
  await db.run(
    `update signal_delivery
        set attempts = attempts + 1,
            due_at = case when attempts + 1 < $3 then due_at
                          else $4::timestamptz + least($5, 1000 * 2 ^ least(attempts + 1 - $3, 20)) * interval '1 ms' end
      where stream_id = $1 and id = any($2)`,
    [streamId, given.map(({ id }) => id), timesInOrder, toDate(clock.now()), longestRestMs],
  );
}
