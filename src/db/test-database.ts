import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, inject } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb } from "./db.ts";
import type { Db, DbOptions } from "./db.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Socket folder of the throw-away cluster that `test/global-setup.ts` starts. */
    testPostgresHost: string;
  }
}

/** The database that global setup makes by the real migrations and that every test database is a copy of. */
export const templateName = "houselights_template";

/** How to reach a database of the throw-away cluster. */
export const testConnection = (database: string): pg.PoolConfig => ({
  host: inject("testPostgresHost"),
  port: 5432,
  user: "houselights",
  database,
});

/**
 * A private copy of the migrated template, dropped after the calling test file. Call it at the top of the file or in
 * `beforeAll`, not inside a test. A connection string for another process is `testConnection(db.pool.options.database)`.
 */
export async function testDatabase(options: Pick<DbOptions, "onConnect" | "maxConnections"> = {}): Promise<Db> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(`create database ${name} template ${templateName} strategy file_copy`);
  const db = openDb({ connection: testConnection(name), log: silentLog, ...options });
  afterAll(async () => {
    // A test may have closed it to see what happens then.
    if (!db.pool.ended) await db.close();
    await administer(`drop database if exists ${name} with (force)`);
  });
  return db;
}

/** An empty database without our schema, for tests of what makes or fills one. */
export async function emptyDatabase(options: Pick<DbOptions, "onConnect" | "maxConnections"> = {}): Promise<Db> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(`create database ${name} template template0 strategy file_copy`);
  const db = openDb({ connection: testConnection(name), log: silentLog, ...options });
  afterAll(async () => {
    if (!db.pool.ended) await db.close();
    await administer(`drop database if exists ${name} with (force)`);
  });
  return db;
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client(testConnection("postgres"));
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
