import { addsUp } from "../letter-sum.ts";
import type { Held, Measured } from "./result.ts";

const figure = (value: number): string => value.toLocaleString("en");

/** Our own player is dark within two seconds (P7). */
const darkWithinMs = 2_000;

/** Each promise that the drill can hold the service to, with what was counted. */
export function judge(measured: Measured): Held[] {
  const { sum, killed, thief, thiefBefore, darkMs } = measured;
  const midway = killed.filter(({ isMidway }) => isMidway).length;
  const scope = sum?.scope ?? 0;
  const mostDuplicates = measured.inFlight * killed.length;
  return [
    {
      promise: "P1 contained in one commit",
      held: measured.containExitCode === 0,
      how: `committed in ${measured.containCommitMs.toFixed(1)} ms`,
    },
    {
      promise: "P2 nothing old was served",
      held: measured.servedOld === 0 && thief.letIn === 0 && thiefBefore.letIn > 0,
      how:
        `${figure(thiefBefore.letIn)} of ${figure(thiefBefore.tokens + thiefBefore.passwords)} stolen sessions and passwords opened before; ` +
        `after it ${figure(measured.triedByDevices)} requests of devices and ${figure(thief.tokens)} of stolen sessions: ` +
        `${figure(measured.servedOld + thief.letIn)} served`,
    },
    {
      promise: "P3 the old password is never accepted again",
      held: thief.passwords > 0 && thief.letIn === 0,
      how: `${figure(thief.passwords)} tries`,
    },
    {
      promise: "P5 the sum held at every look",
      held: measured.looks > 0 && measured.wrongLooks === 0 && sum !== undefined && addsUp(sum),
      how: `${figure(measured.looks)} looks, ${figure(measured.wrongLooks)} wrong`,
    },
    {
      promise: "P5 nothing waits, and no letter was lost",
      held: measured.isFinished && sum?.waiting === 0 && measured.lost === 0,
      how:
        `${figure(sum?.handedOver ?? 0)} of ${figure(scope)} handed over, ${figure(sum?.waiting ?? scope)} waiting, ` +
        `${figure(measured.lost)} of those handed over in no mailbox; ${figure(midway)} of ${figure(killed.length)} kills while letters went out`,
    },
    {
      promise: "P5 duplicates at most what was in flight, and all counted",
      held: measured.duplicates <= (sum?.possiblyTwice ?? 0) && measured.duplicates <= mostDuplicates,
      how: `${figure(measured.duplicates)} came twice; ${figure(sum?.possiblyTwice ?? 0)} counted as possibly twice, and at most ${figure(mostDuplicates)} could be in flight at the kills`,
    },
    {
      promise: "P5 what came back later counts as bounced",
      held: sum?.bounced === measured.returned && measured.reportsRefused.length === 0,
      how:
        `${figure(measured.returned)} taken and sent back to their Return-Path, by ${figure(measured.reportsTaken)} reports; ` +
        `${figure(sum?.bounced ?? 0)} counted as bounced` +
        (measured.reportsRefused.length === 0 ? "" : `; refused: ${measured.reportsRefused[0]}`),
    },
    {
      promise: "P6 who came back was let in, with no error",
      held: measured.renewed === measured.expectedBack && Object.keys(measured.strange).length === 0,
      how:
        `${figure(measured.renewed)} of ${figure(measured.expectedBack)} back; ${figure(measured.places)} places in line, ` +
        `${figure(measured.again)} times "come again" or a broken connection` +
        Object.entries(measured.strange)
          .map(([answer, times]) => `; ${answer}: ${figure(times)}`)
          .join(""),
    },
    {
      promise: "P6 no acknowledged renewal was lost",
      held: measured.returnsLost === 0 && (measured.returnsTried > 0 || measured.renewed === 0),
      how: `${figure(measured.returnsTried)} signed in by the new password at the end, ${figure(measured.returnsLost)} could not`,
    },
    {
      promise: "P7 screens went dark within two seconds",
      held: darkMs.length === measured.devices && darkMs.every((ms) => ms <= darkWithinMs),
      how:
        measured.devices === 0
          ? "nobody was watching"
          : `${figure(darkMs.length)} of ${figure(measured.devices)} told, the last after ${figure(Math.max(0, ...darkMs))} ms`,
    },
    { promise: "P11 the timeline is what was signed", held: measured.verified, how: measured.verdict },
    {
      promise: "the runbook's steps worked, and the case closed",
      held: measured.closed && measured.reportAgrees && measured.failedCommands.length === 0,
      how:
        measured.failedCommands.length === 0
          ? "report and timeline count the same letters"
          : measured.failedCommands.join("; "),
    },
  ];
}
