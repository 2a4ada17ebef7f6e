import { availableParallelism } from "node:os";
import { campaignShare, campaignShareText } from "../campaign-share.ts";
import { arrival } from "./crowd.ts";
import { middle, type DrillOrder, type Measured, type Term } from "./result.ts";

const figure = (value: number): string => Math.round(value).toLocaleString("en");

/** A length of time in the largest unit that says it plainly. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${(seconds * 1_000).toFixed(1)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7_200) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} days`;
}

/**
 * What the real day would take, from what this drill measured and what was set. Every term says which of the two it is;
 * the machine is this one, and the drill's own devices and people had a part of it.
 */
export function project(order: DrillOrder, measured: Measured): Term[] {
  const { real, crowd, allowancePerHour } = order;
  const cores = availableParallelism();
  const { lettersPerSecond, renewalsPerSecond } = measured;
  const here = `measured here, on ${cores} processors with the drill's own load beside it`;
  const terms: Term[] = [
    { term: "accounts", value: figure(real), source: "setting: --real" },
    {
      term: "to contain",
      value: duration(measured.containCommitMs / 1_000),
      source: "measured here; the commit writes a fixed number of rows, whatever the number of accounts (P1)",
    },
    {
      term: "to count what it refuses",
      value: duration((measured.containCountMs / 1_000) * (real / order.accounts)),
      source: `measured here at ${figure(order.accounts)} accounts and taken as growing with them; nothing waits for it`,
    },
    {
      term: "letters a second",
      value: figure(lettersPerSecond),
      source:
        `${here}; the first three quarters, restarts included` +
        (order.rate === null ? "" : `; the drill's relay was to take ${figure(order.rate)} (--rate), which decides`),
    },
  ];
  const byMachine = lettersPerSecond > 0 ? real / lettersPerSecond : Number.POSITIVE_INFINITY;
  terms.push({
    term: "to hand every letter over",
    value: Number.isFinite(byMachine) ? duration(byMachine) : "not known",
    source: "accounts divided by letters a second: one worker process",
  });
  if (allowancePerHour === null) {
    terms.push({
      term: "with the relay's allowance",
      value: "not known",
      source: "setting: RELAY_ALLOWANCE, which was not set; the allowance decides on most days",
    });
  } else {
    const byRelay = (real / (allowancePerHour * campaignShare)) * 3_600;
    terms.push({
      term: "with the relay's allowance",
      value: duration(Math.max(byRelay, byMachine)),
      source: `setting: RELAY_ALLOWANCE, ${figure(allowancePerHour)} letters an hour, of which a campaign uses ${campaignShareText}; the slower of the two`,
    });
  }
  const back = real * crowd;
  const firstHour = arrival[1]?.[1] ?? 0;
  const atOnce = (back * firstHour) / 3_600;
  terms.push(
    { term: "who come back on the first day", value: figure(back), source: "setting: --crowd" },
    {
      term: "of them in the first hour",
      value: `${(firstHour * 100).toFixed(0)} %`,
      source: "published: GetResponse, 5.5 billion letters, 33.6 % of 81 % follow a letter within an hour",
    },
    {
      term: "renewals a second",
      value: renewalsPerSecond.toFixed(1),
      source: `${here}, in the busiest five seconds; the least that it can do, unless people stood in line (places given: ${figure(measured.places)})`,
    },
    {
      term: "to bring them back",
      value: renewalsPerSecond > 0 ? duration(back / renewalsPerSecond) : "not known",
      source: "those who come back divided by renewals a second, on this one machine",
    },
    {
      term: "renewals a second if all letters arrived at once",
      value: figure(atOnce),
      source: "the first hour's part of those who come back, divided by 3,600",
    },
    {
      term: "machines like this one for that",
      value: renewalsPerSecond > 0 ? figure(Math.ceil(atOnce / renewalsPerSecond)) : "not known",
      source: "one divided by the other; fewer if the letters leave over hours, as the lobby makes them",
    },
    {
      term: "a renewal takes",
      value: duration(middle(measured.renewalMs) / 1_000),
      source: "measured here: the middle of all, from the first page to the last, letter and line included",
    },
  );
  return terms;
}
