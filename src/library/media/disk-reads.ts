import { readSync } from "node:fs";

/** Reads up to `length` bytes at `position` of an open file. @returns how many there were; 0 at the file's end. */
export type ReadDisk = (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number;

/** Counts the reads of one thread, in memory that it shares with whoever watches over it: odd while a read is under way. */
export const newReadCount = (): Int32Array => new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/**
 * Reads that are counted. A thread that waits for a disk can send no message meanwhile, and a message for each read would cost more
 * than the read.
 */
export function countedReads(count: Int32Array): ReadDisk {
  return (...parameters) => {
    Atomics.add(count, 0, 1);
    try {
      return readSync(...parameters);
    } finally {
      Atomics.add(count, 0, 1);
    }
  };
}

/** The number of the read that the thread waits for now; `undefined` if it waits for none. */
export function readUnderWay(count: Int32Array): number | undefined {
  const reads = Atomics.load(count, 0);
  return reads % 2 === 0 ? undefined : reads;
}
