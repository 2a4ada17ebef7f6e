import { parseInstant, type EpochMs } from "../kernel/clock.ts";
import { writtenInstant, type ServiceFacts } from "../mail/templates.ts";
import type { Alarm } from "../wire/alarms.ts";
import type { Locale } from "../wire/common.ts";
import type { DataClass } from "../wire/incidents.ts";
import { alarmIn, catalogues } from "./alarm-in.ts";

/** What else containing is told where keys were within reach. */
export const withKeys = ({ keysReachable }: Pick<Alarm["proposes"], "keysReachable">): string =>
  keysReachable === "yes" ? " --keys" : "";

/** The letter that tells an alarm, in the reader's language. The reason that its command gives stays that of the record. */
export function alarmLetter(
  alarm: Alarm,
  { name, origin }: ServiceFacts,
  locale: Locale,
): { readonly subject: string; readonly title: string; readonly paragraphs: readonly string[] } {
  const catalogue = catalogues[locale];
  const { title, evidence, notEvidence, proposes, place, times } = alarmIn(alarm, locale);
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
            how: proposes.foundHow,
            copiedAfter: proposes.copiedAfter === null ? null : when(proposes.copiedAfter),
            data,
            keys: proposes.keysReachable,
          }),
      catalogue.look(
        `${origin}/console`,
        `houselights incident contain${withKeys(proposes)} --reason "${alarm.title}"`,
      ),
    ],
  };
}
