import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { layGround } from "../app.ts";
import { parseConfig } from "../config/config.ts";
import { silentLog } from "../kernel/log.ts";
import { testConnection, testDatabase } from "../db/test-database.ts";
import { keysPath } from "../keyholder/keys.ts";
import { startKeyholder, type SupervisedKeyholder } from "../keyholder/supervise.ts";
import { testKeyholder } from "../keyholder/test-keyholder.ts";
import { populate } from "../../test/population.ts";
import { keepKeys } from "./keep-keys.ts";
import { compareKeys } from "./key-versions.ts";
import { retireKey, rotateKeys } from "./rotate.ts";

/** Keys that are not this database's, or not its newest: refused with a reason before anything is written. */
const template = await testDatabase();
const connection = testConnection(String(template.pool.options.database));
const keyholder = await testKeyholder();
const other = await testKeyholder();
afterAll(async () => {
  await keyholder.stop();
  await other.stop();
});

const groundWith = (
  { socketPath, credentials }: Pick<SupervisedKeyholder, "socketPath" | "credentials">,
  database = connection,
) =>
  layGround({
    config: parseConfig({ DATA_DIR: "/nowhere" }, "/nowhere"),
    surroundings: { connection: database, keyholder: { socketPath, credentials } },
    log: silentLog,
  });

/** Every row of every table of ours, and every counter. */
async function everything(): Promise<string> {
  const tables = await template.many<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public' order by 1`,
  );
  const parts: string[] = [];
  for (const { name } of tables) {
    const row = await template.one<{ text: string }>(
      `select coalesce(json_agg(t order by t::text), '[]')::text as text from ${name} t`,
    );
    parts.push(`${name} ${row?.text}`);
  }
  return parts.join("\n");
}

async function refusedWith(keys: Parameters<typeof groundWith>[0], message: RegExp): Promise<void> {
  const before = await everything();
  await expect(groundWith(keys)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(message),
  });
  expect(await everything()).toBe(before);
}

test("a keyholder with other keys is refused; the right one was taken a moment before and is afterwards", async () => {
  await (await groundWith(keyholder)).close();
  await refusedWith(
    other,
    /other keys than this database was sealed with .*restore the backup of the keys.*nothing was written/,
  );
  await (await groundWith(keyholder)).close();
});

test("an older file of keys is refused by the folder, and with the folder taken back as a whole by the database", async () => {
  const older = join(other.keysDir, "..", "older.json");
  await copyFile(keysPath(keyholder.keysDir), older);
  const ground = await groundWith(keyholder);
  const needs = {
    ...ground,
    keys: ground.keyholders.keeper.keys,
    keyholder: ground.keyholders.mailer,
    remarkCanaries: async () => undefined,
  };
  await populate(ground.db, ground.keyholders.web, { accounts: 3 });
  expect((await rotateKeys(needs, ["password"])).kind).toBe("rotated");
  await ground.close();
  await keyholder.stop({ keepFolder: true });

  await copyFile(keysPath(keyholder.keysDir), `${older}.newest`);
  await copyFile(older, keysPath(keyholder.keysDir));
  const start = () =>
    startKeyholder({ keysDir: keyholder.keysDir, socketPath: keyholder.socketPath, graceMs: 0, log: silentLog });
  await expect(start()).rejects.toThrow(
    /has keys of generation \d+ where \d+ was the last: an older file was put back/,
  );

  // Whoever takes the whole folder back takes that memory with it. The database's they do not have.
  await copyFile(join(keyholder.keysDir, "generation.json"), `${older}.generation`);
  await rm(join(keyholder.keysDir, "generation.json"));
  const back = await start();
  await refusedWith(back, /needs version 2 of the key for password, which the keyholder has not/);
  await back.stop();

  await copyFile(`${older}.newest`, keysPath(keyholder.keysDir));
  await copyFile(`${older}.generation`, join(keyholder.keysDir, "generation.json"));
  const again = await start();
  await (await groundWith(again)).close();
  await again.stop();
});

test("a database from before a key was retired is refused, and so is a file that still has the key", async () => {
  const again = await startKeyholder({
    keysDir: keyholder.keysDir,
    socketPath: keyholder.socketPath,
    graceMs: 0,
    log: silentLog,
  });
  const ground = await groundWith(again);
  const needs = {
    ...ground,
    keys: ground.keyholders.keeper.keys,
    keyholder: ground.keyholders.mailer,
    remarkCanaries: async () => undefined,
  };
  await template.run(`create table was as select * from key_version`);
  await keepKeys(needs);
  expect(await retireKey(needs, "password")).toEqual({ kind: "closing", version: 1 });
  await copyFile(keysPath(keyholder.keysDir), join(other.keysDir, "..", "closing.json"));
  await keepKeys(needs);
  await (await groundWith(again)).close();

  await template.run(`create table is_now as select * from key_version`);
  await template.run(`delete from key_version`);
  await template.run(`insert into key_version select * from was`);
  await refusedWith(again, /needs version 1 of the key for password, which was retired after it was backed up/);
  await template.run(`delete from key_version`);
  await template.run(`insert into key_version select * from is_now`);
  await (await groundWith(again)).close();
  await ground.close();
  await again.stop();

  await copyFile(join(other.keysDir, "..", "closing.json"), keysPath(keyholder.keysDir));
  await rm(join(keyholder.keysDir, "generation.json"));
  const older = await startKeyholder({
    keysDir: keyholder.keysDir,
    socketPath: keyholder.socketPath,
    graceMs: 0,
    log: silentLog,
  });
  await refusedWith(
    older,
    /has version 1 of the key for password, which was retired: an older file of keys was put back/,
  );
  await older.stop();
});

test("a version that appears stands in the timeline, whoever sees it first", async () => {
  const rows = await template.many<{ kind: string }>(
    `select kind from timeline_entry where kind in ('key rotated', 'key retired') order by id`,
  );
  expect(rows.map(({ kind }) => kind)).toEqual(["key rotated", "key retired"]);
});

test("a key that is retired between the two readings is no contradiction", async () => {
  const db = await testDatabase();
  const own = await testKeyholder();
  onTestFinished(() => own.stop());
  const ground = await groundWith(own, testConnection(String(db.pool.options.database)));
  onTestFinished(() => ground.close());
  const { keys } = ground.keyholders.keeper;
  const needs = { ...ground, keys };
  await rotateKeys(needs, ["index.throttle"]);
  let asked = 0;
  const retiredMeanwhile = {
    states: async () => {
      if (++asked === 1) {
        expect(await retireKey(needs, "index.throttle")).toEqual({ kind: "closing", version: 1 });
        await keys.retire("index.throttle", 1);
      }
      return keys.states();
    },
  };
  await compareKeys({ ...needs, keys: retiredMeanwhile });
  expect(asked).toBe(2);
});
