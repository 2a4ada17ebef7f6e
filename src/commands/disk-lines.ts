import type { Config } from "../config/config.ts";
import { isReserveShort, mebibytes, readDatabaseDisk } from "../db/reserve.ts";

/** What there is to say of the built-in database's disk: nothing while it has room and its reserve is whole. */
export async function diskLines({ databaseUrl, dataDir }: Config): Promise<string[]> {
  const disk = databaseUrl === null ? await readDatabaseDisk(dataDir) : undefined;
  if (disk === undefined) return [];
  const { state, freeBytes, reserveBytes, wantedReserveBytes } = disk;
  if (state === "well" && !isReserveShort(disk)) return [];
  const kept = `${mebibytes(reserveBytes)} of ${mebibytes(wantedReserveBytes)} are kept to contain on when it is full`;
  return [`  disk                  ${state === "well" ? "" : `${state}: `}${mebibytes(freeBytes)} are free; ${kept}`];
}
