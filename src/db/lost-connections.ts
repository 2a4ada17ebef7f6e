import pg from "pg";
import { after } from "../kernel/clock.ts";
import { messageOf } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";

interface Watching {
  readonly pool: pg.Pool;
  /** The pool's own settings, for a connection beside it. */
  readonly connection: pg.PoolConfig;
  readonly log: Log;
  /** What PostgreSQL calls the process of a connection; `undefined` before it was asked. */
  readonly processOf: (client: pg.PoolClient) => number | undefined;
  readonly everyMs: number;
}

/** What the driver knows of a connection and its types do not say. */
interface Inside {
  readonly readyForQuery: boolean | null;
  readonly connection: { readonly stream: { readonly bytesRead: number; destroy(error: Error): void } };
}

interface Silence {
  readonly bytesRead: number;
  /** Looks at which PostgreSQL was not at work for a connection that waits for it. */
  readonly strikes: number;
}

/** One that has just been answered may be on its way: it is asked for once more. */
const strikesNeeded = 2;
const askWithinMs = 5_000;

/**
 * Ends connections whose answer will not come. A firewall that forgets its connections, or an address that moves, leaves them open
 * and silent; the system notices after a quarter of an hour, and until then they fill the pool and whoever waits for them waits. So
 * of a connection that waits and hears nothing PostgreSQL is asked, over a new one, whether it is still at work for it: a
 * statement that takes long goes on, and what it knows nothing of any more fails as one does whose connection was lost.
 *
 * A database that does not answer the question says nothing. @returns how to stop.
 */
export function endLostConnections({ pool, connection, log, processOf, everyMs }: Watching): () => void {
  const made = new Set<pg.PoolClient>();
  pool.on("connect", (client) => {
    made.add(client);
    client.once("end", () => made.delete(client));
  });
  let silences = new Map<pg.PoolClient, Silence>();
  let isStopped = false;
  let callOff = (): void => undefined;

  const insideOf = (client: pg.PoolClient): Inside => client as unknown as Inside;
  const isSilent = (client: pg.PoolClient, since: Silence | undefined): since is Silence =>
    insideOf(client).readyForQuery === false && insideOf(client).connection.stream.bytesRead === since?.bytesRead;

  async function look(): Promise<void> {
    const silent = [...made].filter(
      (client) => isSilent(client, silences.get(client)) && processOf(client) !== undefined,
    );
    const atWork = silent.length === 0 ? new Set<number>() : await processesAtWork(connection, silent.map(processOf));
    const next = new Map<pg.PoolClient, Silence>();
    for (const client of made) {
      if (insideOf(client).readyForQuery !== false) continue;
      const { stream } = insideOf(client).connection;
      const before = silences.get(client);
      const process = processOf(client);
      const isLost =
        silent.includes(client) && isSilent(client, before) && process !== undefined && !atWork.has(process);
      const strikes = isLost ? before.strikes + 1 : 0;
      if (strikes < strikesNeeded) {
        next.set(client, { bytesRead: stream.bytesRead, strikes });
        continue;
      }
      log.warn({ process }, "a database connection went silent and is ended");
      stream.destroy(new Error("Connection terminated: it went silent"));
    }
    silences = next;
  }

  const again = (): void => {
    if (isStopped) return;
    callOff = after(everyMs, () => {
      look()
        .catch((thrown: unknown) =>
          log.debug({ reason: messageOf(thrown) }, "silent connections could not be asked for"),
        )
        .finally(again);
    });
  };
  again();
  return () => {
    isStopped = true;
    callOff();
  };
}

/** Those of the processes that are at work on a statement, or wait for a lock in one. */
async function processesAtWork(
  connection: pg.PoolConfig,
  processes: readonly (number | undefined)[],
): Promise<ReadonlySet<number>> {
  const client = new pg.Client({
    ...connection,
    connectionTimeoutMillis: askWithinMs,
    query_timeout: askWithinMs,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ pid: number }>(
      `select pid from pg_stat_activity where pid = any($1::integer[]) and coalesce(state, '') not like 'idle%'`,
      [processes],
    );
    return new Set(rows.map(({ pid }) => pid));
  } finally {
    await client.end().catch(() => undefined);
  }
}
