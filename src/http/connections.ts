import { readFileSync } from "node:fs";
import { BlockList, isIPv6, type Server, type Socket } from "node:net";
import { minuteMs, type Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { isThisMachine, networkOf, siteOf } from "./network.ts";

/** Connections of browsers, televisions and proxies that one web process holds at once. */
export const mostConnections = 20_000;
/**
 * Of these, as many as one network holds: three hundred people behind one address, with the six connections that a browser
 * opens. A process that takes fewer gives each network as small a part of them.
 */
export const mostPerNetwork = 2_000;
/** And as many as all networks of one IPv6 /48: somebody who has one has 65,536 networks. */
export const mostPerSite = 5_000;
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

/** Which proxies are believed: none, this many in front, or those with these addresses (`10.0.0.1`, `10.0.0.0/8`). */
export type TrustProxy = false | number | readonly string[];

interface Needs {
  readonly trustProxy: TrustProxy;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * Closes connections beyond the limit as they come, and those of a network beyond its share, and says so at most once a
 * minute. This machine and the proxies that are believed have no share: they bring everybody. Source: OWASP ASVS 5.0 13.1.2.
 */
export function limitConnections(
  server: Pick<Server, "on" | "maxConnections" | "listeners" | "removeAllListeners">,
  limit: number,
  needs: Needs,
): void {
  server.maxConnections = Math.floor(limit);
  server.on("drop", sayDropped(needs, limit, "there are as many connections as this process takes; others are closed"));

  const share = Math.min(1, limit / mostConnections);
  const networks = openShares(mostPerNetwork * share);
  const sites = openShares(mostPerSite * share);
  const isProxy = proxies(needs.trustProxy);
  const dropped = sayDropped(
    needs,
    mostPerNetwork * share,
    "one network has as many connections as it may have; others of it are closed",
  );
  // Before what serves them: a connection that is closed under TLS or a parser is one that broke, and would be logged as such.
  const serve = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const { remoteAddress: peer } = socket;
    if (peer !== undefined && !isThisMachine(peer) && !isProxy(peer)) {
      const taken = [networks.take(networkOf(peer)), sites.take(siteOf(peer))];
      const leave = (): void => taken.forEach((one) => one?.());
      if (taken.includes(undefined)) {
        leave();
        socket.destroy();
        return dropped();
      }
      socket.once("close", leave);
    }
    for (const each of serve) each.call(server, socket);
  });
}

/** Counts what is dropped, and says so at most once a minute. */
function sayDropped({ log, clock }: Pick<Needs, "log" | "clock">, most: number, words: string): () => void {
  let dropped = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return () => {
    dropped += 1;
    if (Math.abs(clock.now() - saidAt) < minuteMs) return;
    saidAt = clock.now();
    log.warn({ most: Math.floor(most), dropped }, words);
    dropped = 0;
  };
}

/** Places that many share by name; at least one each. */
function openShares(most: number) {
  const held = new Map<string, number>();
  return {
    /** @returns what gives the place back; `undefined` if all of this name are taken. Without a name nothing is counted. */
    take(name: string | undefined): (() => void) | undefined {
      if (name === undefined) return () => undefined;
      const before = held.get(name) ?? 0;
      if (before >= Math.max(1, Math.floor(most))) return undefined;
      held.set(name, before + 1);
      return () => {
        const left = (held.get(name) ?? 1) - 1;
        if (left > 0) held.set(name, left);
        else held.delete(name);
      };
    },
  };
}

/** Whether a peer is a proxy that is believed. Where they are counted and not named, every peer is. */
function proxies(trust: TrustProxy): (peer: string) => boolean {
  if (trust === false) return () => false;
  if (typeof trust === "number") return () => trust > 0;
  const list = new BlockList();
  for (const one of trust) {
    const [address = "", bits] = one.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (peer) => list.check(peer, isIPv6(peer) ? "ipv6" : "ipv4");
}
