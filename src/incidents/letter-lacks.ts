import type { LeavesBy, Plan } from "../wire/campaign.ts";

/** What is known of the letters before they are written. */
export interface LetterSettings {
  readonly leavesBy: LeavesBy;
  /** CONTACT_ADDRESS. */
  readonly contact: string | null;
}

/**
 * What the letters of a campaign lack: a relay that brings them to people, or the contact that laws demand. A letter cannot be taken
 * back, and a setting takes a minute, so no campaign by a relay starts without a contact. Letters in the built-in mailbox reach nobody:
 * there a missing contact is only mentioned. Where nobody could open that mailbox either, every letter would count as handed over and
 * have reached nobody, so nothing starts.
 *
 * Source: GDPR article 34(2) with 33(3)(b), a contact point; Cal. Civ. Code 1798.82(d)(2)(A), contact information.
 */
export function letterLacks({ leavesBy, contact }: LetterSettings): Plan["lacks"] {
  const lacks: Plan["lacks"] = [];
  const stops = leavesBy !== "mailbox";
  const noneWithout = stops ? ", for service and command; no letter is started without" : "";
  if (leavesBy === "nowhere") {
    lacks.push({
      kind: "relay",
      stops,
      says: "there is no relay, and this service is not reached on this machine alone: a letter would reach nobody",
      advice: `set SMTP_URL to a relay${noneWithout}`,
    });
  }
  if (contact === null) {
    lacks.push({
      kind: "contact",
      stops,
      says: "the letter names nobody to ask, which the GDPR (article 34(2)) and California (Civ. Code 1798.82(d)(2)(A)) want",
      advice: `set CONTACT_ADDRESS to an address that somebody reads${noneWithout}`,
    });
  }
  return lacks;
}
