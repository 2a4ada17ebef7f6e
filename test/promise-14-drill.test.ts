import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { layGround } from "../src/app.ts";
import { parseConfig } from "../src/config/config.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { escapeHtml } from "../src/http/markup.ts";
import { drillLines } from "../src/incidents/drill/drill-lines.ts";
import { startService } from "../src/incidents/drill/service.ts";
import { startSweeper } from "../src/incidents/drill/sweeper.ts";
import type { DrillResult } from "../src/incidents/drill/result.ts";
import { killSchedule } from "../src/incidents/drill/schedule.ts";
import { silentLog } from "../src/kernel/log.ts";
import { forEachRole } from "../src/keyholder/permissions.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { programEnvironment } from "./program-environment.ts";

/** P14: the day is rehearsed by the same code, and nothing real is touched, whatever the settings say. */
const db = await testDatabase();
const keyholder = await testKeyholder();
const folder = await mkdtemp(join(tmpdir(), "houselights-drill-test-"));
afterAll(async () => {
  await keyholder.stop();
  await rm(folder, { recursive: true, force: true });
});

const program = join(import.meta.dirname, "..", "src", "cli.ts");
const database = String(db.pool.options.database);
const host = String(testConnection("").host);
const real = {
  DATABASE_URL: `postgresql:///${database}?host=${encodeURIComponent(host)}&user=houselights`,
  KEYHOLDER_URL: `unix:${keyholder.socketPath}`,
  KEYHOLDER_CREDENTIALS: join(folder, "credentials.json"),
  DATA_DIR: join(folder, "data"),
};

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A drill with settings that name the real service; `tells` hears what it prints. */
function startDrill(words: readonly string[], temporary: string, tells: (out: string) => void = () => undefined) {
  const env = { ...programEnvironment, HOME: folder, TMPDIR: temporary, ...real };
  const run = spawn(process.execPath, [program, "drill", ...words], { env, cwd: folder });
  let [out, err] = ["", ""];
  run.stdout.on("data", (chunk: Buffer) => tells((out += chunk.toString("utf8"))));
  run.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  const ended = new Promise<Ran>((resolve) => run.once("close", (code) => resolve({ code, out, err })));
  return { kill: (name: NodeJS.Signals) => run.kill(name), ended };
}

const drill = (...words: readonly string[]): Promise<Ran> => startDrill(words, tmpdir()).ended;

/** What runs in a folder, or names it. */
async function runningIn(place: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const isEnding = cwd === "" && command === "";
    if (!isEnding && (cwd.startsWith(place) || command.includes(place))) found.push(`${pid} ${command}`);
  }
  return found;
}

let before: unknown;
beforeAll(async () => {
  await mkdir(join(real.DATA_DIR, "postgres"), { recursive: true });
  const text = forEachRole((role) => Buffer.from(keyholder.credentials[role].reveal()).toString("base64url"));
  await writeFile(real.KEYHOLDER_CREDENTIALS, JSON.stringify(text), { mode: 0o600 });
  // The real service has been here: its keyholder knows its database.
  const { credentials, socketPath } = keyholder;
  const ground = await layGround({
    config: parseConfig({}, folder),
    surroundings: { connection: testConnection(database), keyholder: { socketPath, credentials } },
    log: silentLog,
  });
  await ground.db.one(`select 1 as here`);
  await ground.close();
  before = await fingerprint();
});

/** Every row of every table, counted, and what the witness has written down. */
async function fingerprint(): Promise<unknown> {
  const tables = await db.many<{ name: string }>(
    `select table_name as name from information_schema.tables
      where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  );
  const rows: [string, string][] = [];
  for (const { name } of tables) {
    const row = await db.one<{ hash: string }>(
      `select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) as hash from "${name}" t`,
    );
    rows.push([name, row?.hash ?? ""]);
  }
  const keys = (await readdir(keyholder.keysDir)).filter((name) => /witness/.test(name)).toSorted();
  expect(keys.length).toBeGreaterThan(0);
  const witness = await Promise.all(keys.map((name) => readFile(join(keyholder.keysDir, name), "utf8")));
  return { rows, witness, data: await readdir(real.DATA_DIR) };
}

test("P14: a drill holds the promises through kills, says what the real day takes, and touches nothing real", async () => {
  const output = join(await mkdtemp(join(folder, "drill-")), "report");
  const size = [
    "--accounts",
    "150",
    "--watching",
    "3",
    "--crowd",
    "0.2",
    "--kills",
    "13",
    "--rate",
    "10",
    "--seed",
    "14",
  ];
  const ran = await drill(...size, "--hurry", "--output", output, "--json");
  expect(ran.out, ran.err).not.toBe("");
  const { promises, measured, projection, folder: named } = JSON.parse(ran.out) as DrillResult;
  // How soon screens are dark is a figure, and this machine may be busy; everything else is counted.
  const broken = promises.filter(({ held, promise }) => !held && !promise.startsWith("P7"));
  expect(broken).toEqual([]);
  expect(ran.code).toBe(promises.every(({ held }) => held) ? 0 : 1);
  expect(measured.darkMs.length).toBe(3);
  expect(measured.sum).toMatchObject({ scope: 150, waiting: 0, noAddress: 1 });
  expect(measured.sum?.refused).toBeGreaterThan(0);
  // One in five at the provider that finds out later; each report counted once.
  expect([measured.sum?.bounced, measured.returned, measured.reportsRefused]).toEqual([3, 3, []]);
  expect(measured.killed.length).toBe(13);
  expect(measured.killed.filter(({ isMidway }) => isMidway).length).toBeGreaterThan(3);
  expect(measured.triedByDevices).toBeGreaterThan(0);
  expect(measured.renewed).toBeGreaterThan(10);
  const { schedule } = measured;
  const [letters, returns] = [149, schedule.some(({ when }) => when === "returns") ? measured.expectedBack : 0];
  // The seed alone decides who is killed.
  const again = killSchedule(14, { kills: 13, letters, returns: Math.max(1, returns) });
  expect(schedule.map(({ victim }) => victim).toSorted()).toEqual(again.map(({ victim }) => victim).toSorted());
  expect(projection.find(({ term }) => term === "accounts")?.value).toBe("30,000,000");
  // As a terminal shows it.
  const printed = drillLines(JSON.parse(ran.out) as DrillResult).join("\n");
  for (const { term, value, source } of projection) {
    expect(source).not.toBe("");
    expect(printed).toContain(`  ${term.padEnd(50)}${value}\n            ${source}`);
  }

  expect(named).toBe(output);
  expect((await readdir(output)).toSorted()).toEqual([
    "drill.html",
    "drill.json",
    "report.html",
    "report.json",
    "service.log",
  ]);
  expect(await readFile(join(output, "report.html"), "utf8")).toContain("<h1");
  const page = await readFile(join(output, "drill.html"), "utf8");
  for (const { promise } of promises) expect(page).toContain(escapeHtml(promise));
  for (const { source } of projection) expect(page).toContain(escapeHtml(source));
  expect(page).not.toMatch(/<script|https?:/);
  expect(await fingerprint()).toEqual(before);
}, 420_000);

test.each(["SIGKILL", "SIGTERM"] as const)(
  "P14: a drill that is ended by %s ends whatever it started, removes its data, and touches nothing real",
  async (name) => {
    const temporary = join(folder, name);
    await mkdir(temporary);
    // So long a path that its sockets lie beside it, where the database's user has to get in.
    await chmod(folder, 0o755);
    const started = Promise.withResolvers<void>();
    const words = [
      "--accounts",
      "10",
      "--watching",
      "0",
      "--kills",
      "0",
      "--hurry",
      "--output",
      join(folder, `of ${name}`),
    ];
    const { kill, ended } = startDrill(words, temporary, (out) => {
      if (out.includes("the drill's service runs")) started.resolve();
    });
    expect(await Promise.race([started.promise, ended])).toBe(undefined);
    const running = (await runningIn(temporary)).join("\n");
    for (const each of ["cli.ts serve", "child.ts web", "child.ts worker", "keyholder/process.ts", "bin/postgres -D"]) {
      expect(running).toContain(each);
    }
    kill(name);
    const ran = await ended;
    if (name === "SIGTERM")
      expect([ran.code, ran.err]).toEqual([1, expect.stringContaining("was stopped before its end")]);
    await vi.waitFor(
      async () => expect([await runningIn(temporary), await readdir(temporary)]).toEqual([[], []]),
      20_000,
    );
    expect(await fingerprint()).toEqual(before);
  },
  60_000,
);

test("P14: a data folder that holds anything, or is the settings' own, is refused and not touched", async () => {
  const held = join(folder, "somebody's");
  await mkdir(join(held, "postgres"), { recursive: true });
  const refused = await drill("--data-dir", held);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("--data-dir is not empty")]);
  expect(await readdir(held)).toEqual(["postgres"]);
  const own = await drill("--data-dir", real.DATA_DIR);
  expect([own.code, own.err]).toEqual([1, expect.stringContaining("the data folder of the real service")]);
});

test("P14: the real witness refuses a drill's database", async () => {
  const apart = join(folder, "apart");
  await mkdir(apart);
  const logFile = join(folder, "apart.log");
  const sweeper = startSweeper(apart);
  const started = startService({
    folder: apart,
    settings: {
      KEYHOLDER_URL: real.KEYHOLDER_URL,
      KEYHOLDER_CREDENTIALS: real.KEYHOLDER_CREDENTIALS,
      LOG_LEVEL: "info",
    },
    logFile,
    sweeper,
    signal: new AbortController().signal,
    log: silentLog,
  });
  await expect(started).rejects.toThrow("did not start");
  expect(await readFile(logFile, "utf8")).toContain("has never seen this one");
  await sweeper.sweep();
  expect(await readdir(folder)).not.toContain("apart");
}, 60_000);

test.each([
  [["--accounts", "5"], "--accounts must be a whole number from 10 to 1,000,000"],
  [["--accounts", "many"], "--accounts must be"],
  [["--accounts", "100", "--watching", "100"], "--watching must be less than --accounts"],
  [["--crowd", "2"], "--crowd must be a part from 0 to 1"],
  [["--crowd", "30%"], "--crowd must be a part from 0 to 1"],
  [["--seed", "x"], "--seed must be a whole number"],
  [["--kills", "-1"], "kills"],
  [["--rate", "0"], "--rate must be a whole number from 1 to 99,999"],
  [["--speed", "9"], "speed"],
])("wrong arguments get a clear answer: %j", async (words, said) => {
  const ran = await drill(...words);
  expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(said)]);
});
