import type { AccountId } from "../kernel/brand.ts";
import { parseInstant, toIso } from "../kernel/clock.ts";
import type { SurplusFound } from "../key-use/compare.ts";
import type { Contradiction } from "../timeline/cosign.ts";
import type { DataClass } from "../wire/incidents.ts";
import { everyDataClass } from "../incidents/open.ts";
import type { AlarmFound } from "./raise-alarm.ts";
import { wordsAbout, type AlarmSubject, type CanarySubject, type StuffingSubject } from "./words/catalogue.ts";
import { en } from "./words/en.ts";

/** What a copy and the keys together open. */
const openedByKeys: readonly DataClass[] = ["addresses", "names", "password records", "sessions", "viewing history"];

/** An alarm in the words of the record, which are English. About its kind and without a place, unless it says otherwise. */
function found(
  subject: AlarmSubject,
  {
    proposes,
    ...more
  }: Pick<AlarmFound, "facts"> &
    Partial<Pick<AlarmFound, "about" | "place">> & {
      readonly proposes: Omit<AlarmFound["proposes"], "foundHow" | "copiedAfter"> &
        Partial<Pick<AlarmFound["proposes"], "copiedAfter">>;
    },
): AlarmFound {
  const { foundHow, ...words } = wordsAbout(en, subject);
  const { kind } = subject;
  return { kind, about: kind, place: null, ...words, ...more, proposes: { foundHow, copiedAfter: null, ...proposes } };
}

/** An older copy of the database stands in its place: the witness remembers more than it holds. */
export const copyDetected = (facts: AlarmFound["facts"]): AlarmFound =>
  found({ kind: "copy detected" }, { facts, proposes: { dataClasses: everyDataClass, keysReachable: "unknown" } });

/** A witness elsewhere remembers another timeline: see `timeline/cosign.ts`. */
export const timelineContradicted = ({ witness, keyId, problem, size }: Contradiction): AlarmFound =>
  found(
    { kind: "timeline contradicted", witness, size, answer: problem },
    {
      about: `timeline contradicted by ${keyId}`,
      facts: { witness, "size of the timeline here": size, answer: problem },
      proposes: { dataClasses: everyDataClass, keysReachable: "unknown" },
    },
  );

/** An address that nobody knows was used, so many times at once. */
export function canaryUsed(used: Omit<CanarySubject, "kind">, times: number): AlarmFound {
  const { canary, place, way, plantedOn, retiredOn } = used;
  const isSealed = canary === "account" || canary === "address";
  return found(
    { kind: "canary", ...used },
    {
      about: `canary ${canary} ${place} ${way}`,
      place,
      facts: { way, "kind of canary": canary, "planted on": plantedOn, "retired on": retiredOn, "seen at once": times },
      proposes: {
        copiedAfter: isSealed ? parseInstant(plantedOn) : null,
        dataClasses: canary === "relay" ? ["addresses"] : openedByKeys,
        keysReachable: isSealed ? "yes" : "unknown",
      },
    },
  );
}

/** A word that was cracked from an account's password record was tried. */
export const honeywordTried = (accountId: AccountId): AlarmFound =>
  found(
    { kind: "honeyword" },
    { facts: { "last account": accountId }, proposes: { dataClasses: openedByKeys, keysReachable: "yes" } },
  );

/** A list of passwords from elsewhere is tried here: see `stuffing.ts`. */
export const stuffingSeen = (
  seen: Omit<StuffingSubject, "kind">,
  counts: { readonly tried: number; readonly unknown: number; readonly compared: number },
): AlarmFound =>
  found(
    { kind: "stuffing", ...seen },
    {
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
      proposes: { dataClasses: [], keysReachable: "no" },
    },
  );

/** Keys were used by somebody who had not announced it: see `key-use/compare.ts`. */
export const keyUseSurplus = ({ roles, byPurpose, callers, firstAt }: SurplusFound): AlarmFound =>
  found(
    { kind: "key use" },
    {
      facts: {
        roles: roles.join(", "),
        callers,
        since: toIso(firstAt),
        ...Object.fromEntries(Object.entries(byPurpose).map(([purpose, count]) => [purpose, count])),
      },
      proposes: {
        dataClasses: [
          ...(["open", "seal", "index", "mailer"].some((one) => one in byPurpose)
            ? (["addresses", "names"] as const)
            : []),
          ...("password" in byPurpose ? (["password records"] as const) : []),
          ...("second factor" in byPurpose ? (["second factors"] as const) : []),
        ],
        keysReachable: "yes",
      },
    },
  );

/** Rings every bell on purpose, so that an operator learns today whether it is heard. */
export const testAlarm = (): AlarmFound =>
  found({ kind: "test" }, { facts: {}, proposes: { dataClasses: [], keysReachable: "no" } });
