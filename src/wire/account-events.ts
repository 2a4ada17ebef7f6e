import { Type, type Static } from "typebox";
import { Closed, Id, Instant, limits, SessionClass } from "./common.ts";

/** What can happen to an account. A row is kept for 90 days, so a kind is added here and never renamed. */
export const eventKinds = [
  "account created",
  "signed in",
  "linked",
  "device signed out",
  "devices signed out",
  "password changed",
  "renewed",
  "address added",
  "address removed",
  "first address changed",
  "passkey added",
  "passkey removed",
  // Its counter went back: it is refused until the owner keeps it.
  "passkey doubted",
  // What did not count any more, and counts again by its owner's word.
  "passkey kept",
  "address kept",
  "second factor kept",
  "second factor added",
  "second factor removed",
  "recovery codes made",
  "recovery code used",
  "recovery started",
  "recovery without second factor",
  "recovery ended",
  "deletion asked",
  "deletion withdrawn",
  "exported",
  "change taken back",
  "contained",
  "made operator",
  "operator no more",
] as const;
export type EventKind = (typeof eventKinds)[number];

const text = Type.Optional(Type.String({ maxLength: limits.addressLength }));

/** What an event tells besides its kind; sealed where it is stored. */
export const EventDetail = Closed({
  /** As the device list shows it. */
  device: text,
  network: text,
  class: Type.Optional(SessionClass),
  address: text,
  /** The name that the viewer gave a passkey. */
  credential: text,
});
export type EventDetail = Static<typeof EventDetail>;

/** GET /api/account/events: the newest first; at most 100, and the containments of everybody among them. */
export const AccountEvents = Closed({
  events: Type.Array(
    Closed({
      id: Id,
      at: Instant,
      kind: Type.Enum(eventKinds),
      ...EventDetail.properties,
      /** Of the case in which everybody was contained. */
      reference: Type.Optional(Type.String()),
      /** The account's letter about it has a receipt, at /api/account/letters/{reference}/proof. */
      receipt: Type.Optional(Type.Boolean()),
    }),
  ),
});
export type AccountEvents = Static<typeof AccountEvents>;
