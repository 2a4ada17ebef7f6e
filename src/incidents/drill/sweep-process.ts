/**
 * Cleans up after a drill: `node src/incidents/drill/sweep-process.ts FOLDER`.
 *
 * Standard input: lines `+PID` and `-PID`, processes that the drill has started and that have ended. When it ends, those
 * that are left are ended, and the folder is removed.
 */
import { createInterface } from "node:readline";
import { sweepFolder } from "./sweeper.ts";

const folder = process.argv[2];
if (folder === undefined) process.exit(2);
// It has the drill's last work to do, whoever else is told to leave.
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => undefined);

const pids = new Set<number>();
for await (const line of createInterface({ input: process.stdin })) {
  const [, sign, pid] = /^([+-])(\d+)$/.exec(line) ?? [];
  if (sign === "+") pids.add(Number(pid));
  else pids.delete(Number(pid));
}
await sweepFolder(folder, [...pids]);
