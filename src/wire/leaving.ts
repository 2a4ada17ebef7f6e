import { Type, type Static } from "typebox";
import { EventDetail, eventKinds } from "./account-events.ts";
import { Closed, Id, Instant, limits, Locale, SessionClass } from "./common.ts";

const InstantOrNull = Type.Union([Instant, Type.Null()]);

/** POST /api/account/deletion: one of the account's addresses, typed once more. */
export const AskDeletion = Closed({ confirmation: Type.String({ minLength: 1, maxLength: limits.addressLength }) });
export const DeletionPlanned = Closed({ kind: Type.Literal("deletion-planned"), deleteAfter: Instant });
/** GET and DELETE /api/account/deletion. */
export const Deletion = Closed({ deleteAfter: InstantOrNull });

/** POST /api/account/export: a file for people. */
export const AccountExport = Closed({
  exportedAt: Instant,
  account: Closed({
    id: Id,
    name: Type.String(),
    language: Locale,
    role: Type.Union([Type.Literal("viewer"), Type.Literal("operator")]),
    createdAt: Instant,
    passwordSetAt: InstantOrNull,
    deleteAfter: InstantOrNull,
  }),
  addresses: Type.Array(Closed({ address: Type.String(), confirmedAt: Instant })),
  devices: Type.Array(
    Closed({
      device: Type.String(),
      network: Type.String(),
      class: SessionClass,
      signedInAt: Instant,
      lastSeenAt: Instant,
    }),
  ),
  events: Type.Array(Closed({ at: Instant, kind: Type.Enum(eventKinds), ...EventDetail.properties })),
  watched: Type.Array(
    Closed({
      title: Type.String(),
      positionSeconds: Type.Number(),
      durationSeconds: Type.Number(),
      watched: Type.Boolean(),
      at: Instant,
    }),
  ),
  /** Letters about incidents: which case, what became of the letter, when. */
  notices: Type.Array(Closed({ reference: Type.String(), outcome: Type.String(), at: InstantOrNull })),
});
export type AccountExport = Static<typeof AccountExport>;
