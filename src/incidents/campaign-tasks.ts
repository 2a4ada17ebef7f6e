import type { AccountId, IncidentId } from "../kernel/brand.ts";
import { parseId } from "../kernel/brand.ts";
import { plus, secondMs, type EpochMs } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { defineTask, type TaskDefinition } from "../jobs/jobs.ts";
import { providerPace } from "../mail/pace.ts";
import { recordBounce } from "./bounces.ts";
import { enqueueWalk, freezeScope } from "./campaign.ts";
import type { ServiceFacts } from "../mail/templates.ts";
import { sendTestLetter } from "./preview.ts";
import { isPaused } from "./pause.ts";
import { surveyCampaign } from "./survey.ts";
import { untilItCan } from "./until-it-can.ts";
import { ordinaryPace, walk, type WalkNeeds, type Walked } from "./walk.ts";

interface Needs extends WalkNeeds {
  readonly service: ServiceFacts;
}

/** One turn of a walk; between two of them the workers' other jobs have theirs. */
const turnMs = 20 * secondMs;
/** A walk that a fault ended begins again after so long at most, however often: the queue's own pauses grow to hours. */
const againWithinMs = 5 * secondMs;

/**
 * The task "campaign": one turn of one walk, which queues the next turn until nothing waits. Killed, the job is given
 * to another worker; claims that were held are free again when their lease has run out. A database or a keyholder that is away
 * ends a turn, and the next one begins seconds after it is back.
 */
export function campaignTask(needs: Needs): TaskDefinition {
  const { db, clock, providers = providerPace() } = needs;
  const againMs = Math.min(againWithinMs, needs.pace?.firstRetryMs ?? ordinaryPace.firstRetryMs);
  return defineTask("campaign", async ({ incidentId: id, shard: number = 0, testFor }, { signal, log }) => {
    const incidentId = parseId<IncidentId>(id);
    const operator = parseId<AccountId>(testFor);
    if (incidentId === undefined) return;
    if (operator !== undefined) return sendTest(needs, incidentId, operator, log);
    const walked = await turn(incidentId, log, signal).catch(async (thrown: unknown): Promise<Walked> => {
      log.error({ incidentId, reason: messageOf(thrown) }, "a walk of a campaign ended by a fault; it begins again");
      return { kind: "waiting", until: plus(clock.now(), againMs) };
    });
    const again = (runAt?: EpochMs): Promise<void> =>
      untilItCan(log, signal, () => db.transaction((tx) => enqueueWalk(tx, incidentId, number, runAt)));
    switch (walked.kind) {
      case "finished":
        log.info({ incidentId }, "the campaign is finished: nothing waits");
        return;
      case "no such campaign":
      // Resuming queues the walks again.
      case "paused":
        return;
      case "waiting":
        return again(walked.until);
      case "stopped":
        return again();
    }
  });

  async function turn(incidentId: IncidentId, log: Log, signal: AbortSignal): Promise<Walked> {
    // Resuming queues the walks again.
    if (await isPaused(db, incidentId)) return { kind: "paused" };
    const until = plus(clock.now(), turnMs);
    if (!(await freezeScope(needs, incidentId, until))) return { kind: "stopped" };
    return walk({ ...needs, providers, log }, incidentId, { until, signal });
  }
}

/** The task "campaign-survey": what the worker finds out for a plan. */
export const surveyTask = (needs: Parameters<typeof surveyCampaign>[0]): TaskDefinition =>
  defineTask("campaign-survey", async ({ incidentId: id }, { signal }) => {
    const incidentId = parseId<IncidentId>(id);
    if (incidentId !== undefined) await surveyCampaign(needs, incidentId, signal);
  });

/** The task "bounces": letters that came back, as a relay reported them. One that was counted before counts nothing again. */
export const bouncesTask = (needs: Parameters<typeof recordBounce>[0]): TaskDefinition =>
  defineTask("bounces", async ({ bounces }, { log }) => {
    let early = 0;
    for (const { token, status } of bounces) {
      const outcome = await recordBounce(needs, token, status);
      log.info({ outcome, status }, "a letter came back");
      if (outcome === "not recorded yet") early++;
    }
    // The job is tried again.
    if (early > 0) throw new Fault("BUSY", "a letter came back before it was recorded that it had been handed over");
  });

/** Throws for a deferral, so that the job is tried again. */
async function sendTest(needs: Needs, incidentId: IncidentId, operator: AccountId, log: Log): Promise<void> {
  const sent = await sendTestLetter(needs, incidentId, operator);
  if (sent.kind === "refused") return log.warn({ incidentId, reason: sent.reason }, "no test letter was sent");
  if (sent.outcome.kind === "deferred") {
    throw new Fault("MAIL_UNAVAILABLE", `the relay put the test letter off: ${sent.outcome.reply}`);
  }
  log.info({ incidentId, outcome: sent.outcome.kind, reply: sent.outcome.reply }, "the test letter has left");
}
