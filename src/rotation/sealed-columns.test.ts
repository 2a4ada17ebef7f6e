import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { macColumns, rewrappedColumns, underDataKey, unkeyed } from "./sealed-columns.ts";

const db = await testDatabase();
const nameOf = ({ table, column }: { readonly table: string; readonly column: string }): string => `${table}.${column}`;

test("every column of bytes says which key it needs, or that it needs none", async () => {
  const columns = await db.many<{ table: string; column: string }>(
    `select c.table_name as table, c.column_name as column from information_schema.columns c
       join information_schema.tables t using (table_schema, table_name)
      where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.udt_name in ('bytea', '_bytea')`,
  );
  const listed = [...rewrappedColumns.map(nameOf), ...macColumns.map(nameOf), ...underDataKey, ...unkeyed];
  expect(columns.length).toBeGreaterThan(40);
  expect(listed.toSorted()).toEqual(columns.map(nameOf).toSorted());
  expect(new Set(listed).size).toBe(listed.length);
});

test("what is sealed again is walked along its table's whole primary key", async () => {
  for (const column of rewrappedColumns) {
    const key = await db.many<{ name: string; type: string }>(
      `select a.attname as name, format_type(a.atttypid, null) as type
         from pg_index i cross join unnest(i.indkey) with ordinality as k (attnum, place)
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = $1::regclass and i.indisprimary order by k.place`,
      [column.table],
    );
    expect([nameOf(column), column.key]).toEqual([nameOf(column), key.map(({ name, type }) => [name, type])]);
  }
});

test("no column of a MAC is closed to one that names its key", async () => {
  const checks = await db.many<{ table: string; definition: string }>(
    `select conrelid::regclass::text as table, pg_get_constraintdef(oid) as definition from pg_constraint
      where contype = 'c' and connamespace = 'public'::regnamespace`,
  );
  const fixed = macColumns.filter(({ table, column }) =>
    checks.some((check) => check.table === table && check.definition.includes(`(octet_length(${column}) = 32)`)),
  );
  expect(fixed.map(nameOf)).toEqual([]);
});
