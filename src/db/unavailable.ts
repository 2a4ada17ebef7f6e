import { Fault } from "../kernel/fault.ts";

/** SQLSTATE classes and socket errors that mean "not now": the server is starting, stopping, full or gone, or has given us up. */
const unavailable =
  /^(08...|53...|25P03|57P0[1-3]|ECONN.*|E(HOST|NET)(UNREACH|DOWN|RESET)|ENOTFOUND|EAGAIN|EAI_AGAIN|ENOENT|EPIPE|ETIMEDOUT)$/;

/** A role or a database that is not there, another password: it may be put right while processes run, as when one is changed. */
const notLetIn = /^(28000|28P01|3D000)$/;

/** SQLSTATE `too_many_connections`. */
export const tooManyConnections = "53300";

/**
 * What a statement threw, as the rest of the service knows it: a Fault when it is not the statement's fault. Literal
 * statements are translated where they run; what the query builder throws comes as the driver threw it, so whoever
 * judges errors at the edge asks this too.
 */
export function translate(thrown: unknown): unknown {
  const code = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
  const text = thrown instanceof Error ? thrown.message : "";
  if (code === tooManyConnections) {
    const hint =
      "others have used up its max_connections, or its role's; docs/design/connections.md says how many are needed";
    return new Fault("DB_UNAVAILABLE", `the database takes no further connection (${code})\n${hint}`, {
      cause: thrown,
    });
  }
  if (code !== undefined && notLetIn.test(code)) {
    return new Fault("DB_UNAVAILABLE", `the database lets nobody in: ${text} (${code})\nlook at DATABASE_URL`, {
      cause: thrown,
    });
  }
  if (code === "55P03") {
    const hint = "select pg_blocking_pids(pid), query from pg_stat_activity where wait_event_type = 'Lock' says who";
    return new Fault("DB_UNAVAILABLE", `another transaction keeps locked what this needs (${code})\n${hint}`, {
      cause: thrown,
    });
  }
  if (code === "25006") {
    // Of a copy that follows another: it may be promoted, or the way to the primary mended, while processes run.
    const hint = "let DATABASE_URL name the primary; if that is gone for good, promote this one: select pg_promote()";
    return new Fault(
      "DB_UNAVAILABLE",
      `the database takes no writes: it is a standby, or set to be read only (${code})\n${hint}`,
      { cause: thrown },
    );
  }
  if (code === "42501") {
    const hint = "the role of DATABASE_URL must own the database and whatever is in it";
    return new Fault("DB_REFUSED", `the database refuses this: ${text} (${code})\n${hint}`, { cause: thrown });
  }
  // The server ends with it, and nobody knows yet whether what was under way is in its log: on a full disk it cannot begin a segment.
  if (thrown instanceof Error && "severity" in thrown && thrown.severity === "PANIC") {
    return new Fault("DB_UNAVAILABLE", `the database has stopped: ${text} (${code ?? "no code"})`, { cause: thrown });
  }
  if (code === "53100") return new Fault("DISK_FULL", "the database's disk is full", { cause: thrown });
  const lost =
    thrown instanceof Error &&
    /Connection terminated|Query read timeout|connection error and is not queryable|timeout exceeded when trying to connect|^timeout expired$/.test(
      thrown.message,
    );
  if (lost || (code !== undefined && unavailable.test(code))) {
    return new Fault("DB_UNAVAILABLE", `the database does not answer (${code ?? "connection lost"})`, {
      cause: thrown,
    });
  }
  return thrown;
}
