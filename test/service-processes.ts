import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningService } from "./running-service.ts";

/** What runs for a service, by what it does. Linux only. */
export interface Processes {
  readonly web: number;
  readonly worker: number;
  readonly keyholder: number;
  readonly postmaster: number;
}

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function everything(): Promise<Running[]> {
  const found: Running[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || fields[0] === "Z") continue;
    found.push({ pid: Number(name), parent: Number(fields[1]), command: command.replaceAll("\0", " ") });
  }
  return found;
}

/** Every process that a service has started, and those that they have. */
export async function descendantsOf(pid: number): Promise<Running[]> {
  const all = await everything();
  const found: Running[] = [];
  const parents = [pid];
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
    for (const child of all.filter((one) => one.parent === parent)) {
      found.push(child);
      parents.push(child.pid);
    }
  }
  return found;
}

export async function processesOf(service: RunningService): Promise<Processes | undefined> {
  const children = await descendantsOf(service.pid());
  const one = (pattern: RegExp): number | undefined => children.find(({ command }) => pattern.test(command))?.pid;
  const pidFile = join(service.dataDir, "postgres", "cluster", "postmaster.pid");
  const postmaster = Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]);
  const [web, worker, keyholder] = [one(/child\.ts web/), one(/child\.ts worker/), one(/keyholder\/process\.ts/)];
  if (web === undefined || worker === undefined || keyholder === undefined || !(postmaster > 0)) return undefined;
  return { web, worker, keyholder, postmaster };
}

export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}
