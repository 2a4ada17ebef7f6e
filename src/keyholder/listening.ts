import type { HostPort, TlsFiles, TlsPlace } from "../config/keyholder-place.ts";
import { Fault } from "../kernel/fault.ts";
import { isRecord } from "./durable-file.ts";

/** What a key process is told of other hosts, besides its socket. */
export interface Listening {
  /** Where it listens by mutual TLS; not at all unless given. */
  readonly listen?: HostPort | undefined;
  /** This end's certificate, for listening and for following. */
  readonly files: TlsFiles;
  /** The keyholder that it follows until it is promoted. */
  readonly follows?: TlsPlace | undefined;
  /** It was promoted, and follows again. */
  readonly demote: boolean;
}

const isHostPort = (value: unknown): value is HostPort =>
  isRecord(value) && typeof value["host"] === "string" && typeof value["port"] === "number";

/** Reads what the supervisor wrote; nothing is a keyholder of this host alone. */
export function parseListening(value: unknown): Listening {
  const said = isRecord(value) ? value : {};
  const { listen, files, follows, demote } = said;
  const path = (name: string): string => (isRecord(files) && typeof files[name] === "string" ? files[name] : "");
  const own = { ca: path("ca"), cert: path("cert"), key: path("key") };
  const addresses: readonly unknown[] =
    isRecord(follows) && Array.isArray(follows["addresses"]) ? follows["addresses"] : [];
  if ((listen !== undefined && !isHostPort(listen)) || !addresses.every(isHostPort)) {
    throw new Fault("CONFIG_INVALID", "where to listen is not understood");
  }
  return {
    listen: listen === undefined ? undefined : listen,
    files: own,
    follows: addresses.length === 0 ? undefined : { addresses, files: own },
    demote: demote === true,
  };
}
