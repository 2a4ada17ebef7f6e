import { duration } from "./projection.ts";
import { providers } from "./providers.ts";
import { middle, type DrillResult } from "./result.ts";

const figure = (value: number): string => value.toLocaleString("en");
const pad = (text: string): string => `  ${text.padEnd(34)}`;

const mostKillsListed = 20;

/** What a drill found, for a terminal: the schedule of kills, the letters, each promise, and the projection. */
export function drillLines({ order, measured, promises, projection, folder }: DrillResult): string[] {
  const { sum, killed, schedule, answers } = measured;
  const broken = promises.filter(({ held }) => !held);
  return [
    "",
    `population: ${figure(order.accounts)} accounts, ${figure(measured.devices)} watching; seed ${order.seed}`,
    ...providers.map(({ domain, share, says }) => `${pad(`${share} % at ${domain}`)}${says}`),
    "",
    `kills: ${figure(killed.length)} of ${figure(schedule.length)} by seed ${order.seed}`,
    // The schedule of many is in drill.json.
    ...(schedule.length > mostKillsListed ? [] : schedule).map(
      ({ victim, after, when, delayMs }) => `${pad(victim)}after ${figure(after)} ${when} and ${delayMs} ms`,
    ),
    ...(killed.length === 0
      ? []
      : [`${pad("whole again after")}${duration(middle(killed.map(({ backMs }) => backMs)) / 1_000)} in the middle`]),
    "",
    "letters",
    ...(sum === undefined
      ? ["  none"]
      : [
          `${pad("scope")}${figure(sum.scope)}`,
          `${pad("handed over")}${figure(sum.handedOver)}`,
          `${pad("bounced")}${figure(sum.bounced)}`,
          `${pad("refused")}${figure(sum.refused)}`,
          `${pad("suppressed")}${figure(sum.suppressed)}`,
          `${pad("no address")}${figure(sum.noAddress)}`,
          `${pad("waiting")}${figure(sum.waiting)}`,
          `${pad("possibly twice")}${figure(sum.possiblyTwice)}`,
        ]),
    ...Object.entries(answers).map(([answer, times]) => `${pad(`the relay said ${answer}`)}${figure(times)} times`),
    "",
    "promises",
    ...promises.map(({ promise, held, how }) => `  ${held ? "held  " : "BROKEN"}  ${promise}\n            ${how}`),
    "",
    `projection to ${figure(order.real)} accounts`,
    ...projection.map(({ term, value, source }) => `  ${term.padEnd(50)}${value}\n            ${source}`),
    "",
    broken.length === 0 ? "every promise was held" : `${broken.length} of ${promises.length} promises were broken`,
    `written to ${folder}: drill.html and drill.json (this), report.html and report.json (of the case), service.log`,
  ];
}
