import { connect } from "node:net";
import type { Config } from "../config/config.ts";
import type { KeyholderAt } from "../config/keyholder-place.ts";
import { secondMs, sleep, steadyClock, timeIsOver } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Secret } from "../kernel/secret.ts";
import { connectKeyholder } from "../keyholder/client.ts";
import { FolderHeld } from "../keyholder/folder-lock.ts";
import { readOperatorCredential } from "../keyholder/operator-credential.ts";
import { standbyRefuses } from "../keyholder/permissions.ts";
import { socketPathFor } from "../keyholder/socket-path.ts";
import { startKeyholder } from "../keyholder/supervise.ts";
import { keysDirOf, readCredentials } from "../main.ts";
import { readSealing } from "../read-sealing.ts";

export interface FoundKeyholder {
  readonly at: KeyholderAt;
  readonly credential: Secret;
  /** Lets go of it. */
  stop(): Promise<void>;
}

/** On a machine that a crowd has filled the first answer may take its time. */
const lateMs = 10 * secondMs;
/** Containment goes on without it. */
export const urgentMs = secondMs;
/** How long the first look waits for an answer: one that ends meanwhile gives none, and the next look finds that it is gone. */
const firstAnswerMs = secondMs;
/** A running service starts its keyholder again within this; a command's own would keep it from doing so. */
const comesBackMs = secondMs;
const sayAfterMs = 2 * secondMs;
const lookEveryMs = 100;

const isListenedTo = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(socketPath, () => resolve(true));
    socket.on("connect", () => socket.destroy());
    // Anything else, as a backlog that is full, is said by somebody who is there.
    socket.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ENOENT" && error.code !== "ECONNREFUSED"),
    );
  });

export const leaveRunning = async (): Promise<void> => undefined;

/**
 * The keyholder that runs on this host, which is the service's or another command's, or one of our own. One that a command started
 * stays until the last of those it serves is gone, so commands of one moment share it, in whatever order they end. Whoever holds the
 * keys and does not answer, because it is just starting or ending or seals them anew, is waited for until `waitMs` have passed.
 *
 * Throws KEYHOLDER_UNAVAILABLE where it does not answer by then, or is a standby.
 */
export async function findKeyholder(
  config: Config,
  log: Log,
  { waitMs = lateMs, signal }: { readonly waitMs?: number; readonly signal?: AbortSignal } = {},
): Promise<FoundKeyholder> {
  if (config.keyholderAt !== null) {
    const { operator } = await readCredentials(config.keyholderCredentialsFile ?? "");
    return { at: config.keyholderAt, credential: operator, stop: leaveRunning };
  }
  const keysDir = keysDirOf(config);
  const isBackByNow = timeIsOver(comesBackMs);
  let until = steadyClock.now() + waitMs;
  let sayAt = steadyClock.now() + sayAfterMs;
  const leftMs = (): number => until - steadyClock.now();
  let answerMs = Math.min(firstAnswerMs, waitMs);
  let sealing: { readonly read: Awaited<ReturnType<typeof readSealing>> } | undefined;
  while (true) {
    const running = await findRunning(keysDir, log, answerMs);
    if (typeof running === "object") return running;
    answerMs = Math.max(lookEveryMs, leftMs());
    if (running === "nobody" || leftMs() <= 0 || (running === "gone" && isBackByNow())) {
      if (sealing === undefined) {
        const askedAt = steadyClock.now();
        sealing = { read: await readSealing(config, keysDir) };
        // Whoever types a passphrase waits for nobody meanwhile.
        const typedMs = steadyClock.now() - askedAt;
        until += typedMs;
        sayAt += typedMs;
      }
      try {
        return await startOwn(keysDir, sealing.read, log);
      } catch (thrown) {
        if (!(thrown instanceof FolderHeld) || leftMs() <= 0) throw thrown;
      }
    }
    if (steadyClock.now() >= sayAt) {
      sayAt = Infinity;
      process.stderr.write("another process holds the keys and does not answer yet; waiting for it\n");
    }
    await sleep(lookEveryMs, signal);
    signal?.throwIfAborted();
  }
}

/**
 * Whoever listens by the credential that lies in the folder: `gone` where nobody does any more, since it was killed, and `silent` who does
 * not answer.
 */
async function findRunning(
  keysDir: string,
  log: Log,
  waitMs: number,
): Promise<FoundKeyholder | "nobody" | "gone" | "silent"> {
  const running = await readOperatorCredential(keysDir).catch(() => undefined);
  if (running === undefined) return "nobody";
  if (!(await isListenedTo(running.socketPath))) return "gone";
  let isStandby = false;
  try {
    const connected = await connectKeyholder({ ...running, role: "operator", waitMs, log });
    const { socketPath, credential } = running;
    try {
      ({ isStandby } = await connected.standing.read());
      if (isStandby) throw new Fault("KEYHOLDER_UNAVAILABLE", standbyRefuses);
    } catch (thrown) {
      await connected.close();
      throw thrown;
    }
    // Connected for as long as it is used: one that a command has started is there for so long.
    return { at: { socketPath }, credential, stop: () => connected.close() };
  } catch (thrown) {
    // A standby answers, and waiting would change nothing.
    if (isStandby || !(thrown instanceof Fault) || !thrown.code.startsWith("KEYHOLDER")) throw thrown;
    return "silent";
  }
}

async function startOwn(
  keysDir: string,
  sealing: Awaited<ReturnType<typeof readSealing>>,
  log: Log,
): Promise<FoundKeyholder> {
  const own = await startKeyholder({ keysDir, socketPath: await socketPathFor(keysDir), sealing, log, isShared: true });
  return { at: { socketPath: own.socketPath }, credential: own.credentials.operator, stop: () => own.stop() };
}
