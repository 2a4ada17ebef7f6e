import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, open, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archiveWriter, openArchive } from "./archive.ts";
import { backupDatabase, restoreDatabase } from "./backup.ts";
import type { Db } from "./db.ts";
import { emptyDatabase, testConnection, testDatabase } from "./test-database.ts";

const folder = mkdtempSync(join(tmpdir(), "houselights-backup-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let db: Db;
let empty: Db;
beforeAll(async () => {
  db = await testDatabase();
  empty = await emptyDatabase();
  await fillAllTables(db);
});

/** Every table's rows as text, in a fixed order. */
async function contentOf(from: Db): Promise<Record<string, string[]>> {
  const names = await from.many<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migration' order by 1",
  );
  const content: Record<string, string[]> = {};
  for (const { name } of names) {
    const rows = await from.many<{ row: string }>(`select t::text as row from ${name} t order by 1`);
    content[name] = rows.map(({ row }) => row);
  }
  return content;
}

/** A row of made-up values in each table that has none, by the types of its columns. */
async function fillAllTables(into: Db): Promise<void> {
  const values: Record<string, string> = {
    // One row each, so that foreign keys find it.
    uuid: "uuid '01900000-0000-7000-8000-000000000001'",
    text: "E'a\\ttab, a \\\\ and ünïcode \\u2014 ' || md5(random()::text)",
    "text[]": "array['one, two', null, '\"quoted\"']",
    bytea: "decode(md5(random()::text) || md5(random()::text), 'hex')",
    "bytea[]": "array[decode('00ff', 'hex')]",
    "uuid[]": "array[gen_random_uuid()]",
    bigint: "9007199254740991",
    integer: "-2147483648",
    smallint: "7",
    boolean: "true",
    "double precision": "0.1",
    jsonb: `'{"a": [1, null, "x"]}'::jsonb`,
    date: "date '2026-11-26'",
    "timestamp with time zone": "timestamptz '2026-02-03 04:05:06.789012Z'",
  };
  const client = await into.pool.connect();
  try {
    // Made-up rows keep no rules; the round trip is of bytes.
    await client.query("set session_replication_role = replica");
    const tables = await client.query<{ name: string; columns: string[]; types: string[] }>(
      `select c.relname as name, array_agg(a.attname::text order by attnum) as columns,
              array_agg(format_type(atttypid, atttypmod) order by attnum) as types
         from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''
        where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not in ('migration', 'instance', 'floor')
        group by 1 order by 1`,
    );
    for (const { name, columns, types } of tables.rows) {
      const checks = await client.query<{ name: string }>(
        "select conname as name from pg_constraint where conrelid = $1::regclass and contype = 'c'",
        [name],
      );
      for (const check of checks.rows) await client.query(`alter table ${name} drop constraint ${check.name}`);
      const picked = types.map((type) => {
        const value = values[type];
        if (value === undefined) throw new Error(`no value for type ${type} of ${name}`);
        return value;
      });
      await client.query(`insert into ${name} (${columns.join(", ")}) select ${picked.join(", ")}
                          where not exists (select from ${name})`);
    }
  } finally {
    client.release(true);
  }
}

test("what comes back is what went in, every type of every table, into the same database and into an empty one", async () => {
  const before = await contentOf(db);
  expect(Object.values(before).filter((rows) => rows.length === 0)).toEqual([]);
  const file = join(folder, "round-trip");
  const told: [number, number | null][] = [];
  const tell = (done: number, total: number | null) => void told.push([done, total]);
  const summary = await backupDatabase(db, file, undefined, tell);
  expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).toSorted((one, other) => one - other));
  expect(told.at(-1)).toEqual([expect.toSatisfy((done: number) => done > 0), expect.any(Number)]);
  expect(summary.sizeBytes).toBe((await stat(file)).size);
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  await db.run("delete from mailbox_letter");
  await db.run("update account set locale = 'changed'");
  expect(await contentOf(db)).not.toEqual(before);
  told.length = 0;
  expect(await restoreDatabase(db, file, undefined, tell)).toEqual({
    kind: "restored",
    tables: summary.tables,
    rows: summary.rows,
    databaseId: summary.databaseId,
  });
  expect(await contentOf(db)).toEqual(before);
  expect(new Set(told.map(([, total]) => total))).toEqual(new Set([summary.sizeBytes]));
  expect(told.at(-1)![0]).toBeGreaterThan(0);
  expect(told.at(-1)![0]).toBeLessThanOrEqual(summary.sizeBytes);
});

test("into an empty database, which gets the identity of the one backed up", async () => {
  const source = await testDatabase();
  const file = join(folder, "into-empty");
  await source.run("update floor set epoch = 3 where kind = 'tv'");
  await backupDatabase(source, file);
  expect(await restoreDatabase(empty, file)).toMatchObject({ kind: "restored" });
  expect(await contentOf(empty)).toEqual(await contentOf(source));
});

test("old floors come back, and only rise again afterwards", async () => {
  const source = await testDatabase();
  const file = join(folder, "floors");
  await backupDatabase(source, file);
  await source.run("update floor set epoch = 9 where kind = 'browser'");
  await restoreDatabase(source, file);
  expect(await source.one("select epoch from floor where kind = 'browser'")).toEqual({ epoch: 1 });
  await source.run("update floor set epoch = 5 where kind = 'browser'");
  await expect(source.run("update floor set epoch = 2 where kind = 'browser'")).rejects.toThrow("a floor only rises");
});

test("a sequence goes on where it was, also one that nobody had used", async () => {
  const source = await testDatabase();
  const file = join(folder, "sequences");
  await source.run("create sequence used");
  await source.run("create sequence unused");
  const next = async (name: string) => (await source.one<{ n: number }>("select nextval($1) as n", [name]))?.n;
  for (const n of [1, 2, 3]) expect(await next("used")).toBe(n);
  await backupDatabase(source, file);
  expect([await next("used"), await next("unused")]).toEqual([4, 1]);
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "restored" });
  expect([await next("used"), await next("unused")]).toEqual([4, 1]);
});

test("an archive that has another number of rows than it says is put back in no part", async () => {
  const source = await testDatabase();
  const [file, other] = [join(folder, "counted"), join(folder, "counted otherwise")];
  await backupDatabase(source, file);
  /** The same archive, with another number of floors in what it says at its end. */
  async function saying(more: number): Promise<void> {
    const [from, to] = [await open(file), await open(other, "w")];
    const opened = await openArchive(from);
    if (opened.kind === "refused") throw new Error(opened.reason);
    const { archive } = opened;
    const { header, rows } = archive;
    const writer = archiveWriter(to);
    await writer.begin(header);
    for (let table = 0; table < header.tables.length; table++) await writer.table(archive.nextTable());
    await writer.end({ ...rows, floor: (rows["floor"] ?? 0) + more });
    await Promise.all([from.close(), to.close()]);
  }
  await source.run("update floor set epoch = 4 where kind = 'app'");
  const before = await contentOf(source);
  await saying(1);
  await expect(restoreDatabase(source, other)).rejects.toThrow("floor came back with another number of rows");
  expect(await contentOf(source)).toEqual(before);
  await saying(0);
  expect(await restoreDatabase(source, other)).toMatchObject({ kind: "restored" });
  expect(await contentOf(source)).not.toEqual(before);
});

test("a backup is of one instant, though rows are written while it runs", async () => {
  const source = await testDatabase();
  const file = join(folder, "snapshot");
  let stopped = false;
  // Each transaction writes a pair into two tables; a torn snapshot would have one without the other.
  const writer = (async () => {
    while (!stopped) {
      await source.transaction(async (tx) => {
        const row = await tx.one<{ id: string }>("select gen_random_uuid() as id");
        await tx.run("insert into mailbox_letter (id, at, message_id, sealed) values ($1, now(), 'pair', '')", [
          row!.id,
        ]);
        await tx.run("insert into address (blind_index, account_id) values (sha256($1::uuid::text::bytea), $1::uuid)", [
          row!.id,
        ]);
      });
    }
  })();
  for (let i = 0; i < 3; i++) await backupDatabase(source, file);
  stopped = true;
  await writer;
  const written = (await source.one<{ n: number }>("select count(*) as n from address"))!.n;
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "restored" });
  const found = await source.one<{ letters: number; addresses: number; torn: number }>(
    `select (select count(*) from mailbox_letter) as letters, (select count(*) from address) as addresses,
            (select count(*) from mailbox_letter full join address on account_id = id where account_id is null or id is null) as torn`,
  );
  expect(found!.torn).toBe(0);
  expect(found!.letters).toBe(found!.addresses);
  expect(found!.letters).toBeGreaterThan(0);
  expect(found!.letters).toBeLessThanOrEqual(written);
});

test("a damaged, cut, foreign or other-format file is refused, and nothing has changed", async () => {
  const source = await testDatabase();
  const file = join(folder, "damaged");
  await backupDatabase(source, file);
  await source.run("update floor set epoch = 4 where kind = 'app'");
  const before = await contentOf(source);
  const whole = await readFile(file);

  const variants: [string, Buffer, string][] = [
    ["one bit in the middle", flipped(whole, whole.length >> 1), "damaged"],
    ["one bit in the header", flipped(whole, 40), "damaged"],
    ["one bit in the sum", flipped(whole, whole.length - 1), "damaged"],
    ["cut by one byte", whole.subarray(0, -1), "damaged"],
    ["cut in half", whole.subarray(0, whole.length >> 1), "damaged"],
    ["cut in the first line", whole.subarray(0, 10), "not a backup"],
    ["empty", Buffer.alloc(0), "not a backup"],
    ["with something after it", Buffer.concat([whole, Buffer.from("x")]), "damaged"],
    [
      "something else",
      Buffer.from("SQLite format 3\u0000 and so on for a good while longer than the header"),
      "not a backup",
    ],
    ["another format", Buffer.concat([Buffer.from("houselights backup 2\n"), whole.subarray(21)]), "another format"],
  ];
  for (const [name, bytes, reason] of variants) {
    const path = join(folder, "variant");
    await writeFile(path, bytes);
    expect(await restoreDatabase(source, path), name).toMatchObject({ kind: "refused", reason });
  }
  expect(await restoreDatabase(source, join(folder, "absent"))).toMatchObject({
    kind: "refused",
    reason: "no such file",
  });
  expect(await restoreDatabase(source, folder)).toMatchObject({ kind: "refused", reason: "not a backup" });
  expect(await contentOf(source)).toEqual(before);
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "restored" });
});

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = copy[at]! ^ 1;
  return copy;
};

test("an archive of a newer or older schema, or of other columns, is refused, and nothing has changed", async () => {
  const source = await testDatabase();
  const file = join(folder, "versions");
  const newest = (await source.one<{ n: number }>("select max(number) as n from migration"))!.n;
  await source.run("insert into migration (number, name, hash) values ($1, 'later', '')", [newest + 1]);
  await backupDatabase(source, file);
  await source.run("delete from migration where number = $1", [newest + 1]);
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "refused", reason: "newer" });

  await source.run("update migration set number = 0 - number where number = $1", [newest]);
  await backupDatabase(source, file);
  await source.run("update migration set number = 0 - number where number < 0");
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "refused", reason: "older" });

  await source.run("alter table password rename column salt to pepper");
  await backupDatabase(source, file);
  await source.run("alter table password rename column pepper to salt");
  const before = await contentOf(source);
  expect(await restoreDatabase(source, file)).toMatchObject({ kind: "refused", reason: "other schema" });
  expect(await contentOf(source)).toEqual(before);
});

test("every connection open during a restore ends with it, and each new one is asked first", async () => {
  let asked = 0;
  const service = await testDatabase({
    onConnect: async (tx) => {
      await tx.many("select kind, epoch from floor");
      asked++;
    },
  });
  const file = join(folder, "open-connections");
  await backupDatabase(service, file);
  const name = String(service.pool.options.database);

  const idle = new pg.Client(testConnection(name));
  const inTransaction = new pg.Client(testConnection(name));
  const ends: Promise<unknown>[] = [];
  for (const client of [idle, inTransaction]) {
    client.on("error", () => undefined);
    ends.push(new Promise((resolve) => client.once("end", resolve)));
    await client.connect();
  }
  await inTransaction.query("begin");
  await inTransaction.query("update account set locale = locale");
  await service.many("select 1");
  const before = asked;

  expect(await restoreDatabase(service, file)).toMatchObject({ kind: "restored" });
  await Promise.all(ends);
  // The pool replaces what it lost; the first statement may still meet a dead connection.
  await service.many("select 1").catch(() => undefined);
  await service.many("select 1");
  expect(asked).toBeGreaterThan(before);
  // And so is one that a backup is read over.
  const again = asked;
  await (await service.connectForCopy()).end();
  expect(asked).toBe(again + 1);
});

test("while the content is put back nobody changes it, and who has connected meanwhile is cut off: they were let in before", async () => {
  const source = await testDatabase();
  const file = join(folder, "late-connections");
  await backupDatabase(source, file);
  const late = new pg.Client(testConnection(String(source.pool.options.database)));
  late.on("error", () => undefined);
  const connects = async (): Promise<void> => {
    await late.connect();
    await late.query("select 1");
  };
  const locks = () => source.transaction((tx) => tx.run("lock table account in access share mode nowait"));
  await locks();
  const before = async (): Promise<void> => {
    await expect(locks()).rejects.toMatchObject({ cause: { code: "55P03" } });
  };
  expect(await restoreDatabase(source, file, connects, undefined, before)).toMatchObject({ kind: "restored" });
  await expect(late.query("select 1")).rejects.toThrow();
  await late.end();
});

test("a backup that fails leaves no file behind", async () => {
  await expect(backupDatabase(db, join(folder, "no such folder", "file"))).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
  const closed = await testDatabase();
  await closed.close();
  await expect(backupDatabase(closed, join(folder, "never"))).rejects.toThrow();
  expect((await readdir(folder)).filter((name) => name.includes("never"))).toEqual([]);
});

test("what a backup that was killed has left is removed by the next, and what may be another's work is not", async () => {
  const place = join(folder, "left");
  await mkdir(place);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  const begun = (
    await readFile(join(folder, "whole")).catch(async () => {
      await backupDatabase(db, join(folder, "whole"));
      return readFile(join(folder, "whole"));
    })
  ).subarray(0, 1_000);
  const leave = async (name: string, content: Buffer | string, idleMinutes: number): Promise<void> => {
    await writeFile(join(place, name), content);
    const at = new Date(Date.now() - idleMinutes * 60_000);
    await utimes(join(place, name), at, at);
  };
  await leave(`of-yesterday.${dead}.partial`, begun, 11);
  await leave(`of-an-instant.${dead}.partial`, "", 11);
  // Somebody else's machine may write it, or a process of this one.
  await leave(`of-now.${dead}.partial`, begun, 9);
  await leave(`of-who-runs.${process.pid}.partial`, begun, 11);
  await leave(`film.${dead}.partial`, "a download of somebody else", 11);
  await leave("houselights-2026-11-22", begun, 11);
  await mkdir(join(place, `folder.${dead}.partial`));

  const { unfinished } = await backupDatabase(db, join(place, "today"));
  expect(unfinished).toEqual({
    removed: [`of-an-instant.${dead}.partial`, `of-yesterday.${dead}.partial`],
    kept: [`of-now.${dead}.partial`, `of-who-runs.${process.pid}.partial`],
  });
  expect((await readdir(place)).toSorted()).toEqual(
    [
      `film.${dead}.partial`,
      `folder.${dead}.partial`,
      "houselights-2026-11-22",
      ...unfinished.kept,
      "today",
    ].toSorted(),
  );
});
