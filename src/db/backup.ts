import { rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { Fault } from "../kernel/fault.ts";
import type { Progress } from "../kernel/progress.ts";
import { clearDrafts, syncFolder, type LeftDrafts } from "../kernel/whole-file.ts";
import { archiveWriter, isArchiveBegun, openArchive, readArchiveHeader } from "./archive.ts";
import type { ArchiveHeader, ArchiveTable, OpenedArchive } from "./archive.ts";
import { sqlState } from "./db.ts";
import type { Db, Parameter, Tx } from "./db.ts";
import { migrate, readMigrations } from "./migrate.ts";

export interface BackupSummary {
  readonly tables: number;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly databaseId: string;
  /** Unfinished files of other backups in the same folder: what was killed leaves one. */
  readonly unfinished: LeftDrafts;
}

export type RestoreOutcome =
  | { readonly kind: "restored"; readonly tables: number; readonly rows: number; readonly databaseId: string }
  | {
      readonly kind: "refused";
      readonly reason:
        "no such file" | "not a backup" | "another format" | "damaged" | "newer" | "older" | "other schema";
      readonly hint: string;
    };

const hints = {
  "no such file": "check the path",
  "not a backup": "give the file that `houselights backup` wrote",
  "another format": "restore it with the version of Houselights that made it",
  damaged: "the file is cut short or changed; take another copy of it",
  newer: "install the newer version of Houselights that made it",
  older: "restore it with the version that made it, then start this one, which brings it up to date",
  "other schema": "the archive's tables are not this version's; restore it with the version that made it",
} as const;

/**
 * Writes every table of schema `public` as it stood at one instant to one file (0600), under a running service. The
 * file appears under its name when it is whole and on the disk, not before. Memory stays flat, whatever the size.
 *
 * Not in it: the keys (they are backed up apart, or the backup would open itself), and graphile-worker's jobs, which
 * are made anew from the tables' state.
 *
 * `progress` is told how many bytes of rows are written, out of what the tables take on the disk, which is about as much.
 *
 * When `signal` aborts, what is written so far is removed at once: the process may be about to end, and each further try
 * would leave as much again. What a backup that was killed has left in the folder is removed first, for the room that it takes.
 *
 * @throws Fault DISK_FULL; CONFIG_INVALID when the folder does not exist or cannot be written.
 */
export async function backupDatabase(
  db: Db,
  path: string,
  signal?: AbortSignal,
  progress?: Progress,
): Promise<BackupSummary> {
  const target = resolve(path);
  const draft = `${target}.${process.pid}.partial`;
  let file: FileHandle;
  try {
    await rm(draft, { force: true });
    file = await open(draft, "wx", 0o600);
  } catch (thrown) {
    throw new Fault("CONFIG_INVALID", `no file can be made in ${dirname(target)} (${codeOf(thrown)})`, {
      cause: thrown,
    });
  }
  const giveUp = (): void => rmSync(draft, { force: true });
  signal?.addEventListener("abort", giveUp);
  try {
    signal?.throwIfAborted();
    const unfinished = await clearDrafts(draft, (name) => draftName.test(name), {
      // Anybody's download may be named like that.
      isOurs: isArchiveBegun,
      isWritten: isWrittenHere,
    });
    const summary = { ...(await writeSnapshot(db, file, progress)), unfinished };
    await file.sync();
    await file.close();
    await rename(draft, target);
    // Some file systems cannot; the rename has happened all the same.
    await syncFolder(dirname(target)).catch(() => undefined);
    return summary;
  } catch (thrown) {
    await file.close().catch(() => undefined);
    await rm(draft, { force: true });
    if (codeOf(thrown) === "ENOSPC" || codeOf(thrown) === "EDQUOT") {
      throw new Fault("DISK_FULL", `the disk is full; ${basename(target)} was not written`, { cause: thrown });
    }
    throw thrown;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}

const draftName = /\.(\d{1,10})\.partial$/;

/** Whether a process of the number in its name runs on this machine, whatever it is. */
function isWrittenHere(name: string): boolean {
  try {
    process.kill(Number(draftName.exec(name)?.[1]), 0);
    return true;
  } catch (thrown) {
    return codeOf(thrown) !== "ESRCH";
  }
}

async function writeSnapshot(
  db: Db,
  file: FileHandle,
  progress: Progress | undefined,
): Promise<Omit<BackupSummary, "unfinished">> {
  const client = await db.connectForCopy();
  try {
    await client.query("begin isolation level repeatable read read only");
    const header = await describe(client);
    const writer = archiveWriter(file);
    await writer.begin(header);
    const rows: Record<string, number> = {};
    const size = await client.query<{ bytes: number }>(
      `select sum(pg_table_size(oid))::float8 as bytes from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
    );
    const told = telling(progress, size.rows[0]?.bytes ?? null);
    for (const table of header.tables) {
      const stream = client.query(copyTo(`copy ${target(table)} to stdout (format binary)`));
      await writer.table(told(stream));
      rows[table.name] = stream.rowCount;
    }
    const sizeBytes = await writer.end(rows);
    await client.query("commit");
    return {
      tables: header.tables.length,
      rows: Object.values(rows).reduce((sum, count) => sum + count, 0),
      sizeBytes,
      databaseId: header.databaseId,
    };
  } finally {
    await client.end();
  }
}

/** The same pieces, telling of the bytes that have gone by. */
function telling(progress: Progress | undefined, total: number | null) {
  let done = 0;
  return async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      yield piece;
      done += piece.byteLength;
      progress?.(done, total);
    }
  };
}

/**
 * Replaces the database's content with the archive's, in one transaction, also under a running service and also into an
 * empty database, which is migrated first. A file that is refused has changed nothing.
 *
 * Floors come back as they were; the rule that they only rise is suspended for this, since the witness raises them
 * again. So that it is asked: every other connection to the database is cut just before the commit, while all tables
 * are locked. Whatever connects afterwards finds the tables locked until the commit, and asks the witness first. A
 * listener learns of it by its connection's end, and needs no notification.
 *
 * `progress` is told bytes of the file that have been put back, once the whole of it has been checked.
 *
 * `beforeCommit` runs in the restoring transaction, so that what it refuses is refused from the first moment on;
 * `beforeReplacing` does too, while what is replaced is still there and nobody else can change it.
 *
 * Not restored: graphile-worker's jobs. Those in the database stay; a job whose rows are gone finds nothing to do.
 *
 * @throws Fault BUSY when the tables could not be locked within 30 s or a connection did not end.
 */
export async function restoreDatabase(
  db: Db,
  path: string,
  beforeCommit: (tx: Tx) => Promise<void> = async () => undefined,
  progress?: Progress,
  beforeReplacing: (tx: Tx) => Promise<void> = async () => undefined,
): Promise<RestoreOutcome> {
  const refused = (reason: keyof typeof hints): RestoreOutcome => ({ kind: "refused", reason, hint: hints[reason] });
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (thrown) {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(codeOf(thrown) ?? "")) return refused("no such file");
    throw thrown;
  }
  try {
    if (!(await file.stat()).isFile()) return refused("not a backup");
    const opened = await openArchive(file);
    if (opened.kind === "refused") return refused(opened.reason);
    const { archive } = opened;
    const known = (await readMigrations()).length;
    if (archive.header.migration > known) return refused("newer");
    if (archive.header.migration < known) return refused("older");
    await migrate(db);
    return (
      (await replaceContent(
        db,
        archive,
        { beforeReplacing, beforeCommit },
        telling(progress, (await file.stat()).size),
      )) ?? refused("other schema")
    );
  } finally {
    await file.close();
  }
}

/** What a backup says of itself, for whoever is asked whether to restore it; `undefined` for a file that will be refused. */
export async function describeBackup(
  path: string,
): Promise<{ readonly madeAt: string; readonly tables: number; readonly sizeBytes: number } | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const found = await file.stat();
    const header = found.isFile() ? await readArchiveHeader(file) : undefined;
    return header && { madeAt: header.madeAt, tables: header.tables.length, sizeBytes: found.size };
  } finally {
    await file.close();
  }
}

async function replaceContent(
  db: Db,
  archive: OpenedArchive,
  { beforeReplacing, beforeCommit }: Readonly<Record<"beforeReplacing" | "beforeCommit", (tx: Tx) => Promise<void>>>,
  told: ReturnType<typeof telling>,
): Promise<RestoreOutcome | undefined> {
  const { header } = archive;
  const client = await db.connectForCopy();
  try {
    await client.query("begin");
    await client.query("set local lock_timeout = '30s'");
    const before = await describe(client);
    for (const bait of header.tables.filter((table) => isBait(table) && !has(before, table))) {
      await client.query(`create table ${pg.escapeIdentifier(bait.name)} (${baitColumns})`);
    }
    // A decoy that is here and not in the archive stays as it is: its rows are about nobody.
    const now = await describe(client);
    const ours = { ...now, tables: now.tables.filter((table) => has(header, table) || !isBait(table)) };
    if (shapeOf(ours) !== shapeOf(header)) {
      await client.query("rollback");
      return undefined;
    }
    // Twice: now, so that nothing holds a lock we need, and at the end, for what has connected meanwhile.
    await cutOthers(client);
    const names = ours.tables.map((table) => pg.escapeIdentifier(table.name));
    await client.query(`lock table ${names.join(", ")} in access exclusive mode`);
    await beforeReplacing(statementsOf(client));
    // As the tables' owner may; `session_replication_role` would ask for a superuser.
    for (const name of names) await client.query(`alter table ${name} disable trigger user`);
    await client.query(`truncate ${names.join(", ")}`);
    let rows = 0;
    for (const table of header.tables) rows += await fill(client, table, archive, told);
    for (const { name, value, isCalled } of header.sequences) {
      await client.query("select setval($1::regclass, $2, $3)", [pg.escapeIdentifier(name), value, isCalled]);
    }
    for (const name of names) await client.query(`alter table ${name} enable trigger user`);
    await beforeCommit(statementsOf(client));
    await cutOthers(client);
    await client.query("commit");
    return { kind: "restored", tables: header.tables.length, rows, databaseId: header.databaseId };
  } catch (thrown) {
    await client.query("rollback").catch(() => undefined);
    if (sqlState(thrown) === "55P03") {
      throw new Fault("BUSY", "the database is in use by a long transaction; nothing was restored", { cause: thrown });
    }
    throw thrown;
  } finally {
    await client.end();
  }
}

/** The open transaction as rooms know one. */
function statementsOf(client: pg.ClientBase): Tx {
  const query = <Row extends object>(sql: string, parameters: readonly Parameter[] = []) =>
    client.query<Row>(sql, [...parameters]);
  return {
    one: async <Row extends object>(sql: string, parameters?: readonly Parameter[]) =>
      (await query<Row>(sql, parameters)).rows[0],
    many: async <Row extends object>(sql: string, parameters?: readonly Parameter[]) =>
      (await query<Row>(sql, parameters)).rows,
    run: async (sql, parameters) => (await query(sql, parameters)).rowCount ?? 0,
  };
}

async function fill(
  client: pg.ClientBase,
  table: ArchiveTable,
  archive: OpenedArchive,
  told: ReturnType<typeof telling>,
): Promise<number> {
  const stream = client.query(copyFrom(`copy ${target(table)} from stdin (format binary)`));
  await pipeline(Readable.from(told(archive.nextTable())), stream);
  if (stream.rowCount !== archive.rows[table.name]) {
    throw new Fault("IMPOSSIBLE", `${table.name} came back with another number of rows; nothing was restored`);
  }
  return stream.rowCount;
}

async function cutOthers(client: pg.ClientBase): Promise<void> {
  // Within a transaction the list of backends stays as it was first read.
  await client.query("select pg_stat_clear_snapshot()");
  // Gathered first: in one `where`, PostgreSQL may end a backend before it asks whose it is.
  const left = await client.query<{ pid: number }>(
    `with others as materialized (
       select pid from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
          and pg_has_role(current_user, usesysid, 'member'))
     select pid from others where not pg_terminate_backend(pid, 5000)`,
  );
  if (left.rowCount === 0) return;
  // What had ended by itself answers no as well.
  await client.query("select pg_stat_clear_snapshot()");
  const still = await client.query("select from pg_stat_activity where pid = any($1)", [
    left.rows.map((row) => row.pid),
  ]);
  if (still.rowCount !== 0) throw new Fault("BUSY", "a connection to the database did not end; nothing was restored");
}

/** Tables in the order in which foreign keys let them be filled; without `migration`, which says what schema there is, and is never restored. */
async function describe(client: pg.ClientBase): Promise<ArchiveHeader> {
  const tables = await client.query<{ name: string; columns: ArchiveTable["columns"]; wants: string[] }>(`
    select c.relname as name,
           (select coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
                                     order by a.attname), '[]')
              from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
           array(select distinct f.relname::text from pg_constraint k join pg_class f on f.oid = k.confrelid
                  where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as wants
      from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'migration'
     order by c.relname collate "C"`);
  const sequences = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' order by c.relname collate "C"`,
  );
  const positions: ArchiveHeader["sequences"] = [];
  for (const { name } of sequences.rows) {
    const read = await client.query<{ value: number; isCalled: boolean }>(
      `select last_value as value, is_called as "isCalled" from ${pg.escapeIdentifier(name)}`,
    );
    positions.push({ name, value: read.rows[0]?.value ?? 1, isCalled: read.rows[0]?.isCalled ?? false });
  }
  const facts = await client.query<{ migration: number; databaseId: string; madeAt: string }>(`
    select (select max(number) from migration) as migration, (select id from instance) as "databaseId",
           to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "madeAt"`);
  const [fact] = facts.rows;
  if (fact === undefined) throw new Fault("IMPOSSIBLE", "a select without a row");
  return { ...fact, tables: inOrderOfKeys(tables.rows), sequences: positions };
}

function inOrderOfKeys(
  rows: readonly { name: string; columns: ArchiveTable["columns"]; wants: string[] }[],
): ArchiveTable[] {
  const ordered: ArchiveTable[] = [];
  const placed = new Set<string>();
  let waiting = [...rows];
  while (waiting.length > 0) {
    const ready = waiting.filter((row) => row.wants.every((name) => placed.has(name)));
    if (ready.length === 0) {
      throw new Fault(
        "IMPOSSIBLE",
        `tables whose foreign keys form a ring: ${waiting.map((row) => row.name).join(", ")}`,
      );
    }
    for (const { name, columns } of ready) {
      ordered.push({ name, columns });
      placed.add(name);
    }
    waiting = waiting.filter((row) => !placed.has(row.name));
  }
  return ordered;
}

/** A decoy's columns, by which it is known: the operator makes it, and no migration. It is in archives, since who steals one must find it. */
const baitColumns =
  "id bigint primary key, email text not null, password_hash text not null, created_at timestamptz not null";
const baitShape = "created_at timestamp with time zone, email text, id bigint, password_hash text";
const isBait = ({ columns }: ArchiveTable): boolean =>
  columns.map(({ name, type }) => `${name} ${type}`).join(", ") === baitShape;
const has = ({ tables }: Pick<ArchiveHeader, "tables">, { name }: ArchiveTable): boolean =>
  tables.some((table) => table.name === name);

const shapeOf = ({ tables, sequences }: ArchiveHeader): string =>
  JSON.stringify([tables.map(({ name, columns }) => [name, columns]), sequences.map(({ name }) => name)]);

/** Table and columns as COPY takes them. The names come from the catalogue, and the archive's equal them. */
const target = ({ name, columns }: ArchiveTable): string =>
  `public.${pg.escapeIdentifier(name)} (${columns.map((column) => pg.escapeIdentifier(column.name)).join(", ")})`;

const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
