import { hostname } from "node:os";
import { fromDate, toIso } from "../kernel/clock.ts";
import type { Tx } from "./db.ts";

export type NodeRole = "web" | "worker";

/** A process of the service that is connected to the database. */
export interface ConnectedNode {
  readonly role: NodeRole;
  readonly host: string;
  /** Its process id on that host. */
  readonly process: number;
  /** Since when its oldest connection stands. */
  readonly connectedAt: string;
}

/** PostgreSQL keeps 63 bytes of a name; the channel that a connection listens on stands behind this. */
const mostHostLength = 24;

/** What the connections of this process are called, so that everybody sees which processes there are. */
export const nodeName = (role: NodeRole, process: number, host: string = hostname()): string =>
  `houselights ${role} ${process}@${host.replace(/[^\w.-]/g, "_").slice(0, mostHostLength)}`;

const named = /^houselights (?<role>web|worker) (?<process>\d{1,10})@(?<host>[\w.-]+)/;

/**
 * The processes of the service that are connected now, by what PostgreSQL knows of its connections, so that nothing is
 * written to say that one lives: one that was killed is gone with its connections, one whose network is cut stays until
 * PostgreSQL notices. Each listens all the time, so none is missed for being idle.
 */
export async function connectedNodes(tx: Tx): Promise<ConnectedNode[]> {
  const rows = await tx.many<{ name: string; since: Date | null }>(
    `select application_name as name, min(backend_start) as since from pg_stat_activity
      where datname = current_database() and application_name like 'houselights %@%' group by 1`,
  );
  const found = new Map<string, ConnectedNode>();
  for (const { name, since } of rows) {
    const parts = named.exec(name)?.groups;
    if (parts === undefined || since === null) continue;
    const { role, process = "", host = "" } = parts;
    const key = `${host} ${role} ${process.padStart(10, "0")}`;
    const connectedAt = toIso(fromDate(since));
    const other = found.get(key);
    if (other !== undefined && other.connectedAt <= connectedAt) continue;
    found.set(key, { role: role === "worker" ? "worker" : "web", host, process: Number(process), connectedAt });
  }
  return [...found].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, node]) => node);
}
