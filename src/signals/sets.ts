import type { AccountId } from "../kernel/brand.ts";
import { fromDate } from "../kernel/clock.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import type { SubjectFormat } from "../wire/signals.ts";
import { eventClaim, streamUpdated, verification } from "./events.ts";
import type { ReceiverId } from "./receivers.ts";
import type { StreamId } from "./streams.ts";
import { sealedPlace } from "./verify.ts";

/** What a SET says of the stream that it goes over. */
export interface SetStream {
  readonly streamId: StreamId;
  readonly receiverId: ReceiverId;
  readonly audience: string;
  readonly dataKey: Uint8Array;
  readonly format: SubjectFormat;
}

export interface DeliveryRow {
  readonly id: string;
  readonly accountId: AccountId | null;
  readonly kind: string;
  readonly cause: string;
  readonly at: Date;
  readonly txn: string;
  readonly sealed: Buffer | null;
  readonly madeAt: Date;
}

/** The columns of a `DeliveryRow`. */
export const deliveryColumns = `id, account_id as "accountId", kind, cause, at, txn, sealed, made_at as "madeAt"`;

/** A token's id: unique over all streams, and the same at each try, so that a receiver can drop what comes twice. */
export const jtiOf = (streamId: StreamId, id: string): string => `${id}.${streamId}`;

/** The delivery that a receiver speaks of; `undefined` for a token of another stream, or of none. */
export function deliveryOf(streamId: StreamId, jti: string): string | undefined {
  const [id = "", stream] = jti.split(".");
  return stream === streamId && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : undefined;
}

export interface SignedSet {
  readonly id: string;
  readonly jti: string;
  readonly token: string;
}

const secondsOf = (date: Date): number => Math.floor(fromDate(date) / 1_000);

/**
 * Makes and signs the SETs of deliveries (RFC 8417 section 2.2; SSF 1.0 section 4.1): one event each, no `sub`, no
 * `exp`. They are made anew at each try and are the same each time, but for the key. One that cannot be made (its address
 * does not open, or this version does not know its kind) is left out, and named.
 */
export async function signDeliveries(
  { keyholder, issuer }: { readonly keyholder: Pick<Keyholder, "open" | "signSets">; readonly issuer: string },
  stream: SetStream,
  rows: readonly DeliveryRow[],
): Promise<{ readonly signed: readonly SignedSet[]; readonly unmade: readonly string[] }> {
  const place = sealedPlace(stream.receiverId);
  const withSealed = rows.flatMap(({ id, sealed }) => (sealed === null ? [] : [{ id, sealed }]));
  const opened = await keyholder.open(withSealed.map(({ sealed }) => ({ dataKey: stream.dataKey, place, sealed })));
  const textOf = new Map(withSealed.map(({ id }, n) => [id, opened[n] ?? null]));

  const claims = rows.flatMap((row) => {
    const said = claimsOf(stream, issuer, row, textOf.get(row.id) ?? null);
    return said === undefined ? [] : [{ id: row.id, jti: jtiOf(stream.streamId, row.id), said }];
  });
  const tokens = await keyholder.signSets(claims.map(({ said }) => JSON.stringify(said)));
  const made = new Set(claims.map(({ id }) => id));
  return {
    signed: claims.map(({ id, jti }, n) => ({ id, jti, token: tokens[n] ?? "" })),
    unmade: rows.map(({ id }) => id).filter((id) => !made.has(id)),
  };
}

function claimsOf(stream: SetStream, issuer: string, row: DeliveryRow, text: string | null): object | undefined {
  const events = eventsOf(row, text);
  const subject = subjectOf(stream, issuer, row, text);
  if (events === undefined || subject === undefined) return undefined;
  return {
    iss: issuer,
    jti: jtiOf(stream.streamId, row.id),
    iat: secondsOf(row.madeAt),
    aud: stream.audience,
    txn: row.txn,
    sub_id: subject,
    events,
  };
}

function eventsOf({ kind, cause, at }: DeliveryRow, text: string | null): Readonly<Record<string, object>> | undefined {
  switch (kind) {
    case "verification":
      return { [verification]: text === null ? {} : { state: text } };
    case "stream updated":
      return { [streamUpdated]: { status: "disabled", reason: cause } };
    default:
      return eventClaim(kind, cause, secondsOf(at));
  }
}

/** RFC 9493 section 3.2; of a stream itself always its id (SSF 1.0 section 8.1.4.1). */
function subjectOf(stream: SetStream, issuer: string, row: DeliveryRow, text: string | null): object | undefined {
  const { accountId, sealed } = row;
  if (accountId === null) return { format: "opaque", id: stream.streamId };
  switch (stream.format) {
    case "iss_sub":
      return { format: "iss_sub", iss: issuer, sub: accountId };
    case "opaque":
      return { format: "opaque", id: accountId };
    case "email":
      // Made, or its account added, while the stream named accounts by id: by that its receiver knows this one.
      if (sealed === null) return { format: "iss_sub", iss: issuer, sub: accountId };
      return text === null ? undefined : { format: "email", email: text };
  }
}
