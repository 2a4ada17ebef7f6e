import { expect, test } from "vitest";
import pg from "pg";
import { contain } from "../src/incidents/contain.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { openDb } from "../src/db/db.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { populateSynthetic } from "./population.ts";
import { afterAll } from "vitest";

/**
 * P1: containment writes a fixed number of rows whatever the number of accounts. Measured at two sizes: rows touched,
 * buffers visited and bytes of WAL are the same.
 */
const keyholder = await testKeyholder();
afterAll(() => keyholder.stop());

async function costAt(accounts: number) {
  const db = await testDatabase({ maxConnections: 2 });
  const name = String(db.pool.options.database);
  const operator = await keyholder.connect("operator");
  await populateSynthetic(db, { accounts, sessionsEach: 4 });
  const admin = new pg.Client(testConnection(name));
  await admin.connect();
  await admin.query("vacuum (analyze)");
  // The first page written after a checkpoint is logged whole; both runs start from a fresh one.
  await admin.query("checkpoint");
  const needs = {
    db,
    witness: operator.witness,
    clock: systemClock,
    monotonicMs: () => performance.now(),
    random: systemRandom,
    log: silentLog,
  };
  const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
  // Once for the catalogue caches and the case; what is measured is the containment itself, without the later count.
  const first = await contain(needs, order);
  expect(first.counted).toMatchObject({ sessions: accounts * 4, passwords: accounts });
  await admin.query("checkpoint");

  const others = openDb({ connection: testConnection(name), log: silentLog, maxConnections: 2 });
  const watched = openDb({ connection: testConnection(name), log: silentLog, maxConnections: 1 });
  let wal = 0;
  let buffers = 0;
  let rows = 0;
  const measuring = {
    ...others,
    transaction: async <Result>(work: Parameters<typeof watched.transaction<Result>>[0]): Promise<Result> => {
      // This connection's own: other tests write to the same cluster, and autovacuum to the same database.
      const own = async () => {
        await watched.run("select pg_stat_force_next_flush()");
        const row = await watched.one<{ wal: string; buffers: string }>(
          `select (select wal_bytes from pg_stat_get_backend_wal(pg_backend_pid())) as wal,
                  (select sum(hits) + sum(reads) from pg_stat_get_backend_io(pg_backend_pid())) as buffers`,
        );
        return { wal: Number(row?.wal), buffers: Number(row?.buffers) };
      };
      const touched = async () => {
        await admin.query("select pg_stat_clear_snapshot()");
        const result = await admin.query<{ rows: number }>(
          `select sum(n_tup_ins + n_tup_upd + n_tup_del)::int as rows from pg_stat_user_tables`,
        );
        return result.rows[0]?.rows ?? 0;
      };
      const rowsBefore = await touched();
      const before = await own();
      const result = await watched.transaction(work);
      const after = await own();
      wal = after.wal - before.wal;
      buffers = after.buffers - before.buffers;
      rows = (await touched()) - rowsBefore;
      expect(wal).toBeGreaterThan(500);
      expect(buffers).toBeGreaterThan(20);
      return result;
    },
  };
  const contained = await contain({ ...needs, db: measuring }, order);
  // They are refused already, and what raises the floors once more writes no less.
  expect(contained.counted).toMatchObject({ sessions: 0, passwords: 0, accounts });
  await watched.close();
  await others.close();
  await admin.end();
  return { wal, buffers, rows };
}

test("P1: rows, buffers and WAL of a containment are the same at 200 and at 20,000 accounts", async () => {
  const small = await costAt(200);
  const large = await costAt(20_000);
  expect(small.rows).toBeGreaterThan(8);
  expect(large.rows).toBe(small.rows);
  // Pages that hold the few rows may split differently; a tenth either way is not growth by a factor of a hundred.
  expect(Math.abs(large.buffers - small.buffers)).toBeLessThanOrEqual(small.buffers * 0.1 + 10);
  expect(Math.abs(large.wal - small.wal)).toBeLessThanOrEqual(small.wal * 0.1 + 600);
});
