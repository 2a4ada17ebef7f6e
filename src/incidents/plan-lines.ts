import { numbered } from "../kernel/numbered.ts";
import type { Plan } from "../wire/campaign.ts";
import { dueText } from "./deadlines.ts";

const whole = (value: number): string => value.toLocaleString("en");
const leaving = {
  relay: "letters leave by the relay",
  mailbox: "there is no relay: letters stay in the built-in mailbox",
  nowhere: "there is no relay: letters reach nobody",
} as const;
const marks = { good: "ok", weak: "weak", bad: "BAD", unknown: "?" } as const;

/** The plan in lines for a terminal: figures first, then what can and what cannot be promised. */
export function planLines(plan: Plan): string[] {
  return [
    `${numbered(plan.inScope, "account")} in scope: ${whole(plan.withAddress)} with an address, ${whole(plan.withoutAddress)} without`,
    `languages: ${plan.byLocale.map(({ locale, accounts }) => `${locale} ${whole(accounts)}`).join(", ")}`,
    leaving[plan.leavesBy],
    ...(plan.lacks.length === 0 ? [] : ["what the letter lacks"]),
    ...plan.lacks.flatMap(({ kind, stops, says, advice }) => [
      `  ${kind.padEnd(12)} ${marks[stops ? "bad" : "weak"].padEnd(6)}${says}`,
      `  ${" ".repeat(19)}${advice}`,
    ]),
    ...surveyLines(plan.survey),
    "how long it takes",
    ...plan.terms.map(({ term, reason }) => `  ${term.padEnd(24)}${reason}`),
    `  ${"the end".padEnd(24)}${plan.end.says}`,
    "what it costs",
    `  ${plan.cost.says}`,
    "deadlines",
    ...plan.deadlines.map(
      ({ title, dueAt, outlook, says }) => `  ${dueText(dueAt)}  ${outlook.padEnd(14)}${title} (${says})`,
    ),
  ];
}

function surveyLines(survey: Plan["survey"]): string[] {
  if (survey === null || survey.doneAt === null) {
    const so = survey === null || survey.counted === 0 ? "" : ` (${numbered(survey.counted, "account")} so far)`;
    return [`providers and the sender's domain: the worker has not finished looking${so}`];
  }
  return [
    "accounts per provider",
    ...survey.providers.map(({ provider, accounts }) => `  ${provider.padEnd(24)}${whole(accounts)}`),
    "the sender's domain, as receivers see it",
    ...survey.findings.flatMap(({ about, verdict, found, advice }) => [
      `  ${about.padEnd(12)} ${marks[verdict].padEnd(6)}${found}`,
      ...(advice === undefined ? [] : [`  ${" ".repeat(19)}${advice}`]),
    ]),
  ];
}
