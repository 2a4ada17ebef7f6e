import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { bareEnvironment } from "../config/config.ts";
import { secondMs, sleep } from "../kernel/clock.ts";
import { Fault, messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import { plainLine } from "../kernel/plain-line.ts";
import { newSecret, systemRandom } from "../kernel/random.ts";
import { recurring } from "../kernel/recurring.ts";
import type { Secret } from "../kernel/secret.ts";
import { base64 } from "./arguments.ts";
import { ensurePrivateFolder, isRecord } from "./durable-file.ts";
import { FolderHeld } from "./folder-lock.ts";
import type { Role } from "./keyholder.ts";
import type { Listening } from "./listening.ts";
import { encodeSealing } from "./sealing.ts";
import type { Sealing } from "./sealing.ts";
import { forEachRole } from "./permissions.ts";

const processPath = fileURLToPath(new URL("./process.ts", import.meta.url));
const readyWaitMs = 15 * secondMs;
const stopWaitMs = 5 * secondMs;
const firstPauseMs = 20;
const longestPauseMs = 5 * secondMs;

/** Little work and few objects: one helper thread and a small young generation take its idle memory from 62 to 48 MB. */
const lightRuntime = ["--v8-pool-size=1", "--max-semi-space-size=1"];

export interface SupervisorOptions {
  readonly keysDir: string;
  readonly socketPath: string;
  /** The Node to run the process with; this process's own unless told otherwise. */
  readonly nodePath?: string;
  /** What the file of keys is sealed with; in clear unless given. */
  readonly sealing?: Sealing | undefined;
  /** Its part in serving other hosts; none unless given. */
  readonly listening?: Listening | undefined;
  /** Those that it takes; fresh ones unless given. */
  readonly credentials?: Readonly<Record<Role, Secret>> | undefined;
  /** How long a key is on its way out before it can be retired; the process's own unless told otherwise. */
  readonly graceMs?: number;
  /** Others may use it, and it stays until the last of them is gone. */
  readonly isShared?: boolean;
  readonly log: Log;
}

export interface SupervisedKeyholder {
  /** Fresh for each start, the same while this supervisor lives: a restarted process takes the same ones. */
  readonly credentials: Readonly<Record<Role, Secret>>;
  readonly socketPath: string;
  /**
   * Ends the process: it finishes what it does, takes the operator's credential away and closes. A shared one that somebody else is
   * still connected to is left to end by itself.
   */
  stop(): Promise<void>;
  /** The process's id now; another one after a restart. */
  pid(): number;
}

/**
 * Resolves with `undefined` when the process says it is ready, or with what it says has failed. `stays` is called if it says later that it
 * outlives whoever started it.
 */
function started(child: ChildProcess, stays: () => void): Promise<Fault | undefined> {
  const late = new AbortController();
  const reason = (why: string): string => `the keyholder did not start: ${why}`;
  return new Promise<Fault | undefined>((resolve) => {
    const failed = (why: string): void => resolve(new Fault("KEYHOLDER_UNAVAILABLE", reason(why)));
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        let said: unknown;
        try {
          said = JSON.parse(line);
        } catch {
          said = undefined;
        }
        if (isRecord(said) && said["ready"] === true) resolve(undefined);
        if (isRecord(said) && said["stays"] === true) stays();
        if (!isRecord(said) || typeof said["failed"] !== "string") return;
        if (said["isHeld"] === true) resolve(new FolderHeld(reason(said["failed"])));
        else failed(said["failed"]);
      });
    }
    child.once("error", (error) => failed(messageOf(error)));
    // `close` and not `exit`: what the process said last is read before.
    child.once("close", (code, signal) => failed(`the process ended (${signal ?? code})`));
    void sleep(readyWaitMs, late.signal).then(() => failed("the process is not ready in time"));
  }).finally(() => late.abort());
}

/** Shows on our own standard error what the process says on its. One that outlives us must not hold open what we were given. */
function passOn(stream: Readable | null): void {
  if (stream === null) return;
  const { isTTY } = process.stderr;
  createInterface({ input: stream }).on("line", (line) => {
    process.stderr.write(isTTY ? plainLine(`${line}\n`) : `${line}\n`);
  });
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
  });

/**
 * Starts the key process and keeps it running: if it dies it is started again, at growing intervals up to 5 s. Throws
 * KEYHOLDER_UNAVAILABLE with the process's own reason when it does not come up the first time (damaged keys, …), as `FolderHeld`
 * where another process has the folder.
 *
 * The credentials travel by standard input: arguments and environment can be read by others. Of the
 * environment the process inherits where Node keeps what it compiles, and what the library of a hardware module is said to read;
 * it ends by itself when this process does, if it is not shared. The operator's credential also lies in the folder, for
 * commands on the host (`operator-credential.ts`).
 */
export async function startKeyholder(options: SupervisorOptions): Promise<SupervisedKeyholder> {
  const { keysDir, socketPath, log, nodePath = process.execPath, graceMs, sealing, isShared = false } = options;
  const credentials = options.credentials ?? forEachRole(() => newSecret(systemRandom));
  let listening = options.listening;
  const stopping = new AbortController();
  const staying = Promise.withResolvers<void>();

  async function launch(): Promise<ChildProcess> {
    const flags = ["--keys", keysDir, "--socket", socketPath, "--log-level", log.level];
    if (graceMs !== undefined) flags.push("--grace", `${graceMs}`);
    if (isShared) flags.push("--shared");
    const child = spawn(nodePath, [...lightRuntime, processPath, ...flags], {
      env: { ...bareEnvironment(), ...(sealing?.by === "module" ? sealing.environment : {}) },
      stdio: ["pipe", "pipe", isShared ? "pipe" : "inherit"],
      // What ends a command ends its process group: others use this process meanwhile. It ends by itself when they are gone.
      detached: isShared,
    });
    const line = forEachRole((role) => base64(credentials[role].reveal()));
    // A process that dies at once closes its end; `started` tells why.
    child.stdin?.on("error", () => undefined);
    const sealed = sealing === undefined ? {} : { sealing: encodeSealing(sealing) };
    child.stdin?.write(`${JSON.stringify({ credentials: line, ...sealed, listening })}\n`);
    passOn(child.stderr);
    const failed = await started(child, staying.resolve);
    // Asked for once: one that was promoted since serves again when it is started again.
    if (failed === undefined && listening !== undefined) listening = { ...listening, demote: false };
    if (failed === undefined) return child;
    child.kill("SIGKILL");
    throw failed;
  }

  await ensurePrivateFolder(keysDir);
  let child = await launch();

  const down = recurring(log, {
    level: "error",
    says: "the keyholder does not start; it is tried again",
    ends: "the keyholder has started again",
  });
  const watching = (async () => {
    let pauseMs = firstPauseMs;
    while (true) {
      await ended(child);
      if (stopping.signal.aborted) return;
      log.error({ exitCode: child.exitCode, signal: child.signalCode }, "the keyholder died and is started again");
      while (!stopping.signal.aborted) {
        try {
          child = await launch();
          pauseMs = firstPauseMs;
          down.over();
          // The end was asked for while it started, of the one before.
          if (stopping.signal.aborted) child.stdin?.end();
          break;
        } catch (error) {
          down.found({ error: messageOf(error) }, messageOf(error));
          await sleep(pauseMs, stopping.signal);
          pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        }
      }
    }
  })();

  return {
    credentials,
    socketPath,
    pid: () => child.pid ?? 0,
    stop: async () => {
      stopping.abort();
      const stopped = new AbortController();
      child.stdin?.end();
      void sleep(stopWaitMs, stopped.signal).then(() => {
        if (stopped.signal.aborted) return;
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      });
      const isLeft = await Promise.race([watching.then(() => false), staying.promise.then(() => true)]);
      stopped.abort();
      if (!isLeft) return;
      // It must not keep this process from ending.
      child.unref();
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
  };
}
