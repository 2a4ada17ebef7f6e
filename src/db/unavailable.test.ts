import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb } from "./db.ts";

test.each([
  ["a host that no name server knows", { host: "database.invalid" }],
  ["a port where nobody listens", { host: "127.0.0.1", port: 1 }],
  ["a socket folder that is not there", { host: "/nowhere" }],
])("%s is a database that does not answer, for statements and transactions", async (_what, connection) => {
  const db = openDb({ connection: { ...connection, user: "nobody", database: "none" }, log: silentLog });
  try {
    await expect(db.one("select 1 as here")).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
    await expect(db.transaction((tx) => tx.one("select 1 as here"))).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
  } finally {
    await db.close();
  }
});
