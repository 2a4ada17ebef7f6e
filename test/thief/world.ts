import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ManualClock } from "../../src/kernel/clock.ts";
import { openDb, type Db } from "../../src/db/db.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { sessionCookie } from "../../src/http/cookies.ts";
import { openLetter } from "../../src/mail/sealed-letter.ts";
import { openService, type CallOptions, type TestService } from "../open-service.ts";
import { startPostgres, type RunningPostgres } from "../../src/db/embedded.ts";
import { migratedDatabase, startThrowAwayPostgres } from "../throw-away-postgres.ts";
import type { Sought } from "./search.ts";

/** With them, letters that come back are reported to the service. */
export const bounceSettings = {
  BOUNCE_ADDRESS: "bounces@films.example",
  BOUNCE_WEBHOOK_SECRET: "what a relay signs its reports with",
} as const;

/** The subscription that a logical replica would have: every table there is, and every one to come. */
export const replicaSlot = "thief";

/** A service on a database server of its own, with all that a thief may copy, and what went into it. */
export interface World {
  readonly service: TestService;
  readonly db: Db;
  readonly clock: ManualClock;
  /** How much the lobby believes can be served. */
  readonly crowd: { hashesPerSecond: number };
  /** PostgreSQL's whole data folder. */
  readonly dataFolder: string;
  /** When the schema stood and nobody was in it yet: no file that is older says anything of anybody. */
  readonly emptyUntil: number;
  /** Where the service answers over HTTP. */
  readonly port: number;
  /** All that went in, and must not come out. */
  readonly sought: Sought[];
  /** Notes something that went in. @returns it. */
  went(what: string, value: string): string;
  /** A token or another text of 256 random bits: the digest of its secret part is what the design keeps. */
  wentSecret(what: string, text: string): string;
  /** A code as it was mailed or shown, and as it is typed. */
  wentCode(what: string, code: string): string;
  /** A request that has to succeed. */
  done(method: "GET" | "POST" | "PUT" | "DELETE", path: string, options?: CallOptions): Promise<Answered>;
  /** The newest code in a letter of this kind to this address. */
  codeSentTo(address: string, letter: string): Promise<string>;
  /** The newest secret of "it was not me" in a letter to this address. */
  undoSentTo(address: string): string;
  /** Notes what is in the letters that wait: before they are sent, and at the end. */
  readLetters(): Promise<void>;
  close(): Promise<void>;
}

type Answered = Awaited<ReturnType<TestService["call"]>>;

const settings = {
  fsync: "off",
  synchronous_commit: "off",
  wal_level: "logical",
  max_wal_size: "16GB",
  autovacuum: "off",
};

/**
 * Starts it, with a slot that keeps all that is written from now on: for a replica, and in the log on disk. Its database
 * lies in `data` of the folder, for a sweeper that clears up after whoever is killed; without one it is thrown away as
 * those of other tests are.
 */
export async function openWorld(folder?: string): Promise<World> {
  const postgres = await (folder === undefined ? startThrowAwayPostgres(settings) : postgresIn(join(folder, "data")));
  try {
    const name = "stolen";
    const connection = { ...postgres.connection, database: name };
    await migratedDatabase(postgres, name);
    const db = openDb({ connection, log: silentLog, maxConnections: 4 });
    await db.pool.query(`create publication ${replicaSlot} for all tables`);
    await db.pool.query(`select pg_create_logical_replication_slot('${replicaSlot}', 'pgoutput')`);
    const folder = await db.one<{ folder: string }>(
      `select setting as folder from pg_settings where name = 'data_directory'`,
    );
    await db.pool.query("checkpoint");
    const emptyUntil = Date.now();
    const crowd = { hashesPerSecond: 1_000_000 };
    const lobby = { hashesPerSecond: () => crowd.hashesPerSecond };
    const service = await openService({
      connection,
      hashThreads: 2,
      lobby,
      settings: bounceSettings,
    });
    const port = await service.web.listen("127.0.0.1", 0);
    return {
      ...worldOver(service),
      crowd,
      db,
      emptyUntil,
      port,
      dataFolder: await folderOf(folder?.folder ?? "", postgres.pid),
      close: async () => {
        await service.close();
        await db.close();
        await postgres.stop();
      },
    };
  } catch (thrown) {
    await postgres.stop();
    throw thrown;
  }
}

async function postgresIn(dataDir: string): Promise<RunningPostgres> {
  const postgres = await startPostgres({ dataDir, log: silentLog, throwAway: true, settings });
  const stop = async (): Promise<void> => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { ...postgres, stop };
}

/** The server may see its own folder by another name: `/proc/self/cwd` is what it was started in. */
async function folderOf(setting: string, pid: number): Promise<string> {
  return setting === "/proc/self/cwd" ? realpath(`/proc/${pid}/cwd`) : setting;
}

function worldOver(service: TestService): Omit<World, "db" | "emptyUntil" | "port" | "dataFolder" | "crowd" | "close"> {
  const sought: Sought[] = [];
  const went = (what: string, value: string): string => {
    if (value.length < 8) throw new Error(`${what}: too short to be looked for`);
    sought.push({ what, value });
    return value;
  };
  const wentSecret = (what: string, text: string): string => {
    const secret = Buffer.from(text, "base64url").subarray(-32);
    if (secret.length !== 32) throw new Error(`${what} is not a secret of 256 bits`);
    sought.push(
      { what, value: text, exact: true },
      { what: `${what}, its secret part`, value: secret, mayBeDigest: true },
    );
    return text;
  };
  const letters = lettersOf(service, (undo) => wentSecret("an undo secret", undo));
  return {
    service,
    clock: service.clock,
    sought,
    went,
    wentSecret,
    wentCode: (what, code) => {
      went(what, code);
      if (code.includes("-")) went(`${what}, typed`, code.replaceAll("-", ""));
      return code;
    },
    done: async (method, path, options) => {
      const answer = await service.call(method, path, options);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      const next = answer.cookies[sessionCookie];
      if (options?.cookies?.[sessionCookie] && next) wentSecret("a session cookie", next);
      return answer;
    },
    codeSentTo: async (address, letter) => {
      const code = await letters.code(address, letter);
      if (code === undefined) throw new Error(`no ${letter} was sent`);
      return went("a mailed code", code);
    },
    undoSentTo: (address) => letters.undo(address) ?? "",
    readLetters: letters.read,
  };
}

/** Opens each queued letter once, however many there are. */
function lettersOf({ ground }: TestService, sawUndo: (undo: string) => void) {
  const codes = new Map<string, string>();
  const undos = new Map<string, string>();
  const seen = new Set<number>();
  let newest = 0;
  let reading: Promise<void> | undefined;
  const readOnce = async (): Promise<void> => {
    const fresh = await ground.db.many<{ id: number; payload: { id: string; sealed: string } }>(
      `select j.id, payload from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
        where j.id > $1 and j.id <> all ($2::bigint[]) and t.identifier in ('send-code', 'send-letter') order by j.id`,
      // A little behind the newest: a job with a lower number may have been committed later.
      [newest - 500, [...seen]],
    );
    fresh.forEach(({ id }) => seen.add(id));
    const opened = await Promise.all(
      fresh.map(({ payload }) => openLetter({ keyholder: ground.keyholders.mailer }, payload)),
    );
    for (const { to, letter, code, undo } of opened) {
      if (code !== undefined) codes.set(`${letter} ${to}`, code);
      if (undo === undefined) continue;
      undos.set(to, undo);
      sawUndo(undo);
    }
    newest = fresh.at(-1)?.id ?? newest;
    for (const id of seen) if (id < newest - 500) seen.delete(id);
  };
  const read = (): Promise<void> =>
    (reading ??= readOnce().finally(() => {
      reading = undefined;
    }));
  return {
    read,
    undo: (address: string) => undos.get(address),
    code: async (address: string, letter: string): Promise<string | undefined> => {
      const key = `${letter} ${address}`;
      // The first reading may have begun before this letter was queued.
      for (let tries = 0; tries < 2 && !codes.has(key); tries++) await read();
      const code = codes.get(key);
      codes.delete(key);
      return code;
    },
  };
}
