import { startPostgres } from "../../src/db/embedded.ts";
import { silentLog } from "../../src/kernel/log.ts";

/**
 * For tests that end or kill a service: `start-postgres.ts FOLDER [command]` starts it, prints the postmaster's pid, waits, and stops it
 * once its input ends.
 */
const [dataDir, role] = process.argv.slice(2);
const postgres = await startPostgres({
  dataDir: dataDir ?? "",
  log: silentLog,
  throwAway: true,
  role: role === "command" ? "command" : "service",
});
process.stdout.write(`${postgres.pid}\n`);
process.stdin.resume().once("end", () => void postgres.stop());
