import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { processesIn, signal, waitForEnd } from "../../db/embedded-process.ts";

/** What runs for a service, by what it does. */
export const processNames = ["web", "worker", "keyholder", "postmaster"] as const;
export type ProcessName = (typeof processNames)[number];
export type Processes = Readonly<Record<ProcessName, number>>;

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/**
 * Every process of the machine: from /proc where there is one, else from `ps`. All files are read at once: one after the other,
 * hundreds of reads took many seconds on an event loop that the drill's crowd keeps busy.
 */
async function everything(): Promise<Running[]> {
  if (process.platform !== "linux") return listed();
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    numbers.map(async (name): Promise<Running[]> => {
      const [stat, command] = await Promise.all(
        ["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")),
      );
      if (stat === undefined || command === undefined || stat === "") return [];
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z") return [];
      return [{ pid: Number(name), parent: Number(fields[1]), command: command.replaceAll("\0", " ") }];
    }),
  );
  return found.flat();
}

async function listed(): Promise<Running[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid=,command="], { maxBuffer: 1 << 26 });
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return command === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
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

/**
 * Processes of our own that were told of a folder when they were started, besides this one. Who started them may be gone: a
 * key process that was just being started would make its folder again after it was removed.
 */
export async function processesNaming(folder: string): Promise<number[]> {
  const all = await everything();
  // Somebody else may be reading a log there.
  const isOurs = ({ command }: Running): boolean => command.startsWith(process.execPath) && command.includes(folder);
  return all.filter((one) => one.pid !== process.pid && isOurs(one)).map(({ pid }) => pid);
}

/** The four processes of the service that `pid` runs on a data folder; `undefined` while one of them is not there. */
export async function processesOf(pid: number, dataDir: string): Promise<Processes | undefined> {
  const children = await descendantsOf(pid);
  const one = (pattern: RegExp): number | undefined => children.find(({ command }) => pattern.test(command))?.pid;
  const postmaster = await postmasterOf(dataDir);
  const [web, worker, keyholder] = [one(/child\.ts web/), one(/child\.ts worker/), one(/keyholder\/process\.ts/)];
  if (web === undefined || worker === undefined || keyholder === undefined || postmaster === undefined)
    return undefined;
  return { web, worker, keyholder, postmaster };
}

/** Where the service on a data folder has its database. */
export const clusterIn = (dataDir: string): string => join(dataDir, "postgres", "cluster");

async function postmasterOf(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(clusterIn(dataDir), "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number(text.split("\n")[0]);
  return pid > 0 ? pid : undefined;
}

const endWithinMs = 5_000;

/**
 * Ends by SIGKILL some processes, what they have started, and the PostgreSQL on a data folder, which has a session of its
 * own and outlives whoever started it. For a service whose data nobody keeps.
 */
export async function endProcesses(pids: readonly number[], dataDir: string): Promise<void> {
  // Held still first, so that nothing is started again between the look and the end.
  for (const pid of pids) signal(pid, "SIGSTOP");
  const started = (await Promise.all(pids.map(descendantsOf))).flat().map(({ pid }) => pid);
  const postmaster = await postmasterOf(dataDir);
  const inCluster = await processesIn(clusterIn(dataDir));
  // Its number may be somebody else's by now: one that left it behind is known by where it works, on Linux.
  const isThere = postmaster !== undefined && (process.platform !== "linux" || inCluster.includes(postmaster));
  const all = [...new Set([...pids, ...started, ...inCluster, ...(isThere ? [postmaster] : [])])];
  for (const pid of all) signal(pid, "SIGKILL");
  await Promise.all(all.map((pid) => waitForEnd(pid, endWithinMs)));
}
