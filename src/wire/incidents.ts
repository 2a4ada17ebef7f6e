import { Type, type Static } from "typebox";
import { StandingOperator } from "./accounts.ts";
import { Alarm } from "./alarms.ts";
import { LeavesBy, LetterPace, LettersOut, Plan } from "./campaign.ts";
import { ListedReceiver } from "./signals.ts";
import { ListedWitness } from "./timeline.ts";
import { KeyUse } from "./key-use.ts";
import { Closed, Id, Instant, SentInstant } from "./common.ts";
import { LibraryJobs } from "./library-jobs.ts";
import { SignalSum } from "./signals.ts";

export const DataClass = Type.Union([
  Type.Literal("addresses"),
  Type.Literal("names"),
  Type.Literal("password records"),
  Type.Literal("sessions"),
  Type.Literal("second factors"),
  Type.Literal("viewing history"),
]);
export type DataClass = Static<typeof DataClass>;

/** How long the texts of a case file may be, in characters: they stand in the record, which is signed, and in the report. */
export const longestTexts = {
  reason: 500,
  foundBy: 200,
  foundHow: 500,
  what: 1_000,
  evidence: 2_000,
  note: 1_000,
} as const;

/** Of several lines, if need be. */
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength, format: "lines" });

/** POST /api/incidents: opens a case. */
export const OpenIncident = Closed({
  reason: text(longestTexts.reason),
  foundAt: Type.Optional(SentInstant),
  foundBy: Type.Optional(text(longestTexts.foundBy)),
  foundHow: Type.Optional(text(longestTexts.foundHow)),
  copiedAt: Type.Optional(SentInstant),
  dataClasses: Type.Optional(Type.Array(DataClass, { maxItems: 6, uniqueItems: true })),
  keysReachable: Type.Optional(Type.Union([Type.Literal("no"), Type.Literal("unknown"), Type.Literal("yes")])),
});
export type OpenIncident = Static<typeof OpenIncident>;

/** PUT /api/incidents/{id}/facts: what is known by now, until the letters are started. What is left out stays as it was. */
export const AmendIncident = Closed({
  ...Type.Omit(OpenIncident, ["reason", "copiedAt"]).properties,
  /** Null: it is not known. */
  copiedAt: Type.Optional(Type.Union([SentInstant, Type.Null()])),
});
export type AmendIncident = Static<typeof AmendIncident>;

export const ContainmentMode = Type.Union([Type.Literal("everyone-out"), Type.Literal("with-renewal")]);
export type ContainmentMode = Static<typeof ContainmentMode>;

/** POST /api/incidents/{id}/contain */
export const Contain = Closed({
  mode: Type.Optional(ContainmentMode),
  keepTools: Type.Optional(Type.Boolean()),
  accountId: Type.Optional(Id),
  dryRun: Type.Optional(Type.Boolean()),
});
export type Contain = Static<typeof Contain>;

/** What a containment refuses that was good until then; what an earlier one refuses is not counted again. */
export const Counts = Closed({
  passwords: Type.Integer(),
  sessions: Type.Integer(),
  links: Type.Integer(),
  tickets: Type.Integer(),
  /** Refused only where the keys could be read as well. */
  totps: Type.Integer(),
  recoveryCodes: Type.Integer(),
  /** A copy holds public keys only; those added since it was taken do not count. */
  passkeysStillGood: Type.Integer(),
  accounts: Type.Integer(),
});
export type Counts = Static<typeof Counts>;

export const Contained = Closed({
  kind: Type.Union([Type.Literal("contained"), Type.Literal("would-contain")]),
  incidentId: Id,
  reference: Type.String(),
  epoch: Type.Integer(),
  at: Instant,
  mode: Type.Union([ContainmentMode, Type.Literal("account")]),
  floors: Type.Array(Type.String()),
  commitMs: Type.Number(),
  /** From a separate, later read; null where that takes long, which nothing waits for. */
  counted: Type.Union([Counts, Type.Null()]),
  countedMs: Type.Number(),
  witness: Type.Union([Type.Literal("told"), Type.Literal("owed")]),
  /** The disk was full, and this much of the reserve was given up for it; absent on any other day. */
  reserve: Type.Optional(Closed({ givenUpBytes: Type.Integer(), leftBytes: Type.Integer() })),
  /** Whose role as an operator counts from then on; absent for one account, and where it could not be read. */
  operators: Type.Optional(Type.Array(StandingOperator)),
  /** How many relying services there are, and the names of those whose token was made since the copy may have been taken. */
  receivers: Type.Optional(Closed({ all: Type.Integer(), newOnes: Type.Array(Type.String()) })),
  /** What telling everybody would take, in a dry run. */
  letters: Type.Optional(Plan),
});
export type Contained = Static<typeof Contained>;

/** POST /api/incidents/{id}/notify */
export const Notify = Closed({
  action: Type.Union([
    Type.Literal("preview"),
    Type.Literal("test"),
    Type.Literal("plan"),
    Type.Literal("start"),
    Type.Literal("pause"),
    Type.Literal("resume"),
  ]),
});

/** The sum of P5: scope = everything below it, at any moment. */
export const LetterSum = Closed({
  scope: Type.Integer(),
  handedOver: Type.Integer(),
  bounced: Type.Integer(),
  refused: Type.Integer(),
  suppressed: Type.Integer(),
  noAddress: Type.Integer(),
  waiting: Type.Integer(),
  possiblyTwice: Type.Integer(),
});
export type LetterSum = Static<typeof LetterSum>;

export const Notified = Closed({
  kind: Type.Union([
    Type.Literal("preview"),
    Type.Literal("test-sent"),
    Type.Literal("plan"),
    Type.Literal("started"),
    Type.Literal("already-started"),
    Type.Literal("paused"),
    Type.Literal("resumed"),
  ]),
  subject: Type.Optional(Type.String()),
  text: Type.Optional(Type.String()),
  html: Type.Optional(Type.String()),
  /** A preview has the letter in every language; `subject`, `text` and `html` are those of the one who asks. */
  letters: Type.Optional(
    Type.Array(Closed({ locale: Type.String(), subject: Type.String(), text: Type.String(), html: Type.String() })),
  ),
  plan: Type.Optional(Plan),
  sum: Type.Optional(LetterSum),
});
export type Notified = Static<typeof Notified>;

export const ReviewItem = Closed({
  item: Type.String(),
  title: Type.String(),
  state: Type.Union([Type.Literal("todo"), Type.Literal("done"), Type.Literal("explained")]),
  note: Type.String(),
});

/** PUT /api/incidents/{id}/way-in and PUT /api/incidents/{id}/review */
export const RecordWayIn = Closed({
  what: text(longestTexts.what),
  closedAt: SentInstant,
  evidence: text(longestTexts.evidence),
});
export const RecordReview = Closed({
  item: text(50),
  state: Type.Union([Type.Literal("done"), Type.Literal("explained"), Type.Literal("todo")]),
  note: Type.Optional(Type.String({ maxLength: longestTexts.note, format: "lines" })),
});

/** POST /api/incidents/{id}/close: everything may come with it, or have been recorded before. */
export const CloseIncident = Closed({
  wayIn: Type.Optional(RecordWayIn),
  review: Type.Optional(Type.Array(RecordReview, { maxItems: 20 })),
});
export type CloseIncident = Static<typeof CloseIncident>;

/** GET /api/incidents/{id} */
export const IncidentStatus = Closed({
  id: Id,
  reference: Type.String(),
  state: Type.Union([
    Type.Literal("open"),
    Type.Literal("contained"),
    Type.Literal("notifying"),
    Type.Literal("readmitting"),
    Type.Literal("closed"),
  ]),
  reason: Type.String(),
  openedAt: Instant,
  openedBy: Type.String(),
  foundAt: Instant,
  foundBy: Type.String(),
  foundHow: Type.String(),
  copiedAt: Type.Union([Instant, Type.Null()]),
  /** Where that is not known: the copy was made then or later, as a canary shows. */
  copiedAfter: Type.Union([Instant, Type.Null()]),
  dataClasses: Type.Array(Type.String()),
  keysReachable: Type.String(),
  /** For whatever was copied: of several containments the strongest stands. */
  containment: Type.Union([ContainmentMode, Type.Literal("account"), Type.Null()]),
  /** The first of all. */
  containedAt: Type.Union([Instant, Type.Null()]),
  /** Since when `containment` is in force. */
  containmentAt: Type.Union([Instant, Type.Null()]),
  /** The copy is said to be of later than every containment: nothing of what was copied is refused. */
  copiedSinceContained: Type.Boolean(),
  epoch: Type.Union([Type.Integer(), Type.Null()]),
  /** Tools were spared by it; where sessions are, they are too. */
  keptTools: Type.Boolean(),
  letters: Type.Union([LetterSum, Type.Null()]),
  lettersFinishedAt: Type.Union([Instant, Type.Null()]),
  /** Null while no campaign runs. */
  letterPace: Type.Union([LetterPace, Type.Null()]),
  /** Null while they go out, and where none has gone. */
  lettersOut: Type.Union([LettersOut, Type.Null()]),
  /** When letters and renewals were counted: on a large service that takes longer than a page waits. */
  countedAt: Instant,
  /** Passwords that were renewed since containment: of an account that did so again after another containment, each. */
  renewed: Type.Integer(),
  /** What other services were told of a containment of everybody, for each stream. */
  signals: Type.Array(SignalSum),
  renewalsByHour: Type.Array(Closed({ hour: Instant, renewed: Type.Integer() })),
  refusedByKind: Type.Array(Closed({ kind: Type.String(), refused: Type.Integer() })),
  wayIn: Type.Union([Closed({ what: Type.String(), closedAt: Instant, evidence: Type.String() }), Type.Null()]),
  review: Type.Array(ReviewItem),
  deadlines: Type.Array(
    Closed({
      rule: Type.String(),
      title: Type.String(),
      /** Null for a law that sets no time. */
      dueAt: Type.Union([Instant, Type.Null()]),
      state: Type.String(),
      source: Type.String(),
    }),
  ),
  /** What still stands between here and `closed`. */
  missing: Type.Array(Type.String()),
  timeline: Type.Array(
    Closed({ at: Instant, kind: Type.String(), detail: Type.Record(Type.String(), Type.Unknown()) }),
  ),
  closedAt: Type.Union([Instant, Type.Null()]),
});
export type IncidentStatus = Static<typeof IncidentStatus>;

/** GET /api/incidents */
export const IncidentList = Closed({
  incidents: Type.Array(
    Closed({
      id: Id,
      reference: Type.String(),
      state: Type.String(),
      reason: Type.String(),
      openedAt: Instant,
      closedAt: Type.Union([Instant, Type.Null()]),
    }),
  ),
});
export type IncidentList = Static<typeof IncidentList>;

/** GET /api/console: the numbers of the first console page. */
export const Console = Closed({
  incident: Type.Union([Id, Type.Null()]),
  accounts: Type.Integer(),
  sessions: Type.Array(Closed({ class: Type.String(), live: Type.Integer() })),
  /** When accounts and sessions were counted: a while ago on a service with millions of them. */
  countedAt: Instant,
  epoch: Type.Integer(),
  floors: Type.Array(Closed({ kind: Type.String(), epoch: Type.Integer() })),
  titles: Type.Array(Closed({ state: Type.String(), count: Type.Integer() })),
  /** What the worker does with the library. */
  library: LibraryJobs,
  timeline: Closed({
    size: Type.Integer(),
    waiting: Type.Integer(),
    rootHex: Type.String(),
    checkpointAt: Type.Union([Instant, Type.Null()]),
  }),
  jobs: Closed({ waiting: Type.Integer(), failed: Type.Integer() }),
  mail: LeavesBy,
  /** Addresses that web has opened in the present hour, of how many it may; null while the keyholder is away. */
  addresses: Type.Union([
    Closed({ opened: Type.Integer(), limit: Type.Integer(), refused: Type.Integer() }),
    Type.Null(),
  ]),
  /** Uses of keys in the last 24 hours; null before they were compared for the first time. */
  keyUse: Type.Union([KeyUse, Type.Null()]),
  alarms: Type.Array(Alarm),
  /** Relying services that are told of security events, with their streams. */
  receivers: Type.Array(ListedReceiver),
  /** Witnesses elsewhere that cosign the timeline, and what keeps one from it. */
  witnesses: Type.Array(ListedWitness),
  /** Processes of the service that are connected to the database. */
  nodes: Type.Array(
    Closed({
      role: Type.Union([Type.Literal("web"), Type.Literal("worker")]),
      host: Type.String(),
      process: Type.Integer(),
      connectedAt: Instant,
    }),
  ),
  /** The disk of the built-in database, with what is kept there to contain on when it is full; null where the database is elsewhere. */
  disk: Type.Union([
    Closed({
      sizeBytes: Type.Integer(),
      freeBytes: Type.Integer(),
      reserveBytes: Type.Integer(),
      wantedReserveBytes: Type.Integer(),
      state: Type.Union([Type.Literal("well"), Type.Literal("low"), Type.Literal("full")]),
    }),
    Type.Null(),
  ]),
  /** Containments that the witness was not told of at once. */
  owed: Type.Array(Closed({ at: Instant, kind: Type.String(), detail: Type.Record(Type.String(), Type.Unknown()) })),
});
export type Console = Static<typeof Console>;

/** GET /api/account/letters/{reference}/proof */
export const OwnLetterParams = Closed({ reference: Type.String({ pattern: "^[A-Za-z0-9._-]{1,60}$" }) });

/** GET /api/incidents/{id}/letters/{accountId}/proof */
export const LetterParams = Closed({ id: Id, accountId: Id });
