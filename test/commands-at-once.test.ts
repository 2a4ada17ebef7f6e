import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Ground } from "../src/app.ts";
import { withGround } from "../src/commands/ground.ts";
import { parseConfig } from "../src/config/config.ts";
import { processesIn } from "../src/db/embedded-process.ts";
import { lockFolder, lockFolderSoon } from "../src/keyholder/folder-lock.ts";
import { socketPathFor } from "../src/keyholder/socket-path.ts";
import { startKeyholder } from "../src/keyholder/supervise.ts";
import { silentLog } from "../src/kernel/log.ts";
import { programEnvironment } from "./program-environment.ts";
import { eventually, runningService, type RunningService } from "./running-service.ts";

/** Several commands in one moment, while the service is stopped: they share PostgreSQL and the keyholder, in whatever order they end. */
let service: RunningService;
let environment: NodeJS.ProcessEnv;
let keysDir = "";
beforeAll(async () => {
  service = await runningService();
  await service.stop();
  keysDir = join(service.dataDir, "keys");
  environment = {
    ...programEnvironment,
    HOME: service.folder,
    DATA_DIR: service.dataDir,
    LIBRARY_DIR: service.libraryDir,
  };
}, 120_000);
afterAll(() => service?.remove());

const cli = join(import.meta.dirname, "../src/cli.ts");
const ground = <Result>(work: (ground: Ground) => Promise<Result>): Promise<Result> =>
  withGround(parseConfig(environment, service.folder), silentLog, work);
const keysOf = ({ keyholders }: Ground) => keyholders.operator.publicKeys("checkpoint");

const waits = "another process holds the keys and does not answer yet; waiting for it\n";

/** A process of its own that uses the ground as a command does, until it is told to go. */
async function otherCommand() {
  const from = (path: string): string => JSON.stringify(join(import.meta.dirname, "../src", path));
  const program = `
    import { once } from "node:events";
    import { withGround } from ${from("commands/ground.ts")};
    import { readConfig } from ${from("config/config.ts")};
    import { silentLog } from ${from("kernel/log.ts")};
    await withGround(readConfig(), silentLog, async () => {
      process.stdout.write("it holds\\n");
      await once(process.stdin.resume(), "end");
    });
    process.exit(0);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { env: environment, detached: true });
  // And not its exit: whoever reads what it says waits for the end of that.
  const closed = once(child, "close");
  const [said] = (await Promise.race([once(child.stdout, "data"), closed])) as [Buffer | number];
  expect(String(said)).toBe("it holds\n");
  return {
    end: async () => {
      child.stdin.end();
      return closed;
    },
    /** With its whole process group, as a shell's `kill` and `timeout` do. */
    kill: async () => {
      process.kill(-(child.pid ?? 0), "SIGKILL");
      return closed;
    },
  };
}

/** Holds the keys and answers nobody. */
function holdKeys() {
  const lock = lockFolder(keysDir);
  let isHeld = true;
  const release = (): void => {
    if (isHeld) lock.release();
    isHeld = false;
  };
  return { release };
}

async function expectNothingLeft(): Promise<void> {
  await eventually("the end of the keyholder", async () => {
    const lock = await lockFolderSoon(keysDir).catch(() => undefined);
    lock?.release();
    return lock;
  });
  expect(existsSync(join(keysDir, "operator.credential"))).toBe(false);
  const cluster = join(service.dataDir, "postgres", "cluster");
  await eventually("the end of PostgreSQL", async () => ((await processesIn(cluster)).length === 0 ? true : undefined));
}

test("commands that are given in one moment are all carried out, and leave nothing behind", async () => {
  const words: readonly (readonly string[])[] = [
    ["timeline", "verify"],
    ["keys", "status"],
    ["operator", "list"],
    ["backup", join(service.folder, "db")],
    ["incident", "open", "--reason", "a test", "--found-how", "a test"],
    ["alarm", "list"],
  ];
  const outcomes = await Promise.all(words.map((each) => service.command(...each)));
  // On a slow machine one may say that it waits.
  expect(outcomes.map(({ code, err }, n) => [words[n]!.slice(0, 2), code, err.replace(waits, "")])).toEqual(
    words.map((each) => [each.slice(0, 2), 0, ""]),
  );
  await expectNothingLeft();
}, 120_000);

test("a command goes on when the one whose keyholder it uses has ended, and a third finds it", async () => {
  const first = await otherCommand();
  await ground(async (second) => {
    const keys = await keysOf(second);
    expect(keys).toHaveLength(1);
    expect(await first.end()).toEqual([0, null]);
    expect(await keysOf(second)).toEqual(keys);
    const third = await service.command("keys", "status");
    expect([third.code, third.err]).toEqual([0, ""]);
    expect(await keysOf(second)).toEqual(keys);
  });
  await expectNothingLeft();
}, 60_000);

test("a command that is killed takes its keyholder from nobody, and the next one starts its own", async () => {
  const killed = await otherCommand();
  await ground(async (other) => {
    expect(await killed.kill()).toEqual([null, "SIGKILL"]);
    expect(await keysOf(other)).toHaveLength(1);
  });
  await expectNothingLeft();
  const next = await service.command("keys", "status");
  expect([next.code, next.err]).toEqual([0, ""]);
}, 60_000);

test("keys that are held by a process that does not answer are waited for, which is said; then the command is refused", async () => {
  expect((await service.command("keys", "status")).code).toBe(0);
  const { release } = holdKeys();
  try {
    const refused = await service.command("keys", "status");
    expect([refused.code, refused.out]).toEqual([3, ""]);
    expect(refused.err).toBe(
      `${waits}error: the keyholder did not start: another process holds the keys in ${keysDir}\n`,
    );

    const waiting = spawn(process.execPath, [cli, "keys", "status"], { env: environment });
    const exited = once(waiting, "exit");
    const [said] = (await once(waiting.stderr, "data")) as [Buffer];
    expect(said.toString()).toBe(waits);
    waiting.kill("SIGINT");
    expect(await exited).toEqual([null, "SIGINT"]);

    const patient = spawn(process.execPath, [cli, "keys", "status"], { env: environment });
    const served = once(patient, "exit");
    await once(patient.stderr, "data");
    release();
    expect(await served).toEqual([0, null]);
  } finally {
    release();
  }
  await expectNothingLeft();
}, 120_000);

test("a standby on the folder answers, and so is not waited for", async () => {
  const nobody = { ca: "", cert: "", key: "" };
  const follows = { addresses: [{ host: "127.0.0.1", port: 1 }], files: nobody };
  const standby = await startKeyholder({
    keysDir,
    socketPath: await socketPathFor(keysDir),
    listening: { files: nobody, follows, demote: false },
    log: silentLog,
  });
  const refused = await service.command("keys", "status").finally(() => standby.stop());
  expect([refused.code, refused.out, refused.err]).toEqual([
    3,
    "",
    "error: this keyholder is a standby: houselights keyholder promote\n",
  ]);
  expect((await service.command("keys", "status")).code).toBe(0);
}, 60_000);

test("containing does not wait for keys that are held: it is in force, and says what it owes", async () => {
  const contained = ["incident", "contain", "--reason", "a test", "--yes"];
  expect((await service.command(...contained)).out).not.toContain("owed");
  const { release } = holdKeys();
  const outcome = await service.command(...contained).finally(release);
  expect(outcome).toMatchObject({ code: 0, out: expect.stringContaining("owed: the keyholder did not answer") });
  // Whoever waits for longer than containing does says so.
  expect(outcome.err).not.toContain("waiting for it");
}, 60_000);
