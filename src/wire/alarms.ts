import { Type, type Static } from "typebox";
import { Address, Closed, Id, Instant, Locale } from "./common.ts";

/** One alarm as operators see it. */
export const Alarm = Closed({
  id: Id,
  kind: Type.String(),
  place: Type.Union([Type.String(), Type.Null()]),
  /** Of the words that follow, and of how the case was found: the reader's, or English as in the record. */
  language: Locale,
  title: Type.String(),
  /** What it is evidence of, and what it is not. */
  evidence: Type.String(),
  notEvidence: Type.String(),
  /** Counts and ids behind it. */
  facts: Type.Record(Type.String(), Type.Unknown()),
  at: Instant,
  lastAt: Instant,
  times: Type.Integer(),
  acknowledgedAt: Type.Union([Instant, Type.Null()]),
  acknowledgedBy: Type.Union([Type.String(), Type.Null()]),
  incidentId: Type.Union([Id, Type.Null()]),
  /** The case that one button would open. */
  proposes: Closed({
    foundHow: Type.String(),
    /** The copy was made then or later. */
    copiedAfter: Type.Union([Instant, Type.Null()]),
    dataClasses: Type.Array(Type.String()),
    keysReachable: Type.Enum(["no", "unknown", "yes"]),
  }),
});
export type Alarm = Static<typeof Alarm>;

/** GET /api/alarms: those that nobody has acknowledged first, then the newest; at most 100. */
export const AlarmList = Closed({ alarms: Type.Array(Alarm) });
export type AlarmList = Static<typeof AlarmList>;

/** POST /api/alarms/{id}/case */
export const OpenedCase = Closed({ incidentId: Id, reference: Type.String() });
export type OpenedCase = Static<typeof OpenedCase>;

/** POST /api/canary-mail: mail arrived for an address, as a mail server reports. */
export const CanaryMail = Closed({ to: Address, messageId: Type.Optional(Type.String({ maxLength: 998 })) });
