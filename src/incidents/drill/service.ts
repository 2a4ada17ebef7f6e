import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { PoolConfig } from "pg";
import { sleep } from "../../kernel/clock.ts";
import { Fault } from "../../kernel/fault.ts";
import type { Log } from "../../kernel/log.ts";
import { childEnvironment } from "../../config/config.ts";
import { startPostgres } from "../../db/embedded.ts";
import { connectKeyholder, type KeyholderClient } from "../../keyholder/client.ts";
import { readOperatorCredential } from "../../keyholder/operator-credential.ts";
import { freePort } from "./free-port.ts";
import { processesOf, type Processes } from "./processes.ts";
import type { Sweeper } from "./sweeper.ts";

/** A whole service of the drill's own, as `houselights serve` starts it. */
export interface DrillService {
  readonly origin: string;
  /** Its own PostgreSQL, by a socket in its own folder. */
  readonly connection: PoolConfig;
  /** The operator's connection to its own keyholder. */
  keyholder(): Promise<KeyholderClient>;
  /** Runs one of the runbook's commands against it, again while database or keyholder are away (exit code 3). */
  command(words: readonly string[]): Promise<CommandRan>;
  processes(): Promise<Processes | undefined>;
}

export interface CommandRan {
  readonly exitCode: number | null;
  readonly out: string;
  readonly err: string;
}

/** Gathers the text that a stream brings, also where a character's bytes come in two pieces. @returns what gives it, as far as it has come. */
export function gather(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return () => text;
}

const program = fileURLToPath(new URL("../../cli.ts", import.meta.url));
/** A command that meets a restart is given again, as an operator would. */
const commandTries = 10;

/**
 * Starts the service in `folder` and waits until it has said its addresses. Nothing of this process's settings reaches
 * it: its environment is made here, and only PATH, HOME and the like are taken over. So it has its own database, keys,
 * sockets and port whatever `DATABASE_URL`, `KEYHOLDER_URL` or `DATA_DIR` say. The sweeper ends it.
 */
export async function startService({
  folder,
  settings,
  logFile,
  sweeper,
  signal,
  log,
}: {
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Where the service's own log goes. */
  readonly logFile: string;
  readonly sweeper: Sweeper;
  /** Ends a command that is running, and gives up a start. */
  readonly signal: AbortSignal;
  readonly log: Log;
}): Promise<DrillService> {
  const dataDir = join(folder, "data");
  const libraryDir = join(folder, "library");
  await mkdir(libraryDir, { recursive: true, mode: 0o700 });
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const env = {
    ...childEnvironment(),
    DATA_DIR: dataDir,
    LIBRARY_DIR: libraryDir,
    PORT: String(port),
    PUBLIC_ORIGIN: origin,
    // People come from networks of their own, by a header that this service believes one proxy.
    TRUST_PROXY: "1",
    ...settings,
  };

  const child = spawn(process.execPath, [program, "serve"], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  sweeper.watch(child);
  child.stderr.pipe(createWriteStream(logFile, { mode: 0o600 }));
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-4_000);
  });
  while (!said.includes("stop with Ctrl-C")) {
    signal.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Fault("IMPOSSIBLE", `the drill's service did not start\nits log is ${logFile}`);
    }
    await sleep(50);
  }

  const runOnce = (words: readonly string[]): Promise<CommandRan> =>
    new Promise((resolve) => {
      const run = spawn(process.execPath, [program, ...words], {
        env,
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        signal,
        killSignal: "SIGKILL",
      });
      sweeper.watch(run);
      // That it was ended by the signal: `close` follows.
      run.once("error", () => undefined);
      const [out, err] = [gather(run.stdout), gather(run.stderr)];
      run.once("close", (exitCode) => resolve({ exitCode, out: out(), err: err() }));
    });

  // The running service's server is used, and left alone.
  const postgres = await startPostgres({ dataDir, log, role: "command" });
  return {
    origin,
    connection: postgres.connection,
    keyholder: async () => {
      const found = await readOperatorCredential(join(dataDir, "keys"));
      return connectKeyholder({ ...found, role: "operator", waitMs: 10_000, log });
    },
    command: async (words) => {
      let ran = await runOnce(words);
      for (let tries = 1; ran.exitCode === 3 && tries < commandTries && !signal.aborted; tries++) {
        await sleep(500, signal);
        ran = await runOnce(words);
      }
      return ran;
    },
    processes: async () => (child.pid === undefined ? undefined : processesOf(child.pid, dataDir)),
  };
}
