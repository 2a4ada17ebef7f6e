import { minuteOf } from "../kernel/clock.ts";
import type { IncidentStatus } from "../wire/incidents.ts";
import type { Report } from "../wire/report.ts";

interface DraftFacts extends Pick<Report, "notifiedAt"> {
  readonly reference: string;
  readonly foundAt: string;
  readonly foundHow: string;
  readonly copiedAt: string | null;
  readonly copiedAfter: string | null;
  readonly containment: IncidentStatus["containment"];
  readonly containmentAt: string | null;
  readonly keptTools: boolean;
  readonly dataClasses: readonly string[];
  readonly keysReachable: string;
  /** Accounts that the case is about: as the campaign froze them, or would now. */
  readonly inScope: number;
  readonly wayIn: { readonly what: string; readonly closedAt: string } | null;
}

function contained({ containment, containmentAt, keptTools }: DraftFacts): string {
  if (containment === null || containmentAt === null) return "[not contained yet]";
  const since = `Since ${minuteOf(containmentAt)}`;
  switch (containment) {
    case "everyone-out":
      return `${since} every password from before is refused, and so is what it had opened${keptTools ? ", but for scripts and other tools of the people's own" : ""}.`;
    case "with-renewal":
      return `${since} every password from before is refused; what it had opened ends when its account sets a new one.`;
    case "account":
      return `${since} the passwords of the accounts concerned are refused, and so is what they had opened.`;
  }
}

/**
 * Drafts for authorities, filled in as far as the case file goes. What is in brackets is for a person to write; nothing is
 * sent by the service.
 *
 * Source: GDPR article 33(3) and 34(2); Cal. Civ. Code 1798.82(d) and (f).
 */
export function draftsOf(facts: DraftFacts): { readonly to: string; readonly text: string }[] {
  const people = facts.inScope.toLocaleString("en");
  const foundAt = minuteOf(facts.foundAt);
  const after = facts.copiedAfter === null ? "when is not known" : `${minuteOf(facts.copiedAfter)} or later`;
  const copiedAt = facts.copiedAt === null ? after : minuteOf(facts.copiedAt);
  const what = facts.dataClasses.join(", ");
  const measures = [
    contained(facts),
    facts.notifiedAt === null
      ? "[people not told yet]"
      : `The people concerned are being told since ${minuteOf(facts.notifiedAt)}.`,
    facts.wayIn === null
      ? "[way in: not recorded yet]"
      : `The way in (${facts.wayIn.what}) is closed since ${minuteOf(facts.wayIn.closedAt)}.`,
  ];
  return [
    {
      to: "Supervisory authority (GDPR article 33)",
      text: [
        `Reference ${facts.reference}. We became aware on ${foundAt}: ${facts.foundHow}`,
        "[If this is later than 72 hours after that: the reasons for the delay (article 33(1)). What is not known yet may follow in phases (article 33(4)).]",
        `(a) Nature: a copy of our account database was taken (${copiedAt}). Data: ${what}. Approximate number of people and of records: ${people}.`,
        "(b) Contact: [name and address of the data protection officer].",
        `(c) Likely consequences: [unwanted mail, attempts to sign in elsewhere with the same password]. Keys reachable to the intruder: ${facts.keysReachable}.`,
        `(d) Measures: ${measures.join(" ")}`,
      ].join("\n\n"),
    },
    {
      to: "People concerned (GDPR article 34), where the letter did not reach them",
      text: [
        `Reference ${facts.reference}. On ${foundAt} we found that a copy of our account database was taken.`,
        `What was in it: ${what}. Payment data is not stored here and was not in it.`,
        "Contact: [name and address of the data protection officer].",
        "What may follow: [unwanted mail that pretends to be ours; attempts to sign in elsewhere with the same password].",
        `What we have done: ${measures.join(" ")}`,
        "What you can do: set a new password here; set a new one wherever you used the same; nobody of us will ask for a password or a card.",
      ].join("\n\n"),
    },
    {
      to: "Residents of California (Civ. Code 1798.82(d)): title and headings are the law's, in 10-point type or larger",
      text: [
        "Notice of Data Breach",
        `Date of this notice: ${facts.notifiedAt === null ? "[the day it is sent]" : minuteOf(facts.notifiedAt).slice(0, 10)}`,
        `What Happened\nOn ${foundAt} we found that a copy of our account database was taken (${copiedAt}). [Whether the notice was delayed by a law enforcement investigation.]`,
        `What Information Was Involved\n${what}. Payment data is not stored here.`,
        `What We Are Doing\n${measures.join(" ")}`,
        "What You Can Do\n1. Set a new password here. 2. Set a new one, and new answers to security questions, wherever you used the same. 3. Add a second factor.",
        `For More Information\n[name, address and telephone number]. The same notice stands at /notice/${facts.reference}.`,
      ].join("\n\n"),
    },
    {
      to: "California Attorney General (Civ. Code 1798.82(f)), if more than 500 residents are concerned",
      text: `Sample of the notice: the letter at /notice/${facts.reference}, sent from ${facts.notifiedAt === null ? "[not sent yet]" : minuteOf(facts.notifiedAt)}. Number of California residents: [to be counted].`,
    },
  ];
}
