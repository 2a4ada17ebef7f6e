import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { PoolConfig } from "pg";
import type { KeyholderAt } from "./config/keyholder-place.ts";
import type { Config } from "./config/config.ts";
import type { AccountId } from "./kernel/brand.ts";
import { systemClock, type Clock, type EpochMs } from "./kernel/clock.ts";
import { Fault, messageOf } from "./kernel/fault.ts";
import type { Log } from "./kernel/log.ts";
import { newId, systemRandom, type Random } from "./kernel/random.ts";
import type { Secret } from "./kernel/secret.ts";
import { openDb, type Db, type Tx } from "./db/db.ts";
import { connectKeyholder, type KeyholderClient } from "./keyholder/client.ts";
import type { Generations } from "./keyholder/connection.ts";
import type { Role } from "./keyholder/keyholder.ts";
import { roles } from "./keyholder/permissions.ts";
import { compareKeys, readGeneration } from "./rotation/key-versions.ts";
import { announceUse, type Announcer } from "./key-use/announce.ts";
import { seenFloors, type SeenFloors } from "./credentials/floors.ts";
import type { HashCost } from "./credentials/hash-pool.ts";
import { reconcile } from "./credentials/reconcile.ts";
import { readDatabaseId } from "./credentials/standing.ts";
import { keepDecoy, makeDecoy, type Decoy } from "./credentials/passwords.ts";
import { copyDetected } from "./canaries/alarm-words.ts";
import { raiseAlarm } from "./canaries/raise-alarm.ts";

/** What a process is told when it is started, besides its settings: where the database and the keyholder are. */
export interface Surroundings {
  readonly connection: PoolConfig;
  /** The credentials of the roles that this process acts in. */
  readonly keyholder: KeyholderAt & { readonly credentials: Readonly<Partial<Record<Role, Secret>>> };
}

/** What every process of the service stands on. */
export interface Ground {
  readonly config: Config;
  readonly db: Db;
  /** Connections that do not ask the witness first, for containment, which must work while the keyholder is down. */
  readonly plainDb: Db;
  /** One for each role. For a role whose credential was not given stands one that was; the keyholder refuses what that may not do. */
  readonly keyholders: Readonly<Record<Role, KeyholderClient>>;
  readonly seen: SeenFloors;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This process's id, for rows that are counted by node. */
  readonly node: string;
  readonly monotonicMs: () => number;
  close(): Promise<void>;
}

export interface GroundOptions {
  readonly config: Config;
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly maxConnections?: number;
  /** How long a statement of `db` waits for a lock; see `DbOptions`. */
  readonly lockWaitMs?: number;
  /** How databases are opened; a test passes one that can be held up before it writes. */
  readonly open?: typeof openDb;
}

/** How long a request waits for a keyholder that is being restarted before it is told to come again. */
const keyholderWaitMs = 2_000;
/** Of the connections for everything else, how many stay open once they were needed. */
const keptConnections = 4;

/**
 * Connects to the database and the keyholder. Each new database connection is compared with the witness before it
 * serves anything, so this is also where a restored copy is noticed.
 */
export async function layGround(options: GroundOptions): Promise<Ground> {
  const { config, surroundings, log, clock = systemClock, random = systemRandom, maxConnections = 10 } = options;
  const { credentials, ...at } = surroundings.keyholder;
  const given = roles.find((role) => credentials[role] !== undefined);
  const { connection } = surroundings;
  const plainDb = openDb({ connection, log, maxConnections: 2, keptConnections: 2 });
  const announcers: Announcer[] = [];
  let highest = 0;
  const replaced = new Set<string>();
  let compare = async (): Promise<void> => undefined;
  const generations: Generations = {
    known: async () => Math.max(highest, await readGeneration(plainDb)),
    replaced: (keyholder, generation, known) => {
      if (replaced.has(keyholder)) return;
      replaced.add(keyholder);
      log.warn(
        { keyholder, generation, known },
        "a keyholder serves whose place another took: stop it, or start it with --follow",
      );
    },
    met: (generation) => {
      if (generation <= highest) return;
      highest = generation;
      // One that was promoted while this process ran: the others learn of it by the database.
      void compare().catch((thrown: unknown) =>
        log.error({ reason: messageOf(thrown) }, "the keys could not be compared"),
      );
    },
  };
  const connectAs = async (asked: Role, database: string) => {
    const role = credentials[asked] === undefined ? given : asked;
    const credential = role === undefined ? undefined : credentials[role];
    if (role === undefined || credential === undefined)
      throw new Fault("IMPOSSIBLE", "no keyholder credential was given");
    const announcing = announceUse({ db: plainDb, clock, random, log }, role, database);
    announcers.push(announcing);
    return connectKeyholder({ ...at, role, credential, announcing, generations, waitMs: keyholderWaitMs, log });
  };
  const connectAll = async () => {
    const database = await readDatabaseId(plainDb);
    const [web, mailer, witness, keeper, transmitter, operator] = await Promise.all([
      connectAs("web", database),
      connectAs("mailer", database),
      connectAs("witness", database),
      connectAs("keeper", database),
      connectAs("transmitter", database),
      connectAs("operator", database),
    ]);
    return { web, mailer, witness, keeper, transmitter, operator };
  };
  const { web, mailer, witness, keeper, transmitter, operator } = await connectAll().catch(async (thrown: unknown) => {
    await plainDb.close();
    throw thrown;
  });
  const seen = seenFloors();
  const needs = {
    witness: witness.witness,
    seen,
    clock,
    random,
    log,
    copyFound: async (tx: Tx, now: EpochMs, facts: Readonly<Record<string, string | number | boolean>>) => {
      await raiseAlarm(tx, now, random, copyDetected(facts));
    },
  };
  const onConnect = async (tx: Tx): Promise<void> => {
    await reconcile(needs, tx);
  };
  const { open = openDb } = options;
  const closeAll = async (): Promise<void> => {
    await Promise.all([web, mailer, witness, keeper, transmitter, operator].map((each) => each.close()));
    await Promise.all(announcers.map((each) => each.close()));
    await plainDb.close();
  };
  // Before the witness is asked, and before anything is written: these keys are this database's.
  const compareAll = (): Promise<void> => compareKeys({ db: plainDb, keys: witness.keys, clock, random });
  await compareAll().catch(async (thrown: unknown) => {
    await closeAll();
    throw thrown;
  });
  compare = compareAll;
  // Both of its connections are made now and stay: keys are used, and containing works, though PostgreSQL takes no further one.
  await Promise.all([readDatabaseId(plainDb), readDatabaseId(plainDb)]);
  const { lockWaitMs = 0 } = options;
  const db = open({ connection, log, maxConnections, keptConnections, onConnect, lockWaitMs });
  return {
    config,
    db,
    plainDb,
    keyholders: { web, mailer, witness, keeper, transmitter, operator },
    seen,
    clock,
    random,
    log,
    node: randomUUID(),
    monotonicMs: () => performance.now(),
    close: async () => {
      await db.close();
      await closeAll();
    },
  };
}

/** This process's decoy record: see `readPasswordProof`. Not by web's own connection, whose calls are counted. */
export const newDecoy = (
  { keyholders, random, clock }: Ground,
  cost?: HashCost,
): Promise<Decoy & { stop(): Promise<void> }> =>
  keepDecoy(() => makeDecoy(keyholders.operator, random, newId<AccountId>(random, clock.now()), cost));
