import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { patientPool } from "./patient-pool.ts";

const db = await testDatabase();
const pool = patientPool(db.pool, new AbortController().signal);

test("a statement whose connection is lost under it fails as one that the queue asks for again, and any other as it is", async () => {
  const client = await pool.connect();
  try {
    await expect(client.query("select 1 / 0")).rejects.toMatchObject({ code: "22012" });
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    await db.run("select pg_terminate_backend($1, 5000)", [rows[0]?.pid ?? 0]);
    await expect(client.query("select 1")).rejects.toMatchObject({ code: "57P03" });
  } finally {
    client.release(true);
  }
  const another = await pool.connect();
  expect((await another.query<{ one: number }>("select 1 as one")).rows).toEqual([{ one: 1 }]);
  another.release();
});
