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

const named = /^houselights (?<role>web|worker) (?<process>\d{1,10})@(?<host>[\w.-]+)$/;

/**
 * The processes of the service that are connected now, by what PostgreSQL knows of its connections, so that nothing is
 * written to say that one lives: one that was killed is gone with its connections, one whose network is cut stays until
 * PostgreSQL notices. Each listens all the time, so none is missed for being idle.
 */
export async function connectedNodes(tx: Tx): Promise<ConnectedNode[]> {
  const rows = await tx.many<{ name: string; since: Date }>(
    `select split_part(application_name, ' listen ', 1) as name, min(backend_start) as since from pg_stat_activity
      where datname = current_database() and application_name like 'houselights %@%' and backend_start is not null
      group by 1`,
  );
  return rows
    .flatMap(({ name, since }): ConnectedNode[] => {
      const { role, process, host } = named.exec(name)?.groups ?? {};
      if (process === undefined || host === undefined) return [];
      const connectedAt = toIso(fromDate(since));
      return [{ role: role === "worker" ? "worker" : "web", host, process: Number(process), connectedAt }];
    })
    .toSorted(
      (one, other) =>
        one.host.localeCompare(other.host) || one.role.localeCompare(other.role) || one.process - other.process,
    );
}
