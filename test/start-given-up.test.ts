import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { processesIn, signal } from "../src/db/embedded-process.ts";
import { programEnvironment } from "./program-environment.ts";
import { eventually } from "./running-service.ts";

/** A service that does not come about, since its keys do not open or nobody says how, leaves nothing running. */
const run = promisify(execFile);
const cli = join(import.meta.dirname, "../src/cli.ts");
const folders: string[] = [];
let folder = "";
const settings = (more: Readonly<Record<string, string>> = {}) => ({
  ...programEnvironment,
  DATA_DIR: join(folder, "data"),
  LIBRARY_DIR: join(folder, "library"),
  LOG_LEVEL: "silent",
  PORT: "0",
  ...more,
});

/** A folder whose keys are sealed by a passphrase, and where no database was made yet. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "houselights-given-up-"));
  folders.push(folder);
  await writeFile(join(folder, "right"), "seven lanterns over the harbour\n", { mode: 0o600 });
  await writeFile(join(folder, "wrong"), "eleven boats went out at dawn\n", { mode: 0o600 });
  const keyholder = spawn(process.execPath, [cli, "keyholder"], {
    env: settings({ KEYS_PASSPHRASE_FILE: join(folder, "right") }),
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(keyholder.stdout, "data");
  keyholder.kill("SIGTERM");
  await once(keyholder, "exit");
});
/** What a test that failed has left. */
afterEach(async () => {
  for (const pid of [...(await pids()), ...(await processesIn(join(folder, "data", "postgres", "cluster")))]) {
    signal(pid, "SIGKILL");
  }
});
afterAll(() => Promise.all(folders.map((each) => rm(each, { recursive: true, force: true }))));

/** What runs on this machine for the folder: started with its name, or at work in it. */
async function running(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (words !== "" && [words, environment, place].some((text) => text.includes(folder))) {
      found.push(words.replaceAll("\0", " ").trim());
    }
  }
  return found;
}

describe.runIf(process.platform === "linux")("a start that is given up", () => {
  test("because the keys do not open, ends what it was starting meanwhile, and only then itself", async () => {
    const wrong = settings({ KEYS_PASSPHRASE_FILE: join(folder, "wrong") });
    const serve = run(process.execPath, [cli, "serve"], { env: wrong });
    await expect(serve).rejects.toMatchObject({ code: 3, stderr: expect.stringMatching(/the keys do not open/) });
    expect(await running()).toEqual([]);
    // It was at work: the database is made.
    expect(await readdir(join(folder, "data", "postgres", "cluster"))).toContain("PG_VERSION");
  }, 120_000);

  test.each([
    ["Ctrl-C", "\u0003"],
    ["Ctrl-D", "\u0004"],
  ])(
    "by %s at the question for the passphrase, says so and ends",
    async (_key, typed) => {
      const { terminal, exited, out } = await asked();
      terminal.stdin.write(typed);
      expect(await exited).toEqual([1, null]);
      expect(out()).toContain("error: no passphrase was typed");
      await eventually("the end of all it started", async () => ((await running()).length === 0 ? true : undefined));
    },
    120_000,
  );

  test("by a signal at that question, ends", async () => {
    const { exited } = await asked();
    for (const each of await pids()) process.kill(each, "SIGTERM");
    await exited;
    await eventually("the end of all it started", async () => ((await running()).length === 0 ? true : undefined));
  }, 120_000);
});

/** Starts the service on a terminal (`script` gives it one), and waits until it asks for the passphrase. */
async function asked() {
  const terminal = spawn("script", ["-qfec", `'${process.execPath}' '${cli}' serve`, "/dev/null"], { env: settings() });
  let said = "";
  terminal.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const exited = once(terminal, "exit");
  await eventually("the question", async () => (said.includes("passphrase of the keys:") ? true : undefined));
  return { terminal, exited, out: () => said };
}

/** The service's own process, without the shell and the terminal around it. */
async function pids(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir("/proc")) {
    const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (words.startsWith(`${process.execPath}\0${cli}\0serve`) && environment.includes(folder)) found.push(Number(pid));
  }
  return found;
}
