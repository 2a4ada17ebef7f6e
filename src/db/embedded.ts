import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { minuteMs, sleep, timeIsOver } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { makeFolder } from "../kernel/make-folder.ts";
import { syncFolder } from "../kernel/whole-file.ts";
import { programEnvironment, findBinaries, unprivilegedUser } from "./embedded-binaries.ts";
import type { Binaries, RunAs } from "./embedded-binaries.ts";
import {
  commandFile,
  isAlive,
  isUsedByOthers,
  processesIn,
  readOwner,
  recordOwner,
  signal,
  waitForEnd,
} from "./embedded-process.ts";
import { complaintIn, hintFor } from "./embedded-reason.ts";
import { ensureDatabase, logins } from "./embedded-roles.ts";
import { inTurn } from "./embedded-turn.ts";
import { LeavingClient } from "./leaving-client.ts";
import { readDatabaseDisk } from "./reserve.ts";

const run = promisify(execFile);

export interface StartPostgresOptions {
  /** The service's data folder; PostgreSQL gets `postgres/` in it, and `postgres.log`, `postgres.owner` and `postgres.lock` beside that. */
  readonly dataDir: string;
  readonly log: Log;
  /** Added to, or replacing, the settings below. */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * `service` (the default) keeps the server to itself for as long as it runs and is refused beside another service.
   * `command` uses a running service's server, or another command's, or starts one; the last of several commands stops it.
   */
  readonly role?: "service" | "command";
  /** For throw-away clusters: initialises without waiting for the disk. */
  readonly throwAway?: boolean;
}

export interface RunningPostgres {
  /** A socket in a private folder, and the database `houselights`, which exists. */
  readonly connection: pg.PoolConfig;
  /** The same for what contains, and for nothing else: there is room for it when all other connections are taken. */
  readonly connectionToContain: pg.PoolConfig;
  /** Ends every connection and waits for the shutdown checkpoint. A command leaves a server alone that a service or another command uses. */
  stop(): Promise<void>;
  /** The postmaster. */
  readonly pid: number;
}

/**
 * Settings for a small machine: one service's few connections, little memory, quick recovery. The server's own log
 * has no statements in it, and errors that a caller is told of anyway do not fill the disk.
 */
const smallMachine: Readonly<Record<string, string>> = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  max_connections: "100",
  // Who is neither the service nor a command of it is refused these, and whatever does not contain the last ones (see `logins`).
  reserved_connections: "40",
  superuser_reserved_connections: "8",
  shared_buffers: "128MB",
  work_mem: "4MB",
  jit: "off",
  io_method: "sync",
  synchronous_commit: "on",
  wal_compression: "pglz",
  // Recovery after a crash replays at most this much, which keeps it to a second or two.
  max_wal_size: "256MB",
  timezone: "UTC",
  log_timezone: "UTC",
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_parameter_max_length_on_error: "0",
  log_checkpoints: "off",
  cluster_name: "houselights",
};

const database = "houselights";
const port = 5432;
/** `sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero included. */
const longestSocketPathBytes = 100;
const stopLimitMs = 30_000;
/** How long a command waits for the service's server, which `keepPostgres` tries to start every five seconds at the least. */
const serviceLimitMs = 8_000;
const serviceStepMs = 100;
/** What an earlier life left may be recovering. */
const findLimitMs = 60_000;
const startLimitMs = 2 * minuteMs;

/** Everything about one cluster that its parts below need. */
interface Cluster {
  readonly dataDir: string;
  readonly folder: string;
  readonly socketFolder: string;
  readonly logFile: string;
  readonly ownerFile: string;
  readonly runAs: RunAs | undefined;
}

/**
 * Starts PostgreSQL on the data folder, initialising it on the first start, and waits until it answers; on existing
 * data that takes well under a second. Whatever an earlier life left is dealt with: a stale pid file or socket, a
 * half-made cluster, backends without a postmaster, and a postmaster without a service, which is taken over.
 *
 * It listens on a Unix socket only. Who may connect is decided by the socket's folder (0700), and inside it everybody
 * is trusted: asking the kernel for the peer's name instead would fail for the nameless users of containers, and anybody
 * who passes that folder could read the cluster's files as well. Run by root, it runs as `postgres` or `nobody`.
 *
 * @throws Fault DB_START_FAILED with the server's own reason and a hint.
 */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const { dataDir, role = "service" } = options;
  try {
    const cluster = await prepareFolders(dataDir);
    if (role === "command" && (await isServices(cluster))) {
      const pid = await untilServiceHasIt(cluster, dataDir);
      // Without a turn, since nothing is started or ended: whoever is at that holds up no command beside a service.
      if (pid !== undefined) return await joined(cluster, pid, options);
    }
    return await inTurn(dataDir, options.log, () => findOrLaunch(cluster, options));
  } catch (thrown) {
    if (role === "command") await rm(commandFile(dataDir), { force: true }).catch(() => undefined);
    if (thrown instanceof Fault) throw thrown;
    throw new Fault(
      "DB_START_FAILED",
      `PostgreSQL cannot be started: ${messageOf(thrown)}${hintFor(messageOf(thrown))}`,
      {
        cause: thrown,
      },
    );
  }
}

async function findOrLaunch(cluster: Cluster, options: StartPostgresOptions): Promise<RunningPostgres> {
  const { dataDir, log, role = "service" } = options;
  const owner = await readOwner(cluster.ownerFile);
  if (owner?.role === "service" && owner.pid !== process.pid && role === "service") {
    throw new Fault(
      "DB_START_FAILED",
      `another service (process ${owner.pid}) runs on this data folder; hint: stop it, or set another DATA_DIR`,
    );
  }
  const isAnothers = owner?.role === "service" && role === "command";
  // Before the server is looked for: a command that ends from now on leaves it running for us.
  if (role === "command" && !isAnothers) await noteCommand(dataDir);
  const found = await findRunning(cluster, log, isAnothers);
  if (found !== undefined) {
    if (owner === undefined || role === "service") await recordOwner(cluster.ownerFile, role);
    return joined(cluster, found, options, isAnothers ? undefined : role);
  }
  // Also where the service has ended since: this one is the command's own.
  if (role === "command") await noteCommand(dataDir);
  const binaries = await findBinaries(cluster.runAs);
  await initialise(cluster, binaries, options);
  await recordOwner(cluster.ownerFile, role);
  const pid = await launch(cluster, binaries, options);
  await makeDatabase(cluster).catch(async (thrown: unknown) => {
    // Nobody would stop it.
    await end(cluster, pid);
    throw thrown;
  });
  log.info({ pid }, "PostgreSQL is ready");
  return running(cluster, pid, log, role);
}

/** A server that runs already; see `running` for `stops`. */
async function joined(
  cluster: Cluster,
  pid: number,
  { log }: StartPostgresOptions,
  stops?: StartPostgresOptions["role"],
): Promise<RunningPostgres> {
  log.info({ pid, of: stops ?? "the service" }, "PostgreSQL is running already");
  await makeDatabase(cluster);
  return running(cluster, pid, log, stops);
}

const isServices = async (cluster: Cluster): Promise<boolean> =>
  (await readOwner(cluster.ownerFile))?.role === "service";

/**
 * Waits until a running service has its server: it starts that again by itself. A command that came in between and started one of its
 * own would do so in the same moment as the service, and the first thing each does is to end what it finds. @returns the postmaster;
 * `undefined` where the service has ended since, or its server lets nobody in.
 */
async function untilServiceHasIt(cluster: Cluster, dataDir: string): Promise<number | undefined> {
  // By time and not by tries: a suspended server takes each connection, and answers none.
  for (const isOver = timeIsOver(serviceLimitMs); !isOver();) {
    const knocked = await knock(cluster);
    if (typeof knocked === "object" || !(await isServices(cluster))) return undefined;
    const pid = Number(await pidOnFile(cluster));
    if (knocked === "ready" && pid > 0) return pid;
    if ((await readDatabaseDisk(dataDir))?.state === "full") {
      throw new Fault("DB_UNAVAILABLE", `the service's PostgreSQL does not start: its disk is full\n${makeRoom}`);
    }
    await sleep(serviceStepMs);
  }
  throw new Fault(
    "DB_UNAVAILABLE",
    "the service's PostgreSQL does not answer\nread postgres.log in DATA_DIR, and what the service says",
  );
}

const makeRoom = "free space on it: it starts again by itself; incident contain works without";

/** So that other commands leave the server running. On a full disk they do not learn of it. */
const noteCommand = (dataDir: string): Promise<void> =>
  recordOwner(commandFile(dataDir), "command").catch(() => undefined);

/** `stops`: as what it is stopped; `undefined` for a command beside a service, whose server it is. */
function running(cluster: Cluster, pid: number, log: Log, stops: StartPostgresOptions["role"]): RunningPostgres {
  let isToStop = stops !== undefined;
  return {
    connection: connectionTo(cluster, logins.own),
    connectionToContain: connectionTo(cluster, logins.toContain),
    pid,
    stop: async () => {
      if (!isToStop) return;
      isToStop = false;
      await inTurn(cluster.dataDir, log, async () => {
        if (stops === "command") await rm(commandFile(cluster.dataDir), { force: true });
        const owner = await readOwner(cluster.ownerFile);
        // A service that started since has taken the server over.
        if (owner?.role === "service" && owner.pid !== process.pid) return;
        if (stops === "command" && (await isUsedByOthers(cluster.dataDir))) return;
        await end(cluster, pid);
        await rm(cluster.ownerFile, { force: true });
        if (!cluster.socketFolder.startsWith(cluster.folder))
          await rm(cluster.socketFolder, { recursive: true, force: true });
      });
    },
  };
}

/** Fast shutdown; one that hangs is cut short, which costs the next start a recovery and loses nothing. */
async function end(cluster: Cluster, pid: number): Promise<void> {
  signal(pid, "SIGINT");
  if (await waitForEnd(pid, stopLimitMs)) return;
  signal(pid, "SIGQUIT");
  if (await waitForEnd(pid, 5_000)) return;
  for (const each of [pid, ...(await processesIn(cluster.folder))]) signal(each, "SIGKILL");
  await waitForEnd(pid, 5_000);
}

async function prepareFolders(dataDir: string): Promise<Cluster> {
  if (process.platform === "win32") {
    throw new Fault(
      "DB_START_FAILED",
      "the built-in PostgreSQL needs Unix sockets and does not run on Windows; hint: use WSL, or set DATABASE_URL",
    );
  }
  await makeFolder(dataDir, 0o700);
  const home = join(await realpath(dataDir), "postgres");
  await mkdir(home, { recursive: true, mode: 0o700 });
  const folder = join(home, "cluster");
  const isRoot = process.getuid?.() === 0;
  const existing = await stat(folder).catch(() => undefined);
  let runAs: RunAs | undefined;
  if (isRoot) {
    // A cluster keeps its user, also when a `postgres` user appears on the machine later.
    runAs =
      existing === undefined || existing.uid === 0
        ? await unprivilegedUser()
        : { uid: existing.uid, gid: existing.gid };
    if ((await stat(home)).uid !== runAs.uid || existing?.uid === 0) await giveTo(home, runAs);
  } else if (existing !== undefined && existing.uid !== process.getuid?.()) {
    throw new Fault(
      "DB_START_FAILED",
      `the database's files belong to another user (uid ${existing.uid}); hint: start the service as root or as that user`,
    );
  }
  await chmod(home, 0o700);

  return {
    dataDir,
    folder,
    socketFolder: socketFolderOf(folder),
    // Beside the database's folder, since root must not open files by name in a folder that is not root's.
    logFile: join(dataDir, "postgres.log"),
    ownerFile: join(dataDir, "postgres.owner"),
    runAs,
  };
}

/** Where a cluster's server listens, by the cluster's real path: in it, or in the temporary folder if that path is too long. */
export function socketFolderOf(cluster: string): string {
  // Inside the cluster's folder, which is the one place that its server reaches whatever stands above (see seenPath).
  const inside = join(cluster, "socket");
  if (Buffer.byteLength(join(inside, `.s.PGSQL.${port}.lock`)) <= longestSocketPathBytes) return inside;
  return join(tmpdir(), `houselights-${createHash("sha256").update(cluster).digest("hex").slice(0, 16)}`);
}

/** A folder of the server's user alone; one that somebody else put there is refused. */
async function privateFolder(folder: string, runAs: RunAs | undefined): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((thrown: unknown) => {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
  });
  const facts = await lstat(folder);
  const us = process.getuid?.();
  if (!facts.isDirectory() || (facts.uid !== us && facts.uid !== runAs?.uid)) {
    throw new Fault("DB_START_FAILED", `the socket folder ${folder} belongs to somebody else; hint: remove it`);
  }
  if (runAs !== undefined) await lchown(folder, runAs.uid, runAs.gid);
  await chmod(folder, 0o700);
}

async function giveTo(path: string, user: RunAs): Promise<void> {
  await lchown(path, user.uid, user.gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await giveTo(join(path, name), user);
}

const connectionTo = (cluster: Cluster, user: string): pg.PoolConfig => ({
  host: cluster.socketFolder,
  port,
  user,
  database,
});

/**
 * The cluster's path as the server is told it. Run by root, the server's user may be unable to pass a folder on the
 * way (/root, a private temporary folder). It is started inside the cluster's folder while still root, and reaches it
 * from there by this link, which asks for no folder on the way. (The alternative, the capability to read every file,
 * would give it the key folder.)
 */
const seenPath = (cluster: Cluster): string =>
  cluster.runAs !== undefined && process.platform === "linux" ? "/proc/self/cwd" : cluster.folder;

const seenSocketFolder = (cluster: Cluster): string =>
  cluster.socketFolder.startsWith(cluster.folder)
    ? cluster.socketFolder.replace(cluster.folder, seenPath(cluster))
    : cluster.socketFolder;

/** Whether a cluster was ever made in the data folder. One that may not be looked into is no absent one. */
export const hasCluster = (dataDir: string): Promise<boolean> => isCluster(join(dataDir, "postgres", "cluster"));

async function isCluster(folder: string): Promise<boolean> {
  try {
    await stat(join(folder, "PG_VERSION"));
    return true;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}

/**
 * Makes a cluster where there is none: in a folder of another name, which becomes the cluster's by one rename, so that one which
 * was killed half-way is made anew. A folder with files in it is never taken for such a one: it is a database that has lost a file.
 */
async function initialise(cluster: Cluster, binaries: Binaries, options: StartPostgresOptions): Promise<void> {
  if (await isCluster(cluster.folder)) return;
  const draft = `${cluster.folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await rmdir(cluster.folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return;
    throw new Fault(
      "DB_START_FAILED",
      `${cluster.folder} has files in it and no PG_VERSION: a database that is damaged; hint: put that file back from a copy, or move the folder away and restore a backup`,
      { cause: thrown },
    );
  });
  await mkdir(draft, { mode: 0o700 });
  if (cluster.runAs !== undefined) await lchown(draft, cluster.runAs.uid, cluster.runAs.gid);
  options.log.info("making the database; this happens once");
  const seen = cluster.runAs !== undefined && process.platform === "linux" ? "/proc/self/cwd" : draft;
  try {
    await run(
      binaries.initdb,
      [
        `--pgdata=${seen}`,
        `--username=${logins.toContain}`,
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--auth=trust",
        "--data-checksums",
        "--no-instructions",
        ...(options.throwAway === true ? ["--no-sync"] : []),
      ],
      { cwd: draft, env: programEnvironment, timeout: 120_000, ...cluster.runAs },
    );
    const isToLast = options.throwAway !== true;
    // Written over, not edited: initdb's own has lines for TCP. All else it has flushed itself.
    await writeFile(join(draft, "pg_hba.conf"), "local all all trust\n", { flush: isToLast });
    await rename(draft, cluster.folder);
    // Before anything is stored: after a power cut that took the renaming back, it would be removed as a draft.
    if (isToLast) await syncFolder(dirname(cluster.folder));
  } catch (thrown) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    const said = thrown instanceof Error && "stderr" in thrown ? complaintIn(String(thrown.stderr)) : "";
    const reason = said === "" ? messageOf(thrown) : said;
    throw new Fault("DB_START_FAILED", `the database cannot be made: ${reason}${hintFor(reason)}`, { cause: thrown });
  }
}

async function launch(cluster: Cluster, binaries: Binaries, options: StartPostgresOptions): Promise<number> {
  await privateFolder(cluster.socketFolder, cluster.runAs);
  const settings = {
    ...smallMachine,
    ...options.settings,
    port: String(port),
    unix_socket_directories: seenSocketFolder(cluster),
    data_directory: seenPath(cluster),
  };
  const output = await open(cluster.logFile, "w", 0o600);
  // A session of its own: Ctrl-C in a terminal is for us, and we stop it when the last statement is through.
  const child = spawn(
    binaries.postgres,
    ["-D", seenPath(cluster), ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      cwd: cluster.folder,
      env: programEnvironment,
      detached: true,
      stdio: ["ignore", output.fd, output.fd],
      ...cluster.runAs,
    },
  );
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signalName) => resolve(`it ended with ${code ?? signalName ?? "no reason"}`));
  });
  child.unref();
  await output.close();

  let endedWith: string | undefined;
  void ended.then((how) => (endedWith = how));
  let refusals = 0;
  // Recovery after a crash may take its time; a server that has ended is noticed at once.
  for (const isOver = timeIsOver(startLimitMs); !isOver();) {
    if (endedWith !== undefined || child.pid === undefined) {
      const said = complaintIn(await readFile(cluster.logFile, "utf8").catch(() => ""));
      const reason = said === "" ? (endedWith ?? (await ended)) : said;
      throw new Fault("DB_START_FAILED", `PostgreSQL did not start: ${reason}${hintFor(reason)}`);
    }
    const knocked = await knock(cluster);
    if (knocked === "ready") return child.pid;
    refusals = typeof knocked === "object" ? refusals + 1 : 0;
    if (typeof knocked === "object" && refusals >= refusalsBelieved) {
      await end(cluster, child.pid);
      throw new Fault("DB_START_FAILED", `PostgreSQL did not start: ${knocked.refusal}${hintFor(knocked.refusal)}`);
    }
    await sleep(20);
  }
  if (child.pid !== undefined) await end(cluster, child.pid);
  throw new Fault("DB_START_FAILED", `PostgreSQL did not answer within two minutes; hint: read ${cluster.logFile}`);
}

type Knock = "ready" | "not yet" | "nobody" | { readonly refusal: string };

/** After so many refusals in a row, a second of them at least, a server is believed to let nobody in, and not to be starting or stopping. */
const refusalsBelieved = 50;
const knockMs = 2_000;

async function knock(cluster: Cluster): Promise<Knock> {
  const client = new LeavingClient({
    ...connectionTo(cluster, logins.toContain),
    database: "postgres",
    connectionTimeoutMillis: knockMs,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return "ready";
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "ENOENT" || code === "ECONNREFUSED") return "nobody";
    // In a cluster of an earlier version there is no such role: it is made by who comes in.
    if (code === "28000") return "ready";
    // It says so itself, as on a disk that is full, or when all its connections are taken. 57P03: it starts, or stops.
    if (thrown instanceof pg.DatabaseError && code !== "57P03") return { refusal: thrown.message };
    return "not yet";
  } finally {
    await client.end().catch(() => undefined);
  }
}

const pidFile = (cluster: Cluster): string => join(cluster.folder, "postmaster.pid");

/** What PostgreSQL's own lock file names as its postmaster; empty where there is none. */
const pidOnFile = async (cluster: Cluster): Promise<string> =>
  (await readFile(pidFile(cluster), "utf8").catch(() => "")).split("\n")[0] ?? "";

/**
 * The postmaster that an earlier life left on this folder, once it answers. Anything else of that life is ended and
 * its pid file removed, since a pid that now belongs to another process would keep PostgreSQL from starting.
 *
 * The server of a running service (`isAnothers`) is never ended, even if it lets nobody in or is slow: those who are connected are
 * served, and another server in its place would fare no better.
 */
async function findRunning(cluster: Cluster, log: Log, isAnothers: boolean): Promise<number | undefined> {
  const firstLine = await pidOnFile(cluster);
  const pid = Number(firstLine);
  const inFolder = await processesIn(cluster.folder);
  // Where a process works is not told to who has fewer rights than it: a service with a right that the command has not is believed.
  const isBelieved = process.platform !== "linux" || (isAnothers && inFolder.length === 0);
  const known = inFolder.includes(pid) || (isBelieved && pid > 0 && (await isAlive(pid)));
  if (known) {
    let refusals = 0;
    const isOver = timeIsOver(findLimitMs);
    for (let tries = 0; !isOver(); tries++) {
      const knocked = await knock(cluster);
      if (knocked === "ready") return pid;
      refusals = typeof knocked === "object" ? refusals + 1 : 0;
      if (typeof knocked === "object" && refusals >= refusalsBelieved) {
        const { refusal } = knocked;
        if (!isAnothers) break;
        throw new Fault("DB_START_FAILED", `PostgreSQL runs and lets nobody in: ${refusal}${hintFor(refusal)}`);
      }
      if (!(await isAlive(pid))) break;
      await sleep(20);
      // It listens before it recovers, so a live one that nobody can reach has lost its socket.
      if (tries > 250 && (await knock(cluster)) === "nobody") break;
    }
    if (isAnothers && (await isAlive(pid))) {
      throw new Fault("DB_START_FAILED", "the service's PostgreSQL does not answer; hint: look at the service's log");
    }
    if (process.platform === "linux") await end(cluster, pid);
  }
  const left = await processesIn(cluster.folder);
  for (const each of left) {
    // Without a postmaster they end by themselves as soon as they notice; two at work on one folder would ruin it.
    if (!(await waitForEnd(each, 2_000))) signal(each, "SIGKILL");
    await waitForEnd(each, 5_000);
  }
  if (firstLine !== "" && process.platform === "linux") {
    log.info("the database was not stopped properly; it recovers by itself");
    await rm(pidFile(cluster), { force: true });
    await rm(join(cluster.socketFolder, `.s.PGSQL.${port}`), { force: true });
    await rm(join(cluster.socketFolder, `.s.PGSQL.${port}.lock`), { force: true });
  }
  return undefined;
}

const makeDatabase = (cluster: Cluster): Promise<void> =>
  ensureDatabase({ ...connectionTo(cluster, logins.toContain), database: "postgres" }, database);
