import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import type { Ground } from "../src/app.ts";
import { withGround } from "../src/commands/ground.ts";
import { parseConfig } from "../src/config/config.ts";
import { openDb } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { processesIn } from "../src/db/embedded-process.ts";
import { sleep } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { keyPurposes } from "../src/keyholder/keys.ts";
import { programEnvironment } from "./program-environment.ts";
import { eventually, runningService } from "./running-service.ts";

/** A command that is ended half-way: nothing that it started or was writing stays behind, and it can be run again. */
const service = await runningService({}, async (libraryDir) => {
  await mkdir(libraryDir, { recursive: true });
  await writeFile(join(libraryDir, "Heat (1995).mp4"), "not a film");
});
afterAll(() => service.remove());
const cli = join(import.meta.dirname, "../src/cli.ts");
const environment = {
  ...programEnvironment,
  HOME: service.folder,
  DATA_DIR: service.dataDir,
  LIBRARY_DIR: service.libraryDir,
};

test("a backup that is ended leaves no half of a file, and the next one is whole", async () => {
  const { connection } = await startPostgres({ dataDir: service.dataDir, log: silentLog, role: "command" });
  const db = openDb({ connection, log: silentLog, maxConnections: 1 });
  const folder = join(service.folder, "backups");
  await mkdir(folder);
  try {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      // Held up in the middle of its tables.
      await db.transaction(async (tx) => {
        await tx.run(`lock table title in access exclusive mode`);
        const backup = spawn(process.execPath, [cli, "backup", join(folder, "db")], { env: environment });
        const ended = once(backup, "exit");
        await eventually("a part of the backup", async () => {
          // PostgreSQL ends a transaction that says nothing for ten seconds.
          await tx.one(`select 1 as here`);
          return (await readdir(folder)).length > 0 ? true : undefined;
        });
        backup.kill(signal);
        expect(await ended).toEqual([null, signal]);
      });
      expect([signal, await readdir(folder)]).toEqual([signal, []]);
    }
  } finally {
    await db.close();
  }
  expect((await service.command("backup", join(folder, "db"))).code).toBe(0);
  expect(await readdir(folder)).toEqual(["db"]);
});

test("a load of breached passwords that is ended leaves no half of a list beside the database, and the next one is whole", async () => {
  const list = join(service.folder, "pwned.txt");
  const digests = Array.from({ length: 500_000 }, () => randomBytes(20).toString("hex").toUpperCase()).toSorted();
  await writeFile(list, digests.map((digest) => `${digest}:1\n`).join(""));
  const ofLists = async () => (await readdir(service.dataDir)).filter((name) => /^breached.*(?<!\.lock)$/.test(name));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const load = spawn(process.execPath, [cli, "passwords", "load", list], { env: environment });
    const ended = once(load, "exit");
    while (!existsSync(join(service.dataDir, "breached-passwords.new"))) await sleep(1);
    load.kill(signal);
    expect(await ended).toEqual([null, signal]);
    expect([signal, await ofLists()]).toEqual([signal, []]);
  }
  expect((await service.command("passwords", "load", list)).out).toContain("500,000 breached passwords loaded");
  expect(await ofLists()).toEqual(["breached-passwords"]);
});

test("a rotation of keys that is killed half-way says what it has left, and the rest makes that alone", async () => {
  const ground = <Result>(work: (ground: Ground) => Promise<Result>): Promise<Result> =>
    withGround(parseConfig(environment, service.folder), silentLog, work);
  const versions = ({ keyholders }: Ground) =>
    keyholders.operator.keys
      .states()
      .then(({ states }) =>
        Object.fromEntries(
          states.map(({ purpose, versions: all }) => [purpose, Math.max(0, ...all.map((one) => one.version))]),
        ),
      );
  const [before, midway] = await ground(async (open) => {
    const first = await versions(open);
    const rotation = spawn(process.execPath, [cli, "keys", "rotate", "--yes"], { env: environment });
    const ended = once(rotation, "exit");
    while (JSON.stringify(await versions(open)) === JSON.stringify(first)) await sleep(1);
    rotation.kill("SIGKILL");
    expect(await ended).toEqual([null, "SIGKILL"]);
    // The keyholder may be at the key that was asked for last: it is made, though nobody waits for it.
    for (let last = await versions(open); ;) {
      await sleep(200);
      const now = await versions(open);
      if (JSON.stringify(now) === JSON.stringify(last)) return [first, now];
      last = now;
    }
  });
  const left = keyPurposes.filter((purpose) => midway[purpose] === before[purpose]);
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThan(keyPurposes.length);

  const status = await service.command("keys", "status");
  expect(status.out).toMatch(
    new RegExp(
      `^the rotation begun .* has not made new keys for ${left.join(", ")}: houselights keys rotate --rest does$`,
      "m",
    ),
  );
  const rest = await service.command("keys", "rotate", "--rest", "--yes");
  expect([rest.code, rest.err]).toEqual([0, ""]);
  const after = await ground(versions);
  expect(after).toEqual(Object.fromEntries(keyPurposes.map((purpose) => [purpose, (before[purpose] ?? 0) + 1])));
  expect((await service.command("keys", "status")).out).not.toContain("has not made new keys");
  const again = await service.command("keys", "rotate", "--rest", "--yes");
  expect([again.code, again.out]).toEqual([0, "no rotation has left any key\n"]);
}, 120_000);

/** `script` gives a program a terminal. */
const hasTerminals = await promisify(execFile)("script", ["--version"]).then(
  () => true,
  () => false,
);

describe.skipIf(!hasTerminals)("while the service is stopped, a command at its question", () => {
  const ownerFile = join(service.dataDir, "postgres.owner");

  /** Starts a containment on a terminal and waits until it asks. */
  async function asked() {
    if (service.pid() > 0) await service.stop();
    const words = `'${process.execPath}' '${cli}' incident contain --reason test`;
    const terminal = spawn("script", ["-qfec", words, "/dev/null"], { env: environment });
    let out = "";
    terminal.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
    const exited = once(terminal, "exit");
    await eventually("the question", async () => (out.includes("[yes/no]") ? true : undefined));
    const pid = Number((await readFile(ownerFile, "utf8")).split(" ")[0]);
    return { terminal, pid, exited, out: () => out };
  }
  async function expectNothingLeft(): Promise<void> {
    await eventually("the end of its database", async () => (existsSync(ownerFile) ? undefined : true));
    expect(await processesIn(join(service.dataDir, "postgres", "cluster"))).toEqual([]);
  }

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("ended by %s leaves no PostgreSQL behind", async (signal) => {
    const { pid, exited } = await asked();
    process.kill(pid, signal);
    await exited;
    await expectNothingLeft();
  });

  test("ended with its terminal leaves none either", async () => {
    const { terminal, exited } = await asked();
    terminal.kill("SIGKILL");
    await exited;
    await expectNothingLeft();
  });

  test.each([
    ["Ctrl-C", "\u0003"],
    ["Ctrl-D", "\u0004"],
    ["no", "no\r"],
  ])("that is answered with %s touches nothing, and says so", async (_key, typed) => {
    const { terminal, exited, out } = await asked();
    terminal.stdin.write(typed);
    expect(await exited).toEqual([1, null]);
    expect(out()).toContain("error: nothing was touched");
    expect(out()).not.toContain("unexpected");
    await expectNothingLeft();
  });
});
