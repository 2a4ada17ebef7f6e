import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { emptyDatabase, testDatabase } from "../db/test-database.ts";
import { expectTables } from "./ground.ts";

/** A database of something else, which settings that are not the service's name: what is done to it contains nothing. */
const empty = await emptyDatabase();
const folder = await mkdtemp(join(tmpdir(), "houselights-foreign-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

test("tables of the service are looked for, and an empty database has none", async () => {
  await expectTables(await testDatabase());
  await expect(expectTables(empty)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test.each([
  ["incident", "contain", "--reason", "stolen", "--yes"],
  ["incident", "contain", "--dry-run"],
  ["backup", "db.backup"],
])("%s %s makes no tables in a database without them, and says what to look at", async (...words) => {
  const { host, database } = empty.pool.options;
  const address = `postgres://houselights@localhost/${database}?host=${encodeURIComponent(String(host))}`;
  const said = await new Promise<{ code: unknown; error: string }>((resolve) => {
    const env = { ...process.env, DATA_DIR: join(folder, "data"), DATABASE_URL: address };
    const cli = join(import.meta.dirname, "..", "cli.ts");
    execFile(process.execPath, [cli, ...words], { env, cwd: folder }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, error: stderr }),
    );
  });
  expect(said).toEqual({
    code: 1,
    error: expect.stringMatching(/^error: this is no database of the service; nothing was done\nhint: .*DATABASE_URL/),
  });
  expect(await empty.many(`select tablename from pg_tables where schemaname = 'public'`)).toEqual([]);
});
