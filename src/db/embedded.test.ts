import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import {
  chown,
  mkdir,
  readdir,
  readFile,
  realpath,
  rm,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { sleep } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { isAlive, processesIn, signal, waitForEnd } from "./embedded-process.ts";
import { socketFolderOf, startPostgres } from "./embedded.ts";
import type { RunningPostgres, StartPostgresOptions } from "./embedded.ts";

let folder = "";
let started: RunningPostgres[] = [];
beforeEach(() => {
  // 0700 and root's when root runs the tests: the server's user cannot pass it.
  folder = mkdtempSync(join(tmpdir(), "houselights-embedded-"));
  started = [];
});
afterEach(async () => {
  for (const postgres of started) await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A cluster that was made and stopped: a copy of it is there sooner than another one is made. */
const template = mkdtempSync(join(tmpdir(), "houselights-template-"));
beforeAll(async () => {
  await (await startPostgres({ dataDir: join(template, "data"), log: silentLog, throwAway: true })).stop();
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

/** Puts the copy there, unless the test has put something there itself. */
function bringCluster(): void {
  if (existsSync(join(folder, "data"))) return;
  // With its owner, who is another one than root.
  expect(spawnSync("cp", ["-a", join(template, "data"), folder]).status).toBe(0);
}

async function start(options: Partial<StartPostgresOptions> = {}): Promise<RunningPostgres> {
  if (options.dataDir === undefined) bringCluster();
  const postgres = await startPostgres({ dataDir: join(folder, "data"), log: silentLog, throwAway: true, ...options });
  started.push(postgres);
  return postgres;
}

/** A service in a process of its own, to be killed. */
async function startElsewhere(role = "service") {
  bringCluster();
  const script = new URL("../../test/tools/start-postgres.ts", import.meta.url).pathname;
  const child = spawn("node", [script, join(folder, "data"), role]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const failed = once(child, "close").then(([code]) => Promise.reject(new Error(`it ended with ${code}: ${said}`)));
  failed.catch(() => undefined);
  const [line] = (await Promise.race([once(child.stdout, "data"), failed])) as [Buffer];
  return {
    pid: Number(line.toString()),
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
    stop: async () => {
      child.stdin.end();
      await once(child, "exit");
    },
  };
}

async function query(postgres: RunningPostgres, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(postgres.connection);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const cluster = (): string => join(folder, "data", "postgres", "cluster");

test("a second start finds what the first one wrote, and stopping leaves no process", async () => {
  const first = await start();
  await query(first, "create table kept as select 'ünï' as word");
  await first.stop();
  expect(await processesIn(cluster())).toEqual([]);
  const second = await start();
  expect(await query(second, "select word, upper(word) as upper from kept")).toEqual([{ word: "ünï", upper: "ÜNÏ" }]);
});

test("it listens on no network, writes checksums, waits for the disk, its folder is closed to others, and no statement stands in its log", async () => {
  const postgres = await start();
  const [settings] = await query(
    postgres,
    `select current_setting('listen_addresses') as listen, current_setting('data_checksums') as sums,
            current_setting('synchronous_commit') as commit, current_setting('fsync') as fsync,
            pg_encoding_to_char(encoding) as encoding, datlocale as locale
       from pg_database where datname = current_database()`,
  );
  expect(settings).toEqual({ listen: "", sums: "on", commit: "on", fsync: "on", encoding: "UTF8", locale: "C.UTF-8" });
  for (const path of [join(folder, "data", "postgres"), cluster(), join(cluster(), "socket")]) {
    expect((await stat(path)).mode & 0o777, path).toBe(0o700);
  }
  await expect(query(postgres, "select 1 / 0 as secret_of_somebody")).rejects.toThrow("division by zero");
  const logFile = join(folder, "data", "postgres.log");
  const said = await readFile(logFile, "utf8");
  expect(said).toContain("ready to accept connections");
  expect(said).not.toMatch(/secret_of_somebody|division by zero/);
  expect((await stat(logFile)).mode & 0o777).toBe(0o600);
});

test.runIf(process.platform === "linux" && process.getuid?.() === 0)(
  "run by root, the server is somebody else without capabilities, and cannot read the keys",
  async () => {
    mkdirSync(join(folder, "data", "keys"), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, "data", "keys", "key"), "secret", { mode: 0o600 });
    // Even where every folder on the way is open to all.
    chmodSync(folder, 0o755);
    chmodSync(join(folder, "data"), 0o755);
    const postgres = await start();
    const status = await readFile(`/proc/${postgres.pid}/status`, "utf8");
    expect(status).toMatch(/^Uid:\t[1-9]/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapAmb:\t0+$/m);
    await writeFile(join(folder, "data", "open"), "readable", { mode: 0o644 });
    const read = (name: string) => query(postgres, `select pg_read_file('${join(folder, "data", name)}') as text`);
    expect(await read("open")).toEqual([{ text: "readable" }]);
    await expect(read(join("keys", "key"))).rejects.toThrow(/Permission denied/);
  },
);

test("after kill -9 of the server and all it started, the next start has what was committed", async () => {
  const first = await start();
  await query(first, "create table kept as select generate_series(1, 1000) as n");
  for (const pid of await processesIn(cluster())) signal(pid, "SIGKILL");
  await waitForEnd(first.pid, 5_000);
  expect(await readdir(cluster())).toContain("postmaster.pid");
  const second = await start();
  expect(await query(second, "select count(*)::int as n from kept")).toEqual([{ n: 1000 }]);
});

test("after kill -9 of the postmaster alone, its backends are waited for", async () => {
  const first = await start();
  const client = new pg.Client(first.connection);
  client.on("error", () => undefined);
  await client.connect();
  const busy = client.query("select pg_sleep(60)").catch(() => undefined);
  signal(first.pid, "SIGKILL");
  await waitForEnd(first.pid, 5_000);
  const second = await start();
  expect(await query(second, "select 1 as one")).toEqual([{ one: 1 }]);
  await busy;
});

test("a pid file whose pid now belongs to another process does not stop a start", async () => {
  const first = await start();
  const pidFile = join(cluster(), "postmaster.pid");
  const text = await readFile(pidFile, "utf8");
  await first.stop();
  await writeFile(pidFile, text.replace(String(first.pid), String(process.pid)));
  const second = await start();
  expect(second.pid).not.toBe(process.pid);
  expect(await query(second, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a server whose service was killed is taken over, and stopped by its new owner", async () => {
  const killed = await startElsewhere();
  await killed.kill();
  expect(await isAlive(killed.pid)).toBe(true);
  const postgres = await start();
  expect(postgres.pid).toBe(killed.pid);
  expect(await query(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
  await postgres.stop();
  expect(await isAlive(killed.pid)).toBe(false);
});

test("beside a running service a second one is refused, and a command uses its server and leaves it running", async () => {
  const service = await startElsewhere();
  await expect(start()).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringContaining("another service"),
  });
  const command = await start({ role: "command" });
  expect(command.pid).toBe(service.pid);
  expect(await query(command, "select 1 as one")).toEqual([{ one: 1 }]);
  await command.stop();
  expect(await isAlive(service.pid)).toBe(true);
  await service.kill();
  await (await start()).stop();
});

test("commands that start and end in one moment share one server, and the last one stops it", async () => {
  await (await start()).stop();
  for (let round = 0; round < 4; round++) {
    const commands = await Promise.all(Array.from({ length: 3 }, () => startElsewhere("command")));
    expect(new Set(commands.map(({ pid }) => pid)).size).toBe(1);
    const [late] = await Promise.all([startElsewhere("command"), ...commands.map((command) => command.stop())]);
    expect(await processesIn(cluster())).toContain(late.pid);
    await late.stop();
    expect(await processesIn(cluster())).toEqual([]);
  }
}, 60_000);

test("two services that start in one moment: one has the data folder, and the other is refused", async () => {
  await (await start()).stop();
  const both = await Promise.allSettled([startElsewhere(), startElsewhere()]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  for (const one of both) {
    if (one.status === "fulfilled") await one.value.stop();
    else expect(String(one.reason)).toContain("another service");
  }
});

test("a cluster that everybody entered as its first role, as one of an earlier version, is entered by the three of today", async () => {
  const before = await start();
  const as = (user: string, sql: string) => query({ ...before, connection: { ...before.connection, user } }, sql);
  await as("houselights_root", "create table kept as select 1 as one");
  // As it was: the first role by the name of all.
  await as("houselights_root", "create role other superuser login");
  await as("other", "drop role houselights; drop role houselights_service");
  await as("other", "alter role houselights_root rename to houselights");
  // At once: each finds what another has just made, or taken away again.
  const commands = await Promise.all(Array.from({ length: 8 }, () => start({ role: "command" })));
  const [command] = commands as [RunningPostgres];
  for (const { connection } of [...commands, { connection: command.connectionToContain }]) {
    expect(await query({ ...command, connection }, "select one from kept")).toEqual([{ one: 1 }]);
  }
  const names = `select array_agg(rolname::text order by rolname) as names from pg_roles where rolname like 'houselights%'`;
  expect(await as("houselights", names)).toEqual([
    { names: ["houselights", "houselights_root", "houselights_service"] },
  ]);
  const supers = `select array_agg(rolname::text order by rolname) as names from pg_roles where rolsuper`;
  expect(await as("houselights", supers)).toEqual([{ names: ["houselights_root", "other"] }]);
});

const hasSetpriv =
  process.platform === "linux" && process.getuid?.() === 0 && spawnSync("setpriv", ["--version"]).status === 0;

test.runIf(hasSetpriv)(
  "a command finds the server of a service that has a right more, as for a port below 1024",
  async () => {
    chmodSync(folder, 0o777);
    const as = (role: "service" | "command", rights: readonly string[]) => {
      const script = new URL("../../test/tools/start-postgres.ts", import.meta.url).pathname;
      const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
      return spawn("setpriv", [...user, ...rights, process.execPath, script, join(folder, "data"), role], {
        stdio: ["pipe", "pipe", "inherit"],
      });
    };
    const more = ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"];
    const children = [as("service", more)];
    try {
      const [pid] = (await once(children[0]!.stdout!, "data")) as [Buffer];
      children.push(as("command", []));
      expect(String(((await once(children[1]!.stdout!, "data")) as [Buffer])[0])).toBe(String(pid));
      signal(Number(pid), "SIGINT");
      expect(await waitForEnd(Number(pid), 10_000)).toBe(true);
    } finally {
      for (const child of children) child.kill("SIGKILL");
      for (const pid of await processesIn(cluster())) signal(pid, "SIGKILL");
    }
  },
);

test("a command waits for a service that starts its server again, and starts none beside it", async () => {
  const before = await start();
  signal(before.pid, "SIGKILL");
  expect(await waitForEnd(before.pid, 10_000)).toBe(true);
  const command = start({ role: "command" });
  // Long enough for one of its own to be there, which would be ended by what follows.
  await sleep(1_000);
  expect(await processesIn(cluster())).toEqual([]);
  const again = await start();
  expect((await command).pid).toBe(again.pid);
});

test("a command leaves the service's server running that lets nobody in, and says why it does not", async () => {
  const settings = { max_connections: "3", reserved_connections: "0", superuser_reserved_connections: "0" };
  const service = await start({ settings });
  const clients = Array.from({ length: 3 }, () => new pg.Client(service.connection));
  try {
    for (const client of clients) await client.connect();
    await expect(start({ role: "command" })).rejects.toMatchObject({
      code: "DB_START_FAILED",
      message: expect.stringMatching(/^PostgreSQL runs and lets nobody in: .*too many clients/) as unknown,
    });
    // Whoever is connected is served.
    expect((await clients[0]?.query("select 1 as one"))?.rows).toEqual([{ one: 1 }]);
    expect(await isAlive(service.pid)).toBe(true);
  } finally {
    for (const client of clients) await client.end();
  }
  expect((await start({ role: "command" })).pid).toBe(service.pid);
});

test("a service that starts during a command keeps the server when the command is done", async () => {
  const command = await startElsewhere("command");
  const service = await start();
  expect(service.pid).toBe(command.pid);
  await command.kill();
  expect(await query(service, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("of commands that use a server together the last one stops it, whichever started it", async () => {
  const first = await startElsewhere("command");
  const second = await start({ role: "command" });
  const third = await startElsewhere("command");
  expect([second.pid, third.pid]).toEqual([first.pid, first.pid]);
  await first.stop();
  expect(await query(second, "select 1 as one")).toEqual([{ one: 1 }]);
  // One that was killed is waited for by nobody.
  await third.kill();
  await second.stop();
  expect(await isAlive(first.pid)).toBe(false);
  expect((await readdir(join(folder, "data"))).filter((name) => /owner|command/.test(name))).toEqual([]);
});

test("a cluster that was cut off while being made is made anew", async () => {
  mkdirSync(`${cluster()}.new`, { recursive: true });
  await writeFile(join(`${cluster()}.new`, "PG_VERSION"), "18\n");
  const postgres = await start();
  expect(await query(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a database that has lost the file by which it is known is refused, and every other file of it stays", async () => {
  const postgres = await start();
  await query(postgres, "create table kept as select 1 as one");
  await postgres.stop();
  const version = await readFile(join(cluster(), "PG_VERSION"), "utf8");
  await rm(join(cluster(), "PG_VERSION"));
  await expect(start()).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringMatching(/no PG_VERSION.*hint: put that file back/),
  });
  await writeFile(join(cluster(), "PG_VERSION"), version);
  expect(await query(await start(), "select one from kept")).toEqual([{ one: 1 }]);
});

test("a folder too deep for a socket gets one in the temporary folder, gone after the stop", async () => {
  const postgres = await start({ dataDir: join(folder, "d".repeat(90), "data") });
  const socketFolder = String(postgres.connection.host);
  expect(socketFolder.startsWith(join(tmpdir(), "houselights-"))).toBe(true);
  expect((await stat(socketFolder)).mode & 0o777).toBe(0o700);
  expect(await query(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
  await postgres.stop();
  await expect(stat(socketFolder)).rejects.toThrow("ENOENT");
});

test("a folder for the socket that somebody else has put in the temporary folder is refused: they could answer in its place", async () => {
  const dataDir = join(folder, "d".repeat(90), "data");
  const socketFolder = socketFolderOf(join(await realpath(folder), "d".repeat(90), "data", "postgres", "cluster"));
  expect(socketFolder.startsWith(tmpdir())).toBe(true);
  const refused = { code: "DB_START_FAILED", message: expect.stringContaining("belongs to somebody else") as unknown };
  await mkdir(join(folder, "theirs"));
  onTestFinished(() => rm(socketFolder, { recursive: true, force: true }));
  await symlink(join(folder, "theirs"), socketFolder);
  await expect(start({ dataDir })).rejects.toMatchObject(refused);
  await unlink(socketFolder);
  // Only root can give a folder away.
  if (process.getuid?.() === 0) {
    await mkdir(socketFolder);
    await chown(socketFolder, 54_321, 54_321);
    await expect(start({ dataDir })).rejects.toMatchObject(refused);
    await rmdir(socketFolder);
  }
  expect(await query(await start({ dataDir }), "select 1 as one")).toEqual([{ one: 1 }]);
});

test("what keeps it from starting is told with a hint", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(start({ dataDir: join(folder, "file", "data") })).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringMatching(/ENOTDIR.*hint:/),
  });
  await expect(start({ settings: { shared_buffers: "a lot" } })).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringMatching(/shared_buffers.*hint:/),
  });
  const postgres = await start();
  await postgres.stop();
  await writeFile(join(cluster(), "PG_VERSION"), "12\n");
  await expect(start()).rejects.toMatchObject({
    code: "DB_START_FAILED",
    message: expect.stringMatching(/initialized by PostgreSQL version 12.*hint: the data was made by another version/),
  });
});
