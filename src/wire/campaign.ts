import { Type, type Static } from "typebox";
import { Closed, Instant } from "./common.ts";

const OrNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

/** What can be found of a sender's domain. A kind says one thing, which a console writes in its reader's language. */
export const findingKinds = [
  "no domain",
  "returns go to",
  "returns refused",
  "no mail server",
  "no address",
  "spf lets",
  "spf open",
  "spf none",
  "spf broken",
  "spf not known",
  "spf does not let",
  "unsigned",
  "no key",
  "no usable key",
  "key withdrawn",
  "other key",
  "key on trial",
  "key in order",
  "dmarc none",
  "dmarc broken",
  "passes, none asked",
  "passes, put aside",
  "passes, refused",
  "passes not known",
  "fails, none asked",
  "fails, put aside",
  "fails, refused",
  "receivers demand more",
  "receivers not known",
  "receivers in order",
  "no answer",
] as const;

/** What was found of the sender's domain, as receivers see it. */
export const SenderFinding = Closed({
  about: Type.Union([
    Type.Literal("domain"),
    Type.Literal("return path"),
    Type.Literal("SPF"),
    Type.Literal("DKIM"),
    Type.Literal("DMARC"),
    Type.Literal("receivers"),
  ]),
  verdict: Type.Union([Type.Literal("good"), Type.Literal("weak"), Type.Literal("bad"), Type.Literal("unknown")]),
  /** Left out by a survey of an earlier version. */
  kind: Type.Optional(Type.Enum(findingKinds)),
  /** Names and records that it is about: none is a person's. */
  facts: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** In the words of the record, as the advice. */
  found: Type.String(),
  advice: Type.Optional(Type.String()),
});

/** How letters leave: by a relay; into the mailbox on this machine, whose operators read it; or not at all, where neither is there. */
export const LeavesBy = Type.Enum(["relay", "mailbox", "nowhere"]);
export type LeavesBy = Static<typeof LeavesBy>;

/** What a campaign would do, with no figure that was not counted, measured or set. */
export const Plan = Closed({
  inScope: Type.Integer(),
  withAddress: Type.Integer(),
  withoutAddress: Type.Integer(),
  /** What the letter lacks of what laws want in it; what `stops` keeps it from being started. */
  lacks: Type.Array(
    Closed({
      kind: Type.Enum(["relay", "contact"]),
      stops: Type.Boolean(),
      says: Type.String(),
      advice: Type.String(),
    }),
  ),
  /** How many accounts read the letter in which language. */
  byLocale: Type.Array(Closed({ locale: Type.String(), accounts: Type.Integer() })),
  leavesBy: LeavesBy,
  /** Letters an hour that this relay took in the last campaign hour on record; null when none was ever measured. */
  measured: OrNull(Closed({ lettersPerHour: Type.Integer(), hours: Type.Integer() })),
  /** What the contract with the relay allows, and how much of it a campaign uses; null where nobody said. */
  allowance: OrNull(
    Closed({
      letters: Type.Integer(),
      per: Type.Enum(["hour", "day"]),
      campaignPercent: Type.Integer({ maximum: 100 }),
    }),
  ),
  /** Of a thousand letters; null where nobody said. */
  price: OrNull(Type.String()),
  /** What the time depends on; the slowest decides. Each with its reason in the words of the record, as all that `says`. */
  terms: Type.Array(
    Closed({
      kind: Type.Enum(["no relay", "allowance", "speed", "providers"]),
      term: Type.String(),
      hours: OrNull(Type.Number()),
      reason: Type.String(),
    }),
  ),
  end: Closed({
    kind: Type.Enum(["no relay", "nothing known", "sender doubted", "allowance alone", "likely"]),
    notBefore: OrNull(Instant),
    isLikely: Type.Boolean(),
    says: Type.String(),
  }),
  cost: Closed({
    kind: Type.Enum(["no relay", "price unknown", "price"]),
    amount: OrNull(Type.String()),
    says: Type.String(),
  }),
  deadlines: Type.Array(
    Closed({
      rule: Type.String(),
      title: Type.String(),
      /** Null for a law that sets no time. */
      dueAt: OrNull(Instant),
      outlook: Type.Union([
        Type.Literal("can be met"),
        Type.Literal("cannot be met"),
        Type.Literal("not known"),
        Type.Literal("yours"),
      ]),
      kind: Type.Enum(["authority", "over", "no time", "no end", "too late", "to spare", "unpromised"]),
      says: Type.String(),
    }),
  ),
  /** What the worker found out: null until it was asked for, and without `doneAt` while it is being made. */
  survey: OrNull(
    Closed({
      counted: Type.Integer(),
      doneAt: OrNull(Instant),
      providers: Type.Array(Closed({ provider: Type.String(), accounts: Type.Integer() })),
      findings: Type.Array(SenderFinding),
    }),
  ),
});
export type Plan = Static<typeof Plan>;

/** When the letters of a campaign went that goes on no more: by minute where that was within two hours, else by hour. */
export const LettersOut = Closed({
  step: Type.Enum(["minute", "hour"]),
  counts: Type.Array(Closed({ at: Instant, handedOver: Type.Integer() })),
});
export type LettersOut = Static<typeof LettersOut>;

/** How a campaign that runs gets on. */
export const LetterPace = Closed({
  pausedAt: OrNull(Instant),
  /** What a walk found that paused it; null where somebody did. */
  pausedWhy: OrNull(Type.String()),
  /** Letters are held back while people who come back wait in line; null while nobody does. */
  heldBack: OrNull(
    Closed({
      waiting: Type.Integer(),
      /** Of what could be sent. */
      percent: Type.Integer({ minimum: 0, maximum: 100 }),
    }),
  ),
  /** Over the last five minutes. */
  perHour: Type.Integer(),
  /** If it goes on like that; null while nothing goes. */
  endsAt: OrNull(Instant),
  byMinute: Type.Array(Closed({ minute: Instant, handedOver: Type.Integer() })),
});
export type LetterPace = Static<typeof LetterPace>;
