import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { PoolConfig } from "pg";
import { sleep } from "./kernel/clock.ts";
import { Fault, messageOf } from "./kernel/fault.ts";
import type { Log } from "./kernel/log.ts";
import type { KeyholderAt } from "./config/keyholder-place.ts";
import type { Role } from "./keyholder/keyholder.ts";

export type ChildRole = "web" | "worker";

/** What a child is told over the channel it was started with: credentials never stand in arguments or environment. */
export interface StartMessage {
  readonly kind: "start";
  readonly connection: PoolConfig;
  readonly keyholder: KeyholderAt;
  /** Those of the roles that this process acts in, and no others: `credentialsFor`. */
  readonly credentials: Readonly<Partial<Record<Role, Uint8Array>>>;
  /** For a web process that is started again: the port it had. */
  readonly port: number | null;
}

export type ChildMessage =
  | { readonly kind: "ready"; readonly port: number; readonly operatorLink: string | null }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

/**
 * The keyholder's credentials that a process is given: none that it does not use, so that a captured web process can neither
 * take the key that signs mail nor read letters on their way. Both kinds settle with the witness when they connect, by a
 * credential that is good for nothing else, and both hand signals over: the worker pushes, web is polled. The operator's is
 * given to commands on the host alone. The built-in mailbox is shown by web, and only on one's own machine.
 */
export function credentialsFor(
  role: ChildRole,
  { witness, web, mailer, keeper, transmitter }: Readonly<Record<Role, Uint8Array>>,
  showsMailbox: boolean,
): StartMessage["credentials"] {
  // The worker seals again what old keys sealed. Web never changes keys.
  if (role === "worker") return { witness, mailer, keeper, transmitter };
  return showsMailbox ? { witness, web, transmitter, mailer } : { witness, web, transmitter };
}

export interface Supervised {
  readonly first: Extract<ChildMessage, { kind: "ready" }>;
  pid(): number;
  stop(): Promise<void>;
}

const childPath = fileURLToPath(new URL("./child.ts", import.meta.url));
/** A child that is told to stop has this long to finish its requests and hand back its work. */
const stopWithinMs = 15_000;
const firstPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * The most that half of V8's young generation grows to. What a process allocates dies with its request or letter; with a smaller half
 * more of it survives a collection and is moved to the old generation, which costs a campaign a tenth of its time, and web in a crowd.
 */
export const youngMebibytes = 32;

/**
 * Starts a child process and starts it again whenever it ends by itself. Resolves with its first `ready`; a child that
 * says why it cannot start at all is not tried again, and that reason is thrown. `signal` ends one that is still
 * starting, whatever it waits for.
 */
export async function supervise(
  role: ChildRole,
  start: StartMessage,
  log: Log,
  signal?: AbortSignal,
): Promise<Supervised> {
  let child: ChildProcess;
  let port = start.port;
  let stopping = false;
  let pauseMs = firstPauseMs;

  const spawn = (): Promise<Extract<ChildMessage, { kind: "ready" }>> =>
    new Promise((resolve, reject) => {
      const starting = fork(childPath, [role], {
        execArgv: [`--max-semi-space-size=${youngMebibytes}`],
        serialization: "advanced",
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      child = starting;
      starting.on("message", (message: ChildMessage) => {
        switch (message.kind) {
          case "ready":
            port = message.port;
            pauseMs = firstPauseMs;
            resolve(message);
            return;
          case "failed":
            reject(new Fault(message.code as Fault["code"], message.message));
            return;
        }
      });
      // The system could not start it, or it was gone before it was told: without a listener this process would end too.
      starting.on("error", (error) => {
        log.error({ role, reason: messageOf(error) }, "a process could not be started or told");
        reject(new Fault("IMPOSSIBLE", `the ${role} process could not be started: ${messageOf(error)}`));
        // One that never was does not `exit`.
        if (starting.pid === undefined && !stopping) void startAgain();
      });
      starting.on("exit", (exitCode, signal) => {
        reject(new Fault("IMPOSSIBLE", `the ${role} process ended before it was ready`));
        if (stopping) return;
        log.error({ role, exitCode, signal }, "a process ended by itself and is started again");
        void startAgain();
      });
      if (starting.pid !== undefined) starting.send({ ...start, port });
    });

  async function startAgain(): Promise<void> {
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    if (stopping) return;
    // A start that fails ends in `exit`, which comes back here.
    await spawn().catch(() => undefined);
  }

  async function end(ending: ChildProcess): Promise<void> {
    stopping = true;
    if (ending.pid === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
    ending.kill("SIGTERM");
    const giveUp = new AbortController();
    await Promise.race([ended, sleep(stopWithinMs, giveUp.signal).then(() => ending.kill("SIGKILL"))]);
    giveUp.abort();
    await ended;
  }

  let first: Extract<ChildMessage, { kind: "ready" }>;
  // While it starts there is nothing to finish: it is not asked to stop, which it would do once it has started.
  const abandon = (): void => {
    stopping = true;
    child.kill("SIGKILL");
  };
  if (signal?.aborted === true) throw new Fault("BUSY", "the service is stopping");
  signal?.addEventListener("abort", abandon, { once: true });
  try {
    first = await spawn();
  } catch (thrown) {
    stopping = true;
    throw thrown;
  } finally {
    signal?.removeEventListener("abort", abandon);
  }
  return {
    first,
    pid: () => child.pid ?? 0,
    stop: () => end(child),
  };
}
