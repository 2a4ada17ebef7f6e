/** Whether a connection stays on this machine: by a Unix socket, or to one of its own addresses. */
type IsLoopback = (host: string) => boolean;

/**
 * What is wrong with a PostgreSQL address; `undefined` if its connection stays on this machine, or is encrypted to a server
 * whose certificate is verified and bears its name. Nothing less is taken: PostgreSQL's other modes go on in clear, or
 * with whoever answers. Where the address names no host, the driver looks at `PGHOST`.
 *
 * Source: ASVS 5.0 12.3.1 and 12.3.2; PostgreSQL 18 documentation, section 32.19.
 */
export function whatIsOpen(url: URL, pgHost: string | undefined, isLoopback: IsLoopback): string | undefined {
  const named = [...url.searchParams.getAll("host"), ...(url.hostname === "" ? [] : [unescaped(url.hostname)])];
  const hosts = named.length > 0 ? named : [pgHost ?? "localhost"];
  const staysHere = hosts.every((written) => {
    const host = written.replace(/^\[|\]$/g, "");
    return host.startsWith("/") || isLoopback(host);
  });
  if (staysHere) return undefined;
  const modes = url.searchParams.getAll("sslmode");
  if (modes.length === 1 && modes[0] === "verify-full") return undefined;
  return "names another machine, so it must end in sslmode=verify-full: encrypted, and to the server whose name it is";
}

/** The host as it was meant, by which a socket's folder is escaped (`%2Frun`); one with a broken escape is no host of this machine. */
function unescaped(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    return host;
  }
}
