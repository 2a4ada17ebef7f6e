import { defineTask } from "../../../src/jobs/jobs.ts";
import { startWorker } from "../../../src/jobs/worker.ts";
import { fromDate, minuteMs, secondMs, sleep } from "../../../src/kernel/clock.ts";
import { silentLog } from "../../../src/kernel/log.ts";
import { neverMailed } from "../../../src/canaries/plant.ts";
import { bouncesTask, campaignTask, surveyTask } from "../../../src/incidents/campaign-tasks.ts";
import { letterTasks } from "../../../src/mail/letter-tasks.ts";
import { openMailbox } from "../../../src/mail/mailbox.ts";
import { senderOf } from "../../../src/mail/sender-domain/judge-sender.ts";
import { openLookup } from "../../../src/mail/sender-domain/lookup.ts";
import { addressOnFile } from "../../../src/renewal/address-on-file.ts";
import { forgetSessions } from "../../../src/sessions/clean-up.ts";
import type { Count } from "../steps.ts";
import type { World } from "../world.ts";

/** Nothing moves for so long only if nothing ever will. */
const patienceMs = 5 * minuteMs;

/** A worker that sends what waits, letters of a campaign among it, until nothing waits any more. */
export async function sendLetters(world: World, count: Count): Promise<void> {
  await world.readLetters();
  const { ground } = world.service;
  const { db, keyholders, clock, random } = ground;
  const keyholder = keyholders.mailer;
  const transport = openMailbox({ db, keyholder, clock, random });
  const service = { name: "Houselights", origin: ground.config.publicOrigin, contact: null };
  const needs = { db, keyholder, transport, clock, random, log: silentLog, service };
  const cleanUp = defineTask("clean-up", async () => {
    await forgetSessions(db, clock.now());
  });
  const worker = await startWorker({
    db,
    log: silentLog,
    tasks: [
      ...letterTasks({ ...needs, addressOnFile: (accountId, typed) => addressOnFile(needs, accountId, typed) }),
      campaignTask({ ...needs, neverMailed: (addresses) => neverMailed(needs, addresses) }),
      bouncesTask(needs),
      surveyTask({ ...needs, lookup: openLookup(null), sender: () => senderOf(ground.config, keyholder) }),
      cleanUp,
    ],
    concurrency: { letters: 8, work: 2 },
    schedule: [{ task: "clean-up", match: "17 * * * *" }],
  });
  try {
    let most = 0;
    let left = 0;
    let movedAt = performance.now();
    for (;;) {
      const before = left;
      const { jobs, letters } = await waiting(world);
      left = jobs + letters;
      if (left > most) count.expect((most = left), "letters");
      if (left < before) count.did(before - left);
      if (jobs === 0) return;
      if (left !== before) movedAt = performance.now();
      else if (performance.now() - movedAt > patienceMs)
        throw new Error(`${left} letters wait, and nothing sends them`);
      await untilDue(world);
      await sleep(25);
    }
  } finally {
    await worker.stop();
  }
}

async function waiting({ db }: World): Promise<{ readonly jobs: number; readonly letters: number }> {
  const row = await db.one<{ jobs: number; letters: number }>(
    `select (select count(*) from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
              where t.identifier in ('send-code', 'send-letter', 'campaign', 'campaign-survey', 'bounces')) as jobs,
            (select count(*) from letter where state in ('unclaimed', 'claimed', 'deferred')) as letters`,
  );
  return row ?? { jobs: 0, letters: 0 };
}

/**
 * A provider has more letters than it takes, and the others have their turn later (`mail/pace.ts`): when nothing else is
 * left, the clock, which stands still, moves to that turn. Thousands of letters would wait for ever.
 */
async function untilDue({ db, clock }: World): Promise<void> {
  const next = await db.one<{ dueAt: Date | null }>(
    `select min(due_at) as "dueAt" from letter
      where state = 'deferred' and not exists (select from letter where state in ('unclaimed', 'claimed'))`,
  );
  if (next === undefined || next.dueAt === null) return;
  const waitMs = fromDate(next.dueAt) - clock.now();
  if (waitMs > 0) clock.advance(waitMs + secondMs);
}
