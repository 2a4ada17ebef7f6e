import { layGround, type Ground, type GroundOptions } from "./app.ts";
import { lettersLeaveBy } from "./config/config.ts";
import { perSecond } from "./config/mail-settings.ts";
import { cleanUp } from "./clean-up.ts";
import { every, minuteMs, secondMs } from "./kernel/clock.ts";
import { eachInTurn } from "./kernel/each-in-turn.ts";
import type { Secret } from "./kernel/secret.ts";
import { messageOf } from "./kernel/fault.ts";
import { defineTask } from "./jobs/jobs.ts";
import { workWhileClockAgrees } from "./jobs/keep-time.ts";
import { startWorker } from "./jobs/worker.ts";
import { letterTasks } from "./mail/letter-tasks.ts";
import type { MailTransport } from "./mail/mail.ts";
import { openMailbox } from "./mail/mailbox.ts";
import { noRelay } from "./mail/no-relay.ts";
import { senderOf } from "./mail/sender-domain/judge-sender.ts";
import { openLookup } from "./mail/sender-domain/lookup.ts";
import { openSmtp, patient, type SmtpOptions } from "./mail/smtp.ts";
import { openCosigner } from "./timeline/cosign.ts";
import { startIntegrator } from "./timeline/integrate.ts";
import { publishTiles, timelineFolder } from "./timeline/publish.ts";
import { readPolicyFile } from "./timeline/read-policy-file.ts";
import { readStanding } from "./credentials/standing.ts";
import { resumeCampaigns } from "./incidents/campaign.ts";
import { addressOnFile } from "./renewal/address-on-file.ts";
import { remarkCanaries } from "./canaries/remark.ts";
import { keepKeysTask } from "./rotation/keep-keys.ts";
import { bouncesTask, campaignTask, surveyTask } from "./incidents/campaign-tasks.ts";
import { keyUseSurplus, timelineContradicted } from "./canaries/alarm-words.ts";
import { raiseAlarm } from "./canaries/raise-alarm.ts";
import { watchKeyUse } from "./key-use/compare.ts";
import { listenForBounces } from "./incidents/bounce-listener.ts";
import { alarmTasks } from "./canaries/deliver-alarm.ts";
import { watchHoneywords } from "./canaries/honeyword-watch.ts";
import { watchSignIns } from "./canaries/stuffing.ts";
import { neverMailed, recordPlantings } from "./canaries/plant.ts";
import { startTransmitter } from "./signals/transmit.ts";
import { deleteDue, forgetLate } from "./leaving/delete-account.ts";
import { forgetProgress } from "./streaming/progress.ts";
import { makeDemoLibrary } from "./library/demo.ts";
import { openInspector } from "./library/inspect-file.ts";
import { libraryTasks, requestScan, startLibraryWatch } from "./library/tasks.ts";

/** How long the timeline's files wait for cosignatures, so that the checkpoint usually has them; then it goes without. */
const witnessPatienceMs = 500;

/**
 * A whole worker process: letters, campaigns, scans, the timeline's integration, clean-up, while its clock is right.
 *
 * @returns how to stop it.
 */
export async function startWorkerProcess(
  options: GroundOptions,
  /** How often the clock is compared; as often as `workWhileClockAgrees` does by itself, unless given. */
  { lookEveryMs }: { readonly lookEveryMs?: number } = {},
): Promise<() => Promise<void>> {
  const ground = await layGround({ ...options, maxConnections: 12 });
  const working = await workWhileClockAgrees(ground, () => startWork(ground), lookEveryMs);
  return async () => {
    await working.stop();
    await ground.close();
  };
}

/** How each thing that was begun ends. */
type Ends = (end: () => Promise<unknown>) => void;

/** All that a worker does. What cannot be begun whole leaves nothing behind: it is tried again. @returns how to stop it. */
async function startWork(ground: Ground): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  const ends: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    stopping.abort();
    // What was begun last first: it uses what stood before it.
    for (const end of ends.splice(0).toReversed()) {
      await end().catch((thrown: unknown) => ground.log.error({ reason: messageOf(thrown) }, "stopping was not clean"));
    }
  };
  try {
    await beginWork(ground, stopping.signal, (end) => void ends.push(end));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return stop;
}

async function beginWork(ground: Ground, stopping: AbortSignal, ends: Ends): Promise<void> {
  const { config, db, keyholders, clock, random, log } = ground;
  const { libraryDir, dataDir } = config;
  const keyholder = keyholders.mailer;
  const openRelay = (url: Secret, more: Partial<SmtpOptions> = {}): Promise<MailTransport> =>
    openSmtp({ url, from: config.mailFrom, keyholder, clock, log, ...more });
  const ownWayOut = (): MailTransport =>
    lettersLeaveBy(config) === "nowhere" ? noRelay(log) : openMailbox({ db, keyholder, clock, random });
  const transport = config.smtpUrl === null ? ownWayOut() : await openRelay(config.smtpUrl);
  ends(() => transport.close());
  const service = { name: config.serviceName, origin: config.publicOrigin, contact: config.contactAddress };
  const { databaseId } = await readStanding(db);

  const policy = await readPolicyFile(config.timelinePolicy);
  const cosigner = openCosigner({
    db,
    clock,
    log,
    witnesses: policy?.witnesses ?? [],
    contradicted: async (tx, found, now) => {
      await raiseAlarm(tx, now, random, timelineContradicted(found));
    },
  });
  const integrator = startIntegrator({
    db,
    keyholder,
    clock,
    databaseId,
    log,
    witnessed: async () => {
      return (await keyholders.witness.witness.read(databaseId, await readStanding(db))).head;
    },
    publish: async () => {
      await cosigner.cosign(witnessPatienceMs);
      await publishTiles({ db, folder: timelineFolder(dataDir), log, policy });
    },
  });
  ends(() => integrator.stop());
  ends(() => cosigner.stop());
  const inspector = openInspector({ log });
  ends(() => inspector.close());
  const inspect: typeof inspector.inspect = (path, signal) => inspector.inspect(path, signal);
  const library = { db, clock, random, log, libraryDir, dataDir, inspect };
  const cleaning = defineTask("clean-up", () =>
    eachInTurn([
      async () => {
        while ((await deleteDue({ db, keyholder, clock, random, log, forgetProgress })) > 0 && !stopping.aborted);
      },
      () => forgetLate({ db, clock, forgetProgress }),
      () => cleanUp(db, clock.now(), stopping),
      () => recordPlantings({ db, random }, clock.now()),
    ]),
  );
  // Campaigns have connections of their own: a code never waits behind a letter of the thousands.
  const campaignTransport =
    config.smtpUrl === null ? transport : await openRelay(config.smtpUrl, { patience: patient, maxConnections: 10 });
  if (campaignTransport !== transport) ends(() => campaignTransport.close());
  // A queue that was lost (a restored copy keeps no jobs) must not stop a campaign that has begun.
  await resumeCampaigns({ db });
  const bounces = { db, keyholder, clock, random };
  const worker = await startWorker({
    db,
    log,
    // A code waits for its relay's answer, which takes tenths of a second: four at once were fewer codes than people who come back.
    concurrency: { letters: 16, work: 3 },
    tasks: [
      ...letterTasks({
        keyholder,
        transport,
        service,
        clock,
        addressOnFile: (accountId, typed) => addressOnFile({ db, keyholder }, accountId, typed),
      }),
      ...alarmTasks({
        db,
        keyholder,
        transport,
        service,
        clock,
        alarmAddress: config.alarmAddress,
        webhook: config.alarmWebhook,
      }),
      campaignTask({
        bounceAddress: config.bounceAddress,
        ...(config.relayAllowance === null ? {} : { allowancePerSecond: perSecond(config.relayAllowance) }),
        neverMailed: (addresses) => neverMailed({ db, keyholder }, addresses),
        db,
        keyholder,
        transport: campaignTransport,
        clock,
        random,
        log,
        service,
        pace: {
          leaseMs: config.campaignPauses.leaseSeconds * secondMs,
          firstRetryMs: config.campaignPauses.retrySeconds * secondMs,
        },
      }),
      bouncesTask(bounces),
      surveyTask({
        db,
        keyholder,
        clock,
        lookup: openLookup(config.dnsServers),
        sender: () => senderOf(config, keyholder),
      }),
      ...libraryTasks(library),
      keepKeysTask({
        db,
        keys: keyholders.keeper.keys,
        keyholder,
        clock,
        random,
        remarkCanaries: (toVersion) => remarkCanaries({ db, keyholder }, toVersion),
        log,
      }),
      cleaning,
    ],
    schedule: [
      { task: "clean-up", match: "17 * * * *" },
      // Picks up what a rotation left whose process died before it queued anything.
      { task: "keep-keys", match: "*/5 * * * *" },
    ],
  });
  ends(() => worker.stop());
  const demo = makeDemoLibrary({ libraryDir, log, clock, random }, stopping, () => requestScan({ db, clock })).catch(
    (thrown: unknown) => log.warn({ reason: messageOf(thrown) }, "the demo films were not made"),
  );
  ends(() => demo);
  const watch = await startLibraryWatch({ db, clock, log, libraryDir });
  ends(() => watch.stop());
  const signIns = watchSignIns({ db, clock, random, log });
  ends(() => signIns.stop());
  const honeywords = watchHoneywords({ db, keyholder, clock, random, log });
  ends(() => honeywords.stop());
  const keyUse = watchKeyUse({
    db,
    uses: keyholders.keeper.uses,
    databaseId,
    clock,
    log,
    ring: async (tx, now, found) => {
      await raiseAlarm(tx, now, random, keyUseSurplus(found));
    },
  });
  ends(() => keyUse.stop());
  const transmitter = startTransmitter({
    db,
    keyholder: keyholders.transmitter,
    clock,
    random,
    log,
    issuer: config.publicOrigin,
    isLoopbackOrigin: config.isLoopbackOrigin,
  });
  ends(() => transmitter.stop());
  const heartbeat = every(minuteMs, async () => {
    // Touches a connection now and then, so that a swapped database is noticed by the worker too.
    await db.one(`select 1 as here`).catch(() => undefined);
  });
  ends(() => heartbeat.stop());
  const { bounceAddress, bounceListen } = config;
  const listener =
    bounceAddress === null || bounceListen === null
      ? undefined
      : listenForBounces({ bounces, log, address: bounceAddress, listen: bounceListen });
  if (listener !== undefined) ends(() => listener.close());
}
