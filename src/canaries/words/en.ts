import type { DataClass } from "../../wire/incidents.ts";
import type { AlarmCatalogue, CanarySubject, CanaryWords, Way } from "./catalogue.ts";

const acts: Readonly<Record<Way, string>> = {
  "sign-in": "tried to sign in with",
  "sign-up": "tried to sign up with",
  renewal: "asked for a renewal code for",
  "second address": "wanted as a second address",
  mail: "wrote to",
};

function canary({ place, way, plantedOn, retiredOn }: CanarySubject): CanaryWords {
  const what = `Somebody ${acts[way]} an address that nobody knows and that cannot be guessed.`;
  const stood =
    retiredOn === null
      ? `It has stood in the database since ${plantedOn}`
      : `It stood in the database from ${plantedOn} to ${retiredOn}`;
  return {
    title: `A canary of ${place} was used`,
    foundHow: `a canary of ${place}: somebody ${acts[way]} it`,
    database: {
      evidence: `${what} ${stood}, under the place ${place}: a copy made in that time was read, and its addresses were opened, which takes the keys as well.`,
      notEvidence:
        "It does not tell a backup from the database itself or a replica of that time: a physical replica equals its primary. It does not show that a real account was entered.",
    },
    relay: {
      evidence: `${what} Besides the sealed database only the mail relay was given it, when a campaign wrote to it (place ${place}): the relay, its logs or the mail on its way were read, or the database together with the keys.`,
      notEvidence:
        "If canaries of the database are silent, the database is not the likelier leak. A relay's own spam of lists it sells would look the same.",
    },
    decoy: {
      evidence: `${what} It stands in clear in the decoy table planted for ${place} and nowhere else: somebody has read that table, from the database, a backup or a replica, and is trying what was in it.`,
      notEvidence:
        "The decoy is readable without keys: it does not show that anything sealed was opened, nor when the copy was made.",
    },
  };
}

const about: AlarmCatalogue["about"] = {
  "copy detected": {
    title: "This database is an older copy",
    evidence:
      "The database holds less than the keyholder remembers of it: a backup was put back, or another copy stands in its place. Every session, ticket, code and link that it could revive is refused. Passwords are refused as well if a containment lies between. If none does, those that were changed since are the old ones again, and containing refuses them.",
    notEvidence:
      "It is no evidence that somebody else has a copy. If you restored a backup yourself, this is what restoring looks like.",
    foundHow: "the witness found the database behind what it remembers",
  },
  "timeline contradicted": ({ witness, size, answer }) => ({
    title: "A witness has seen another timeline",
    evidence: `The witness ${witness} was asked to cosign the timeline at ${size} entries, and answered that ${answer}. A timeline only grows, so one of the two was cut back or rewritten after it was signed: a backup stands in the database's place, or somebody changed the record and had it signed anew.`,
    notEvidence:
      "A witness does not sign its refusal: one that lies, has lost its own memory or serves two timelines under one name says the same. Compare with a checkpoint that was kept elsewhere, by the command timeline verify with --checkpoint.",
    foundHow: "a witness of the timeline has cosigned another one",
  }),
  canary,
  honeyword: {
    title: "A word cracked from a password record was tried",
    evidence:
      "Somebody tried a word that fits an account's password record and is not its password. Such words are found by cracking the record: that takes a copy of the database and the key that seals records, as from a backup of the keys.",
    notEvidence:
      "It does not tell which copy was read, nor that the account was entered: the answer was no. A wrong password fits by chance once in 1.2 thousand million tries. Who has copied the keyholder's whole folder would not ring this bell.",
    foundHow: "a honeyword of a password record was tried",
  },
  "key use": {
    title: "Keys were used behind the service's back",
    evidence:
      "The keyholder answered calls that no process of this service had announced. Somebody else reaches it and has a credential of the role that is named: from a process's memory, a file of the host, or a backup of it. What was asked for is named by purpose.",
    notEvidence:
      "It does not show what was asked about, nor for whom. A captured process of the service announces what it asks, and does not ring here; nor does who has the keys themselves. A database that has lost its last commits looks the same.",
    foundHow: "keys were used that no process had announced the use of",
  },
  stuffing: (seen) => ({
    title: "Passwords from elsewhere are being tried",
    evidence: `In the ten minutes from ${seen.from}, ${seen.failed} sign-ins failed, of which ${seen.unknownPercent} in 100 were at addresses that have no account here, from ${seen.networks} networks. At this time of day ${seen.usualFailed} fail, ${seen.usualUnknownPercent} in 100 at unknown addresses, from ${seen.usualNetworks} networks. That is what it looks like when a list from another service is tried.`,
    notEvidence:
      "It is no evidence that anything was copied here, nor that any try succeeded. A new version of an app that signs in wrongly can look the same.",
    foundHow: "sign-ins failed far more often than usual, at unknown addresses",
  }),
  test: {
    title: "A test of the alarm",
    evidence: "Somebody on the host ran the command that tests the alarm. It shows that this way of telling you works.",
    notEvidence: "It is no evidence of anything else. Nothing has happened.",
    foundHow: "a test of the alarm",
  },
};

const dataNames: Readonly<Record<DataClass, string>> = {
  addresses: "addresses",
  names: "names",
  "password records": "password records",
  sessions: "sessions",
  "second factors": "second factors",
  "viewing history": "viewing history",
};

export const en: AlarmCatalogue = {
  about,
  subject: (service, title) => `Alarm at ${service}: ${title}`,
  rang: (at, place, times) =>
    `Rang on ${at}${place === null ? "" : `, for the place ${place}`}${times > 1 ? `; ${times} times by now` : ""}.`,
  evidence: (what) => `What it is evidence of: ${what}`,
  notEvidence: (what) => `What it is not evidence of: ${what}`,
  noCase: "It proposes no case.",
  proposes: ({ how, copiedAfter, data, keys }) =>
    `It proposes a case: found by ${how}; copied ${copiedAfter === null ? "at an unknown time" : `on ${copiedAfter} or later`}; data: ${data.map((one) => dataNames[one]).join(", ")}; keys within reach: ${keys}.`,
  look: (console, containing) =>
    `Look at ${console}, or on the host: houselights alarm list. The first question is whether to contain, which is one command: ${containing}.`,
};
