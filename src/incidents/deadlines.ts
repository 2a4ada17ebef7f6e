import { dayMs, fromDate, hourMs, minuteOf, plus, toIso, type EpochMs } from "../kernel/clock.ts";

/** A time limit that some law sets, as data: which apply is for the operator and their lawyers to say. */
export interface DeadlineRule {
  readonly rule: string;
  readonly title: string;
  /** Who has to be told. */
  readonly whom: "authority" | "people";
  /** `null` for a law that sets no time but demands that there is no delay: whether there was is for others to judge. */
  readonly withinMs: number | null;
  /** What it counts from. */
  readonly from: "found" | "notified";
  /** Where it is written, to be looked up before it is relied on: laws change. */
  readonly source: string;
}

/**
 * The limits that every service counts; an operator's own come on top (`read-deadlines.ts`). Days are calendar days of 24
 * hours from the instant, the stricter reading.
 */
export const deadlineRules: readonly DeadlineRule[] = [
  {
    rule: "gdpr-33",
    title: "GDPR: tell the authority within 72 hours",
    whom: "authority",
    withinMs: 72 * hourMs,
    from: "found",
    source: "GDPR, article 33(1)",
  },
  {
    rule: "gdpr-34",
    title: "GDPR: tell people without undue delay (where the risk to them is high)",
    whom: "people",
    withinMs: null,
    from: "found",
    source: "GDPR, article 34(1)",
  },
  {
    rule: "ca-people",
    title: "California: tell people within 30 days",
    whom: "people",
    withinMs: 30 * dayMs,
    from: "found",
    source: "Cal. Civ. Code 1798.82(a), as of 1 January 2026",
  },
  {
    rule: "ca-ag",
    title: "California: a sample to the Attorney General within 15 days of telling people (more than 500)",
    whom: "authority",
    withinMs: 15 * dayMs,
    from: "notified",
    source: "Cal. Civ. Code 1798.82(f), as of 1 January 2026",
  },
  {
    rule: "ny-people",
    title: "New York: tell people within 30 days",
    whom: "people",
    withinMs: 30 * dayMs,
    from: "found",
    source: "N.Y. Gen. Bus. Law 899-aa",
  },
  {
    rule: "fl-people",
    title: "Florida: tell people within 30 days",
    whom: "people",
    withinMs: 30 * dayMs,
    from: "found",
    source: "Fla. Stat. 501.171",
  },
  {
    rule: "tx-ag",
    title: "Texas: tell the Attorney General within 30 days (250 or more)",
    whom: "authority",
    withinMs: 30 * dayMs,
    from: "found",
    source: "Tex. Bus. & Com. Code 521.053",
  },
  {
    rule: "tx-people",
    title: "Texas: tell people within 60 days",
    whom: "people",
    withinMs: 60 * dayMs,
    from: "found",
    source: "Tex. Bus. & Com. Code 521.053",
  },
];

/**
 * `met` and `missed` are known for telling people, since the letters are ours. An authority is told elsewhere, so that
 * its limit is `running` and then `past`: the review list says what was done about it. A limit without a time is `running`
 * until people are `told`.
 */
export type DeadlineState = "running" | "met" | "missed" | "past" | "told";

export interface Deadline extends Pick<DeadlineRule, "rule" | "title" | "whom" | "source"> {
  /** ISO 8601; `null` for a limit without a time. */
  readonly dueAt: string | null;
  readonly state: DeadlineState;
}

interface CaseTimes {
  readonly foundAt: Date;
  readonly notifiedAt: Date | null;
  /** When the last letter had its outcome. */
  readonly finishedAt: Date | null;
}

/**
 * Every limit that has begun to run, the soonest first, before them those without a time. People count as told when the
 * last letter had its outcome.
 */
export function deadlinesOf(
  { foundAt, notifiedAt, finishedAt }: CaseTimes,
  now: EpochMs,
  rules: readonly DeadlineRule[],
): Deadline[] {
  return rules
    .flatMap(({ rule, title, whom, withinMs, from, source }) => {
      const start = from === "found" ? foundAt : notifiedAt;
      if (start === null) return [];
      const dueAt = withinMs === null ? null : plus(fromDate(start), withinMs);
      const told = whom === "people" && finishedAt !== null ? fromDate(finishedAt) : undefined;
      return [{ rule, title, whom, source, dueAt, state: stateOf(whom, dueAt, told, now) }];
    })
    .toSorted((one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0))
    .map((deadline) => ({ ...deadline, dueAt: deadline.dueAt === null ? null : toIso(deadline.dueAt) }));
}

/** When a limit ends, for a person to read, in a column as wide as an instant. */
export const dueText = (dueAt: string | null): string =>
  (dueAt === null ? "no fixed time" : minuteOf(dueAt)).padEnd(20);

function stateOf(
  whom: DeadlineRule["whom"],
  dueAt: EpochMs | null,
  told: EpochMs | undefined,
  now: EpochMs,
): DeadlineState {
  if (dueAt === null) return told === undefined ? "running" : "told";
  if (told !== undefined) return told <= dueAt ? "met" : "missed";
  if (now <= dueAt) return "running";
  return whom === "people" ? "missed" : "past";
}
