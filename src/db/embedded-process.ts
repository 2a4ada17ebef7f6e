import { readdir, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../kernel/clock.ts";

/** Whether a process exists and is more than a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EPERM")) return false;
  }
  if (process.platform !== "linux") return true;
  const facts = await statOf(pid);
  return facts !== undefined && facts.state !== "Z" && facts.state !== "X";
}

/** State and start (in clock ticks since boot) of a Linux process; the start tells a reused pid from the old one. */
async function statOf(pid: number): Promise<{ state: string; start: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name stands in parentheses and may hold anything, so fields are counted from the last one.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields?.[0], fields?.[19]];
  return state === undefined || start === undefined ? undefined : { state, start };
}

/**
 * The processes that work inside a cluster's folder, which every PostgreSQL process does: the postmaster, and backends
 * that have outlived it. Linux only; elsewhere nothing is found, and PostgreSQL's own lock file decides.
 */
export async function processesIn(clusterFolder: string): Promise<number[]> {
  if (process.platform !== "linux") return [];
  const names = await readdir("/proc").catch(() => []);
  const found: number[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const folder = await readlink(`/proc/${name}/cwd`).catch(() => undefined);
    if (folder !== clusterFolder) continue;
    // An operator's shell may stand there too.
    const program = await readlink(`/proc/${name}/exe`).catch(() => "");
    if (/\/postgres( \(deleted\))?$/.test(program) && (await isAlive(Number(name)))) found.push(Number(name));
  }
  return found;
}

/** Waits until a process is gone; `false` when it is still there after `limitMs`. */
export async function waitForEnd(pid: number, limitMs: number): Promise<boolean> {
  const pauseMs = 20;
  for (let waitedMs = 0; waitedMs <= limitMs; waitedMs += pauseMs) {
    if (!(await isAlive(pid))) return true;
    await sleep(pauseMs);
  }
  return false;
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/** Who stops the server when done: the process that started it, or the service that took it over. */
export interface Owner {
  readonly pid: number;
  readonly start: string;
  readonly role: "service" | "command";
}

/** The owner on record, if that very process is still there. */
export async function readOwner(file: string): Promise<Owner | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const [pidText, start, role] = text.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || start === undefined || (role !== "service" && role !== "command")) {
    return undefined;
  }
  const owner: Owner = { pid, start, role };
  return (await isAlive(pid)) && (await startOf(pid)) === start ? owner : undefined;
}

export async function recordOwner(file: string, role: Owner["role"]): Promise<void> {
  const draft = `${file}.${process.pid}`;
  try {
    await writeFile(draft, `${process.pid} ${await startOf(process.pid)} ${role}\n`, { mode: 0o600 });
    await rename(draft, file);
  } catch (thrown) {
    // On a full disk each try would leave one.
    await rm(draft, { force: true });
    throw thrown;
  }
}

const commandName = /^postgres\.command\.\d+$/;

/** Where a command says that it uses the server: one file for each, beside the owner's, since several may run at once. */
export const commandFile = (dataDir: string): string => join(dataDir, `postgres.command.${process.pid}`);

/** Whether a command of another process uses the server. Removes what commands that were killed have left. */
export async function isUsedByOthers(dataDir: string): Promise<boolean> {
  let isUsed = false;
  for (const name of await readdir(dataDir)) {
    if (!commandName.test(name)) continue;
    const user = await readOwner(join(dataDir, name));
    if (user === undefined) await rm(join(dataDir, name), { force: true });
    else if (user.pid !== process.pid) isUsed = true;
  }
  return isUsed;
}

const startOf = async (pid: number): Promise<string> => (await statOf(pid))?.start ?? "-";
