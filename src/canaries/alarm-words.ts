import type { AccountId } from "../kernel/brand.ts";
import { parseInstant, toIso } from "../kernel/clock.ts";
import type { SurplusFound } from "../key-use/compare.ts";
import type { Contradiction } from "../timeline/cosign.ts";
import type { JsonScalar } from "../timeline/canonical-json.ts";
import { everyDataClass, type AlarmFound } from "./raise-alarm.ts";
import type { CanarySubject, StuffingSubject } from "./words/catalogue.ts";
import { en } from "./words/en.ts";

/** An older copy of the database stands in its place: the witness remembers more than it holds. */
export function copyDetected(facts: Readonly<Record<string, JsonScalar>>): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "copy detected" });
  return {
    kind: "copy detected",
    about: "copy detected",
    place: null,
    ...words,
    facts,
    proposes: { foundHow, copiedAt: null, dataClasses: everyDataClass, keysReachable: "unknown" },
  };
}

/** A witness elsewhere remembers another timeline: see `timeline/cosign.ts`. */
export function timelineContradicted({ witness, keyId, problem, size }: Contradiction): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "timeline contradicted", witness, size, answer: problem });
  return {
    kind: "timeline contradicted",
    about: `timeline contradicted by ${keyId}`,
    place: null,
    ...words,
    facts: { witness, "size of the timeline here": size, answer: problem },
    proposes: { foundHow, copiedAt: null, dataClasses: everyDataClass, keysReachable: "unknown" },
  };
}

/** An address that nobody knows was used, so many times at once. */
export function canaryUsed(used: Omit<CanarySubject, "kind">, times: number): AlarmFound {
  const { canary, place, way, plantedOn, retiredOn } = used;
  const { foundHow, ...words } = en.about({ kind: "canary", ...used });
  const isSealed = canary === "account" || canary === "address";
  return {
    kind: "canary",
    about: `canary ${canary} ${place} ${way}`,
    place,
    ...words,
    facts: { way, "kind of canary": canary, "planted on": plantedOn, "retired on": retiredOn, "seen at once": times },
    proposes: {
      foundHow,
      copiedAt: isSealed ? parseInstant(plantedOn) : null,
      dataClasses:
        canary === "relay" ? ["addresses"] : ["addresses", "names", "password records", "sessions", "viewing history"],
      keysReachable: isSealed ? "yes" : "unknown",
    },
  };
}

/** A word that was cracked from an account's password record was tried. */
export function honeywordTried(accountId: AccountId): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "honeyword" });
  return {
    kind: "honeyword",
    about: "honeyword",
    place: null,
    ...words,
    facts: { "last account": accountId },
    proposes: {
      foundHow,
      copiedAt: null,
      dataClasses: ["addresses", "names", "password records", "sessions", "viewing history"],
      keysReachable: "yes",
    },
  };
}

/** A list of passwords from elsewhere is tried here: see `stuffing.ts`. */
export function stuffingSeen(
  seen: Omit<StuffingSubject, "kind">,
  counts: { readonly tried: number; readonly unknown: number; readonly compared: number },
): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "stuffing", ...seen });
  return {
    kind: "stuffing",
    about: "stuffing",
    place: null,
    ...words,
    facts: {
      from: seen.from,
      tried: counts.tried,
      failed: seen.failed,
      "at unknown addresses": counts.unknown,
      "unknown in 100": seen.unknownPercent,
      networks: seen.networks,
      "usual failed": seen.usualFailed,
      "usual unknown in 100": seen.usualUnknownPercent,
      "usual networks": seen.usualNetworks,
      "windows compared": counts.compared,
    },
    proposes: { foundHow, copiedAt: null, dataClasses: [], keysReachable: "no" },
  };
}

/** Keys were used by somebody who had not announced it: see `key-use/compare.ts`. */
export function keyUseSurplus({ roles, byPurpose, callers, firstAt }: SurplusFound): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "key use" });
  return {
    kind: "key use",
    about: "key use",
    place: null,
    ...words,
    facts: {
      roles: roles.join(", "),
      callers,
      since: toIso(firstAt),
      ...Object.fromEntries(Object.entries(byPurpose).map(([purpose, count]) => [purpose, count])),
    },
    proposes: {
      foundHow,
      copiedAt: null,
      dataClasses: [
        ...(["open", "seal", "index", "mailer"].some((one) => one in byPurpose)
          ? (["addresses", "names"] as const)
          : []),
        ...("password" in byPurpose ? (["password records"] as const) : []),
        ...("second factor" in byPurpose ? (["second factors"] as const) : []),
      ],
      keysReachable: "yes",
    },
  };
}

/** Rings every bell on purpose, so that an operator learns today whether it is heard. */
export function testAlarm(): AlarmFound {
  const { foundHow, ...words } = en.about({ kind: "test" });
  return {
    kind: "test",
    about: "test",
    place: null,
    ...words,
    facts: {},
    proposes: { foundHow, copiedAt: null, dataClasses: [], keysReachable: "no" },
  };
}
