import type { ReadDisk } from "../src/library/media/disk-reads.ts";

/** Reads of a file that is only these bytes, whatever its descriptor. */
export const readsOf =
  (file: Buffer): ReadDisk =>
  (_descriptor, bytes, offset, length, position) =>
    file.copy(bytes, offset, position, position + length);
