import type { Plan } from "../wire/campaign.ts";

/** What is known of the letters before they are written. */
export interface LetterSettings {
  readonly leavesBy: "relay" | "mailbox";
  /** CONTACT_ADDRESS. */
  readonly contact: string | null;
}

/**
 * What the letter lacks of what laws want in it. It cannot be taken back or sent once more, and a setting takes a minute: what
 * leaves this machine is not started without. In the built-in mailbox nobody is told anything, so that there it is only said.
 *
 * Source: GDPR article 34(2) with 33(3)(b), a contact point; Cal. Civ. Code 1798.82(d)(2)(A), contact information.
 */
export const letterLacks = ({ leavesBy, contact }: LetterSettings): Plan["lacks"] =>
  contact === null
    ? [
        {
          kind: "contact",
          stops: leavesBy === "relay",
          says: "the letter names nobody to ask, which the GDPR (article 34(2)) and California (Civ. Code 1798.82(d)(2)(A)) want",
          advice: `set CONTACT_ADDRESS to an address that somebody reads${leavesBy === "relay" ? ", for service and command; no letter is started without" : ""}`,
        },
      ]
    : [];
