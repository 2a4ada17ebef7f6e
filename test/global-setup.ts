import type { TestProject } from "vitest/node";
import { templateName } from "../src/db/test-database.ts";
import { migratedDatabase, startThrowAwayPostgres } from "./throw-away-postgres.ts";

/** One cluster for the whole run, however many projects and workers share it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startThrowAwayPostgres();
  try {
    await migratedDatabase(postgres, templateName);
  } catch (thrown) {
    await postgres.stop();
    throw thrown;
  }
  project.provide("testPostgresHost", String(postgres.connection.host));
  return () => postgres.stop();
}
