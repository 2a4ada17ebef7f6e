import type { KeyPurpose } from "../keyholder/keyholder.ts";
import { toDate, type EpochMs } from "../kernel/clock.ts";
import type { Tx } from "../db/db.ts";
import { countSealedLetters } from "../jobs/sealed-letters.ts";
import { macColumns, rewrappedColumns } from "./sealed-columns.ts";

/** How many rows of a column name a version of their key. */
export interface NamedVersion {
  readonly purpose: KeyPurpose;
  readonly table: string;
  readonly column: string;
  readonly version: number;
  readonly rows: number;
}

/** SQL: four bytes of a column from an offset (from 0), big-endian, as a number. */
const fourBytes = (column: string, offset: string): string =>
  [0, 1, 2, 3].map((n) => `(get_byte(${column}, ${offset} + ${n})::bigint << ${24 - 8 * n})`).join(" | ");

/** `layout (1) | version (4) | …`; 0 for bytes that are nothing sealed. */
const sealedVersion = (column: string): string =>
  `case when octet_length(${column}) < 33 then 0 else ${fourBytes(column, "1")} end`;

/** Of a list of MACs the last one's, which is the oldest: `version (4) | mac (32)` each, the first version without a name. */
const macVersion = (column: string): string =>
  `case when octet_length(${column}) % 36 = 32 then 1
        when octet_length(${column}) = 0 or octet_length(${column}) % 36 <> 0 then 0
        else ${fourBytes(column, `octet_length(${column}) - 36`)} end`;

/**
 * Counts the rows that need each version of each key, from the catalogue of sealed columns: what `keys status` shows, and
 * what retiring a version asks. Reads every row of every such table once.
 */
export async function countVersions(
  tx: Tx,
  now: EpochMs,
  only: (purpose: KeyPurpose) => boolean = () => true,
): Promise<NamedVersion[]> {
  const counted: NamedVersion[] = [];
  const columns = [
    ...rewrappedColumns.map((each) => ({ ...each, version: sealedVersion(each.column), live: "true" })),
    ...macColumns.map((each) => ({ ...each, version: macVersion(each.column) })),
  ];
  for (const { table, column, purpose, version, live } of columns.filter((each) => only(each.purpose))) {
    const rows = await tx.many<{ version: number; rows: number }>(
      `select ${version} as version, count(*) as rows from ${table}
        where ${column} is not null and ${live === "true" ? "$1::timestamptz is not null" : live} group by 1 order by 1`,
      [toDate(now)],
    );
    counted.push(...rows.map((row) => ({ purpose, table, column, version: Number(row.version), rows: row.rows })));
  }
  if (only("mailer")) {
    const letters = await countSealedLetters(tx);
    counted.push(...letters.map((each) => ({ purpose: "mailer" as const, table: "jobs", column: "payload", ...each })));
  }
  return counted;
}
