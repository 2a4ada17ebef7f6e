import { Value } from "typebox/value";
import { expect, test } from "vitest";
import { testDatabase } from "../../db/test-database.ts";
import { copyGroups, StolenCopy } from "../../wire/stolen-copy.ts";
import { readStolenCopy, type IsDecoy } from "./read-stolen-copy.ts";
import { declarations, decoy } from "./stolen-copy.ts";

const db = await testDatabase();

test("every table and column of the real schema is said, and nothing else is", async () => {
  const copy = await readStolenCopy(db, async () => false);
  expect(Value.Check(StolenCopy, copy)).toBe(true);
  const said = copy.tables.flatMap(({ name, columns }) => columns.map((column) => `${name}.${column.name}`));
  const declared = Object.entries(declarations).flatMap(([table, { columns }]) =>
    Object.keys(columns).map((column) => `${table}.${column}`),
  );
  // The queue makes its own tables when a worker first starts.
  const ours = (name: string): boolean => !name.startsWith("graphile_worker.");
  expect(said.filter(ours).toSorted()).toEqual(declared.filter(ours).toSorted());
  expect(copy.tables.flatMap(({ columns }) => columns).filter(({ kind }) => kind === "unknown")).toEqual([]);
  expect(copy.tables[0]).toMatchObject({ name: "account", group: "people", holds: "a person's registration" });
  expect(new Set(copy.tables.map(({ group }) => group))).toEqual(new Set(copyGroups));
});

test("a column and a table that somebody added by hand are shown first, as unknown", async () => {
  await db.pool.query("create table aside (note text)");
  await db.pool.query("alter table account add column note text");
  const { tables } = await readStolenCopy(db, async () => false);
  expect(tables[0]).toMatchObject({
    name: "aside",
    group: null,
    holds: null,
    columns: [{ name: "note", kind: "unknown" }],
  });
  const account = tables.find(({ name }) => name === "account");
  expect(account?.columns.at(-1)).toMatchObject({ name: "note", kind: "unknown" });
});

test("a decoy is said to be one, and a table that only looks like it is not", async () => {
  for (const name of ["old_customers", "old_viewers"]) {
    await db.pool.query(`create table ${name} (id int, email text, password_hash text, created_at timestamptz)`);
  }
  const asked: Parameters<IsDecoy>[0][] = [];
  const { tables } = await readStolenCopy(db, async (table) => {
    asked.push(table);
    return table.name === "old_customers";
  });
  const columns = ["id", "email", "password_hash", "created_at"];
  expect(asked.find(({ name }) => name === "old_customers")?.columns).toEqual(columns);
  const kindsOf = (table: string) => tables.find(({ name }) => name === table);
  expect(kindsOf("old_customers")).toMatchObject({
    group: "machinery",
    holds: decoy.holds,
    columns: columns.map((name) => ({ name, kind: "shown", because: expect.stringContaining("bait") })),
  });
  expect(kindsOf("old_viewers")).toMatchObject({
    group: null,
    holds: null,
    columns: columns.map((name) => ({ name, kind: "unknown" })),
  });
  // What is declared is not asked about.
  expect(asked.map(({ name }) => name)).not.toContain("account");
});

test("rows are counted as the statistics have them, and no row is read", async () => {
  await db.pool.query(
    "insert into scan (id, started_at, counts) select uuidv7(), now(), '{}' from generate_series(1, 50)",
  );
  await db.pool.query("analyze scan");
  const before = db.statements();
  const { tables } = await readStolenCopy(db, async () => false);
  expect(db.statements() - before).toBe(1);
  expect(tables.find(({ name }) => name === "scan")?.rowsAbout).toBe(50);
});
