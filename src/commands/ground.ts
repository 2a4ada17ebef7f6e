import { performance } from "node:perf_hooks";
import type { PoolConfig } from "pg";
import type { Config } from "../config/config.ts";
import { layGround, type Ground } from "../app.ts";
import { secondMs, sleep, systemClock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { systemRandom } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { openDb, sqlState, type Tx } from "../db/db.ts";
import { migrate } from "../db/migrate.ts";
import { tooManyConnections } from "../db/unavailable.ts";
import { hasCluster, startPostgres } from "../db/embedded.ts";
import { socketPathFor } from "../keyholder/socket-path.ts";
import { connectKeyholder, type KeyholderClient } from "../keyholder/client.ts";
import { readGeneration } from "../rotation/key-versions.ts";
import { keysDirOf } from "../main.ts";
import { watchEndings } from "./endings.ts";
import { findKeyholder, leaveRunning, urgentMs, type FoundKeyholder } from "./find-keyholder.ts";

/**
 * Runs a command over the database and the keyholder: those of the running service, or ones started for the time of the
 * command when it is stopped.
 */
export async function withGround<Result>(
  config: Config,
  log: Log,
  work: (ground: Ground, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  await expectService(config);
  return withDatabase(config, log, async (connection, signal) => {
    const keyholder = await findKeyholder(config, log, { signal });
    try {
      const { at, credential } = keyholder;
      // A command has the operator's rights and no others, whatever it asks for.
      const credentials = { operator: credential };
      const bare = openDb({ connection, log, maxConnections: 1 });
      await migrate(bare).finally(() => bare.close());
      const ground = await layGround({
        config,
        log,
        surroundings: { connection, keyholder: { ...at, credentials } },
        maxConnections: 4,
      });
      try {
        return await work(ground, signal);
      } finally {
        await ground.close();
      }
    } finally {
      await keyholder.stop();
    }
  });
}

/**
 * Throws where no service was ever started: a command that is given with other settings than the service's would make a database of
 * its own, contain that, and say that it has.
 */
export async function expectService({ databaseUrl, dataDir }: Config): Promise<void> {
  if (databaseUrl !== null || (await hasCluster(dataDir))) return;
  throw new Fault("CONFIG_INVALID", `there is no service in ${dataDir}; nothing was done\n${sameSettings}`);
}

/** The same for a database elsewhere, which a command brings up to date: in an empty one it would make the tables. */
export async function expectTables(db: Tx): Promise<void> {
  const row = await db.one<{ has: boolean }>(`select to_regclass('incident') is not null as has`);
  if (row?.has === true) return;
  throw new Fault("CONFIG_INVALID", `this is no database of the service; nothing was done\n${sameSettings}`);
}

const sameSettings = "give the settings that the service runs with: DATA_DIR, DATABASE_URL";

/**
 * Runs a command over the database alone. A command that is ended on the way (`Ended`) stops the PostgreSQL that it started; what
 * it was writing is rolled back with its connections. `signal` aborts then, for what has to be removed besides.
 */
export async function withDatabase<Result>(
  config: Config,
  log: Log,
  work: (connection: PoolConfig, signal: AbortSignal) => Promise<Result>,
  as: "connection" | "connectionToContain" = "connection",
): Promise<Result> {
  const endings = watchEndings();
  const over = (connection: PoolConfig): Promise<Result> =>
    endings.orEnded(work({ ...connection, application_name: "houselights command" }, endings.signal));
  try {
    if (config.databaseUrl !== null) return await over({ connectionString: config.databaseUrl.revealText() });
    // Not left in the middle: what has been started by then is known and stopped.
    const postgres = await startPostgres({ dataDir: config.dataDir, log, role: "command" });
    try {
      endings.signal.throwIfAborted();
      return await over(postgres[as]);
    } finally {
      await postgres.stop();
    }
  } finally {
    endings.close();
  }
}

/**
 * Runs a command that reads what lies in clear: over the database alone while no keyholder answers, with the reason why none does. What
 * it says then is the database's word, which no witness has looked at.
 */
export async function withReadingGround<Result>(
  config: Config,
  log: Log,
  work: (
    ground: Pick<Ground, "db" | "clock" | "config">,
    away: string | undefined,
    signal: AbortSignal,
  ) => Promise<Result>,
): Promise<Result> {
  try {
    return await withGround(config, log, (ground, signal) => work(ground, undefined, signal));
  } catch (thrown) {
    if (!(thrown instanceof Fault) || !thrown.code.startsWith("KEYHOLDER")) throw thrown;
    return withDatabase(config, log, async (connection, signal) => {
      const db = openDb({ connection, log, maxConnections: 2 });
      return work({ db, clock: systemClock, config }, thrown.message, signal).finally(() => db.close());
    });
  }
}

/**
 * What containment needs, and no more: it commits even when the keyholder cannot be reached or started, and owes the
 * witness then.
 */
export async function withContainmentGround<Result>(
  config: Config,
  log: Log,
  work: (
    ground: Pick<Ground, "db" | "clock" | "random" | "log" | "monotonicMs"> & {
      witness: Ground["keyholders"]["operator"]["witness"];
    },
  ) => Promise<Result>,
): Promise<Result> {
  await expectService(config);
  const contains = async (connection: PoolConfig): Promise<Result> => {
    const keyholder = await findKeyholder(config, log, { waitMs: urgentMs }).catch(
      async (thrown: unknown): Promise<FoundKeyholder> => {
        if (!(thrown instanceof Fault)) throw thrown;
        return {
          at: { socketPath: await socketPathFor(keysDirOf(config)) },
          credential: new Secret(Buffer.alloc(32)),
          stop: leaveRunning,
        };
      },
    );
    const db = openDb({ connection, log, maxConnections: 2 });
    let client: KeyholderClient | undefined;
    let why = "no keyholder answers on this machine";
    try {
      await untilLetIn(db);
      client = await connectKeyholder({
        ...keyholder.at,
        role: "operator",
        credential: keyholder.credential,
        generations: { known: () => readGeneration(db), met: () => undefined, replaced: () => undefined },
        waitMs: urgentMs,
        log,
      }).catch((thrown: unknown) => {
        if (!(thrown instanceof Fault)) throw thrown;
        if (config.keyholderAt !== null) why = thrown.message;
        return undefined;
      });
      return await work({
        db,
        witness: client?.witness ?? absentWitness(why),
        clock: systemClock,
        random: systemRandom,
        log,
        monotonicMs: () => performance.now(),
      });
    } finally {
      await db.close();
      await client?.close();
      await keyholder.stop();
    }
  };
  return withDatabase(config, log, contains, "connectionToContain");
}

/** Whoever is being refused a connection holds one for some milliseconds, and a crowd of them holds those that are kept as well. */
async function untilLetIn(db: Tx): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += letInStepMs) {
    try {
      await db.one(`select 1 as one`);
      return;
    } catch (thrown) {
      const isFull = thrown instanceof Fault && sqlState(thrown.cause) === tooManyConnections;
      if (!isFull || waitedMs >= letInWithinMs) throw thrown;
      await sleep(letInStepMs);
    }
  }
}

const letInStepMs = 25;
const letInWithinMs = 10 * secondMs;

/** Stands for a keyholder that cannot be reached at all: whoever asks it is told so, and owes it what it should have heard. */
function absentWitness(why: string): Ground["keyholders"]["operator"]["witness"] {
  const nobodyAnswers = (): Promise<never> => Promise.reject(new Fault("KEYHOLDER_UNAVAILABLE", why));
  return {
    read: nobodyAnswers,
    highestFloors: nobodyAnswers,
    enrol: nobodyAnswers,
    intend: nobodyAnswers,
    confirm: nobodyAnswers,
    abandon: nobodyAnswers,
    advance: nobodyAnswers,
    adopt: nobodyAnswers,
  };
}
