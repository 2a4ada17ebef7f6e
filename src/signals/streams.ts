import { parseId, type Brand } from "../kernel/brand.ts";
import { minuteMs, toDate, type Clock } from "../kernel/clock.ts";
import { newId, type Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import type { Keyholder, Place } from "../keyholder/keyholder.ts";
import { append } from "../timeline/append.ts";
import {
  pollMethod,
  pushMethod,
  type ChangeStream,
  type CreateStream,
  type Delivery,
  type StreamConfiguration,
  type StreamState,
  type SubjectFormat,
} from "../wire/signals.ts";
import { refuseEndpoint } from "./endpoint.ts";
import { eventsOf, kindsOf, supportedEvents } from "./events.ts";
import { dropWaiting } from "./drop-waiting.ts";
import { forgetStream, holdReceiver, sealId, type Receiver, type ReceiverId } from "./receivers.ts";

export type StreamId = Brand<string, "StreamId">;
/** The schema of the route has said that it is an id. */
export const parseStreamId = (text: string): StreamId => parseId<StreamId>(text) as StreamId;

export interface StreamNeeds {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "seal" | "open">;
  readonly clock: Clock;
  readonly random: Random;
  /** Our own origin, the `iss` of every SET. */
  readonly issuer: string;
}

/** Streams that one relying service may have: one for each of its parts, and no endless number. */
export const mostStreams = 4;
/** Verifications are asked for no more often than this (SSF 1.0 section 8.1.1, min_verification_interval). */
export const verifyIntervalMs = minuteMs;

export const endpointPlace = (id: ReceiverId): Place => ({
  table: "signal_stream",
  column: "sealed_endpoint",
  accountId: sealId(id),
});
export const authorizationPlace = (id: ReceiverId): Place => ({
  table: "signal_stream",
  column: "sealed_authorization",
  accountId: sealId(id),
});

/** The address at which a stream is polled. */
export const pollUrl = (issuer: string, streamId: StreamId): string => `${issuer}/signals/streams/${streamId}/poll`;

interface StreamRow {
  id: StreamId;
  method: "push" | "poll";
  format: SubjectFormat;
  requested: string[];
  kinds: string[];
  description: string | null;
  sealedEndpoint: Buffer | null;
}

const columns = `id, method, subject_format as format, events_requested as requested, kinds, description,
                 sealed_endpoint as "sealedEndpoint"`;

/** A field and its rule, never its value. */
export interface Unusable {
  readonly kind: "unusable";
  readonly field: string;
  readonly rule: string;
}
const unusable = (field: string, rule: string): Unusable => ({ kind: "unusable", field: `body.${field}`, rule });

async function configurationOf(
  { keyholder, issuer }: Pick<StreamNeeds, "keyholder" | "issuer">,
  receiver: Receiver,
  row: StreamRow,
): Promise<StreamConfiguration> {
  const { id, method, format, requested, kinds, description, sealedEndpoint } = row;
  const [endpoint] =
    sealedEndpoint === null
      ? [pollUrl(issuer, id)]
      : await keyholder.open([
          { dataKey: receiver.dataKey, place: endpointPlace(receiver.id), sealed: sealedEndpoint },
        ]);
  return {
    stream_id: id,
    iss: issuer,
    aud: receiver.audience,
    events_supported: [...supportedEvents],
    events_requested: requested,
    events_delivered: eventsOf(kinds),
    // The authorization header is the receiver's secret, and is not told again.
    delivery: { method: method === "push" ? pushMethod : pollMethod, endpoint_url: endpoint ?? "" },
    min_verification_interval: verifyIntervalMs / 1_000,
    format,
    ...(description === null ? {} : { description }),
  };
}

/** What is stored of a delivery: sealed, since an address and a header may both carry a secret. */
async function sealDelivery({ keyholder }: Pick<StreamNeeds, "keyholder">, receiver: Receiver, delivery: Delivery) {
  const { method, endpoint_url: url, authorization_header: header } = delivery;
  if (method === pollMethod) {
    if (header !== undefined) return unusable("delivery.authorization_header", "is for push only");
    return { kind: "sealed", method: "poll", endpoint: null, authorization: null } as const;
  }
  if (url === undefined) return unusable("delivery.endpoint_url", "is needed for push");
  const rule = refuseEndpoint(url, receiver.pushOrigin);
  if (rule !== undefined) return unusable("delivery.endpoint_url", rule);
  const { dataKey, id } = receiver;
  const endpoint = await keyholder.seal(dataKey, endpointPlace(id), url);
  const authorization = header === undefined ? null : await keyholder.seal(dataKey, authorizationPlace(id), header);
  return { kind: "sealed", method: "push", endpoint, authorization } as const;
}

const refuseFormat = (receiver: Receiver, format: SubjectFormat): Unusable | undefined =>
  format === "email" && receiver.addressesBecause === null
    ? unusable("format", "is iss_sub or opaque: addresses are not agreed with this relying service")
    : undefined;

export type CreateOutcome =
  | { readonly kind: "created"; readonly stream: StreamConfiguration }
  | { readonly kind: "too-many" }
  /** The relying service was taken out meanwhile. */
  | { readonly kind: "no-such-receiver" }
  | Unusable;

/** Makes a stream (SSF 1.0 section 8.1.1.1). Without a delivery it is polled. */
export async function createStream(
  needs: StreamNeeds,
  receiver: Receiver,
  order: CreateStream,
): Promise<CreateOutcome> {
  const { db, clock, random } = needs;
  const {
    events_requested: requested = supportedEvents,
    delivery = { method: pollMethod },
    format = "iss_sub",
  } = order;
  const badFormat = refuseFormat(receiver, format);
  if (badFormat !== undefined) return badFormat;
  const sealed = await sealDelivery(needs, receiver, delivery);
  if (sealed.kind === "unusable") return sealed;
  const now = clock.now();
  const id = newId<StreamId>(random, now);
  const kinds = kindsOf(requested);
  const row = await db.transaction(async (tx): Promise<StreamRow | "no-such-receiver" | "too-many"> => {
    // The receiver's row takes turns, so that two at once do not both find room, and none is made for one that is taken out.
    if (!(await holdReceiver(tx, receiver.id))) return "no-such-receiver";
    const made = await tx.one<StreamRow>(
      `insert into signal_stream (id, receiver_id, method, subject_format, events_requested, kinds, description,
                                  sealed_endpoint, sealed_authorization, status, made_at, verify_from, taken_at)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, 'enabled', $10, $10, $10
        where (select count(*) from signal_stream where receiver_id = $2) < $11
       returning ${columns}`,
      [
        id,
        receiver.id,
        sealed.method,
        format,
        [...requested],
        kinds,
        order.description ?? null,
        sealed.endpoint,
        sealed.authorization,
        toDate(now),
        mostStreams,
      ],
    );
    if (made === undefined) return "too-many";
    const detail = { receiver: receiver.id, stream: id, method: sealed.method, kinds };
    await append(tx, now, { kind: "stream made", detail }, random);
    return made;
  });
  if (typeof row === "string") return { kind: row };
  return { kind: "created", stream: await configurationOf(needs, receiver, row) };
}

/** One stream of the relying service, or all of them. */
export async function readStreams(
  needs: Pick<StreamNeeds, "db" | "keyholder" | "issuer">,
  receiver: Receiver,
  streamId: StreamId | undefined,
): Promise<StreamConfiguration[]> {
  const rows = await needs.db.many<StreamRow>(
    `select ${columns} from signal_stream where receiver_id = $1 and ($2::uuid is null or id = $2) order by made_at, id`,
    [receiver.id, streamId ?? null],
  );
  return Promise.all(rows.map((row) => configurationOf(needs, receiver, row)));
}

export type ChangeOutcome =
  { readonly kind: "changed"; readonly stream: StreamConfiguration } | { readonly kind: "no-such-stream" } | Unusable;

/**
 * Changes a stream (SSF 1.0 section 8.1.1.3), or replaces it: what is left out then goes back to what a new stream has
 * (section 8.1.1.4). What waits for it stays, and goes the new way; where accounts are named by address from now on, those that the
 * receiver knows by id alone still are by that.
 */
export async function changeStream(
  needs: StreamNeeds,
  receiver: Receiver,
  order: ChangeStream,
  how: "update" | "replace",
): Promise<ChangeOutcome> {
  const { db, clock, random } = needs;
  const streamId = parseStreamId(order.stream_id);
  const [before] = await readStreams(needs, receiver, streamId);
  if (before === undefined) return { kind: "no-such-stream" };
  const mismatch = transmitterSupplied.find((name) => order[name] !== undefined && !isSame(order[name], before[name]));
  if (mismatch !== undefined) return unusable(mismatch, "is the transmitter's, and not what it is");
  const usual = how === "replace" ? { requested: supportedEvents, format: "iss_sub", description: null } : undefined;
  const requested = order.events_requested ?? usual?.requested;
  const format = order.format ?? (usual?.format as SubjectFormat | undefined);
  const badFormat = format === undefined ? undefined : refuseFormat(receiver, format);
  if (badFormat !== undefined) return badFormat;
  // A poll's own address may come back to us.
  const delivery = order.delivery ?? (how === "replace" ? { method: pollMethod as typeof pollMethod } : undefined);
  if (
    delivery?.method === pollMethod &&
    ![undefined, pollUrl(needs.issuer, streamId)].includes(delivery.endpoint_url)
  ) {
    return unusable("delivery.endpoint_url", "is the transmitter's for poll, and not what it is");
  }
  const sealed = delivery === undefined ? undefined : await sealDelivery(needs, receiver, delivery);
  if (sealed?.kind === "unusable") return sealed;
  const now = clock.now();
  const row = await db.transaction(async (tx) => {
    const was = await tx.one<StreamRow>(
      `select ${columns} from signal_stream where id = $1 and receiver_id = $2 for update`,
      [streamId, receiver.id],
    );
    const changed = await tx.one<StreamRow>(
      `update signal_stream
          set events_requested = coalesce($3, events_requested), kinds = coalesce($4, kinds),
              subject_format = coalesce($5, subject_format),
              description = case when $6 then $7 else description end,
              method = coalesce($8, method),
              sealed_endpoint = case when $8::text is null then sealed_endpoint else $9 end,
              sealed_authorization = case when $8::text is null then sealed_authorization else $10 end,
              failures = case when $8::text is null then failures else 0 end,
              due_at = case when $8::text is null then due_at end
        where id = $1 and receiver_id = $2 returning ${columns}`,
      [
        streamId,
        receiver.id,
        requested === undefined ? null : [...requested],
        requested === undefined ? null : kindsOf(requested),
        format ?? null,
        order.description !== undefined || how === "replace",
        order.description ?? null,
        sealed?.method ?? null,
        sealed?.endpoint ?? null,
        sealed?.authorization ?? null,
      ],
    );
    if (was === undefined || changed === undefined) return undefined;
    // A push may have another secret besides, which is not compared.
    if (sealed?.method !== "push" && isSameStream(was, changed)) return changed;
    const detail = { receiver: receiver.id, stream: streamId, method: changed.method, kinds: changed.kinds };
    await append(tx, now, { kind: "stream changed", detail }, random);
    return changed;
  });
  if (row === undefined) return { kind: "no-such-stream" };
  return { kind: "changed", stream: await configurationOf(needs, receiver, row) };
}

const transmitterSupplied = [
  "iss",
  "aud",
  "events_supported",
  "events_delivered",
  "min_verification_interval",
] as const satisfies readonly (keyof ChangeStream)[];

const isSame = (one: unknown, other: unknown): boolean =>
  Array.isArray(one) && Array.isArray(other)
    ? one.length === other.length && one.every((each) => other.includes(each))
    : one === other;

const isSameStream = (one: StreamRow, other: StreamRow): boolean =>
  one.method === other.method &&
  one.format === other.format &&
  one.description === other.description &&
  isSame(one.requested, other.requested);

/** Deletes a stream, and whatever waits for it. @returns false if the relying service has no such stream. */
export async function deleteStream(
  { db, clock, random }: Pick<StreamNeeds, "db" | "clock" | "random">,
  receiver: Receiver,
  streamId: StreamId,
): Promise<boolean> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const held = await tx.one(`select 1 as held from signal_stream where id = $1 and receiver_id = $2 for update`, [
      streamId,
      receiver.id,
    ]);
    if (held === undefined) return false;
    await forgetStream(tx, streamId, now);
    const detail = { receiver: receiver.id, stream: streamId };
    await append(tx, now, { kind: "stream removed", detail }, random);
    return true;
  });
}

export interface Status {
  readonly status: StreamState;
  readonly reason: string | null;
}

export async function readStatus(tx: Tx, receiver: Receiver, streamId: StreamId): Promise<Status | undefined> {
  return tx.one<Status>(
    `select status, status_reason as reason from signal_stream where id = $1 and receiver_id = $2`,
    [streamId, receiver.id],
  );
}

/**
 * Sets a stream's status (SSF 1.0 section 8.1.2): paused holds what happens, for as long as a signal is held at all;
 * disabled holds nothing. Set again, it tries anew and writes no entry. @returns false if the relying service has no such stream.
 */
export async function setStatus(
  { db, clock, random }: Pick<StreamNeeds, "db" | "clock" | "random">,
  receiver: Receiver,
  streamId: StreamId,
  { status, reason }: Status,
): Promise<boolean> {
  const now = clock.now();
  return db.transaction(async (tx) => {
    const was = await tx.one<Status>(
      `select status, status_reason as reason from signal_stream where id = $1 and receiver_id = $2 for update`,
      [streamId, receiver.id],
    );
    const set = await tx.run(
      `update signal_stream
          set status = $3, status_reason = $4, failures = 0, due_at = null,
              taken_at = case when $3 = 'enabled' then $5 else taken_at end
        where id = $1 and receiver_id = $2`,
      [streamId, receiver.id, status, reason, toDate(now)],
    );
    if (was === undefined || set === 0) return false;
    if (status === "disabled") {
      const dropped = await dropWaiting(tx, streamId);
      await tx.run(`update signal_stream set dropped = dropped + $2 where id = $1`, [streamId, dropped]);
    }
    if (was.status === status && was.reason === reason) return true;
    const detail = { receiver: receiver.id, stream: streamId, status };
    await append(tx, now, { kind: "stream changed", detail }, random);
    return true;
  });
}
