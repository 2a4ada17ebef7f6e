import { Check } from "typebox/value";
import { Type } from "typebox";
import { parseInstant, type EpochMs } from "../kernel/clock.ts";
import { writtenInstant, type ServiceFacts } from "../mail/templates.ts";
import type { Alarm } from "../wire/alarms.ts";
import type { Locale } from "../wire/common.ts";
import type { DataClass } from "../wire/incidents.ts";
import { wordsAbout, type AlarmCatalogue, type AlarmSubject, type AlarmWords } from "./words/catalogue.ts";
import { de } from "./words/de.ts";
import { en } from "./words/en.ts";
import { es } from "./words/es.ts";
import { fr } from "./words/fr.ts";
import { ja } from "./words/ja.ts";

const catalogues: Readonly<Record<Locale, AlarmCatalogue>> = { en, de, fr, es, ja };

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

const storedWords = ({ title, evidence, notEvidence, proposes }: Alarm): AlarmWords => ({
  title,
  evidence,
  notEvidence,
  foundHow: proposes.foundHow,
});

/** The letter that tells an alarm, in the reader's language. The reason that its command gives stays that of the record. */
export function alarmLetter(
  alarm: Alarm,
  { name, origin }: ServiceFacts,
  locale: Locale,
): { readonly subject: string; readonly title: string; readonly paragraphs: readonly string[] } {
  const catalogue = catalogues[locale];
  const subject = subjectOf(alarm);
  const { title, evidence, notEvidence, foundHow } =
    subject === undefined ? storedWords(alarm) : wordsAbout(catalogue, subject);
  const { proposes, place, times } = alarm;
  const when = (iso: string): string => writtenInstant(locale, parseInstant(iso) as EpochMs);
  const data = proposes.dataClasses as readonly DataClass[];
  return {
    subject: catalogue.subject(name, title),
    title,
    paragraphs: [
      catalogue.rang(when(alarm.at), place, times),
      catalogue.evidence(evidence),
      catalogue.notEvidence(notEvidence),
      data.length === 0
        ? catalogue.noCase
        : catalogue.proposes({
            how: foundHow,
            copiedAt: proposes.copiedAt === null ? null : when(proposes.copiedAt),
            data,
            keys: proposes.keysReachable,
          }),
      catalogue.look(`${origin}/console`, `houselights incident contain --reason "${alarm.title}"`),
    ],
  };
}
