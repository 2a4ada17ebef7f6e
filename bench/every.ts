import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { benchNames } from "./goals.ts";

/**
 * Every benchmark, one after another, each in a process of its own, so that none inherits the memory and compiled code of the
 * one before. With `asJson` one object a line. An interruption ends the one under way, which cleans up, and begins no other.
 *
 * @returns the exit code: 0 if all measured, else that of the last one that did not.
 */
export async function everyBenchmark({
  asJson,
  say,
}: {
  readonly asJson: boolean;
  readonly say: (line: string) => void;
}): Promise<number> {
  let interrupted = false;
  let code = 0;
  for (const name of benchNames) {
    if (interrupted) break;
    say(`== ${name}`);
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("run.ts", import.meta.url)), name, ...(asJson ? ["--json"] : [])],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    const pass = (signal: NodeJS.Signals): void => {
      interrupted = true;
      child.kill(signal);
    };
    process.on("SIGINT", pass).on("SIGTERM", pass);
    const ended = await new Promise<number>((resolve) => {
      child.once("error", () => resolve(1));
      child.once("exit", (own) => resolve(own ?? 1));
    });
    process.off("SIGINT", pass).off("SIGTERM", pass);
    if (ended !== 0) code = ended;
  }
  return code;
}
