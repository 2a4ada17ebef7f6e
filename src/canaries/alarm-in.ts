import { Check } from "typebox/value";
import { Type } from "typebox";
import type { Alarm } from "../wire/alarms.ts";
import type { Locale } from "../wire/common.ts";
import { wordsAbout, type AlarmCatalogue, type AlarmSubject } from "./words/catalogue.ts";
import { de } from "./words/de.ts";
import { en } from "./words/en.ts";
import { es } from "./words/es.ts";
import { fr } from "./words/fr.ts";
import { ja } from "./words/ja.ts";

/** Alarms and their letters in every language. */
export const catalogues: Readonly<Record<Locale, AlarmCatalogue>> = { en, de, fr, es, ja };

const canaryFacts = Type.Object({
  way: Type.Enum(["sign-in", "sign-up", "renewal", "second address", "mail"]),
  "kind of canary": Type.Enum(["account", "address", "relay", "decoy"]),
  "planted on": Type.String(),
  "retired on": Type.Union([Type.String(), Type.Null()]),
});
const contradictionFacts = Type.Object({
  witness: Type.String(),
  "size of the timeline here": Type.Number(),
  answer: Type.String(),
});
const stuffingFacts = Type.Object({
  from: Type.String(),
  failed: Type.Number(),
  "unknown in 100": Type.Number(),
  networks: Type.Number(),
  "usual failed": Type.Number(),
  "usual unknown in 100": Type.Number(),
  "usual networks": Type.Number(),
});

/** What a stored alarm is about, by its facts; `undefined` for one whose facts do not say, as an older one's. */
function subjectOf({ kind, place, facts }: Alarm): AlarmSubject | undefined {
  switch (kind) {
    case "copy detected":
    case "honeyword":
    case "key use":
    case "test":
      return { kind };
    case "canary":
      if (place === null || !Check(canaryFacts, facts)) return undefined;
      return {
        kind,
        place,
        canary: facts["kind of canary"],
        way: facts.way,
        plantedOn: facts["planted on"],
        retiredOn: facts["retired on"],
      };
    case "timeline contradicted":
      if (!Check(contradictionFacts, facts)) return undefined;
      return { kind, witness: facts.witness, size: facts["size of the timeline here"], answer: facts.answer };
    case "stuffing":
      if (!Check(stuffingFacts, facts)) return undefined;
      return {
        kind,
        from: facts.from,
        failed: facts.failed,
        unknownPercent: facts["unknown in 100"],
        networks: facts.networks,
        usualFailed: facts["usual failed"],
        usualUnknownPercent: facts["usual unknown in 100"],
        usualNetworks: facts["usual networks"],
      };
    default:
      return undefined;
  }
}

/**
 * The alarm in the reader's language, written anew from its facts. One whose facts do not say enough, as an older one's,
 * stays in the words of the record, and its `language` says so.
 */
export function alarmIn(alarm: Alarm, locale: Locale): Alarm {
  const subject = subjectOf(alarm);
  if (subject === undefined) return alarm;
  const { foundHow, ...words } = wordsAbout(catalogues[locale], subject);
  return { ...alarm, ...words, language: locale, proposes: { ...alarm.proposes, foundHow } };
}
