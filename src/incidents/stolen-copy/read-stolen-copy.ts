import type { Tx } from "../../db/db.ts";
import { copyGroups, type StolenCopy } from "../../wire/stolen-copy.ts";
import type { ColumnDeclaration, TableDeclaration } from "./declare.ts";
import { declarations, decoy, grouped } from "./stolen-copy.ts";

type ShownColumn = StolenCopy["tables"][number]["columns"][number];

/** Canaries stand after this room; `app-web.ts` ties them. */
export type IsDecoy = (table: { readonly name: string; readonly columns: readonly string[] }) => Promise<boolean>;

/**
 * What a copy of this database, as it is, would show: the catalogue's tables and columns with what is declared of each. A
 * table or column that somebody added by hand is there as `unknown`. Reads the catalogue and the planner's statistics,
 * and no row of anybody; a table that is not declared is a decoy if `isDecoy` says so.
 */
export async function readStolenCopy(tx: Tx, isDecoy: IsDecoy): Promise<StolenCopy> {
  const tables = await tx.many<{ name: string; columns: string[]; rows: number }>(
    `select case when n.nspname = 'public' then c.relname else n.nspname || '.' || c.relname end as name,
            array_agg(a.attname::text order by a.attnum) as columns,
            greatest(c.reltuples::bigint, coalesce(pg_stat_get_live_tuples(c.oid), 0), 0) as rows
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        and c.relpersistence <> 't'
      group by n.nspname, c.relname, c.oid, c.reltuples`,
  );
  const known: Record<string, TableDeclaration> = { ...declarations };
  for (const table of tables) {
    if (known[table.name] === undefined && (await isDecoy(table))) known[table.name] = decoy;
  }
  const order = Object.keys(known);
  const placeOf = (name: string): number => (order.includes(name) ? order.indexOf(name) : -1);
  return {
    // What nobody declared comes first.
    tables: tables
      .toSorted((one, other) => placeOf(one.name) - placeOf(other.name) || (one.name < other.name ? -1 : 1))
      .map(({ name, columns, rows }) => ({
        name,
        group: copyGroups.find((group) => name in grouped[group]) ?? (known[name] === decoy ? "machinery" : null),
        holds: known[name]?.holds ?? null,
        rowsAbout: rows,
        columns: columns.flatMap((column) => columnsOf(known[name]?.columns ?? {}, column)),
      })),
  };
}

/** A column, and the parts of a JSON column that are not what the rest of it is. */
function columnsOf(declared: TableDeclaration["columns"], column: string): ShownColumn[] {
  const parts = Object.entries(declared).filter(([name]) => name.startsWith(`${column}.`));
  return [shownColumn(column, declared[column]), ...parts.map(([name, part]) => shownColumn(name, part))];
}

const shownColumn = (name: string, declared: ColumnDeclaration | undefined): ShownColumn =>
  declared === undefined
    ? { name, kind: "unknown", says: "nobody has said what it is", because: null }
    : { name, kind: declared.kind, says: declared.says, because: declared.because ?? declared.repeats ?? null };
