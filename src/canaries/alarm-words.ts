import { toIso } from "../kernel/clock.ts";
import type { SurplusFound } from "../key-use/compare.ts";
import type { Contradiction } from "../timeline/cosign.ts";
import type { JsonScalar } from "../timeline/canonical-json.ts";
import { everyDataClass, type AlarmFound } from "./raise-alarm.ts";

/** An older copy of the database stands in its place: the witness remembers more than it holds. */
export const copyDetected = (facts: Readonly<Record<string, JsonScalar>>): AlarmFound => ({
  kind: "copy detected",
  about: "copy detected",
  place: null,
  title: "This database is an older copy",
  evidence:
    "The database holds less than the keyholder remembers of it: a backup was put back, or another copy stands in its place. Every session, ticket, code and link that it could revive is refused.",
  notEvidence:
    "It is no evidence that somebody else has a copy. If you restored a backup yourself, this is what restoring looks like.",
  facts,
  proposes: {
    foundHow: "the witness found the database behind what it remembers",
    copiedAt: null,
    dataClasses: everyDataClass,
    keysReachable: "unknown",
  },
});

/** A witness elsewhere remembers another timeline: see `timeline/cosign.ts`. */
export const timelineContradicted = ({ witness, keyId, problem, size }: Contradiction): AlarmFound => ({
  kind: "timeline contradicted",
  about: `timeline contradicted by ${keyId}`,
  place: null,
  title: "A witness has seen another timeline",
  evidence: `The witness ${witness} was asked to cosign the timeline at ${size} entries, and answered that ${problem}. A timeline only grows, so one of the two was cut back or rewritten after it was signed: a backup stands in the database's place, or somebody changed the record and had it signed anew.`,
  notEvidence:
    "A witness does not sign its refusal: one that lies, has lost its own memory or serves two timelines under one name says the same. Compare with a checkpoint that was kept elsewhere, by the command timeline verify with --checkpoint.",
  facts: { witness, "size of the timeline here": size, answer: problem },
  proposes: {
    foundHow: "a witness of the timeline has cosigned another one",
    copiedAt: null,
    dataClasses: everyDataClass,
    keysReachable: "unknown",
  },
});

/** Keys were used by somebody who had not announced it: see `key-use/compare.ts`. */
export const keyUseSurplus = ({ roles, byPurpose, callers, firstAt }: SurplusFound): AlarmFound => ({
  kind: "key use",
  about: "key use",
  place: null,
  title: "Keys were used behind the service's back",
  evidence:
    "The keyholder answered calls that no process of this service had announced. Somebody else reaches it and has a credential of the role that is named: from a process's memory, a file of the host, or a backup of it. What was asked for is named by purpose.",
  notEvidence:
    "It does not show what was asked about, nor for whom. A captured process of the service announces what it asks, and does not ring here; nor does who has the keys themselves. A database that has lost its last commits looks the same.",
  facts: {
    roles: roles.join(", "),
    callers,
    since: toIso(firstAt),
    ...Object.fromEntries(Object.entries(byPurpose).map(([purpose, count]) => [purpose, count])),
  },
  proposes: {
    foundHow: "keys were used that no process had announced the use of",
    copiedAt: null,
    dataClasses: [
      ...(["open", "seal", "index", "mailer"].some((one) => one in byPurpose) ? (["addresses", "names"] as const) : []),
      ...("password" in byPurpose ? (["password records"] as const) : []),
      ...("second factor" in byPurpose ? (["second factors"] as const) : []),
    ],
    keysReachable: "yes",
  },
});

/** Rings every bell on purpose, so that an operator learns today whether it is heard. */
export const testAlarm = (): AlarmFound => ({
  kind: "test",
  about: "test",
  place: null,
  title: "A test of the alarm",
  evidence: "Somebody on the host ran the command that tests the alarm. It shows that this way of telling you works.",
  notEvidence: "It is no evidence of anything else. Nothing has happened.",
  facts: {},
  proposes: { foundHow: "a test of the alarm", copiedAt: null, dataClasses: [], keysReachable: "no" },
});
