/** A host and a port as a setting names them. */
export interface HostPort {
  /** A name or an address, without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

/** PEM files of one end of mutual TLS; they are read anew for each connection, so that renewed ones are used. */
export interface TlsFiles {
  /** The authority that has signed the other end's certificate. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Keyholders on hosts of their own: the first that answers and is no standby is used. */
export interface TlsPlace {
  readonly addresses: readonly HostPort[];
  readonly files: TlsFiles;
}

/** Where a keyholder is: on a Unix socket of this host, or elsewhere by mutual TLS. There is no third way. */
export type KeyholderAt =
  | { readonly socketPath: string; readonly tls?: undefined }
  | { readonly tls: TlsPlace; readonly socketPath?: undefined };

const mostAddresses = 8;

export const tlsName = ({ host, port }: HostPort): string => `tls://${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Reads `HOST:PORT`, with brackets around an IPv6 address; `undefined` for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, host = "", bracketed = "", port = ""] =
    /^(?:([A-Za-z0-9._-]{1,253})|\[([0-9A-Fa-f:.]{2,45})\]):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  const name = host === "" ? bracketed : host;
  return name !== "" && number >= 1 && number <= 65_535 ? { host: name, port: number } : undefined;
}

/** Reads `tls://HOST:PORT`, several with commas between; `undefined` for anything else. */
export function parseTlsAddresses(text: string): readonly HostPort[] | undefined {
  const addresses = text
    .split(",")
    .map((each) => /^tls:\/\/(.+)$/.exec(each.trim())?.[1])
    .map((each) => (each === undefined ? undefined : parseHostPort(each.replace(/\/$/, ""))));
  const whole = addresses.filter((each) => each !== undefined);
  return whole.length === addresses.length && whole.length <= mostAddresses ? whole : undefined;
}
