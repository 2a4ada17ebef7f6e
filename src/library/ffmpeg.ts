import { spawn } from "node:child_process";
import { constants } from "node:os";
import { Fault, messageOf } from "../kernel/fault.ts";
import { fileProblems } from "./file-problems.ts";
import { expectStarted, limitedCommand } from "./limited-child.ts";

export interface FfmpegRun {
  readonly kind: "done" | "failed";
  /** What came out of pipe:1 and pipe:3, at most `maxOutputBytes` each. */
  readonly output: Buffer;
  readonly second: Buffer;
  /** The last lines that ffmpeg said, for the operator's log. */
  readonly reason: string;
}

export interface FfmpegLimits {
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
  /** Goes into pipe:0. */
  readonly input?: Uint8Array;
  /** Nobody waits for it: it gets what time every other process leaves. */
  readonly isIdle?: boolean;
  /** Processor time it may use: a machine that is busy makes it slow, and only a hostile file makes it use much. */
  readonly cpuSeconds?: number;
}

/** 3 GB of address space: enough for any picture we allow, and not enough to take the machine along. */
const addressSpaceKb = 3_000_000;

/**
 * Runs ffmpeg on hostile input: arguments as an array, no environment of ours, address space and time limited, at low
 * priority (the lowest if nobody waits for it), killed when the time is over, the output too long or the signal aborts.
 *
 * @throws Fault MEDIA_TOOL_MISSING when there is no ffmpeg on this machine; BUSY when the system can start no process now.
 */
export async function runFfmpeg(parameters: readonly string[], limits: FfmpegLimits): Promise<FfmpegRun> {
  const own = ["-hide_banner", "-loglevel", "error", "-y", ...(limits.input === undefined ? ["-nostdin"] : [])];
  const { cpuSeconds } = limits;
  const [program, all] = limitedCommand("ffmpeg", [...own, ...parameters], { addressSpaceKb, cpuSeconds });
  const timeout = AbortSignal.timeout(limits.timeoutMs);
  const child = spawn(program, all, {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin", LC_ALL: "C", TZ: "UTC" },
    signal: AbortSignal.any([limits.signal, timeout]),
    killSignal: "SIGKILL",
    windowsHide: true,
  });
  const { PRIORITY_LOW, PRIORITY_BELOW_NORMAL } = constants.priority;
  expectStarted(child, limits.isIdle === true ? PRIORITY_LOW : PRIORITY_BELOW_NORMAL);

  let failure = "";
  const collect = (stream: NodeJS.ReadableStream | null | undefined): { take(): Buffer } => {
    const parts: Buffer[] = [];
    let bytes = 0;
    stream?.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes <= limits.maxOutputBytes) parts.push(part);
      else {
        failure = fileProblems.large;
        child.kill("SIGKILL");
      }
    });
    stream?.on("error", () => undefined);
    return { take: () => (bytes <= limits.maxOutputBytes ? Buffer.concat(parts) : Buffer.alloc(0)) };
  };
  const output = collect(child.stdout);
  const third = child.stdio[3];
  const second = collect(third !== null && third !== undefined && "on" in third && "read" in third ? third : null);
  let said = "";
  child.stderr?.on("data", (part: Buffer) => {
    said = (said + part.toString("utf8")).slice(-2_000);
  });
  // It may stop reading before everything is written: a broken picture.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(limits.input);

  return new Promise((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") reject(new Fault("MEDIA_TOOL_MISSING", "ffmpeg is not installed", { cause: error }));
      failure = timeout.aborted ? fileProblems.slow : messageOf(error);
    });
    child.on("close", (code, endedBy) => {
      // Not by us: by the limit of its processor time, or by a system that has no memory left.
      if (endedBy !== null) failure ||= fileProblems.heavy;
      if (code === 127)
        reject(new Fault("MEDIA_TOOL_MISSING", "ffmpeg is not installed; hint: install ffmpeg 5 or newer"));
      const isDone = code === 0 && failure === "";
      resolve({
        kind: isDone ? "done" : "failed",
        output: output.take(),
        second: second.take(),
        reason: isDone ? "" : failure || said.trim().split("\n").slice(-3).join("; ") || `ffmpeg ended with ${code}`,
      });
    });
  });
}
