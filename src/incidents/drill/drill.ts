import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IncidentId } from "../../kernel/brand.ts";
import { dayMs, parseInstant, plus, secondMs, sleep, toIso, type Clock } from "../../kernel/clock.ts";
import { Fault, messageOf } from "../../kernel/fault.ts";
import type { Log } from "../../kernel/log.ts";
import { openDb, type Db } from "../../db/db.ts";
import { locales } from "../../mail/locale.ts";
import type { Contained } from "../../wire/incidents.ts";
import type { Report } from "../../wire/report.ts";
import { walkers } from "../campaign.ts";
import { reviewItems } from "../review.ts";
import { ordinaryPace } from "../walk.ts";
import { chooseCrowd } from "./crowd.ts";
import { startDevices } from "./devices.ts";
import { judge } from "./judge.ts";
import { carryOutKills } from "./kill.ts";
import { startLateBounces, type LateBounces } from "./late-bounces.ts";
import { startLooking, type Looks } from "./looks.ts";
import { startPeople, type People } from "./people.ts";
import { populate, populationPassword } from "./population.ts";
import { project } from "./projection.ts";
import { comesBack, domainsInTurn } from "./providers.ts";
import { startRelay, type DrillRelay } from "./relay.ts";
import { busiest, type DrillOrder, type DrillResult, type Measured, type Moment } from "./result.ts";
import { killSchedule } from "./schedule.ts";
import { seeded } from "./seeded.ts";
import { startService } from "./service.ts";
import { freePort } from "./free-port.ts";
import { startSweeper } from "./sweeper.ts";
import { canReturn, startThief } from "./thief.ts";

export interface DrillNeeds {
  readonly clock: Clock;
  readonly monotonicMs: () => number;
  readonly log: Log;
  readonly say: (line: string) => void;
  /** Gives up: ends everything that was started, removes the data and throws. */
  readonly signal: AbortSignal;
  /** An empty folder of the drill's own, for its data; it is removed at the end, also if this process is killed. */
  readonly folder: string;
  /** Where the reports go. */
  readonly output: string;
  /** Puts a film into the library if somebody is to watch it. @returns whether there is one to play. */
  readonly makeLibrary: (libraryDir: string, isWatched: boolean) => Promise<boolean>;
}

/** How many seconds of the drill stand for an hour of the crowd, and the service's pauses. */
const ordinary = { hourSeconds: 10, leaseSeconds: ordinaryPace.leaseMs / secondMs, retrySeconds: 30 };
const hurried = { hourSeconds: 0.25, leaseSeconds: 3, retrySeconds: 1 };

const accountsAgeMs = 400 * dayMs;
/** Without any progress for so long the drill is over, and what it waited for is a promise broken. */
const patienceMs = 180 * secondMs;
/** Of those who were told that they are back, so many sign in again at the end. */
const returnsTried = 200;

/**
 * Rehearses the day on a population that it makes: its own service, on its own folder, database, keys, sockets and
 * port; its own relay, behind which nobody is reached. The runbook's commands contain, tell and close, while devices play,
 * a thief tries what was stolen, people come back, and processes are killed by the seed's schedule.
 *
 * @throws Fault when the service cannot be started; a promise that is broken is in the result.
 */
export async function drill(needs: DrillNeeds, order: DrillOrder): Promise<DrillResult> {
  const { clock, monotonicMs, log, signal, folder, output, say } = needs;
  const began = monotonicMs();
  const moments: Moment[] = [];
  const moment = (what: string): void => {
    signal.throwIfAborted();
    const atMs = monotonicMs() - began;
    moments.push({ atMs, what });
    say(`${(atMs / 1_000).toFixed(1).padStart(8)} s  ${what}`);
  };
  const pace = order.isHurried ? hurried : ordinary;
  const random = seeded(order.seed);
  const crowd = new Map(chooseCrowd(order.accounts, order.crowd, random));
  const sweeper = startSweeper(folder);
  const stops: (() => Promise<void>)[] = [() => sweeper.sweep()];
  try {
    const isPlayed = await needs.makeLibrary(join(folder, "library"), order.watching > 0);
    let reference = "";
    const bouncePort = await freePort();
    const lateBounces = startLateBounces(bouncePort, random);
    stops.push(() => lateBounces.stop());
    const relay = await startRelay({ monotonicMs, random, lateBounces }, () => reference, {
      throttlePerSecond: Math.max(5, Math.round(order.accounts / 100)),
      hangs: 2,
    });
    stops.push(() => relay.stop());
    const service = await startService({
      folder,
      settings: {
        SMTP_URL: relay.url,
        MAIL_FROM: "Drill <no-reply@drill.example>",
        SERVICE_NAME: "Drill",
        CONTACT_ADDRESS: "help@drill.example",
        // Nobody outside is asked about a domain that does not exist.
        DNS_SERVER: "127.0.0.1:9",
        BOUNCE_ADDRESS: "back@drill.example",
        BOUNCE_LISTEN: `smtp://127.0.0.1:${bouncePort}`,
        ...(order.rate === null ? {} : { RELAY_ALLOWANCE: `${order.rate * 3_600}/hour` }),
        CAMPAIGN_LEASE_SECONDS: String(pace.leaseSeconds),
        CAMPAIGN_RETRY_SECONDS: String(pace.retrySeconds),
      },
      logFile: join(output, "service.log"),
      sweeper,
      signal,
      log,
    });
    const { origin } = service;
    const db = openDb({ connection: service.connection, log, maxConnections: 3 });
    stops.push(() => db.close());
    moment("the drill's service runs: PostgreSQL, keyholder, web and worker of its own");

    const keyholder = await service.keyholder();
    const people = await populate(db, keyholder, {
      accounts: order.accounts,
      sessionsEach: 2,
      // Before any time in which a thief could have added something: such addresses renew nothing.
      at: plus(clock.now(), -accountsAgeMs),
      signedInAt: clock.now(),
      locales,
      domains: domainsInTurn,
      withoutAddress: Math.floor(order.accounts / 100),
    }).finally(() => keyholder.close());
    moment(`${order.accounts.toLocaleString("en")} accounts, two sessions each`);

    const failedCommands: string[] = [];
    const give = async (words: readonly string[]) => {
      const ran = await service.command(words);
      signal.throwIfAborted();
      if (ran.exitCode !== 0) {
        failedCommands.push(
          `${words.slice(0, 2).join(" ")}: exit code ${ran.exitCode}, ${ran.err.split("\n")[0] ?? ""}`,
        );
      }
      return ran;
    };

    // The last one becomes the operator, and is no part of the crowd: an operator is asked for a second factor where others are not.
    const operator = people.at(-1)?.address ?? "";
    crowd.delete(people.length - 1);
    const watchers = people.slice(0, -1).slice(-order.watching || people.length, people.length - 1);
    const devices = startDevices({ origin, clock }, order.watching === 0 ? [] : watchers, { plays: isPlayed });
    stops.push(() => devices.stop());
    await give(["operator", "add", operator]);
    await until(signal, monotonicMs, () => devices.playing() === devices.records.length, 60 * secondMs);
    const playedBefore = devices.playing();
    moment(
      `${playedBefore} of ${devices.records.length} devices ${isPlayed ? "play" : "are signed in (no ffmpeg: nothing to play)"}`,
    );
    const thief = await startThief({ origin, random }, people.slice(0, -1), populationPassword);
    stops.push(() => thief.stop());
    moment(
      `a thief tries ${thief.before.tokens} sessions and ${thief.before.passwords} password: ${thief.before.letIn} open`,
    );

    const reason = "a copy of the account database is offered for sale (drill)";
    await give(["incident", "open", "--reason", reason]);
    await give(["incident", "contain", "--dry-run"]);
    moment("the case is open, and counted without touching anything");

    const ran = await give(["incident", "contain", "--yes", "--json"]);
    if (ran.exitCode !== 0)
      throw new Fault("IMPOSSIBLE", `the drill could not contain: ${ran.err.split("\n")[0] ?? ""}`);
    const contained = JSON.parse(ran.out) as Contained;
    ({ reference } = contained);
    // What begins after this instant begins after the commit: `at` was taken before it, and rounded down to a millisecond.
    const inForceAt = plus(parseInstant(contained.at), Math.ceil(contained.commitMs) + 1);
    devices.contained(inForceAt);
    thief.contained();
    moment(`contained: epoch ${contained.epoch}, committed in ${contained.commitMs.toFixed(1)} ms`);
    await until(signal, monotonicMs, () => devices.records.every(({ toldAt }) => toldAt !== null), 20 * secondMs);
    const darkMs = devices.records.flatMap(({ toldAt }) => (toldAt === null ? [] : [Math.max(0, toldAt - inForceAt)]));
    moment(`${darkMs.length} of ${devices.records.length} screens dark, the last after ${Math.max(0, ...darkMs)} ms`);
    await give(["operator", "link"]);

    await give(["incident", "notify", "--plan"]);
    await give(["incident", "notify", "--preview"]);
    moment("plan and letter looked at");

    const numberOf = new Map(people.map(({ address }, number) => [address, number]));
    const back = startPeople({ origin, relay, monotonicMs, reference }, crowd, pace);
    stops.push(() => back.stop());
    relay.onNotice((to) => {
      const number = numberOf.get(to);
      if (number !== undefined) back.letter(number, to);
    });
    const incidentId = contained.incidentId as IncidentId;
    const looks = startLooking(db, incidentId, 100);
    stops.push(() => looks.stop());
    await give(["incident", "notify", "--yes"]);
    moment("letters are going out");

    const schedule = killSchedule(order.seed, {
      kills: order.kills,
      letters: people.filter(({ address }) => address !== "").length,
      returns: crowd.size,
    });
    const ended = new AbortController();
    const untilTheEnd = AbortSignal.any([signal, ended.signal]);
    const killing = carryOutKills(
      { service, monotonicMs, signal: untilTheEnd },
      schedule,
      {
        letters: () => relay.taken(),
        returns: () => back.renewed.length,
        areLettersOver: () => looks.isFinished(),
        isOver: () => looks.isFinished() && back.underway() === 0,
        isWorking: () => isWorking(db),
      },
      ({ victim, when, after, backMs }) =>
        moment(`killed: ${victim}, after ${after} ${when}; whole again after ${(backMs / 1_000).toFixed(1)} s`),
    );
    const finished = onceFinished(untilTheEnd, looks).then(() => {
      if (looks.isFinished()) moment("every letter has its outcome");
    });
    // If nothing moves any more, the rest of the schedule is never reached; the promises say what is missing.
    if (!(await waitForTheEnd({ signal, monotonicMs }, looks, relay, lateBounces, back))) ended.abort();
    await Promise.all([killing, finished]);
    moment(`${back.renewed.length} people are back, ${back.underway()} on their way`);

    const closing = await closeTheCase(give, clock);
    const [report, , verified] = await Promise.all([
      give(["incident", "report", "--incident", reference, "--json"]),
      give(["incident", "report", "--incident", reference, "--output", join(output, "report.html")]),
      give(["timeline", "verify"]),
    ]);
    await writeFile(join(output, "report.json"), report.out, { mode: 0o600 });
    moment(`report written; ${verified.out.trim().split("\n")[0] ?? ""}`);

    const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
    const returns = back.renewed.slice(-returnsTried);
    const returned = await Promise.all(returns.map((renewal) => canReturn(origin, renewal, patience)));
    moment(`${returned.filter((isIn) => isIn).length} of ${returns.length} sign in by the password they chose`);
    for (const part of [thief, devices, looks]) await part.stop();

    const sum = looks.last();
    const times = [...relay.notices.values()].map((one) => one.times);
    const reached = new Set([...relay.notices.values()].map(({ to }) => to));
    const measured: Measured = {
      containCommitMs: contained.commitMs,
      containCountMs: contained.countedMs,
      containExitCode: ran.exitCode,
      devices: devices.records.length,
      playedBefore,
      darkMs,
      triedByDevices: devices.records.reduce((total, { triedAfter }) => total + triedAfter, 0),
      servedOld: devices.records.reduce((total, { servedAfter }) => total + servedAfter, 0),
      thiefBefore: thief.before,
      thief: thief.tries(),
      looks: looks.made(),
      wrongLooks: looks.wrong.length,
      sum,
      isFinished: looks.isFinished(),
      lettersPerSecond: await handOverRate(db, incidentId),
      duplicates: times.reduce((total, each) => total + each - 1, 0),
      lost: Math.max(0, (sum?.handedOver ?? 0) + (sum?.bounced ?? 0) - reached.size),
      returned: relay.returned(),
      reportsTaken: lateBounces.taken(),
      reportsRefused: lateBounces.refused,
      inFlight: ordinaryPace.concurrency * walkers,
      answers: Object.fromEntries(relay.answers),
      expectedBack: [...reached].filter((to) => crowd.has(numberOf.get(to) ?? -1) && !comesBack(to)).length,
      renewed: back.renewed.length,
      renewalsPerSecond: busiest(
        back.renewed.map(({ doneMs }) => doneMs),
        5 * secondMs,
      ),
      renewalMs: back.renewed.map(({ tookMs }) => Math.round(tookMs)),
      again: back.again(),
      places: back.places(),
      strange: Object.fromEntries(back.strange),
      returnsTried: returns.length,
      returnsLost: returned.filter((isIn) => !isIn).length,
      schedule,
      killed: await killing,
      closed: closing,
      verified: verified.exitCode === 0,
      verdict: verified.out.trim().split("\n")[0] ?? "",
      reportAgrees: agrees(report.out),
      failedCommands,
    };
    return {
      format: "houselights drill 1",
      order,
      moments,
      measured,
      promises: judge(measured),
      projection: project(order, measured),
      folder: output,
    };
  } finally {
    // When the drill was given up the service ends first, so that no other part waits for its answers.
    for (const stop of signal.aborted ? stops : stops.toReversed()) {
      await stop().catch((thrown: unknown) =>
        log.error({ reason: messageOf(thrown) }, "a part of the drill did not stop"),
      );
    }
  }
}

/** The runbook's last steps: what was found, the review, and the close. @returns whether the case closed. */
async function closeTheCase(
  give: (words: readonly string[]) => Promise<{ readonly exitCode: number | null }>,
  clock: Clock,
): Promise<boolean> {
  const wayIn = ["--what", "none: a drill", "--closed-at", toIso(clock.now()), "--evidence", "this drill"];
  await give(["incident", "way-in", ...wayIn]);
  const review = (item: string) => give(["incident", "review", item, "--state", "explained", "--note", "a drill"]);
  await Promise.all(reviewItems.map(({ item }) => review(item)));
  return (await give(["incident", "close"])).exitCode === 0;
}

function agrees(text: string): boolean {
  try {
    const { letters, timeline } = JSON.parse(text) as Report;
    return letters !== null && letters.agrees && letters.addsUp && timeline.verdict === "intact";
  } catch {
    return false;
  }
}

async function until(
  signal: AbortSignal,
  monotonicMs: () => number,
  isSo: () => boolean,
  withinMs: number,
): Promise<void> {
  const latest = monotonicMs() + withinMs;
  while (!isSo() && monotonicMs() < latest && !signal.aborted) await sleep(20, signal);
}

async function onceFinished(signal: AbortSignal, looks: Looks): Promise<void> {
  while (!looks.isFinished() && !signal.aborted) await sleep(50, signal);
}

/**
 * Until every letter has its outcome, what came back is reported and who opened one is back.
 * @returns false if nothing moved for long instead.
 */
async function waitForTheEnd(
  { signal, monotonicMs }: Pick<DrillNeeds, "signal" | "monotonicMs">,
  looks: Looks,
  relay: DrillRelay,
  lateBounces: LateBounces,
  back: People,
): Promise<boolean> {
  let latest = "";
  let movedAt = monotonicMs();
  while (!signal.aborted && !(looks.isFinished() && back.underway() === 0 && lateBounces.waiting() === 0)) {
    const now = `${relay.taken()} ${looks.last()?.waiting ?? 0} ${back.renewed.length} ${back.underway()} ${lateBounces.waiting()}`;
    if (now !== latest) [latest, movedAt] = [now, monotonicMs()];
    if (monotonicMs() - movedAt > patienceMs) return false;
    await sleep(50, signal);
  }
  return true;
}

/** Whether a worker is connected. Connections of one that was killed go with it; a PostgreSQL that was killed says no. */
async function isWorking(db: Db): Promise<boolean> {
  const found = await db
    .one(`select 1 as one from pg_stat_activity where application_name like 'houselights worker %' limit 1`)
    .catch(() => undefined);
  return found !== undefined;
}

/** Letters a second over the first three quarters of those that were handed over; 0 for too few. */
async function handOverRate(db: Db, incidentId: IncidentId): Promise<number> {
  const row = await db.one<{ count: number; seconds: number | null }>(
    `select count(*) as count,
            extract(epoch from percentile_disc(0.75) within group (order by settled_at) - min(settled_at))::float8 as seconds
       from letter where incident_id = $1 and state = 'handed over'`,
    [incidentId],
  );
  if (row?.seconds == null || !(row.seconds > 0)) return 0;
  return (row.count * 0.75) / row.seconds;
}
