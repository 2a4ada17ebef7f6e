import { readFile } from "node:fs/promises";
import { processesOf as processesOn } from "../src/incidents/drill/processes.ts";
import type { Processes } from "../src/incidents/drill/processes.ts";
import type { RunningService } from "./running-service.ts";

export { descendantsOf } from "../src/incidents/drill/processes.ts";
export type { Processes } from "../src/incidents/drill/processes.ts";

/** What runs for a service, by what it does. */
export const processesOf = (service: RunningService): Promise<Processes | undefined> =>
  processesOn(service.pid(), service.dataDir);

export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}
