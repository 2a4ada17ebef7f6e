import type { IncidentId } from "../kernel/brand.ts";
import { toDate, type Clock } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";
import type { Db, Tx } from "../db/db.ts";
import { append } from "../timeline/append.ts";
import { enqueueWalks } from "./campaign.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
}

export type PauseOutcome =
  | "paused"
  | "resumed"
  /** It was so before; nothing was changed. */
  | "already"
  /** There is no campaign, or nothing of it waits any more. */
  | "not running";

/**
 * Stops a campaign: no walk claims another letter from the commit on. Letters that were on their way by then still go;
 * every outcome is recorded, and the rest waits. `by` is an operator's id or "the walk" itself, which says `why`.
 */
export const pauseCampaign = (
  needs: Needs,
  incidentId: IncidentId,
  by: string,
  why: string | null = null,
): Promise<PauseOutcome> => change(needs, incidentId, by, "paused", why);

/** Lets a paused campaign go on where it stopped. */
export const resumeCampaign = (needs: Needs, incidentId: IncidentId, operator: string): Promise<PauseOutcome> =>
  change(needs, incidentId, operator, "resumed", null);

export async function isPaused(tx: Tx, incidentId: IncidentId): Promise<boolean> {
  const row = await tx.one(`select 1 as paused from campaign where incident_id = $1 and paused_at is not null`, [
    incidentId,
  ]);
  return row !== undefined;
}

async function change(
  { db, clock, random }: Needs,
  incidentId: IncidentId,
  by: string,
  to: "paused" | "resumed",
  why: string | null,
): Promise<PauseOutcome> {
  const now = clock.now();
  return db.transaction(async (tx): Promise<PauseOutcome> => {
    const campaign = await tx.one<{ isPaused: boolean; isRunning: boolean }>(
      `select c.paused_at is not null as "isPaused", i.letters_finished_at is null and i.state <> 'closed' as "isRunning"
         from campaign c join incident i on i.id = c.incident_id where c.incident_id = $1 for update of c`,
      [incidentId],
    );
    if (campaign === undefined || !campaign.isRunning) return "not running";
    if (campaign.isPaused === (to === "paused")) return "already";
    await tx.run(`update campaign set paused_at = $2, paused_by = $3, paused_why = $4 where incident_id = $1`, [
      incidentId,
      to === "paused" ? toDate(now) : null,
      to === "paused" ? by : null,
      why,
    ]);
    const detail = why === null ? { operator: by } : { by, why };
    await append(tx, now, { kind: `campaign ${to}`, incidentId, detail }, random);
    if (to === "resumed") await enqueueWalks(tx, incidentId);
    return to;
  });
}
