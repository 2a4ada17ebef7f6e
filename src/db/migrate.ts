import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { sleep } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { translate } from "./unavailable.ts";
import { sqlState } from "./db.ts";
import type { Db } from "./db.ts";

/** One numbered file of `migrations/`. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly hash: Buffer;
}

export const migrationsFolder = fileURLToPath(new URL("../../migrations/", import.meta.url));

/**
 * Reads `0001_name.sql`, `0002_name.sql`, …, in order. The numbers must leave no gap, so that two branches that both
 * added one are noticed when they meet.
 */
export async function readMigrations(folder: string = migrationsFolder): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(name.slice(0, 4));
      if (number !== index + 1) {
        throw new Fault("DB_START_FAILED", `migrations must be numbered without gaps: ${name} should be ${index + 1}`);
      }
      const sql = await readFile(join(folder, name), "utf8");
      return { number, name, sql, hash: createHash("sha256").update(sql).digest() };
    }),
  );
}

/**
 * Brings the database to the newest schema: our numbered files, each in a transaction of its own, then graphile-worker's.
 * Any number of processes may do it at once: the number is inserted before the file runs, so the second one waits for
 * the first and then finds it done. Killed at any instant, it goes on where it was.
 *
 * @throws Fault DB_UNAVAILABLE when the database does not answer; DB_NEWER when it has a migration that this program does not
 *   know; DB_START_FAILED when a file was changed after it had been applied.
 */
export async function migrate(db: Db, migrations?: readonly Migration[]): Promise<void> {
  const wanted = migrations ?? (await readMigrations());
  try {
    await bringUp(db, wanted);
  } catch (thrown) {
    throw translate(thrown);
  }
}

async function bringUp(db: Db, wanted: readonly Migration[]): Promise<void> {
  // Almost always: each command asks this first.
  if (!(await areApplied(db, wanted))) {
    const client = await db.pool.connect();
    let broken = true;
    try {
      await withRetries(() => client.query(migrationTable));
      for (const each of wanted) await apply(client, each);
      await refuseNewer(client, wanted.length);
      broken = false;
    } finally {
      client.release(broken);
    }
  }
  if (await areJobsCurrent(db)) return;
  const { Logger, runMigrations } = await import("graphile-worker");
  await withRetries(() => runMigrations({ pgPool: db.pool, logger: new Logger(() => () => undefined) }));
}

/** @returns the rows, or none where there is no such table yet. */
const rowsIfThere = async <Row extends pg.QueryResultRow>(db: Db, statement: string): Promise<readonly Row[]> => {
  try {
    return (await db.pool.query<Row>(statement)).rows;
  } catch (thrown) {
    if (sqlState(thrown) === "42P01") return [];
    throw thrown;
  }
};

/** Whether exactly these migrations have been applied. */
async function areApplied(db: Db, wanted: readonly Migration[]): Promise<boolean> {
  const applied = await rowsIfThere<{ number: number; hash: Buffer }>(
    db,
    "select number, hash from migration order by number",
  );
  return (
    applied.length === wanted.length &&
    wanted.every(({ number, hash }, i) => applied[i]?.number === number && applied[i].hash.equals(hash))
  );
}

/** Whether graphile-worker's newest migration has been applied, by the files that it brings; without loading it. */
async function areJobsCurrent(db: Db): Promise<boolean> {
  const files = await readdir(join(dirname(createRequire(import.meta.url).resolve("graphile-worker")), "../sql")).catch(
    () => [],
  );
  const newest = Math.max(...files.map((name) => Number(/^(\d{6})\.sql$/.exec(name)?.[1])));
  const [row] = await rowsIfThere<{ id: number }>(
    db,
    "select id from graphile_worker.migrations order by id desc limit 1",
  );
  return row?.id === newest;
}

const migrationTable = `
  create table if not exists migration (
    number integer primary key,
    name text not null,
    hash bytea not null,
    applied_at timestamptz not null default now()
  )`;

async function apply(client: pg.ClientBase, migration: Migration): Promise<void> {
  await client.query("begin");
  try {
    // The number first: a concurrent runner waits here until we commit, and then inserts nothing.
    const inserted = await client.query(
      "insert into migration (number, name, hash) values ($1, $2, $3) on conflict (number) do nothing",
      [migration.number, migration.name, migration.hash],
    );
    if (inserted.rowCount === 1) {
      await client.query(migration.sql);
    } else {
      const applied = await client.query<{ hash: Buffer }>("select hash from migration where number = $1", [
        migration.number,
      ]);
      if (applied.rows[0]?.hash.equals(migration.hash) !== true) {
        throw new Fault(
          "DB_START_FAILED",
          `${migration.name} was changed after it had been applied to this database; hint: put the file back and add a new one`,
        );
      }
    }
    await client.query("commit");
  } catch (thrown) {
    await client.query("rollback").catch(() => undefined);
    throw thrown;
  }
}

async function refuseNewer(client: pg.ClientBase, known: number): Promise<void> {
  const newest = await client.query<{ number: number }>("select coalesce(max(number), 0) as number from migration");
  const number = newest.rows[0]?.number ?? 0;
  if (number > known) {
    throw new Fault(
      "DB_NEWER",
      `the database is at migration ${number} and this program knows ${known}; hint: run the newer version of Houselights`,
    );
  }
}

/** `if not exists` can still collide with another runner's `create` that is not committed yet. */
async function withRetries(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work();
      return;
    } catch (thrown) {
      const state = sqlState(thrown) ?? "";
      if (tries === 10 || !["23505", "42P06", "42P07", "42710"].includes(state)) throw thrown;
      await sleep(50 * tries);
    }
  }
}
