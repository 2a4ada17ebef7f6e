import { fork } from "node:child_process";
import { open, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDb, type Db } from "../src/db/db.ts";
import type { RunningPostgres } from "../src/db/embedded.ts";
import { forEachRole } from "../src/keyholder/permissions.ts";
import { testKeyholder, type TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { silentLog } from "../src/kernel/log.ts";
import { credentialsFor, youngMebibytes, type ChildMessage, type StartMessage } from "../src/processes.ts";
import { migratedDatabase, startThrowAwayPostgres } from "../test/throw-away-postgres.ts";
import type { Bench } from "./bench.ts";

/** PostgreSQL with the service's own settings, fsync included; only its folder is thrown away afterwards. */
export async function startDurablePostgres({ onEnd }: Pick<Bench, "onEnd">): Promise<RunningPostgres> {
  const postgres = await startThrowAwayPostgres({});
  onEnd(() => postgres.stop());
  return postgres;
}

/** A database with the service's schema. */
export async function openServiceDatabase(
  { onEnd }: Pick<Bench, "onEnd">,
  postgres: RunningPostgres,
  name: string,
): Promise<Db> {
  await migratedDatabase(postgres, name);
  const db = openDb({ connection: { ...postgres.connection, database: name }, log: silentLog });
  onEnd(() => db.close());
  return db;
}

export async function startKeyProcess({ onEnd }: Pick<Bench, "onEnd">): Promise<TestKeyholder> {
  const keyholder = await testKeyholder();
  onEnd(() => keyholder.stop());
  return keyholder;
}

export async function temporaryFolder({ onEnd }: Pick<Bench, "onEnd">): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "houselights-bench-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A server that is measured, in a process of its own. */
export interface Measurable {
  readonly port: number;
}

const environment = (more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: process.env["HOME"],
  TMPDIR: process.env["TMPDIR"],
  NODE_ENV: "production",
  ...more,
});

/** The service's web process, the very one that `houselights serve` starts, on a port of the system's choice. */
export async function startWeb(
  { onEnd }: Pick<Bench, "onEnd">,
  at: { readonly postgres: RunningPostgres; readonly database: string; readonly keyholder: TestKeyholder },
  settings: Readonly<Record<string, string>> = {},
): Promise<Measurable> {
  const folder = await temporaryFolder({ onEnd });
  const { credentials, socketPath } = at.keyholder;
  const message: StartMessage = {
    kind: "start",
    connection: { ...at.postgres.connection, database: at.database },
    keyholder: { socketPath },
    credentials: credentialsFor(
      "web",
      forEachRole((role) => credentials[role].reveal()),
      false,
    ),
    port: null,
  };
  const path = fileURLToPath(new URL("../src/child.ts", import.meta.url));
  const env = environment({
    DATA_DIR: folder,
    LIBRARY_DIR: join(folder, "library"),
    PORT: "0",
    LOG_LEVEL: "warn",
    ...settings,
  });
  return startServer({ onEnd }, path, ["web"], env, message);
}

/** What Node is told for our processes it is told for their peers. */
export const nodeOptions = [`--max-semi-space-size=${youngMebibytes}`] as const;

/** A program of `bench/peers/`. */
export const peerPath = (name: "better-auth" | "bare-fastify" | "nodemailer"): string =>
  fileURLToPath(new URL(`./peers/${name}.ts`, import.meta.url));

/** A peer that is a server: it is told what it needs and answers with its port. */
export const startPeer = (
  { onEnd }: Pick<Bench, "onEnd">,
  name: "better-auth" | "bare-fastify",
  message: object,
): Promise<Measurable> => startServer({ onEnd }, peerPath(name), [], environment(), message);

async function startServer(
  { onEnd }: Pick<Bench, "onEnd">,
  path: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  message: object,
): Promise<Measurable> {
  const child = fork(path, [...words], {
    env,
    execArgv: [...nodeOptions],
    serialization: "advanced",
    // What is printed to standard output is the report alone.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  onEnd(async () => {
    child.kill("SIGTERM");
    const patience = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await exited;
    clearTimeout(patience);
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.on("message", (answer: ChildMessage) => {
      if (answer.kind === "ready") resolve(answer.port);
      else reject(new Error(`${path}: ${answer.message}`));
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`${path} ended with ${code ?? signal ?? "no reason"}`)));
    child.send(message);
  });
  return { port };
}

/** Milliseconds of one small durable write in the temporary folder: what a commit cannot be faster than here. */
export async function fsyncMs(folder: string): Promise<number> {
  const file = await open(join(folder, "fsync"), "w");
  try {
    const started = performance.now();
    await file.write(Buffer.alloc(8_192, 1));
    await file.datasync();
    return performance.now() - started;
  } finally {
    await file.close();
  }
}
