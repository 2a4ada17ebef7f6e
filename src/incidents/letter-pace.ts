import type { IncidentId } from "../kernel/brand.ts";
import { fromDate, hourMs, plus, toIso, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { readLobbyFullness } from "../renewal/lobby/fullness.ts";
import type { LetterPace } from "../wire/campaign.ts";
import { rateMs, type CaseNumbers } from "./case-numbers.ts";

/**
 * How fast letters are handed over: by minute over the last half hour, and as a rate over the last five minutes. The end is projected
 * as if that rate, and the share of letters that are refused, stayed as they are. Says too whether the lobby holds letters back.
 * `undefined` where no campaign runs.
 */
export async function letterPace(
  tx: Tx,
  incidentId: IncidentId,
  { letters: sum, byMinute, countedAt }: Pick<CaseNumbers, "letters" | "byMinute" | "countedAt">,
  now: EpochMs,
): Promise<LetterPace | undefined> {
  const campaign = await tx.one<{ startedAt: Date; pausedAt: Date | null; pausedWhy: string | null }>(
    `select c.started_at as "startedAt", c.paused_at as "pausedAt", c.paused_why as "pausedWhy"
       from campaign c join incident i on i.id = c.incident_id
      where c.incident_id = $1 and i.notified_at is not null and i.letters_finished_at is null and i.state <> 'closed'`,
    [incidentId],
  );
  if (campaign === undefined || sum === undefined) return undefined;
  const lobby = await readLobbyFullness(tx, incidentId, now);
  const { startedAt, pausedAt, pausedWhy } = campaign;
  const spanMs = Math.min(rateMs, Math.max(1_000, countedAt - fromDate(startedAt)));
  const perHour = Math.round((byMinute.reduce((total, { recent }) => total + recent, 0) / spanMs) * hourMs);
  const canEnd = pausedAt === null && perHour > 0;
  // Some of those that wait will be refused and never handed over: as many, in proportion, as so far.
  const settled = sum.handedOver + sum.bounced + sum.refused + sum.suppressed;
  const toHandOver = sum.waiting * (sum.handedOver / Math.max(1, settled));
  return {
    pausedAt: pausedAt === null ? null : toIso(fromDate(pausedAt)),
    pausedWhy,
    heldBack: lobby.waiting === 0 ? null : { waiting: lobby.waiting, percent: Math.floor(lobby.fullness * 100) },
    perHour,
    endsAt: canEnd ? toIso(plus(countedAt, Math.ceil((toHandOver / perHour) * hourMs))) : null,
    byMinute: byMinute.map(({ minute, handedOver }) => ({ minute: toIso(fromDate(minute)), handedOver })),
  };
}
