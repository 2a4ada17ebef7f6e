import { write, writeSync } from "node:fs";
import { after, secondMs } from "./clock.ts";

/** Lines that wait to be written, in bytes; what comes beyond is dropped and counted. */
const mostWaiting = 4 * 2 ** 20;
const mostAtOnce = 64 * 1_024;
/** How soon a failed write is tried again: the disk may have been freed. */
const againMs = secondMs;
/** The same for a full pipe that does not block, which has room as soon as somebody has read. */
const againSoonMs = 20;
/** A write that takes longer is stuck: one to a file, or to somebody who reads, takes far less. */
const stuckAfterMs = secondMs / 4;

/** Where a log's lines go; what pino writes to. */
export interface LogStream {
  write(line: string): void;
  /** Writes what waits before it returns. Tried once, and not at all while a write is stuck. */
  flushSync(): void;
}

/**
 * Writes lines to an open file, one write at a time and in the background. A full disk, a terminal that is gone or a reader who has
 * stopped delays nothing but the lines: up to `most` bytes of them wait until they can be written, and `lost` is told then how many
 * were dropped. Nor does a write that is stuck keep the process from ending, which would otherwise wait for it for ever.
 */
export function logStream(
  fd: number,
  { lost, most = mostWaiting }: { readonly lost: (lines: number) => void; readonly most?: number },
): LogStream {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  /** What is being written, whether it waits to be tried again, and whether it is stuck. */
  let underWay: { readonly bytes: Buffer; resting: boolean; stuck: boolean } | undefined;

  const writeNext = (): void => {
    let [count, bytes] = [0, 0];
    while (count < waiting.length && (count === 0 || bytes + waiting[count]!.length <= mostAtOnce)) {
      bytes += waiting[count++]!.length;
    }
    if (count === 0) return;
    waitingBytes -= bytes;
    put(Buffer.concat(waiting.splice(0, count)));
  };
  const put = (bytes: Buffer): void => {
    const now = { bytes, resting: false, stuck: false };
    underWay = now;
    // After one more turn of the event loop: a process that was busy for long may not have been told yet that it was written.
    const callOff = after(stuckAfterMs, () => setImmediate(() => (now.stuck = true)));
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      callOff();
      if (error !== null) {
        now.resting = true;
        after(isFullPipe(error) ? againSoonMs : againMs, () => {
          if (underWay === now) put(bytes);
        });
        return;
      }
      if (written < bytes.length) return put(bytes.subarray(written));
      underWay = undefined;
      if (dropped > 0 && waitingBytes < most / 2) {
        const lines = dropped;
        dropped = 0;
        lost(lines);
      }
      if (underWay === undefined) writeNext();
    });
  };
  const isStuck = (): boolean => underWay?.stuck === true && !underWay.resting;

  const flushSync = (): void => {
    if (isStuck()) return;
    const begun = underWay?.resting === true ? underWay.bytes : Buffer.alloc(0);
    if (begun.length > 0) underWay = undefined;
    let rest = Buffer.concat([begun, ...waiting]);
    [waiting, waitingBytes] = [[], 0];
    for (let waits = 0; rest.length > 0 && waits * againSoonMs <= stuckAfterMs;) {
      try {
        rest = rest.subarray(writeSync(fd, rest));
        waits = 0;
      } catch (thrown) {
        // Any other error cannot be told: this is where errors are told.
        if (!isFullPipe(thrown)) return;
        waits++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, againSoonMs);
      }
    }
  };
  process.on("exit", () => {
    flushSync();
    // Node waits for its writes before it ends, and this one never comes back. Everything else is done by now.
    if (isStuck()) process.kill(process.pid, "SIGKILL");
  });

  return {
    write: (line) => {
      const bytes = Buffer.from(line);
      if (waitingBytes + bytes.length > most) {
        dropped++;
        return;
      }
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (underWay === undefined) writeNext();
    },
    flushSync,
  };
}

const isFullPipe = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && (thrown.code === "EAGAIN" || thrown.code === "EBUSY");
