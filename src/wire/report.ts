import { Type, type Static } from "typebox";
import { Closed, Instant } from "./common.ts";
import { IncidentStatus, LetterSum } from "./incidents.ts";
import { KeyUse } from "./key-use.ts";
import { StolenCopy } from "./stolen-copy.ts";

const byHour = Type.Array(Closed({ hour: Instant, count: Type.Integer() }));

/** GET /api/incidents/{id}/report: what can be said of a case to an outsider, and how it is known. No personal data. */
export const Report = Closed({
  format: Type.Literal("houselights report 1"),
  madeAt: Instant,
  incident: Type.Omit(IncidentStatus, ["timeline", "missing"]),
  notifiedAt: Type.Union([Instant, Type.Null()]),
  letters: Type.Union([
    Closed({
      sum: LetterSum,
      /** scope = handed over + bounced + refused + suppressed + no address + waiting */
      addsUp: Type.Boolean(),
      handedOverByHour: byHour,
      /** What the timeline says of the same letters, counted there; a refused one that went on to the account's `second address` has two. */
      inTimeline: Type.Array(Closed({ outcome: Type.String(), count: Type.Integer() })),
      /** And of those that came back: as `bounced`, or sent to the account's `second address`. */
      bouncesInTimeline: Type.Array(Closed({ outcome: Type.String(), count: Type.Integer() })),
      /** Whether rows and timeline agree. */
      agrees: Type.Boolean(),
      templates: Type.Array(Closed({ locale: Type.String(), subject: Type.String(), sha256Hex: Type.String() })),
    }),
    Type.Null(),
  ]),
  /** Accounts that have renewed since containment, each once, however often each had to. Null before containment. */
  accountsRenewed: Type.Union([Type.Integer(), Type.Null()]),
  refused: Closed({
    byHour,
    byKind: Type.Array(Closed({ kind: Type.String(), count: Type.Integer() })),
    /** Sessions older than their floor that were seen, or made, after it was raised. Null before containment. */
    servedOld: Type.Union([Closed({ seenAfter: Type.Integer(), madeAfter: Type.Integer() }), Type.Null()]),
    how: Type.String(),
  }),
  /** What keys were used for since the copy was taken, or in the 90 days before it was found; null before anything was compared. */
  keyUse: Type.Union([KeyUse, Type.Null()]),
  timeline: Closed({
    verdict: Type.Union([Type.Literal("intact"), Type.Literal("broken")]),
    explanation: Type.String(),
    /** What `checkpoint` covers: the newest that was signed when the report was begun. */
    size: Type.Integer(),
    rootHex: Type.String(),
    /** Entries that no signature covered yet when the report was done: its counts may be ahead of `size` by so many. */
    unsigned: Type.Integer(),
    /** Whether the keyholder's memory of the timeline's size and root was compared too. */
    witness: Type.Union([Type.Literal("compared"), Type.Literal("not reached")]),
    checkpoint: Type.Union([Type.String(), Type.Null()]),
    /** Witnesses elsewhere that were ever asked, and how far each has cosigned. */
    cosigners: Type.Array(
      Closed({
        name: Type.String(),
        cosignedSize: Type.Integer(),
        cosignedAt: Type.Union([Instant, Type.Null()]),
        failingSince: Type.Union([Instant, Type.Null()]),
        problem: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
    /** The case's entries, without single letters and those that came back; at most 1,000, the oldest first. */
    entries: Type.Array(
      Closed({
        at: Instant,
        kind: Type.String(),
        detail: Type.Record(Type.String(), Type.Unknown()),
        leafIndex: Type.Union([Type.Integer(), Type.Null()]),
        leafHashHex: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
    entriesLeftOut: Type.Integer(),
  }),
  /** What a copy of the database shows to whoever has it, as of when the report was made. */
  copy: StolenCopy,
  /** What this report does not know. */
  limits: Type.Array(Type.String()),
  drafts: Type.Array(Closed({ to: Type.String(), text: Type.String() })),
});
export type Report = Static<typeof Report>;
