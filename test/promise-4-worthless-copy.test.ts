import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declarations } from "../src/incidents/stolen-copy/stolen-copy.ts";
import { compareDeclared } from "./thief/columns.ts";
import { tryCredentials, uncoveredRoutes } from "./thief/credentials.ts";
import type { Finding } from "./thief/finding.ts";
import { populateWorld, type Populated } from "./thief/populate.ts";
import { searchRaw } from "./thief/raw.ts";
import { searchReplica } from "./thief/replica.ts";
import { hashedWords } from "./thief/guess.ts";
import { lookHere, type Looking } from "./thief/looking.ts";
import { decoysIn, guessesFor, rob, workOn, type Effort, type Loot } from "./thief/rob.ts";
import { searchFor } from "./thief/search.ts";
import { inSnapshot, takeTables, type Haul } from "./thief/take.ts";
import { printed } from "./thief/table.ts";
import { weakColumn, weaken, weaknesses, type Weakness } from "./thief/weaknesses.ts";
import { openWorld, type World } from "./thief/world.ts";

/**
 * P4: a stolen copy of the database is worthless by itself. The thief kit robs a service whose every feature was used, of all
 * that can be copied, and works on every column; then it robs schemas that are weak in one place each, and must find that.
 * `npm run thief` is the same with 10,000 accounts and a dictionary of 1,000 words.
 */
const effort: Effort = { rowsTried: 1, words: 200, everyWord: false, threads: 2 };
let world: World;
let populated: Populated;
let loot: Loot;
let looking: Looking;

beforeAll(async () => {
  world = await openWorld();
  populated = await populateWorld(world, 48);
  loot = await rob(world, populated, effort);
  looking = lookHere(searchFor([...world.sought, ...hashedWords(guesses().words)]));
}, 600_000);
afterAll(() => world.close());

test("P4: nothing that went in is found, nothing is accepted, and no column is but what it is said to be", () => {
  expect(loot.findings).toEqual([]);
});

test("P4: the thief has tried: every table, every way in, the log and a replica", () => {
  const { work, haul } = loot;
  expect(work["tables"]).toBe(haul.tables.length);
  expect(haul.tables.map(({ name }) => name)).toContain("graphile_worker._private_jobs");
  expect(work["values sought"]).toBeGreaterThan(2_000);
  expect(work["values tried as credentials"]).toBeGreaterThan(200);
  expect(work["requests made with them"]).toBeGreaterThan(5_000);
  expect(work["hashes of guesses"]).toBeGreaterThan(100_000);
  expect(work["rows told to a replica"]).toBeGreaterThan(2_000);
  expect(work["bytes of files read"]).toBeGreaterThan(10_000_000);
  expect(printed(loot)).toContain("The thief has 0 addresses, 0 names, 0 passwords, 0 accepted credentials.");
});

/** For a single table three accounts are enough: it has a row of each. */
const guesses = () => guessesFor(world, populated.people.slice(0, 3), { ...effort, threads: 0 });

/** What the kit says of one table, and those beside it, as they are inside this transaction. */
async function foundIn(haul: Haul, weakness: Weakness): Promise<Finding[]> {
  const { table, declared } = weakness;
  const columns = { ...declarations[table]?.columns, ...(declared === undefined ? {} : { [weakColumn]: declared }) };
  const changed = { ...declarations, [table]: { holds: "", columns } };
  if (weakness.class === "credential") {
    const rows = haul.tables.map((one) => ({
      ...one,
      rows: one.rows.filter((row) => row.at(-1) !== null).slice(0, 4),
    }));
    return (await tryCredentials(world, populated, { ...haul, tables: rows }, 1)).findings;
  }
  const { findings } = await workOn(haul, looking, { ...guesses(), declarations: changed });
  return [...findings, ...compareDeclared(haul, changed)];
}

describe("P4: in a schema that is weak in one place, the kit finds it", () => {
  test.each(weaknesses.map((weakness) => [weakness.name, weakness] as const))(
    "%s",
    async (_name, weakness) => {
      class Enough extends Error {}
      let haul: Haul | undefined;
      await world.db
        .transaction(async (tx) => {
          await weaken(tx, weakness, populated.people.slice(0, -2));
          haul = await takeTables(tx, [weakness.table, ...(weakness.beside ?? [])]);
          throw new Enough();
        })
        .catch((thrown: unknown) => expect(thrown).toBeInstanceOf(Enough));
      const where = new RegExp(`\\.(${weakColumn}|blind_index)\\b`);
      const found = haul === undefined ? [] : await foundIn(haul, weakness);
      const mine = found.filter((one) => one.class === weakness.class && where.test(one.where));
      expect(mine.map(({ says }) => says).join("\n")).toMatch(weakness.says);
    },
    60_000,
  );

  test("a declaration whose column is gone, and one without a reason", () => {
    const columns = { gone: { kind: "sealed", says: "something" }, id: { kind: "shown", says: "an id" } } as const;
    const found = compareDeclared(loot.haul, { account: { holds: "", columns } });
    expect(found.filter(({ class: kind }) => kind === "stale").map(({ where }) => where)).toEqual(["account.gone"]);
    expect(found.map(({ where, says }) => `${where} ${says}`)).toContain(
      "account.id it may be read, and nobody has said why",
    );
  });

  test("a table with a decoy's columns in which somebody stands, and one in which nobody does", async () => {
    const named = async (): Promise<string[]> => {
      const haul = await inSnapshot(world.db, (tx) => takeTables(tx, ["old_customers", "old_viewers"]));
      const found = compareDeclared(haul, { ...(await decoysIn(world, haul)) });
      return found.filter(({ class: kind }) => kind === "undeclared").map(({ where }) => where);
    };
    expect(loot.haul.tables.find(({ name }) => name === "old_customers")?.rows.length).toBe(20);
    expect(loot.findings.filter(({ where }) => where.startsWith("old_"))).toEqual([]);
    await world.db.pool.query("create table old_viewers as select * from old_customers");
    expect(await named()).toEqual([]);
    await world.db.pool.query("insert into old_viewers values (21, $1, 'x', now())", [populated.people[0]?.address]);
    expect(await named()).toEqual(["id", "email", "password_hash", "created_at"].map((name) => `old_viewers.${name}`));
    await world.db.pool.query("drop table old_viewers");
  });

  test("a table that no feature fills", () => {
    const empty = { tables: [{ name: "account", columns: [], rows: [] }], fields: loot.haul.fields };
    expect(compareDeclared(empty, {}).map((one) => one.class)).toEqual(["untested"]);
  });

  test("a route that takes a credential which nobody has shown to the thief", () => {
    const route = { method: "POST", url: "/api/new-way-in", access: "anyone" } as const;
    expect(uncoveredRoutes([route])).toEqual(["POST /api/new-way-in"]);
  });
});

describe("P4: what is gone from the tables is still on the disk, and a replica was told", () => {
  const bait = "Grace.Planted@Some.Example.org";
  const planted = lookHere(searchFor([{ what: "planted", value: bait }]));
  const filler = "the quick brown lantern ".repeat(120);

  test("a row that was deleted before the copy was made, plain and compressed", async () => {
    const from = await world.db.one<{ file: string }>(`select pg_walfile_name(pg_current_wal_lsn()) as file`);
    await world.db.pool.query("create table scratch (id int primary key, note text)");
    await world.db.pool.query("insert into scratch values (1, $1), (2, $2)", [
      `to ${bait}`,
      `${filler}${bait}${filler}`,
    ]);
    const path = await world.db.one<{ path: string }>(`select pg_relation_filepath('scratch') as path`);
    const size = await world.db.one<{ size: number }>(`select pg_column_size(note) as size from scratch where id = 2`);
    expect(size?.size).toBeLessThan(1_000);
    await world.db.pool.query("delete from scratch");

    const file = await searchRaw(planted, world, { isWanted: (name) => name === path?.path });
    expect(file.findings.map(({ where }) => where)).toEqual(["data folder: scratch"]);
    const replica = await searchReplica(planted, world.db, loot.haul);
    expect(replica.findings.map(({ where }) => where)).toEqual(["scratch.note"]);

    // Only the compressed one now, in a table of its own, and then in the log alone.
    await world.db.pool.query("create table scratch2 (note text)");
    await world.db.pool.query("insert into scratch2 values ($1)", [`${filler}${bait}${filler}`]);
    const other = await world.db.one<{ path: string }>(`select pg_relation_filepath('scratch2') as path`);
    const compressed = await searchRaw(planted, world, { isWanted: (name) => name === other?.path });
    expect(compressed.findings.map(({ where }) => where)).toEqual(["data folder: scratch2"]);
    await world.db.pool.query("drop table scratch, scratch2");
    const log = await searchRaw(planted, world, { isWanted: (name) => name >= `pg_wal/${from?.file}` });
    expect(log.findings.map(({ where }) => where)).toEqual(["data folder: write-ahead log"]);
  }, 60_000);
});
