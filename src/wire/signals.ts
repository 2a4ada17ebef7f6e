import { Type, type Static } from "typebox";
import { Closed, Id, Instant } from "./common.ts";

/** RFC 8935 and RFC 8936, as SSF 1.0 section 6.1 names them. */
export const pushMethod = "urn:ietf:rfc:8935";
export const pollMethod = "urn:ietf:rfc:8936";

const Uri = Type.String({ minLength: 1, maxLength: 300, pattern: "^[\\x21-\\x7e]+$" });
const Uris = Type.Array(Uri, { maxItems: 50 });
const Description = Type.String({ maxLength: 200 });
const DeliveryMethod = Type.Union([Type.Literal(pushMethod), Type.Literal(pollMethod)]);

/** How signals travel (SSF 1.0 section 6.1). A poll's address is ours, and may be repeated to us. */
export const Delivery = Closed({
  method: DeliveryMethod,
  endpoint_url: Type.Optional(Type.String({ maxLength: 1_000 })),
  authorization_header: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000, pattern: "^[\\x20-\\x7e]+$" })),
});
export type Delivery = Static<typeof Delivery>;

/** How a stream names accounts (RFC 9493 section 3.2). `email` is for receivers that an operator has let see addresses. */
export const SubjectFormat = Type.Union([Type.Literal("iss_sub"), Type.Literal("opaque"), Type.Literal("email")]);
export type SubjectFormat = Static<typeof SubjectFormat>;

const receiverSupplied = {
  events_requested: Type.Optional(Uris),
  delivery: Type.Optional(Delivery),
  description: Type.Optional(Description),
  format: Type.Optional(SubjectFormat),
};
/** May be repeated to us, and must then be as we have it (SSF 1.0 sections 8.1.1.3 and 8.1.1.4). */
const transmitterSupplied = {
  iss: Type.Optional(Type.String({ maxLength: 300 })),
  aud: Type.Optional(Type.String({ maxLength: 300 })),
  events_supported: Type.Optional(Uris),
  events_delivered: Type.Optional(Uris),
  min_verification_interval: Type.Optional(Type.Integer()),
};

/** POST /signals/stream */
export const CreateStream = Closed(receiverSupplied);
export type CreateStream = Static<typeof CreateStream>;
/** PATCH and PUT /signals/stream */
export const ChangeStream = Closed({ stream_id: Id, ...receiverSupplied, ...transmitterSupplied });
export type ChangeStream = Static<typeof ChangeStream>;

/** A stream's configuration (SSF 1.0 section 8.1.1). */
export const StreamConfiguration = Closed({
  stream_id: Id,
  iss: Type.String(),
  aud: Type.String(),
  events_supported: Type.Array(Type.String()),
  events_requested: Type.Array(Type.String()),
  events_delivered: Type.Array(Type.String()),
  delivery: Closed({ method: DeliveryMethod, endpoint_url: Type.String() }),
  min_verification_interval: Type.Integer(),
  format: SubjectFormat,
  description: Type.Optional(Type.String()),
});
export type StreamConfiguration = Static<typeof StreamConfiguration>;

export const StreamQuery = Closed({ stream_id: Type.Optional(Id) });
export const OneStreamQuery = Closed({ stream_id: Id });

export const StreamState = Type.Union([Type.Literal("enabled"), Type.Literal("paused"), Type.Literal("disabled")]);
export type StreamState = Static<typeof StreamState>;

/** GET and POST /signals/status (SSF 1.0 section 8.1.2). */
export const StreamStatus = Closed({
  stream_id: Id,
  status: StreamState,
  reason: Type.Optional(Type.String({ maxLength: 200 })),
});
export type StreamStatus = Static<typeof StreamStatus>;

/** A simple subject (RFC 9493 section 3.2). */
export const Subject = Type.Union([
  Closed({
    format: Type.Literal("iss_sub"),
    iss: Type.String({ maxLength: 300 }),
    sub: Type.String({ maxLength: 100 }),
  }),
  Closed({ format: Type.Literal("opaque"), id: Type.String({ maxLength: 100 }) }),
  Closed({ format: Type.Literal("email"), email: Type.String({ minLength: 3, maxLength: 254 }) }),
]);
export type Subject = Static<typeof Subject>;

/** POST /signals/subjects/add and /signals/subjects/remove (SSF 1.0 section 8.1.3). */
export const AddSubject = Closed({ stream_id: Id, subject: Subject, verified: Type.Optional(Type.Boolean()) });
export const RemoveSubject = Closed({ stream_id: Id, subject: Subject });

/** POST /signals/verify (SSF 1.0 section 8.1.4.2). */
export const VerifyStream = Closed({ stream_id: Id, state: Type.Optional(Type.String({ maxLength: 1_000 })) });

export const mostSetsInPoll = 100;
const Jti = Type.String({ minLength: 1, maxLength: 100 });

/** POST /signals/streams/{id}/poll (RFC 8936 section 2.2). */
export const Poll = Closed({
  maxEvents: Type.Optional(Type.Integer({ minimum: 0 })),
  returnImmediately: Type.Optional(Type.Boolean()),
  ack: Type.Optional(Type.Array(Jti, { maxItems: 1_000 })),
  setErrs: Type.Optional(
    Type.Record(
      Jti,
      Closed({ err: Type.String({ maxLength: 100 }), description: Type.Optional(Type.String({ maxLength: 1_000 })) }),
      { maxProperties: 1_000 },
    ),
  ),
});
export type Poll = Static<typeof Poll>;

/** RFC 8936 section 2.3. */
export const Polled = Closed({
  sets: Type.Record(Type.String(), Type.String()),
  moreAvailable: Type.Optional(Type.Boolean()),
});
export type Polled = Static<typeof Polled>;

/** How far a case's signals have come, for each stream. */
export const SignalSum = Closed({
  receiver: Type.String(),
  streamId: Id,
  accounts: Type.Integer(),
  made: Type.Integer(),
  taken: Type.Integer(),
  refused: Type.Integer(),
  dropped: Type.Integer(),
  waiting: Type.Integer(),
  finished: Type.Boolean(),
});
export type SignalSum = Static<typeof SignalSum>;

/** A relying service with its streams, as the console lists it. */
export const ListedReceiver = Closed({
  id: Id,
  name: Type.String(),
  audience: Type.String(),
  pushOrigin: Type.Union([Type.String(), Type.Null()]),
  tokenExpiresAt: Instant,
  /** When and by whom its token was made: an account's id, or "host". Null: the record knows nothing of it. */
  tokenMade: Type.Union([Closed({ at: Instant, by: Type.String() }), Type.Null()]),
  streams: Type.Array(
    Closed({
      id: Id,
      method: Type.Union([Type.Literal("push"), Type.Literal("poll")]),
      status: Type.Union([Type.Literal("enabled"), Type.Literal("paused"), Type.Literal("disabled")]),
      statusReason: Type.Union([Type.String(), Type.Null()]),
      /** When the receiver took something last; null: nothing yet. */
      takenAt: Type.Union([Instant, Type.Null()]),
      taken: Type.Integer(),
      waiting: Type.Integer(),
      refused: Type.Integer(),
      dropped: Type.Integer(),
      /** Pushes in a row that failed. */
      failures: Type.Integer(),
      /** A verification that the receiver asked for waits to be taken. */
      verifying: Type.Boolean(),
    }),
  ),
});
export type ListedReceiver = Static<typeof ListedReceiver>;
