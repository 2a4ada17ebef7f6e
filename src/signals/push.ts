import { hourMs, minuteMs, plus, secondMs, sleep, toDate, type Clock, type EpochMs } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { recurring, type Recurring } from "../kernel/recurring.ts";
import type { Db } from "../db/db.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { postSet, type Endpoint, type Posted } from "./post-set.ts";
import { deliveryColumns, signDeliveries, type DeliveryRow, type SetStream, type SignedSet } from "./sets.ts";
import { pauseAfterMs, settle } from "./settle.ts";
import { authorizationPlace, endpointPlace, type StreamId } from "./streams.ts";

export interface PushNeeds {
  readonly db: Db;
  /** Transmitter's role. */
  readonly keyholder: Pick<Keyholder, "open" | "signSets">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly issuer: string;
  /** Whether the service is on one's own machine, where a receiver may be reached without encryption. */
  readonly isLoopbackOrigin: boolean;
  /** For tests: certificates to trust besides the system's. */
  readonly ca?: string;
}

/** Signals that one round hands over on one stream, so many of them at once. */
const batch = 32;
const atOnce = 8;
/** A round takes at most a batch of timeouts, which is 40 s; a worker that died holds a stream no longer than this. */
const leaseMs = minuteMs;
/** Streams that one worker pushes at once. */
const streamsAtOnce = 4;
/** A signal that was tried so often in vain is taken to be the trouble: later ones of its account no longer wait for it. */
const triesInOrder = 2;
/** However a receiver answers, no signal waits longer behind an older one of its account, which may be what the receiver chokes on. */
const inOrderForMs = hourMs;
/** How long a stream waits after trouble that is our own. */
const troubleMs = secondMs;
/** Streams whose last turn is remembered. */
const mostRemembered = 1_000;

interface PushStream extends SetStream {
  readonly failures: number;
  readonly status: string;
  readonly sealedEndpoint: Buffer;
  readonly sealedAuthorization: Buffer | null;
  readonly privateNetwork: boolean;
}

/**
 * Pushes what is due, a batch for each stream whose turn it is. What a receiver took is recorded after its answer: one that
 * was handed over by a worker which died in between is handed over again, under the same `jti`.
 *
 * @returns how many signals were taken or refused.
 */
export async function pushDue(needs: PushNeeds, signal: AbortSignal): Promise<number> {
  const streams = await leaseStreams(needs, streamsAtOnce, []);
  const settled = await Promise.all(streams.map((stream) => pushRound(needs, stream, signal)));
  return settled.reduce((sum, one) => sum + one, 0);
}

/**
 * Pushes whatever is due, until `signal` aborts: each stream for itself, so that a receiver which takes ten seconds for each
 * answer holds up no other, and those that were pushed last come last, so that each has its turn however many there are.
 */
export async function keepPushing(needs: PushNeeds, signal: AbortSignal): Promise<void> {
  const underWay = new Set<Promise<void>>();
  /** Streams in the order of their last turn. */
  let pushed: StreamId[] = [];
  const troubled = recurring(needs.log, {
    says: "signals are not pushed: it is tried again every second",
    ends: "signals are pushed again",
  });
  while (!signal.aborted) {
    const free = streamsAtOnce - underWay.size;
    const leased = free === 0 ? [] : await leaseNow(needs, free, pushed, troubled);
    const ids = leased.map(({ streamId }) => streamId);
    pushed = [...pushed.filter((id) => !ids.includes(id)), ...ids].slice(-mostRemembered);
    for (const stream of leased) {
      const round = pushRound(needs, stream, signal).then(() => void underWay.delete(round));
      underWay.add(round);
    }
    const waited = new AbortController();
    await Promise.race([...underWay, ...(underWay.size < streamsAtOnce ? [sleep(secondMs, waited.signal)] : [])]);
    waited.abort();
  }
  await Promise.all(underWay);
}

async function leaseNow(
  needs: PushNeeds,
  most: number,
  pushed: readonly StreamId[],
  troubled: Recurring,
): Promise<PushStream[]> {
  try {
    const leased = await leaseStreams(needs, most, pushed);
    troubled.over();
    return leased;
  } catch (thrown) {
    troubled.found({ reason: messageOf(thrown) });
    return [];
  }
}

const pushRound = (needs: PushNeeds, stream: PushStream, signal: AbortSignal): Promise<number> =>
  pushStream(needs, stream, signal)
    .catch(async (thrown: unknown) => {
      needs.log.warn({ stream: stream.streamId, reason: messageOf(thrown) }, "a stream could not be pushed");
      // Without it the stream is due at once, and is tried as fast as it fails.
      await pause(needs, stream.streamId, troubleMs, 0).catch(() => undefined);
      return 0;
    })
    .finally(() => release(needs, stream.streamId));

/** Takes push streams that have something due, for as long as a round takes; last those of `pushed`, in that order. */
async function leaseStreams(
  { db, clock }: PushNeeds,
  most: number,
  pushed: readonly StreamId[],
): Promise<PushStream[]> {
  const now = clock.now();
  return db.many<PushStream>(
    `with leased as (
       update signal_stream set lease_until = $2
        where id in (
          select s.id from signal_stream s
           where s.method = 'push' and (s.due_at is null or s.due_at <= $1)
             and (s.lease_until is null or s.lease_until <= $1)
             and exists (select from signal_delivery d
                          where d.stream_id = s.id and d.due_at <= $1
                            and (s.status = 'enabled' or (s.status = 'disabled' and d.kind = 'stream updated')))
           order by array_position($4::uuid[], s.id) nulls first, s.due_at nulls first, s.id
           limit $3 for update skip locked)
       returning id, receiver_id, subject_format, failures, status, sealed_endpoint, sealed_authorization
     )
     select l.id as "streamId", r.id as "receiverId", r.audience, r.data_key as "dataKey", l.subject_format as format,
            l.failures, l.status, l.sealed_endpoint as "sealedEndpoint", l.sealed_authorization as "sealedAuthorization",
            r.private_network as "privateNetwork"
       from leased l join signal_receiver r on r.id = l.receiver_id`,
    [toDate(now), toDate(plus(now, leaseMs)), most, pushed],
  );
}

const release = ({ db }: PushNeeds, streamId: StreamId): Promise<number> =>
  db.run(`update signal_stream set lease_until = null where id = $1`, [streamId]).catch(() => 0);

async function pushStream(needs: PushNeeds, stream: PushStream, signal: AbortSignal): Promise<number> {
  const { db, clock } = needs;
  const now = clock.now();
  const rows = await db.many<DeliveryRow>(
    `select ${deliveryColumns} from signal_delivery d
      where stream_id = $1 and due_at <= $2
        and not exists (select from signal_delivery before
                         where before.stream_id = $1 and before.account_id = d.account_id and before.id < d.id
                           and before.attempts < $4 and (before.attempts > 0 or before.due_at > $2))
      order by attempts, id limit $3`,
    [stream.streamId, toDate(now), batch, triesInOrder],
  );
  const endpoint = await openEndpoint(needs, stream);
  if (signal.aborted) return 0;
  if (endpoint === undefined) {
    await noteFailure(needs, stream, [{ kind: "later", why: "its address does not open" }]);
    return 0;
  }
  const { signed, unmade } = await signDeliveries(needs, stream, rows);
  const accountOf = new Map(rows.map(({ id, accountId }) => [id, accountId]));
  const answers = await postAll(endpoint, inParts(signed, accountOf), () => mayGoOn(needs, stream, signal));
  const idsOf = (kind: Posted["kind"]): string[] =>
    answers.filter((one) => one.posted.kind === kind).map(({ id }) => id);
  const [taken, refused, later] = [idsOf("taken"), [...idsOf("refused"), ...unmade], idsOf("later")];
  await settle(db, stream.streamId, { taken, refused }, clock.now());
  await noteRound(needs, stream, answers, later, taken.length > 0);
  return taken.length + refused.length;
}

interface Answered {
  readonly id: string;
  readonly posted: Posted;
}

/** Whether the stream is still pushed as it was when its round began: a receiver that has paused or moved it is told nothing more. */
const mayGoOn = async (
  { db }: PushNeeds,
  { streamId, status, sealedEndpoint }: PushStream,
  signal: AbortSignal,
): Promise<boolean> =>
  !signal.aborted &&
  (await db.one(
    `select 1 as same from signal_stream where id = $1 and status = $2 and method = 'push' and sealed_endpoint = $3`,
    [streamId, status, sealedEndpoint],
  )) !== undefined;

/** Hands over several at once, and no more once none of those under way was taken. */
async function postAll(
  endpoint: Endpoint,
  parts: readonly (readonly SignedSet[])[],
  mayGo: () => Promise<boolean>,
): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const part of parts) {
    if (!(await mayGo())) break;
    const got = await Promise.all(part.map(async ({ id, token }) => ({ id, posted: await postSet(endpoint, token) })));
    answers.push(...got);
    if (got.every(({ posted }) => posted.kind === "later")) break;
  }
  return answers;
}

/**
 * What goes at once: of each account one, in the order in which it happened, so that a receiver never hears that something was
 * removed before it hears that it was added (SSF 1.0 section 8.1.2.1 asks that of what was held). What does not fit goes
 * with the next round.
 */
function inParts(signed: readonly SignedSet[], accountOf: ReadonlyMap<string, string | null>): SignedSet[][] {
  const parts: SignedSet[][] = [];
  let left = signed;
  while (left.length > 0 && parts.length < batch / atOnce) {
    const seen = new Set<string>();
    const part: SignedSet[] = [];
    const rest: SignedSet[] = [];
    for (const one of left) {
      const subject = accountOf.get(one.id) ?? one.id;
      (part.length < atOnce && !seen.has(subject) ? part : rest).push(one);
      seen.add(subject);
    }
    parts.push(part);
    left = rest;
  }
  return parts;
}

async function openEndpoint(
  { keyholder, isLoopbackOrigin, ca }: PushNeeds,
  { receiverId, dataKey, sealedEndpoint, sealedAuthorization, privateNetwork }: PushStream,
): Promise<Endpoint | undefined> {
  const [url, authorization] = await keyholder.open([
    { dataKey, place: endpointPlace(receiverId), sealed: sealedEndpoint },
    ...(sealedAuthorization === null
      ? []
      : [{ dataKey, place: authorizationPlace(receiverId), sealed: sealedAuthorization }]),
  ]);
  if (url === undefined || url === null) return undefined;
  return {
    url,
    authorization: authorization ?? undefined,
    privateNetwork,
    mayBeThisMachine: isLoopbackOrigin,
    ...(ca === undefined ? {} : { ca }),
  };
}

/** What was put off waits longer each time; a receiver that took nothing at all is left alone for a while. */
async function noteRound(
  needs: PushNeeds,
  stream: PushStream,
  answers: readonly Answered[],
  later: readonly string[],
  anyTaken: boolean,
): Promise<void> {
  const { db, clock } = needs;
  const now = clock.now();
  if (later.length > 0) {
    // A receiver that took others is there.
    const tried = anyTaken
      ? later
      : answers.flatMap(({ id, posted }) => (posted.kind === "later" && posted.isTried ? [id] : []));
    await db.run(
      `update signal_delivery set attempts = attempts + (id = any($4) or made_at <= $5)::int, due_at = $3
        where stream_id = $1 and id = any($2)`,
      [
        stream.streamId,
        later,
        toDate(later.length === answers.length ? now : plus(now, pauseAfterMs(6))),
        tried,
        toDate(plus(now, -inOrderForMs)),
      ],
    );
  }
  const isFailing = answers.length > 0 && later.length === answers.length;
  if (isFailing) {
    const put = answers.map(({ posted }) => posted).filter((posted) => posted.kind === "later");
    await noteFailure(needs, stream, put);
  } else if (stream.failures > 0 && anyTaken) {
    await db.run(`update signal_stream set failures = 0, due_at = null where id = $1`, [stream.streamId]);
  }
}

type PutOff = Extract<Posted, { readonly kind: "later" }>;

/**
 * Leaves a receiver alone for longer each time. One that answers may be well and choke on the signals that it was given: it is
 * asked again within a minute, since what comes after them may be of somebody who is robbed.
 */
async function noteFailure(
  needs: PushNeeds,
  { streamId, failures }: PushStream,
  put: readonly PutOff[],
): Promise<void> {
  const asked = Math.max(0, ...put.map(({ afterMs = 0 }) => afterMs));
  const grown = pauseAfterMs(failures + 1);
  const pauseMs = Math.max(asked, put.some(({ isAnswer }) => isAnswer) ? Math.min(grown, minuteMs) : grown);
  await pause(needs, streamId, pauseMs, 1);
  if (((failures + 1) & failures) === 0) {
    needs.log.warn({ stream: streamId, failures: failures + 1, why: put[0]?.why }, "a receiver takes no signals");
  }
}

/** Up to a fifth longer, so that streams which failed together do not come back together. */
async function pause(
  { db, clock, random }: PushNeeds,
  streamId: StreamId,
  pauseMs: number,
  failures: 0 | 1,
): Promise<void> {
  const dueAt = plus(clock.now(), pauseMs + random.below(Math.ceil(pauseMs / 5))) as EpochMs;
  await db.run(`update signal_stream set failures = failures + $3, due_at = $2 where id = $1`, [
    streamId,
    toDate(dueAt),
    failures,
  ]);
}
