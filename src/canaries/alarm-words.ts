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
