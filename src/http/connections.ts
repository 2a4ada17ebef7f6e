import { readFileSync } from "node:fs";
import type { Server } from "node:net";
import { minuteMs, type Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";

/** Connections of browsers, televisions and proxies that one web process holds at once. */
export const mostConnections = 20_000;
/** Files that are left to the database, the keyholder and films, whatever comes from outside. */
const reservedFiles = 1_000;

/**
 * How many connections a process takes that may have `openFiles` files open (`null`: not known). A connection is a file: a
 * process without a free one can neither reach its database again nor open a film.
 */
export const connectionsWithin = (openFiles: number | null): number =>
  openFiles === null ? mostConnections : Math.min(mostConnections, openFiles - Math.min(reservedFiles, openFiles / 4));

/** What the system lets this process open (RLIMIT_NOFILE, which Node raises to its hard limit); `null` where it is not told. */
export function openFilesLimit(): number | null {
  try {
    const [, files] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return files === undefined ? null : Number(files);
  } catch {
    return null;
  }
}

/** Closes connections beyond the limit as they come, and says so at most once a minute. Source: OWASP ASVS 5.0 13.1.2. */
export function limitConnections(
  server: Pick<Server, "on" | "maxConnections">,
  limit: number,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
): void {
  server.maxConnections = Math.floor(limit);
  let dropped = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    dropped += 1;
    if (clock.now() < saidAt + minuteMs) return;
    saidAt = clock.now();
    log.warn(
      { most: server.maxConnections, dropped },
      "there are as many connections as this process takes; others are closed",
    );
    dropped = 0;
  });
}
