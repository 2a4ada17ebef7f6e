import { minuteMs, secondMs } from "../src/kernel/clock.ts";
import { Fault } from "../src/kernel/fault.ts";
import { silentLog } from "../src/kernel/log.ts";
import { startDemuxPool } from "../src/library/media/demux-pool.ts";

/** What it says to the test that started it. */
export type DemuxProgramSays = "waits for the disk" | "described" | "unreadable" | "BUSY";

// Describes the film at FILM, and says to its parent that the disk is waited for, and what came of it.
const say = (what: DemuxProgramSays): void => void process.send?.(what);
const log = Object.assign(Object.create(silentLog) as typeof silentLog, { info: () => say("waits for the disk") });
const diskMs = process.env["GIVES_UP"] === undefined ? minuteMs : 2 * secondMs;
const demux = startDemuxPool({ threads: 1, log, diskMs });
try {
  say((await demux.describe(process.env["FILM"] ?? "", new AbortController().signal)).kind);
} catch (thrown) {
  if (!(thrown instanceof Fault) || thrown.code !== "BUSY") throw thrown;
  say("BUSY");
}
