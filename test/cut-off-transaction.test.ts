import { afterAll, expect, test } from "vitest";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLog } from "../src/kernel/log.ts";
import { systemRandom } from "../src/kernel/random.ts";
import { readFloors } from "../src/credentials/floors.ts";
import { openDb, type Db } from "../src/db/db.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { contain } from "../src/incidents/contain.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { stallablePostgres } from "./stallable-postgres.ts";

/** P1: containing waits for nobody, not even for whoever began to contain and was cut off in the middle. */
const db = await testDatabase();
const keyholder = await testKeyholder();
const { host, ...connection } = testConnection(String(db.pool.options.database));
const way = await stallablePostgres(String(host));
afterAll(async () => {
  await way.close();
  await keyholder.stop();
});

const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
const needsOn = async (database: Db) => ({
  db: database,
  witness: (await keyholder.connect("operator")).witness,
  clock: systemClock,
  monotonicMs: () => performance.now(),
  random: systemRandom,
  log: silentLog,
});

test("an operator whose network goes silent between two statements of a containment keeps no other from containing", async () => {
  const cutOff = openDb({ connection: { ...connection, host: way.folder }, log: silentLog });
  const reached = Promise.withResolvers<void>();
  const stalling: Db = {
    ...cutOff,
    transaction: (work) =>
      cutOff.transaction(async (tx) => {
        const result = await work(tx);
        // The floors are raised and locked; only the commit is missing, and never comes.
        way.stall();
        reached.resolve();
        return result;
      }),
  };
  const lost = contain(await needsOn(stalling), order);
  lost.catch(() => undefined);
  await reached.promise;
  const before = await readFloors(db);

  const contained = await contain(await needsOn(db), order);
  expect(contained.witness).toBe("told");
  // What the first one announced was carried out, and this one came after it.
  const floors = await readFloors(db);
  expect([floors.browser, floors.password]).toEqual([before.browser + 2, before.password + 2]);
  expect(contained.epoch).toBe(floors.browser);

  // Back on the network it hears that it came to nothing, and does not believe that it contained.
  way.restore();
  await expect(lost).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
  expect(await readFloors(db)).toEqual(floors);
  await cutOff.close();
}, 60_000);
