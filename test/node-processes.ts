import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PoolConfig } from "pg";
import { forEachRole } from "../src/keyholder/permissions.ts";
import type { TestKeyholder } from "../src/keyholder/test-keyholder.ts";
import { credentialsFor, type ChildMessage, type ChildRole, type StartMessage } from "../src/processes.ts";
import { programEnvironment } from "./program-environment.ts";

export interface NodeOrder {
  readonly role: ChildRole;
  readonly connection: PoolConfig;
  readonly keyholder: TestKeyholder;
  readonly folder: string;
  /** A web process that is started again gets the port it had. */
  readonly port?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface NodeProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly url: string;
  /** For the first operator, if there is none. */
  readonly link: string | null;
}

/** A web or worker process of the product, as `serve` starts it; kept in `running` while it lives. Ready when it resolves. */
export async function startNodeProcess(
  { role, connection, keyholder, folder, port, settings = {} }: NodeOrder,
  running: Set<ChildProcess>,
): Promise<NodeProcess> {
  // An empty library would be filled with films that nobody watches here.
  const library = join(folder, "library");
  await mkdir(library, { recursive: true });
  await writeFile(join(library, "readme.txt"), "not a film");
  const child = fork(fileURLToPath(new URL("../src/child.ts", import.meta.url)), [role], {
    env: {
      ...programEnvironment,
      HOME: folder,
      DATA_DIR: join(folder, "data"),
      LIBRARY_DIR: library,
      PORT: "0",
      PUBLIC_ORIGIN: "http://localhost:8400",
      HASH_THREADS: "1",
      LOG_LEVEL: "silent",
      ...settings,
    },
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const credentials = credentialsFor(
    role,
    forEachRole((each) => keyholder.credentials[each].reveal()),
    false,
  );
  const { socketPath } = keyholder;
  const start: StartMessage = { kind: "start", connection, keyholder: { socketPath }, credentials, port: port ?? null };
  const message = await new Promise<Extract<ChildMessage, { kind: "ready" }>>((resolve, reject) => {
    child.once("message", (answer: ChildMessage) => {
      if (answer.kind === "ready") resolve(answer);
      else reject(new Error(answer.message));
    });
    child.once("exit", () => reject(new Error(`the ${role} process ended before it was ready`)));
    child.send(start);
  });
  return { child, port: message.port, url: `http://127.0.0.1:${message.port}`, link: message.operatorLink };
}

/** Sends the signal and waits, if it has not ended yet. @returns the exit code; `null` when a signal ended it. */
export async function endNodeProcess({ child }: NodeProcess, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, "exit") as Promise<[number | null]>;
  child.kill(signal);
  return (await ended)[0];
}
