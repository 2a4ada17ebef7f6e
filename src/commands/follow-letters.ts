import { minuteOf } from "../kernel/clock.ts";
import type { IncidentStatus } from "../wire/incidents.ts";
import { figure } from "./command.ts";
import { redrawnLine, type LineScreen } from "./redrawn-line.ts";

export interface Screen extends LineScreen {
  /** Then each line is drawn over the last one. */
  readonly isTerminal: boolean;
  readonly pause: () => Promise<void>;
  /** Aborts when the command is ended: what stands there then is left whole, on a line of its own. */
  readonly signal?: AbortSignal;
}

/** Says how far the letters are, again after each pause, until none goes out any more or there is no such case. */
export async function followLetters(
  look: () => Promise<IncidentStatus | undefined>,
  { write, columns, isTerminal, pause, signal }: Screen,
): Promise<void> {
  const drawn = redrawnLine({ write, columns });
  const leaveLine = (): void => {
    if (drawn.isDrawn()) write("\n");
  };
  signal?.addEventListener("abort", leaveLine);
  for (;;) {
    const status = await look();
    if (signal?.aborted === true) return;
    if (status === undefined || status.letters === null || status.letterPace === null) break;
    const line = progressLine(status);
    if (isTerminal) drawn.draw(line);
    else write(`${line}\n`);
    await pause();
  }
  leaveLine();
}

/** `12,000 of 30,000 out · 3 bounced · 18,000 waiting · 86,400/h · ends about 2026-11-22 21:04 UTC` */
export function progressLine({ letters, letterPace: pace }: Pick<IncidentStatus, "letters" | "letterPace">): string {
  if (letters === null || pace === null) return "no letters are going out";
  const { scope, handedOver, bounced, refused, waiting } = letters;
  const end =
    pace.pausedAt !== null
      ? `paused since ${minuteOf(pace.pausedAt)}${pace.pausedWhy === null ? "" : `: ${pace.pausedWhy}`}`
      : pace.endsAt === null
        ? "nothing went in the last five minutes"
        : `${figure(pace.perHour)}/h · ends about ${minuteOf(pace.endsAt)}`;
  const held = pace.heldBack;
  const line =
    held === null
      ? ""
      : ` · ${held.percent === 100 ? "stopped" : `slowed by ${held.percent} %`} while ${figure(held.waiting)} wait in line`;
  return `${figure(handedOver)} of ${figure(scope)} out · ${figure(bounced)} bounced · ${figure(refused)} refused · ${figure(waiting)} waiting · ${end}${line}`;
}
