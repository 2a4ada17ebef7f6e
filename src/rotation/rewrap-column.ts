import { toDate, type Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Db, Tx } from "../db/db.ts";
import type { KeyKeeping } from "../keyholder/keyholder.ts";
import { unpackBytes } from "../keyholder/rewrap.ts";
import type { RewrappedColumn } from "./sealed-columns.ts";

interface Needs {
  readonly db: Db;
  readonly keys: Pick<KeyKeeping, "rewrap">;
  readonly clock: Clock;
}

/** Rows that one batch seals again: one statement, one keyholder call and one commit. */
export const rewrapBatch = 2_000;
/** Rows of a batch of letters: each may be as long as any sealed value, and so many still fit into one call. */
const longRows = 12;

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly batchRows?: number;
}

/** Where a walk over a column is. */
export interface Progress {
  readonly afterKey: readonly string[] | null;
  readonly rewrapped: number;
  readonly unreadable: number;
}

/** Rows of a batch. Each column travels as one text or one run of bytes, since thousands of small parameters cost more than their content. */
interface Batch {
  /** One list for each column of the key. */
  readonly keys: readonly (readonly string[])[];
  readonly contexts: readonly string[];
  readonly sealed: readonly Buffer[];
}

const versionBytes = (version: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  return bytes;
};

/** Begins the walk to a version, unless it has begun; one to a newer version begins at the first row again. */
export async function beginWalk(
  tx: Tx,
  clock: Clock,
  { table, column, purpose }: Pick<RewrappedColumn, "table" | "column" | "purpose">,
  toVersion: number,
): Promise<Progress> {
  const now = toDate(clock.now());
  await tx.run(
    `insert into key_rewrap (table_name, column_name, purpose, to_version, started_at) values ($1, $2, $3, $4, $5)
     on conflict (table_name, column_name) do update
       set to_version = excluded.to_version, after_key = null, rewrapped = 0, unreadable = 0,
           started_at = excluded.started_at, finished_at = null
     where key_rewrap.to_version < excluded.to_version`,
    [table, column, purpose, toVersion, now],
  );
  return readProgress(tx, { table, column });
}

export async function readProgress(
  tx: Tx,
  { table, column }: Pick<RewrappedColumn, "table" | "column">,
): Promise<Progress> {
  const row = await tx.one<Progress>(
    `select after_key as "afterKey", rewrapped, unreadable from key_rewrap where table_name = $1 and column_name = $2`,
    [table, column],
  );
  return row ?? { afterKey: null, rewrapped: 0, unreadable: 0 };
}

/** Notes a batch, unless another walk has noted one since `before`. @returns whether it was noted. */
export async function noteBatch(
  tx: Tx,
  { table, column }: Pick<RewrappedColumn, "table" | "column">,
  before: Progress,
  after: Progress,
): Promise<boolean> {
  const noted = await tx.run(
    `update key_rewrap set after_key = $3::text[], rewrapped = $4, unreadable = $5
      where table_name = $1 and column_name = $2 and after_key is not distinct from $6::text[]`,
    [table, column, after.afterKey, after.rewrapped, after.unreadable, before.afterKey],
  );
  return noted === 1;
}

/** Thrown inside a batch's transaction: another walk was faster, and this one goes on where that one is. */
export class Overtaken extends Error {}

/** The rows after a key that name another version, in order of the key; `undefined` where there are none. */
async function readBatch(
  tx: Tx,
  of: RewrappedColumn,
  toVersion: number,
  after: readonly string[] | null,
  limit: number,
): Promise<Batch | undefined> {
  const names = of.key.map(([name]) => name).join(", ");
  const beyond = of.key.map(([, type], index) => `($3::text[])[${index + 1}]::${type}`).join(", ");
  const joined = (sql: string): string => `string_agg((${sql})::text, ' ' order by ${names})`;
  // Two statements and not one with "or": each is a walk along the primary key.
  const sql = `select array[${of.key.map(([name]) => joined(name)).join(", ")}] as keys, ${joined(of.context)} as contexts,
                      string_agg(int4send(octet_length(${of.column})) || ${of.column}, ''::bytea order by ${names}) as packed
                 from (select * from ${of.table}
                        where substring(${of.column} from 2 for 4) <> $1 and octet_length(${of.column}) > 0
                              ${after === null ? "" : `and (${names}) > (${beyond})`}
                        order by ${names} limit $2) batch`;
  const parameters = [versionBytes(toVersion), limit];
  const row = await tx.one<{ keys: (string | null)[]; contexts: string | null; packed: Buffer | null }>(
    sql,
    after === null ? parameters : [...parameters, after],
  );
  if (row === undefined || row.contexts === null || row.packed === null) return undefined;
  const sealed = unpackBytes(row.packed);
  if (sealed === undefined) throw new Fault("IMPOSSIBLE", "lengths that the database wrote do not fit");
  return { keys: row.keys.map((key) => (key ?? "").split(" ")), contexts: row.contexts.split(" "), sealed };
}

/** Writes what was sealed again, each row only if it is still what was read. @returns how many rows. */
async function writeBatch(
  tx: Tx,
  of: RewrappedColumn,
  { keys, sealed: former }: Batch,
  again: readonly (Buffer | null)[],
): Promise<number> {
  const places = again.flatMap((one, place) => (one === null ? [] : [place]));
  if (places.length === 0) return 0;
  const lists = [
    places.map((place) => former[place]?.length ?? 0),
    places.map((place) => again[place]?.length ?? 0),
    ...keys.map((key) => places.map((place) => key[place] ?? "")),
  ];
  const same = of.key.map(([name, type], index) => `t.${name} = n.k${index}::${type}`).join(" and ");
  const names = of.key.map((_, index) => `k${index}`);
  return tx.run(
    `with cut as (
       select former_bytes::int, again_bytes::int, ${names.join(", ")},
              1 + sum(former_bytes::int) over before as former_at, 1 + sum(again_bytes::int) over before as again_at
         from unnest(${lists.map((_, index) => `string_to_array($${index + 3}, ' ')`).join(", ")})
              with ordinality as l (former_bytes, again_bytes, ${names.join(", ")}, place)
       window before as (order by place rows between unbounded preceding and 1 preceding)
     ), n as (
       select substring($1::bytea from coalesce(former_at, 1)::int for former_bytes) as former,
              substring($2::bytea from coalesce(again_at, 1)::int for again_bytes) as again, ${names.join(", ")}
         from cut
     )
     update ${of.table} t set ${of.column} = n.again from n where ${same} and t.${of.column} = n.former`,
    [
      Buffer.concat(places.map((place) => former[place] ?? Buffer.alloc(0))),
      Buffer.concat(places.map((place) => again[place] ?? Buffer.alloc(0))),
      ...lists.map((list) => list.join(" ")),
    ],
  );
}

interface Prepared {
  readonly read: Promise<Batch | undefined>;
  readonly sealed: Promise<readonly (Buffer | null)[]>;
}

/**
 * Seals a column's values again under the newest version, in order of the primary key and in batches, from where the
 * last walk was. Values and progress commit together, so a walk that is killed at any line goes on without a gap. Any
 * number may walk at once: a value is replaced only while it is what was read, and one that is overtaken goes on behind
 * the faster. Values that do not open stay as they are and are counted.
 *
 * @returns whether the end was reached; false if the signal came first.
 */
export async function rewrapColumn(
  { db, keys, clock }: Needs,
  of: RewrappedColumn,
  toVersion: number,
  { signal, batchRows = of.rewrap === "mailer" ? longRows : rewrapBatch }: WalkOptions = {},
): Promise<boolean> {
  let progress = await beginWalk(db, clock, of, toVersion);
  /** The rows after a key, and what they are sealed again as. Both start at once, and neither is heard before it is asked for. */
  const prepare = (after: readonly string[] | null): Prepared => {
    const read = readBatch(db, of, toVersion, after, batchRows);
    const sealed = read.then((batch) =>
      batch === undefined ? [] : keys.rewrap(of.rewrap, batch.contexts, batch.sealed),
    );
    sealed.catch(() => undefined);
    return { read, sealed };
  };
  let ahead = prepare(progress.afterKey);
  for (;;) {
    const { read, sealed: sealing } = ahead;
    const batch = await read;
    if (batch === undefined) return true;
    if (signal?.aborted === true) return false;
    const lastKey = batch.keys.map((key) => key.at(-1) ?? "");
    // The next rows are read and sealed while these are written: the database and the keyholder work side by side.
    ahead = prepare(lastKey);
    const sealed = await sealing;
    const before = progress;
    try {
      progress = await db.transaction(async (tx) => {
        const written = await writeBatch(tx, of, batch, sealed);
        const after = {
          afterKey: lastKey,
          rewrapped: before.rewrapped + written,
          unreadable: before.unreadable + sealed.filter((one) => one === null).length,
        };
        if (!(await noteBatch(tx, of, before, after))) throw new Overtaken();
        return after;
      });
    } catch (thrown) {
      if (!(thrown instanceof Overtaken)) throw thrown;
      progress = await readProgress(db, of);
      await ahead.sealed.catch(() => undefined);
      ahead = prepare(progress.afterKey);
    }
  }
}
