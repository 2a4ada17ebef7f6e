import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb, type Db } from "./db.ts";
import { connectedNodes, nodeName } from "./nodes.ts";
import { testConnection, testDatabase } from "./test-database.ts";

const db = await testDatabase();
const name = String(db.pool.options.database);
const shown = async () => (await connectedNodes(db)).map(({ role, process, host }) => `${role} ${process} on ${host}`);

function node(role: "web" | "worker", process: number, host: string, database = name): Db {
  const connection = { ...testConnection(database), application_name: nodeName(role, process, host) };
  return openDb({ connection, log: silentLog, maxConnections: 2 });
}

test("a process is a node as long as it is connected, however many connections it has, and idle or not", async () => {
  expect(await shown()).toEqual([]);
  const far = "a host of a name that no connection of PostgreSQL could be called by as a whole";
  const [web, worker, second] = [node("web", 9, "one.example"), node("worker", 10, "one.example"), node("web", 1, far)];
  const other = await testDatabase();
  const elsewhere = node("web", 7, "elsewhere.example", String(other.pool.options.database));
  await Promise.all([web, worker, elsewhere].map((one) => one.one(`select 1 as one`)));
  await Promise.all([web.one(`select pg_sleep(0.05)`), web.one(`select 1 as one`)]);
  // It has asked nothing, and listens.
  const listening = await second.listen(
    "a_channel_with_a_name_of_some_length",
    () => undefined,
    () => undefined,
  );
  await expect
    .poll(shown)
    .toEqual(["web 1 on a_host_of_a_name_that_no", "web 9 on one.example", "worker 10 on one.example"]);
  await worker.close();
  await expect.poll(shown).toEqual(["web 1 on a_host_of_a_name_that_no", "web 9 on one.example"]);
  await listening.close();
  await Promise.all([web.close(), second.close(), elsewhere.close()]);
  await expect.poll(shown).toEqual([]);
});
