import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { layGround } from "../src/app.ts";
import { parseConfig } from "../src/config/config.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { silentLog } from "../src/kernel/log.ts";
import { testKeyholder } from "../src/keyholder/test-keyholder.ts";
import { migratedDatabase } from "./throw-away-postgres.ts";

/** P2: what is read is what was committed last, which a server that follows another one cannot say. */
const dataDir = await mkdtemp(join(tmpdir(), "houselights-standby-"));
const keyholder = await testKeyholder();
const settings = { fsync: "off" };
const start = () => startPostgres({ dataDir, log: silentLog, throwAway: true, settings });
let postgres = await start();
afterAll(async () => {
  await postgres.stop();
  await keyholder.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test("a database that follows another one is not served from, though it is in step with the witness", async () => {
  await migratedDatabase(postgres, "service");
  const lay = () =>
    layGround({
      config: parseConfig({ DATA_DIR: dataDir, LOG_LEVEL: "silent" }, dataDir),
      surroundings: {
        connection: { ...postgres.connection, database: "service" },
        keyholder: { socketPath: keyholder.socketPath, credentials: keyholder.credentials },
      },
      log: silentLog,
    });
  const reads = async () => {
    const ground = await lay();
    try {
      return await ground.db.one(`select pg_is_in_recovery() as standby`);
    } finally {
      await ground.close();
    }
  };
  expect(await reads()).toEqual({ standby: false });
  await postgres.stop();
  await writeFile(join(dataDir, "postgres", "cluster", "standby.signal"), "");
  postgres = await start();
  const said = await reads().catch((thrown: unknown) => thrown);
  expect(said).toMatchObject({
    code: "DB_UNAVAILABLE",
    message: expect.stringContaining("follows another") as unknown,
  });
});
