import type { Log } from "../kernel/log.ts";
import { startDemuxPool } from "./media/demux-pool.ts";
import { inspect } from "./media/inspect.ts";
import type { Inspection } from "./scan.ts";

/** Inspects files for the scan, with demuxing threads that live from file to file. */
export interface Inspector {
  inspect(path: string, signal: AbortSignal): Promise<Inspection>;
  close(): Promise<void>;
}

/** As many files as the scan inspects at once. */
const inspectorThreads = 2;

export function openInspector({ log }: { readonly log: Log }): Inspector {
  const demux = startDemuxPool({ threads: inspectorThreads, log });
  return {
    inspect: (path, signal) => inspect({ demux, log }, path, signal),
    close: () => demux.close(),
  };
}
