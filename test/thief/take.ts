import type { Tx } from "../../src/db/db.ts";

/** One value of a column: as text where PostgreSQL has text, and the bytes behind it in any case. */
export interface Value {
  readonly text: string | null;
  readonly bytes: Buffer;
}

/** A column, or one path inside a JSON column: `table.column` or `table.column.path`, without `public.`. */
export interface Field {
  readonly name: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
  /** Read from the rows as they are asked for: nothing is held twice. */
  readonly values: Iterable<Value>;
  readonly count: number;
}

export interface TakenTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Row by row, column by column: bytes, or text as PostgreSQL writes it. */
  readonly rows: readonly Row[];
}

export type Cell = string | Buffer | null;
export type Row = readonly Cell[];

/** What a thief has who copied every table at one moment. */
export interface Haul {
  readonly tables: readonly TakenTable[];
  readonly fields: ReadonlyMap<string, Field>;
}

/**
 * Every row of every table, whoever made it: tables and columns are found in the catalogue, so a new one is in at once.
 * For one moment of all of them, run it in a transaction of `repeatable read` (`inSnapshot`).
 */
export async function takeTables(
  tx: Tx,
  only?: readonly string[],
  did: (rows: number) => void = () => undefined,
): Promise<Haul> {
  const catalogue = await tx.many<{ schema: string; table: string; columns: string[]; types: string[] }>(
    `select n.nspname as schema, c.relname as table,
            array_agg(a.attname::text order by a.attnum) as columns,
            array_agg(format_type(a.atttypid, a.atttypmod) order by a.attnum) as types
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        and c.relpersistence <> 't'
      group by 1, 2 order by 1, 2`,
  );
  const tables: TakenTable[] = [];
  for (const { schema, table, columns, types } of catalogue) {
    const name = schema === "public" ? table : `${schema}.${table}`;
    if (only?.includes(name) === false) continue;
    const selected = columns.map((column, at) => `"${column}"${types[at] === "bytea" ? "" : "::text"} as "c${at}"`);
    // By a cursor: the letters of thousands are not held twice.
    await tx.run(`declare taken no scroll cursor for select ${selected.join(", ")} from "${schema}"."${table}"`);
    const rows: Row[] = [];
    for (;;) {
      const part = await tx.many<Record<string, Cell>>(`fetch 5000 from taken`);
      for (const row of part) rows.push(columns.map((_column, at) => row[`c${at}`] ?? null));
      did(part.length);
      if (part.length < 5_000) break;
    }
    await tx.run(`close taken`);
    tables.push({ name, columns: columns.map((column, at) => ({ name: column, type: types[at] ?? "" })), rows });
  }
  return { tables, fields: fieldsOf(tables) };
}

/** How many rows there are, as far as the planner knows. */
export async function countRows(tx: Tx): Promise<number> {
  const row = await tx.one<{ rows: number }>(
    `select coalesce(sum(n_live_tup), 0)::bigint as rows from pg_stat_user_tables`,
  );
  return row?.rows ?? 0;
}

/** Runs `look` on one moment of the whole database. */
export const inSnapshot = <Result>(
  db: { transaction<R>(work: (tx: Tx) => Promise<R>): Promise<R> },
  look: (tx: Tx) => Promise<Result>,
): Promise<Result> =>
  db.transaction(async (tx) => {
    await tx.run("set transaction isolation level repeatable read");
    return look(tx);
  });

function fieldsOf(tables: readonly TakenTable[]): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const { name: table, columns, rows } of tables) {
    columns.forEach(({ name: column, type }, at) => {
      // What stands inside of JSON is kept: to read it again is to parse it again.
      const inside = new Map<string, Value[]>();
      let count = 0;
      for (const cells of rows) {
        for (const { path, text, bytes } of leavesIn(type, cells[at])) {
          if (path === "") count++;
          else if (inside.get(path)?.push({ text, bytes }) === undefined) inside.set(path, [{ text, bytes }]);
        }
      }
      const values = {
        *[Symbol.iterator](): Generator<Value> {
          for (const cells of count === 0 ? [] : rows) {
            for (const leaf of leavesIn(type, cells[at])) if (leaf.path === "") yield leaf;
          }
        },
      };
      const name = `${table}.${column}`;
      fields.set(name, { name, table, column, type, values, count });
      for (const [path, found] of inside) {
        const part = { name: `${name}${path}`, table, column, type, values: found, count: found.length };
        fields.set(part.name, part);
      }
    });
  }
  return fields;
}

const leavesIn = (type: string, cell: Cell | undefined): Leaf[] =>
  cell === null || cell === undefined ? [] : leavesOf(type, cell);

interface Leaf {
  readonly path: string;
  readonly text: string | null;
  readonly bytes: Buffer;
}

const textLeaf = (path: string, text: string): Leaf => ({ path, text, bytes: Buffer.from(text, "utf8") });

/** The values inside one cell: the elements of an array, the leaves of JSON, whatever the column calls itself. */
export function leavesOf(type: string, cell: string | Buffer): Leaf[] {
  if (typeof cell !== "string") return byteLeaves(cell);
  if (type.endsWith("[]")) return elementsOf(cell).flatMap((element) => leavesOf(type.slice(0, -2), element));
  if (type === "bytea") return byteLeaves(Buffer.from(cell.slice(2), "hex"));
  if (type === "uuid") return [{ path: "", text: cell, bytes: Buffer.from(cell.replaceAll("-", ""), "hex") }];
  const json = type.startsWith("json") || cell.startsWith("{") ? parsed(cell) : undefined;
  return json === undefined ? [textLeaf("", cell)] : jsonLeaves("", json);
}

function byteLeaves(bytes: Buffer): Leaf[] {
  const json = bytes[0] === 0x7b ? parsed(bytes.toString("utf8")) : undefined;
  return json === undefined ? [{ path: "", text: null, bytes }] : jsonLeaves("", json);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function jsonLeaves(path: string, value: unknown): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((one) => jsonLeaves(path, one));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([name, one]) => jsonLeaves(`${path}.${name}`, one));
  }
  return value === null || value === undefined
    ? []
    : [textLeaf(path, typeof value === "string" ? value : JSON.stringify(value))];
}

/** The elements of an array as PostgreSQL writes it: `{a,"b \"c\"",NULL}`. */
function elementsOf(literal: string): string[] {
  const found: string[] = [];
  for (const match of literal.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs)) {
    if (match[1] !== undefined) found.push(match[1].replace(/\\(.)/gs, "$1"));
    else if (match[2] !== undefined && match[2] !== "NULL") found.push(match[2]);
  }
  return found;
}

/** The bytes that a text stands for, if it is written like bytes: hex or base64 of at least 16. */
export function writtenBytes(text: string | null): Buffer | undefined {
  if (text === null || text.length < 22 || text.length > 65_536) return undefined;
  if (/^(?:\\x)?(?:[0-9a-f]{2}){16,}$/i.test(text)) return Buffer.from(text.replace(/^\\x/, ""), "hex");
  if (/^[A-Za-z0-9_-]{22,}$/.test(text) && /[A-Z]/.test(text) && /[a-z]/.test(text))
    return Buffer.from(text, "base64url");
  return /^[A-Za-z0-9+/]{22,}={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, "base64") : undefined;
}
