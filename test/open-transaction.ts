import { secondMs, sleep } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { openDb, type Db, type Tx } from "../src/db/db.ts";
import { testConnection } from "../src/db/test-database.ts";
import { eventually } from "./running-service.ts";

/**
 * Starts `meanwhile` after another process's transaction has done `work`, and commits that transaction once somebody waits for
 * what it holds, and `whileItWaits` is done. @returns what `meanwhile` comes to.
 */
export async function besideOpenTransaction<Done>(
  { pool }: Pick<Db, "pool">,
  work: (tx: Tx) => Promise<unknown>,
  meanwhile: () => Promise<Done>,
  whileItWaits: () => Promise<void> = () => Promise.resolve(),
): Promise<Done> {
  const connection = testConnection(String(pool.options.database));
  const db = openDb({ connection, log: silentLog, maxConnections: 2 });
  try {
    const worked = Promise.withResolvers<void>();
    const commit = new AbortController();
    const committed = db.transaction(async (tx) => {
      await work(tx);
      worked.resolve();
      // PostgreSQL ends a transaction that says nothing for ten seconds, which a busy machine may take.
      while (!commit.signal.aborted) {
        await tx.one(`select 1 as here`);
        await sleep(secondMs, commit.signal);
      }
    });
    await Promise.race([worked.promise, committed]);
    const done = meanwhile();
    done.catch(() => undefined);
    try {
      await eventually("somebody to wait for what the transaction holds", () =>
        db.one(
          `select 1 as waits from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        ),
      );
      await whileItWaits();
    } finally {
      commit.abort();
    }
    await committed;
    return await done;
  } finally {
    await db.close();
  }
}
