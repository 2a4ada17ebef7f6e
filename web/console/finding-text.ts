import type { Static } from "typebox";
import type { SenderFinding } from "../../src/wire/campaign.ts";
import { locale, say, sayIfAny } from "../text/say.ts";

type Finding = Static<typeof SenderFinding>;

/**
 * What was found of the sender's domain, in the reader's words; one that a survey of an earlier version stored stays in those
 * of the record.
 */
export function findingText({ kind, facts, found, advice }: Finding): {
  readonly language: string;
  readonly found: string;
  readonly advice: string | undefined;
} {
  if (kind === undefined || facts === undefined) return { language: "en", found, advice };
  const values = { ...facts, ...(facts["relays"] === "" ? { relays: say("finding.relay") } : {}) };
  const trial = facts["trial"] === "t=y" ? ` · ${say("finding.trial")}` : "";
  return {
    language: locale,
    found: say(`finding.${kind}`, values) + trial,
    advice: advice === undefined ? undefined : (sayIfAny(`finding.${kind}.advice`, values) ?? advice),
  };
}
