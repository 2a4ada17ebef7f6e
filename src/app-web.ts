import { fileURLToPath } from "node:url";
import { layGround, newDecoy, type Ground, type GroundOptions } from "./app.ts";
import { every } from "./kernel/clock.ts";
import { Fault, impossible } from "./kernel/fault.ts";
import { systemCode } from "./keyholder/durable-file.ts";
import { childEnvironment, lettersLeaveBy } from "./config/config.ts";
import { migrate } from "./db/migrate.ts";
import { openDb } from "./db/db.ts";
import { openReserve, readDatabaseDisk } from "./db/reserve.ts";
import { signInLog } from "./http/sign-in-log.ts";
import { secretText } from "./http/cookies.ts";
import { healthRoutes, newMetrics } from "./http/health.ts";
import { preferredLocale } from "./http/locale.ts";
import { newServer, type App } from "./http/server.ts";
import { readBuiltPages, staticRoutes } from "./http/static.ts";
import { mailboxRoutes } from "./mail/routes.ts";
import { operatorIds } from "./accounts/accounts.ts";
import { openBreached } from "./credentials/breached/breached.ts";
import { startHashPool, type HashCost, type HashPool } from "./credentials/hash-pool.ts";
import { lanes } from "./credentials/lanes.ts";
import { hasSecondFactor } from "./credentials/has-second-factor.ts";
import { passkeyRoutes } from "./credentials/passkey-routes.ts";
import { relyingPartyOf } from "./credentials/relying-party.ts";
import { accountRoutes } from "./credentials/account-routes.ts";
import { credentialRoutes } from "./credentials/routes.ts";
import { secondFactorRoutes } from "./credentials/second-factor-routes.ts";
import { sessionCheck } from "./sessions/check.ts";
import { keepOnlySession } from "./sessions/devices.ts";
import { forgetStrongProofs, noteProof, sessionLifetimesMs } from "./sessions/open-session.ts";
import { passkeySessionRoutes } from "./sessions/passkey-routes.ts";
import { makeOperatorLink } from "./sessions/operator-link.ts";
import { signUpPages } from "./credentials/pages.ts";
import { sessionPages } from "./sessions/pages.ts";
import { startPush, type Push } from "./sessions/push.ts";
import { refusalCounter } from "./sessions/refusals.ts";
import { sessionRoutes } from "./sessions/routes.ts";
import { linkPages } from "./links/pages.ts";
import { linkRoutes } from "./links/routes.ts";
import { waitingLinks, type WaitingLinks } from "./links/waiting-links.ts";
import { notMePages } from "./renewal/not-me-pages.ts";
import { openLobby, type Lobby } from "./renewal/lobby/lobby.ts";
import { lobbyView } from "./renewal/lobby/view.ts";
import { renewalPages } from "./renewal/pages.ts";
import { recoveryRoutes } from "./renewal/recovery-routes.ts";
import { renewalRoutes } from "./renewal/routes.ts";
import { bounceRoutes } from "./incidents/bounce-routes.ts";
import { consoleRoutes } from "./incidents/console.ts";
import { caseInHand, containmentsSince, currentLetter, currentNotice, noticesTo } from "./incidents/notice.ts";
import { noticePages } from "./incidents/pages.ts";
import { wayOutOf } from "./incidents/plan.ts";
import { readDeadlines } from "./incidents/read-deadlines.ts";
import { incidentRoutes } from "./incidents/routes.ts";
import { alarmIn } from "./canaries/alarm-in.ts";
import { listAlarms } from "./canaries/alarms.ts";
import { isDecoy } from "./canaries/decoy.ts";
import { countSignIns } from "./canaries/stuffing.ts";
import { keepCanariesAlive } from "./canaries/live-on.ts";
import { watchCanaries } from "./canaries/watch.ts";
import { ringForMail } from "./canaries/ring.ts";
import { alarmRoutes, canaryMailRoute } from "./canaries/routes.ts";
import { setKeysKeptMs } from "./rotation/rotate.ts";
import { signalRoutes } from "./signals/routes.ts";
import { leavingRoutes } from "./leaving/routes.ts";
import { timelineFolder } from "./timeline/publish.ts";
import { timelineRoutes } from "./timeline/routes.ts";
import { titleNames } from "./library/titles.ts";
import { libraryRoutes } from "./library/routes.ts";
import { readLibraryJobs } from "./library/library-jobs.ts";
import { openEngine } from "./streaming/engine.ts";
import { newGrants } from "./streaming/grants.ts";
import { pretendProgress, progressReader, watchedBy } from "./streaming/progress.ts";
import { streamingRoutes } from "./streaming/routes.ts";

export interface Web {
  readonly app: App;
  /** Opens the port, and with it the push channel. @returns the port, which the system chooses for 0. */
  listen(host: string, port: number): Promise<number>;
  /** What has been done so far, for tests that compare the cost of different answers. */
  readonly work: () => { readonly hashes: number; readonly statements: number; readonly keyholderCalls: number };
  readonly hashPool: HashPool;
  readonly lobby: Lobby;
  readonly waitingLinks: WaitingLinks;
  /** Compares what was tried with the canaries now, instead of within a second. */
  readonly lookForCanaries: () => Promise<void>;
  /** Writes how sign-ins went now, instead of within five seconds. */
  readonly writeSignInCounts: () => Promise<void>;
  close(): Promise<void>;
}

/** How long a request waits for a row that another transaction has locked. Containing has connections of its own, and waits on. */
const lockWaitMs = 15_000;

const webFolder = fileURLToPath(new URL("../web/dist", import.meta.url));

/** Puts the web side together: every room's routes over one ground. Nothing listens yet. */
export async function buildWeb(
  ground: Ground,
  watching: {
    readonly everyMs?: number;
    readonly hashCost?: HashCost;
    readonly lobby?: Parameters<typeof openLobby>[1];
  } = {},
): Promise<Web> {
  const { config, db, plainDb, keyholders, seen, clock, random, log } = ground;
  const keyholder = keyholders.web;
  const { publicOrigin, serviceName, contactAddress } = config;
  const metrics = newMetrics("web");
  const breached = openBreached(config.dataDir, log);
  const hashPool = startHashPool({ threads: config.hashThreads, log, cost: watching.hashCost });
  const refusals = refusalCounter({ db, clock, log, node: ground.node });
  const checks = sessionCheck({ db: db.prompt, clock, seen, log, refusedAsOld: (kind) => refusals.count(kind) });
  const built = readBuiltPages(webFolder);
  const frame = { assets: built?.assets ?? null, serviceName, contactAddress };
  const app = newServer({
    publicOrigin,
    trustProxy: config.trustProxy,
    tls: config.tls,
    check: checks.check,
    hasSecondFactor: (accountId) => hasSecondFactor(db, accountId),
    clock,
    random,
    log,
    pageFrame: frame,
    finished: (method, route, status, durationMs) => metrics.finished(method, route, status, durationMs),
  });

  let push: Push | undefined;
  const deadlines = await readDeadlines(config.deadlines);
  const decoy = await newDecoy(ground, hashPool.cost);
  const service = { name: serviceName, origin: publicOrigin, contact: contactAddress };
  const lifetimesMs = sessionLifetimesMs(config.sessionDays, config.deviceSessionDays);
  const signInCounter = countSignIns({ db, clock, log, ...watching });
  const canaryWatch = watchCanaries({ db, keyholder, clock, random, log, ...watching });
  const canaryLives = keepCanariesAlive({
    db,
    keyholder,
    clock,
    random,
    log,
    decoy,
    seen,
    lifetimesMs,
    watchSomething: (accountId) => pretendProgress({ db, clock, random }, accountId),
  });
  const shared = {
    db,
    keyholder,
    hashPool,
    breached,
    clock,
    random,
    seen,
    serviceName,
    decoy,
    lifetimesMs,
    noteTry: canaryWatch.note,
    noteSignIn: signInCounter.note,
    logSignIn: signInLog({ log, random }),
  };
  const party = relyingPartyOf(publicOrigin, serviceName);
  const readNotice = () => currentNotice(db);
  const mail = lettersLeaveBy(config);

  const isBehindProxy = config.trustProxy !== false || (!config.isLoopbackOrigin && config.tls === null);
  healthRoutes(app, { db: db.prompt, keyholder, clock, metrics, token: config.metricsToken, isBehindProxy });
  staticRoutes(app, { clock, frame, built, publicOrigin, security: config.security });
  // Only where letters stay on this machine and only this machine is asking; elsewhere the route does not exist.
  if (mail === "mailbox") mailboxRoutes(app, { db, keyholder: keyholders.mailer });
  credentialRoutes(app, { ...shared, keepOnlySession });
  passkeyRoutes(app, { ...shared, party, publicOrigin, keepOnlySession, forgetStrongProofs, noteProof });
  accountRoutes(app, { ...shared, containmentsSince: (since, accountId) => containmentsSince(db, since, accountId) });
  secondFactorRoutes(app, { ...shared, forgetStrongProofs, noteProof });
  signUpPages(app, { ...shared, frame });
  sessionRoutes(app, {
    ...shared,
    currentNotice: readNotice,
    push: () => push ?? impossible("a stream was asked for before the port was open"),
  });
  passkeySessionRoutes(app, { ...shared, party });
  sessionPages(app, {
    ...shared,
    party,
    frame,
    currentNotice: readNotice,
    currentLetter: (acceptLanguage) => currentLetter(db, preferredLocale(acceptLanguage)),
  });
  const waiting = waitingLinks({ db, clock, log }, watching);
  linkRoutes(app, { ...shared, waiting, publicOrigin });
  linkPages(app, { ...shared, waiting, frame });
  const { monotonicMs } = ground;
  const currentCase = () => caseInHand(db);
  const lobbyNeeds = { db, keyholder, clock, random, log, hashPool, monotonicMs, currentCase };
  const lobby = await openLobby(lobbyNeeds, watching.lobby);
  renewalRoutes(app, { ...shared, lobby });
  recoveryRoutes(app, shared);
  notMePages(app, { ...shared, frame });
  renewalPages(app, { ...shared, lobby, frame, currentNotice: readNotice });
  lobbyView(app, { db, clock, hashPool, lobby, waiting });
  incidentRoutes(app, {
    ...shared,
    witness: keyholders.witness.witness,
    containDb: plainDb,
    monotonicMs: ground.monotonicMs,
    log,
    service,
    wayOut: wayOutOf(config),
    reserve: config.databaseUrl === null ? openReserve({ dataDir: config.dataDir, log }) : undefined,
    deadlines,
    isDecoy: (table) => isDecoy({ db, keyholder }, table),
  });
  const { bounceAddress, bounceSecret } = config;
  if (bounceAddress !== null && bounceSecret !== null) {
    bounceRoutes(app, { db, clock, secret: bounceSecret, address: bounceAddress });
  }
  signalRoutes(app, {
    ...shared,
    transmitter: keyholders.transmitter,
    log,
    issuer: publicOrigin,
    keysKeptSeconds: setKeysKeptMs / 1_000,
  });
  noticePages(app, { db, frame });
  const media = await openEngine({
    log,
    libraryDir: config.libraryDir,
    dataDir: config.dataDir,
    environment: childEnvironment(),
    hotBytes: config.segmentCacheMebibytes * 2 ** 20,
  });
  const readDisk = async () =>
    config.databaseUrl === null ? ((await readDatabaseDisk(config.dataDir)) ?? null) : null;
  consoleRoutes(app, {
    db,
    clock,
    monotonicMs,
    mail,
    readLibrary: async () => {
      const { titles, jobs } = await readLibraryJobs(db);
      return { titles, jobs: { ...jobs, transcoding: [...media.transcoding()] } };
    },
    listAlarms: async (limit, locale) => (await listAlarms(db, limit)).map((alarm) => alarmIn(alarm, locale)),
    readAddressLimit: async () => (await keyholder.counters().catch(() => undefined))?.addresses ?? null,
    isDecoy: (table) => isDecoy({ db, keyholder }, table),
    readDisk,
  });
  alarmRoutes(app, { db, clock, random });
  timelineRoutes(app, { folder: timelineFolder(config.dataDir) });
  if (config.canaryToken !== null) {
    canaryMailRoute(app, {
      token: config.canaryToken,
      ring: (mail) => ringForMail({ db, keyholder, clock, random }, mail),
    });
  }
  const progress = progressReader(db);
  leavingRoutes(app, {
    ...shared,
    watched: watchedBy(db, (ids) => titleNames(db, ids)),
    noticesTo: (accountId) => noticesTo(db, accountId),
  });
  libraryRoutes(app, { db, dataDir: config.dataDir, progress });
  const grants = newGrants({ keyholder, clock });
  const streaming = streamingRoutes(app, { db, clock, log, check: checks.check, grants, media });

  metrics.gauge("houselights_hashes_waiting", "Password hashes that wait for a thread", () => hashPool.waiting());
  // With the keyholder away the figures are not numbers, and the others are still told. Both are of one answer.
  let asked: Promise<{ readonly opened: number; readonly refused: number }> | undefined;
  const askAddresses = async () =>
    (await keyholder.counters().catch(() => undefined))?.addresses ?? { opened: Number.NaN, refused: Number.NaN };
  const addresses = () =>
    (asked ??= askAddresses().finally(() => {
      asked = undefined;
    }));
  metrics.gauge(
    "houselights_addresses_opened",
    "Addresses that web has opened in the present hour",
    async () => (await addresses()).opened,
  );
  metrics.gauge(
    "houselights_addresses_refused",
    "Calls for addresses in bulk that were refused",
    async () => (await addresses()).refused,
  );
  for (const lane of lanes) {
    const name = lane.replaceAll(/[ -]/g, "_");
    metrics.gauge(
      `houselights_hashes_waiting_${name}`,
      `Hashes that wait in the lane: ${lane}`,
      () => hashPool.lane(lane).waiting,
    );
    metrics.gauge(`houselights_hash_wait_ms_${name}`, `What the next hash waits for, in ms: ${lane}`, () =>
      hashPool.waitMs(lane),
    );
    metrics.gauge(
      `houselights_turned_away_${name}`,
      `Told to come again since the start: ${lane}`,
      () => hashPool.lane(lane).turnedAway,
    );
  }
  metrics.gauge("houselights_hashes_per_second", "Password hashes that the threads can make", () =>
    hashPool.perSecond(),
  );
  metrics.gauge("houselights_lobby_waiting", "People in line", () => lobby.state().given - lobby.state().called);
  metrics.gauge(
    "houselights_lobby_called_per_second",
    "People called, by all nodes",
    () => lobby.state().calledPerSecond,
  );
  metrics.gauge("houselights_links_waiting", "Televisions that wait for an approval", () => waiting.waiting());
  metrics.gauge("houselights_link_polls", "Polls answered from memory since the start", () => waiting.polls());
  metrics.gauge("houselights_link_interval_seconds", "Interval that a television is told", () =>
    waiting.intervalSeconds(),
  );
  metrics.gauge("houselights_push_streams", "Open event streams", () => push?.open() ?? 0);
  metrics.gauge("houselights_hot_segment_bytes", "Made segments kept in memory", () => media.hot().bytes);
  metrics.gauge("houselights_hot_segments_sent", "Segments sent from memory since the start", () => media.hot().sent);
  metrics.gauge("houselights_segments_made", "Segments cut from files since the start", () => media.hot().made);
  // Not numbers where the database is elsewhere.
  const diskGauge = (name: string, help: string, of: "sizeBytes" | "freeBytes" | "reserveBytes") =>
    metrics.gauge(name, help, async () => (await readDisk())?.[of] ?? Number.NaN);
  diskGauge("houselights_database_disk_bytes", "Size of the built-in database's disk", "sizeBytes");
  diskGauge("houselights_database_disk_free_bytes", "What is free on the built-in database's disk", "freeBytes");
  diskGauge(
    "houselights_database_reserve_bytes",
    "What is kept on that disk to contain on when it is full",
    "reserveBytes",
  );
  metrics.gauge("houselights_check_statements", "Statements that session checks have cost", () => checks.statements());

  return {
    app,
    listen: async (host, port) => {
      push = await startPush({
        db,
        check: checks.check,
        log,
        ended: ({ sessionId }) => streaming.releaseOwner(sessionId),
      });
      await app.listen({ host, port }).catch((thrown: unknown) => {
        if (systemCode(thrown) !== "EADDRINUSE") throw thrown;
        throw new Fault(
          "CONFIG_INVALID",
          `port ${port} is in use by another program\nset PORT to another one, or stop that program`,
        );
      });
      const address = app.server.address();
      return typeof address === "object" && address !== null ? address.port : port;
    },
    work: () => ({
      hashes: hashPool.hashes(),
      statements: db.statements(),
      keyholderCalls: Object.values(keyholder.stats().calls).reduce((sum, calls) => sum + calls, 0),
    }),
    hashPool,
    lobby,
    waitingLinks: waiting,
    lookForCanaries: () => canaryWatch.flush(),
    writeSignInCounts: () => signInCounter.flush(),
    close: async () => {
      // Streams never end by themselves, and the server waits for what is under way.
      await push?.close();
      // A connection that was at work when closing began would stay open for its next request.
      const idle = every(100, async () => app.server.closeIdleConnections());
      await app.close();
      await idle.stop();
      await media.close();
      await lobby.close();
      await waiting.close();
      await hashPool.close();
      breached.close();
      await decoy.stop();
      await refusals.close();
      await canaryWatch.close();
      await canaryLives.stop();
      await signInCounter.close();
    },
  };
}

/** A whole web process: brings the schema up to date, then serves. Makes the first operator's link if there is none. */
export async function startWebProcess(
  options: GroundOptions & { readonly port: number },
): Promise<{ readonly port: number; readonly operatorLink: string | null; readonly stop: () => Promise<void> }> {
  const { config, surroundings, log } = options;
  const bare = openDb({ connection: surroundings.connection, log, maxConnections: 2 });
  try {
    await migrate(bare);
  } finally {
    await bare.close();
  }
  const ground = await layGround({ ...options, maxConnections: 20, lockWaitMs });
  const web = await buildWeb(ground);
  const port = await web.listen(config.host, options.port);
  const hasOperator = (await operatorIds(ground.db)).length > 0;
  const link = hasOperator ? undefined : await makeOperatorLink(ground);
  return {
    port,
    operatorLink: link === undefined ? null : secretText(link.secret),
    stop: async () => {
      await web.close();
      await ground.close();
    },
  };
}
