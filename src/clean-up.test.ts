import { expect, test } from "vitest";
import { cleanUp } from "./clean-up.ts";
import { batchRows } from "./db/batch.ts";
import type { Db, Tx } from "./db/db.ts";
import { testDatabase } from "./db/test-database.ts";
import { dayMs, manualClock, plus, toDate } from "./kernel/clock.ts";

const now = manualClock(Date.UTC(2026, 10, 22)).now();

interface Deletion {
  readonly table: string;
  readonly rows: number;
}

/** The same connection, and what each statement of clean-up removed. */
function watched(db: Db, deleted: (deletion: Deletion) => void): Tx {
  const tableOf = (sql: string): string => /delete from ([\w.]+)/.exec(sql)?.[1] ?? sql;
  return {
    ...db,
    run: async (sql, parameters) => {
      const rows = await db.run(sql, parameters);
      deleted({ table: tableOf(sql), rows });
      return rows;
    },
    one: async <Row extends object>(sql: string, parameters?: Parameters<Tx["one"]>[1]) => {
      const row = await db.one<Row>(sql, parameters);
      // Whether a case is in hand is read, and removes nothing.
      if (sql.includes("delete from"))
        deleted({ table: tableOf(sql), rows: Number(row !== undefined && "count" in row ? row.count : NaN) });
      return row;
    },
  };
}

async function cleaned(db: Db): Promise<Deletion[]> {
  const deletions: Deletion[] = [];
  await cleanUp(
    watched(db, (deletion) => deletions.push(deletion)),
    now,
    new AbortController().signal,
  );
  return deletions;
}

/** What a column's check allows. */
const words: Readonly<Record<string, string>> = {
  "session.class": "browser",
  "session.proof": "password",
  "sign_in_step.class": "browser",
  "link.class": "tv",
  "link.state": "denied",
  "passkey_challenge.purpose": "sign-in",
};

const jobs = "graphile_worker._private_jobs";

/** Jobs that were given up long ago. */
async function fillJobs(db: Db, rows: number): Promise<void> {
  await db.run(`select graphile_worker.add_job('clean-up')`);
  await db.run(`delete from ${jobs}`);
  await db.run(
    `insert into ${jobs} (task_id, attempts, max_attempts, updated_at)
     select (select id from graphile_worker._private_tasks where identifier = 'clean-up'), 1, 1, $1
       from generate_series(1, ${rows})`,
    [toDate(plus(now, -400 * dayMs))],
  );
}

/** Fills a table with rows that are long over, whatever its columns are. */
async function fill(db: Db, table: string, rows: number): Promise<void> {
  if (table === jobs) return fillJobs(db, rows);
  const columns = await db.many<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, null) as type from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and not attisdropped
        and (attnotnull or format_type(atttypid, null) = 'timestamp with time zone')`,
    [table],
  );
  const valueOf = ({ name, type }: { name: string; type: string }, place: number): string => {
    if (type.endsWith("[]")) return "'{}'";
    switch (type) {
      case "uuid":
        return "gen_random_uuid()";
      case "bytea":
        // A caller is named by 16 bytes.
        return `substr(sha256(convert_to('${name} ' || i, 'UTF8')), 1, ${name === "caller" ? 16 : 32})`;
      case "timestamp with time zone":
        // In the order of the columns, as a row's instants follow each other.
        return `$1::timestamptz - i * interval '1 second' + ${place} * interval '1 millisecond'`;
      case "text":
        return `'${words[`${table}.${name}`] ?? "x"}'`;
      case "boolean":
        return "false";
      default:
        return "1";
    }
  };
  await db.run(
    `insert into ${table} (${columns.map(({ name }) => name).join(", ")})
     select ${columns.map(valueOf).join(", ")} from generate_series(1, ${rows}) i`,
    [toDate(plus(now, -400 * dayMs))],
  );
}

/** Every table whose rows expire. One that clean-up leaves out would grow for ever, and be in every copy. */
const forgotten = [
  "account_change",
  "address_claim",
  "bounce_report",
  jobs,
  "key_surplus",
  "key_use",
  "known_network",
  "link",
  "lobby_entry",
  "lobby_minute",
  "lobby_network",
  "mailbox_letter",
  "operator_link",
  "passkey",
  "passkey_challenge",
  "recovery",
  "refused_password",
  "removed_address",
  "security_event",
  "session",
  "sign_in_step",
  "sign_in_window",
  "sign_up",
  "throttle",
  "ticket",
  "totp",
];

test("of more than two batches of each kind all go, and no statement removes more than a batch", async () => {
  const rows = 2 * batchRows + 500;
  const db = await testDatabase();
  const tables = [...new Set((await cleaned(db)).map(({ table }) => table))].toSorted();
  expect(tables).toEqual(forgotten);
  for (const table of tables) await fill(db, table, rows);
  const deletions = await cleaned(db);
  expect(Math.max(...deletions.map((one) => one.rows))).toBe(batchRows);
  for (const table of tables) {
    const removed = deletions.filter((one) => one.table === table).reduce((sum, one) => sum + one.rows, 0);
    const left = await db.one<{ count: number }>(`select count(*) as count from ${table}`);
    expect([table, removed, left?.count]).toEqual([table, rows, 0]);
  }
});

test("jobs that were given up are forgotten after a week; what waits, or is in its last try, stays", async () => {
  const db = await testDatabase();
  await fillJobs(db, 4);
  await db.run(`update ${jobs} set attempts = 0 where id = (select min(id) from ${jobs})`);
  await db.run(`update ${jobs} set locked_at = $1, locked_by = 'somebody' where id = (select max(id) from ${jobs})`, [
    toDate(now),
  ]);
  await cleaned(db);
  const left = await db.many(`select attempts, locked_by as "lockedBy" from ${jobs} order by id`);
  expect(left).toEqual([
    { attempts: 0, lockedBy: null },
    { attempts: 1, lockedBy: "somebody" },
  ]);
});

test("ended in the middle, the next run goes on with what is left", async () => {
  const db = await testDatabase();
  await fill(db, "ticket", 2 * batchRows + 500);
  const ended = new AbortController();
  let batches = 0;
  await cleanUp(
    watched(db, ({ table, rows }) => {
      if (table === "ticket" && rows > 0 && ++batches === 1) ended.abort();
    }),
    now,
    ended.signal,
  );
  expect(batches).toBe(1);
  expect(await db.one(`select count(*) as count from ticket`)).toEqual({ count: batchRows + 500 });
  await cleaned(db);
  expect(await db.one(`select count(*) as count from ticket`)).toEqual({ count: 0 });
});

test("a room whose rows cannot be removed keeps no other's from being removed, and is told", async () => {
  const db = await testDatabase();
  await fill(db, "security_event", 3);
  await fill(db, "ticket", 3);
  await db.run(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$`,
  );
  await db.run(`create trigger refuse before delete on security_event for each row execute function refuse()`);
  await expect(cleanUp(db, now, new AbortController().signal)).rejects.toThrow("not this one");
  const left = async (table: string) =>
    (await db.one<{ count: number }>(`select count(*) as count from ${table}`))?.count;
  expect([await left("security_event"), await left("ticket")]).toEqual([3, 0]);
});
