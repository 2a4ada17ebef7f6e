import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childEnvironment } from "../../src/config/config.ts";
import { processesIn } from "../../src/db/embedded-process.ts";
import { sleep } from "../../src/kernel/clock.ts";
import { readOptions } from "./options.ts";

test("options that make no sense are answered with what is wrong and never with what was typed", () => {
  const said = (...args: string[]) => {
    const read = readOptions(args);
    return read.kind === "wrong" ? read.error : read.kind;
  };
  expect(said()).toBe("options");
  expect(said("--accounts", "500", "--busy", "60", "--quick", "--plant", "an address in hex")).toBe("options");
  expect(said("--accounts", "12")).toBe("--accounts must be a whole number from 48 to 20,000");
  expect(said("--accounts", "1e4")).toBe("--accounts must be a whole number from 48 to 20,000");
  expect(said("--words", "-1")).toContain("--words");
  expect(said("--accounts", "50", "--busy", "60")).toBe(
    "--busy must not be more than --accounts: they are some of them",
  );
  expect(said("--plant", "hunter2")).toBe("--plant: there is no such weakness");
  expect(said("--acounts=9")).toBe("unknown option '--acounts'");
  expect(said("hunter2")).toBe("there are too many words");
});

const program = fileURLToPath(new URL("run.ts", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), "hl-rob-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const left = (name: string): Promise<string[]> => readdir(join(folder, name)).catch(() => []);
const clusterOf = (name: string, made: string): string => join(folder, name, made, "data", "postgres", "cluster");

/** A kit at work: PostgreSQL and the key process run, and its service is being opened. */
async function working(name: string): Promise<{ kit: ChildProcess; made: string; said: () => string }> {
  await mkdir(join(folder, name));
  const env = { ...childEnvironment(), TMPDIR: join(folder, name) };
  const kit = spawn(process.execPath, [program, "--accounts", "48"], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  kit.stderr.on("data", (part: Buffer) => (said += part.toString()));
  for (;;) {
    const [made = ""] = await left(name);
    if ((await left(join(name, made))).some((entry) => entry.startsWith("houselights-keyholder-")))
      return { kit, made, said: () => said };
    if (kit.exitCode !== null) throw new Error(`the kit ended by itself: ${said}`);
    await sleep(50);
  }
}

test.concurrent.each([
  ["SIGTERM", 143],
  ["SIGKILL", null],
] as const)(
  "ended by %s the kit leaves no process and no folder",
  async (signal, code) => {
    const { kit, made, said } = await working(signal);
    expect(await processesIn(clusterOf(signal, made))).not.toEqual([]);
    const ended = once(kit, "close");
    kit.kill(signal);
    const [endedWith] = (await ended) as [number | null];
    expect(endedWith).toBe(code);
    // The sweeper is at work for a moment more.
    while ((await left(signal)).length > 0) await sleep(50);
    // What was just being started makes nothing anew.
    await sleep(500);
    expect(await left(signal)).toEqual([]);
    expect(await processesIn(clusterOf(signal, made))).toEqual([]);
    if (code !== null)
      expect(said()).toContain("error: interrupted; what was started is ended, and its data removed\n");
  },
  120_000,
);
