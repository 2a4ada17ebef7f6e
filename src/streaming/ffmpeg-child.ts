import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { Fault, messageOf } from "../kernel/fault.ts";
import { containers } from "../library/layout.ts";
import { expectStarted, limitedCommand, type ChildLimits } from "../library/limited-child.ts";

/** What starts an ffmpeg: which one, and what it may see of our environment. */
export interface FfmpegNeeds {
  /** A path, or a name that is looked for in the environment's PATH. */
  readonly ffmpegPath: string;
  readonly childEnvironment: Readonly<Record<string, string>>;
}

/** How an ffmpeg ended. */
export interface FfmpegEnd {
  readonly kind: "done" | "failed" | "killed" | "not-installed";
  /** The last lines it said, for the operator's log; they may hold a file's name. */
  readonly reason: string;
}

export interface FfmpegChild {
  readonly pid: number | undefined;
  readonly input: Writable;
  readonly output: Readable;
  readonly ended: Promise<FfmpegEnd>;
  /** Ends it at once; `ended` resolves when the process is gone. Once is enough, twice does nothing. */
  kill(): void;
}

/**
 * Of one ffmpeg: memory enough to decode 8K and encode 1080p, and not enough to take the machine along. The processor time is a
 * last resort: a run that nobody watches ends long before.
 */
const limits: ChildLimits = { addressSpaceKb: 4_000_000, cpuSeconds: 12 * 3_600 };

/**
 * Starts ffmpeg on hostile input: arguments as an array, address space and processor time limited, at low priority. It
 * writes to pipe:1 and so ends by itself when we do. Killing is SIGKILL, since there is nothing it would have to tidy
 * up, and since it does not react to SIGTERM while it waits for a reader.
 *
 * @throws Fault BUSY when the system can start no process now.
 */
export function startFfmpeg({ ffmpegPath, childEnvironment }: FfmpegNeeds, parameters: readonly string[]): FfmpegChild {
  const own = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"];
  const [program, all] = limitedCommand(ffmpegPath, [...own, ...parameters], limits);
  const child = spawn(program, all, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...childEnvironment, LC_ALL: "C", TZ: "UTC" },
    windowsHide: true,
  });
  expectStarted(child, constants.priority.PRIORITY_BELOW_NORMAL);
  let said = "";
  child.stderr.on("data", (part: Buffer) => {
    said = (said + part.toString("utf8")).slice(-2_000);
  });
  // It may stop reading before everything is written.
  child.stdin.on("error", () => undefined);
  child.stdout.on("error", () => undefined);

  let killed = false;
  const ended = new Promise<FfmpegEnd>((resolve) => {
    let failure = "";
    child.on("error", (error: NodeJS.ErrnoException) => {
      failure = messageOf(error);
      if (error.code === "ENOENT") resolve({ kind: "not-installed", reason: failure });
      else if (child.pid === undefined) resolve({ kind: "failed", reason: failure });
    });
    child.on("exit", (code) => {
      const reason = failure || said.trim().split("\n").slice(-3).join("; ") || `ffmpeg ended with ${code}`;
      if (killed) resolve({ kind: "killed", reason: "" });
      // What a shell answers when there is no such program, or none that can be run.
      else if (code === 127 || code === 126) resolve({ kind: "not-installed", reason });
      else resolve(code === 0 ? { kind: "done", reason: "" } : { kind: "failed", reason });
    });
  });
  return {
    pid: child.pid,
    input: child.stdin,
    output: child.stdout,
    ended,
    kill: () => {
      if (killed) return;
      killed = true;
      child.kill("SIGKILL");
      child.stdout.destroy();
    },
  };
}

/** What an operator reads when there is no ffmpeg. */
export const toolMissing = (): Fault =>
  new Fault("MEDIA_TOOL_MISSING", "ffmpeg cannot be started; hint: install ffmpeg 5.1 or newer");

/** Arguments that stand before `-i`: only real media containers are opened, from this one file, with pictures of at most 8K. */
export const inputArguments = (path: string): readonly string[] => [
  "-protocol_whitelist",
  "file,pipe",
  "-format_whitelist",
  containers,
  "-max_pixels",
  "40000000",
  "-i",
  // With `file:` a name is a name, whatever its first characters.
  `file:${path}`,
];
