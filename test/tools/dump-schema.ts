import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDb } from "../../src/db/db.ts";
import { migrationsFolder } from "../../src/db/migrate.ts";
import { dumpSchema } from "../../src/db/schema-dump.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { migratedDatabase, startThrowAwayPostgres } from "../throw-away-postgres.ts";

/** `npm run db:dump`: writes `migrations/schema.sql` from what the migrations make. */
const postgres = await startThrowAwayPostgres();
try {
  await migratedDatabase(postgres, "dump");
  const db = openDb({ connection: { ...postgres.connection, database: "dump" }, log: silentLog });
  await writeFile(join(migrationsFolder, "schema.sql"), await dumpSchema(db));
  await db.close();
} finally {
  await postgres.stop();
}
