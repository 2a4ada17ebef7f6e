import { expect, test } from "vitest";
import { testDatabase } from "./test-database.ts";

const db = await testDatabase();

test("an instant is read as PostgreSQL means it, whatever its shape", async () => {
  const instants = [
    "2026-11-22 20:41:07+00",
    "2026-11-22 20:41:07.3+00",
    "2026-11-22 20:41:07.312999+00",
    "2026-11-22 22:41:07.312+02",
    "1969-12-31 23:59:59.999+00",
    "0044-03-15 12:00:00+00 BC",
    "0044-03-15 12:00:00+00",
    "12026-01-01 00:00:00+00",
  ];
  const rows = await db.many<{ at: Date; ms: number }>(
    `select at, floor(extract(epoch from at) * 1000)::bigint as ms from unnest($1::timestamptz[]) at`,
    [instants],
  );
  expect(rows.map(({ at }) => at.getTime())).toEqual(rows.map(({ ms }) => ms));
  expect(rows).toHaveLength(instants.length);
});
