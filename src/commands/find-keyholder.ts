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
/** One that ended when it was asked is not asked for longer before somebody looks whether it is there at all. */
const firstAnswerMs = secondMs;
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
  const start = startOwn(config, keysDir, log);
  const until = steadyClock.now() + waitMs;
  const isLong = timeIsOver(sayAfterMs);
  let answerMs = Math.min(firstAnswerMs, waitMs);
  let isSaid = false;
  while (true) {
    const running = await findRunning(keysDir, log, answerMs);
    if (typeof running === "object") return running;
    const leftMs = until - steadyClock.now();
    if (running === "nobody" || leftMs <= 0) {
      try {
        return await start();
      } catch (thrown) {
        if (!(thrown instanceof FolderHeld) || leftMs <= 0) throw thrown;
      }
    } else answerMs = leftMs;
    if (isLong() && !isSaid) {
      isSaid = true;
      process.stderr.write("another process holds the keys and does not answer yet; waiting for it\n");
    }
    await sleep(lookEveryMs, signal);
    signal?.throwIfAborted();
  }
}

/** Whoever listens by the credential that lies in the folder. What was killed leaves both behind, and nobody listens. */
async function findRunning(keysDir: string, log: Log, waitMs: number): Promise<FoundKeyholder | "nobody" | "silent"> {
  const running = await readOperatorCredential(keysDir).catch(() => undefined);
  if (running === undefined || !(await isListenedTo(running.socketPath))) return "nobody";
  try {
    const connected = await connectKeyholder({ ...running, role: "operator", waitMs, log });
    const { socketPath, credential } = running;
    try {
      await connected.publicKeys("checkpoint");
    } catch (thrown) {
      await connected.close();
      throw thrown;
    }
    // Connected for as long as it is used: one that a command has started is there for so long.
    return { at: { socketPath }, credential, stop: () => connected.close() };
  } catch (thrown) {
    if (!(thrown instanceof Fault) || !thrown.code.startsWith("KEYHOLDER") || isAnswer(thrown)) throw thrown;
    return "silent";
  }
}

/** A standby answers, and will not do what is asked: waiting would change nothing. */
const isAnswer = ({ message }: Fault): boolean => message.startsWith("keyholder: ");

/** What starts one of our own; the passphrase of the keys is asked for once. */
function startOwn(config: Config, keysDir: string, log: Log): () => Promise<FoundKeyholder> {
  let sealing: ReturnType<typeof readSealing> | undefined;
  return async () => {
    sealing ??= readSealing(config, keysDir);
    const needs = { keysDir, socketPath: await socketPathFor(keysDir), sealing: await sealing, log };
    const own = await startKeyholder({ ...needs, isShared: true });
    return { at: { socketPath: own.socketPath }, credential: own.credentials.operator, stop: () => own.stop() };
  };
}
