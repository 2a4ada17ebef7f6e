import { createHash } from "node:crypto";
import type { Tx } from "../src/db/db.ts";

/** One column of one table, every row of it: as PostgreSQL writes it, and as the bytes behind that text. */
interface Column {
  readonly name: string;
  /** Latin-1, so that one character is one byte. */
  readonly text: string;
  readonly lower: string;
}

/** Something that went in and must not be found in a copy. */
export interface Sought {
  /** What is told when it is found: never the value. */
  readonly what: string;
  readonly value: string | Uint8Array;
  /** 256 random bits may be kept as their SHA-256 digest: nothing shorter than guessing them leads back. */
  readonly mayBeDigest?: boolean;
}

export interface Copy {
  readonly columns: readonly Column[];
  /** Tables with at least one row. */
  readonly filled: ReadonlySet<string>;
}

/** Reads every row of every table, whoever made it: the tables are found in the catalogue, so a new one is in at once. */
export async function copyOf(tx: Tx): Promise<Copy> {
  const tables = await tx.many<{ schema: string; table: string; columns: string[] }>(
    `select n.nspname as schema, c.relname as table,
            (select array_agg(attname::text order by attnum) from pg_attribute
              where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
      order by 1, 2`,
  );
  const columns: Column[] = [];
  const filled = new Set<string>();
  for (const { schema, table, columns: names } of tables) {
    for (const name of names) {
      // A separator that no needle holds, so that nothing is found across two rows.
      const row = await tx.one<{ all: string | null; rows: number }>(
        `select string_agg(("${name}")::text, E'\\x01') as all, count(*)::int as rows from "${schema}"."${table}"`,
      );
      if ((row?.rows ?? 0) > 0) filled.add(`${schema}.${table}`);
      const text = row?.all ?? "";
      const bytes = text.replaceAll(/\\\\?x([0-9a-f]{2,})/g, (_whole, hex: string) =>
        Buffer.from(hex, "hex").toString("latin1"),
      );
      const both = `${Buffer.from(text, "utf8").toString("latin1")}\u0001${Buffer.from(bytes, "latin1").toString("latin1")}`;
      columns.push({ name: `${schema}.${table}.${name}`, text: both, lower: both.toLowerCase() });
    }
  }
  return { columns, filled };
}

interface Needle {
  readonly form: string;
  readonly text: string;
  readonly anyCase: boolean;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Base64 of the value wherever in a longer text it began: the letters that do not depend on what stood around it. */
export function base64Anywhere(bytes: Uint8Array, encoding: "base64" | "base64url"): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replaceAll("=", "");
    const spare = (before + bytes.length) % 3;
    return text.slice(before === 0 ? 0 : before + 1, spare === 0 ? undefined : -1);
  });
}

/** Every spelling of a value that a thief would try on a copy. */
function needlesOf({ value, mayBeDigest = false }: Sought): Needle[] {
  const spellings =
    typeof value === "string"
      ? [...new Set([value, value.toLowerCase(), value.toUpperCase(), value.normalize("NFKC")])].map((text) =>
          Buffer.from(text, "utf8"),
        )
      : [Buffer.from(value)];
  return spellings.flatMap((bytes) => {
    const hashes = ["md5", "sha1", "sha256", "sha384", "sha512", "sha3-256", "blake2b512"].flatMap((name) => {
      if (mayBeDigest && name === "sha256") return [];
      const digest = createHash(name).update(bytes).digest();
      return [
        { form: `${name}, bytes`, text: latin1(digest), anyCase: false },
        { form: `${name}, hex`, text: digest.toString("hex"), anyCase: true },
        { form: `${name}, base64`, text: digest.toString("base64").replaceAll("=", ""), anyCase: false },
        { form: `${name}, base64url`, text: digest.toString("base64url"), anyCase: false },
      ];
    });
    return [
      { form: "in clear", text: latin1(bytes), anyCase: true },
      { form: "hex", text: bytes.toString("hex"), anyCase: true },
      ...base64Anywhere(bytes, "base64").map((text) => ({ form: "base64", text, anyCase: false })),
      ...base64Anywhere(bytes, "base64url").map((text) => ({ form: "base64url", text, anyCase: false })),
      ...hashes,
    ];
  });
}

/** Where any of it is found: `table.column: what, form`. */
export function findIn(copy: Copy, sought: readonly Sought[]): string[] {
  const found = new Set<string>();
  for (const one of sought) {
    for (const { form, text, anyCase } of needlesOf(one)) {
      const needle = anyCase ? text.toLowerCase() : text;
      for (const column of copy.columns) {
        if ((anyCase ? column.lower : column.text).includes(needle)) found.add(`${column.name}: ${one.what}, ${form}`);
      }
    }
  }
  return [...found];
}
