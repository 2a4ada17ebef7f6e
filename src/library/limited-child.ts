import type { ChildProcess } from "node:child_process";
import { setPriority } from "node:os";
import { Fault } from "../kernel/fault.ts";

/** What a child process that reads hostile files may use. */
export interface ChildLimits {
  readonly addressSpaceKb: number;
  /** Processor time; without a limit if left out. */
  readonly cpuSeconds?: number | undefined;
}

/** What `spawn` is called with to start a program under limits. On Windows there are none. */
export function limitedCommand(
  program: string,
  parameters: readonly string[],
  { addressSpaceKb, cpuSeconds }: ChildLimits,
): readonly [program: string, parameters: readonly string[]] {
  if (process.platform === "win32") return [program, parameters];
  const time = cpuSeconds === undefined ? "" : `ulimit -t ${cpuSeconds} 2>/dev/null; `;
  // The shell only lowers its own limits and becomes the program; nothing of ours is ever part of its script.
  const script = `ulimit -v ${addressSpaceKb} 2>/dev/null; ${time}exec "$0" "$@"`;
  return ["/bin/sh", ["-c", script, program, ...parameters]];
}

/**
 * Called before anything else is done with a child that was just spawned: without a process or a file to spare the system starts
 * none, its pipes may be missing, and its error would end this process if nobody listened.
 *
 * @param priority as `os.setPriority` takes it.
 * @throws Fault BUSY when it was not started: what it was to read is not to blame. (A missing program is said by its exit.)
 */
export function expectStarted(child: ChildProcess, priority?: number): void {
  if (child.pid === undefined) {
    // There the program is started without a shell, and may be what is missing: "error" says so.
    if (process.platform === "win32") return;
    child.on("error", () => undefined);
    throw new Fault("BUSY", "no process can be started now: too many of them, or too many open files");
  }
  if (priority === undefined) return;
  try {
    setPriority(child.pid, priority);
  } catch {
    // It is over already, or we may not: it works all the same.
  }
}
