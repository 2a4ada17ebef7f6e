import { expect, test } from "vitest";
import { testDatabase } from "../db/test-database.ts";
import { refusedEachHour, refusedSince } from "./refusals.ts";

const db = await testDatabase();

test("what was refused in the hour of a containment counts, wherever the database's operator has set its clock", async () => {
  await db.run(
    `insert into refusal_count (kind, hour, node, refused) values ('tv', '2026-11-22 10:00:00+00', '018f0000-0000-7000-8000-000000000001', 7)`,
  );
  const containedAt = new Date("2026-11-22T10:40:00Z");
  for (const zone of ["UTC", "Asia/Kolkata"]) {
    const counted = await db.transaction(async (tx) => {
      await tx.run(`set local timezone to '${zone}'`);
      return [await refusedSince(tx, containedAt), await refusedEachHour(tx, containedAt)];
    });
    expect(counted).toEqual([[{ kind: "tv", refused: 7 }], [{ hour: "2026-11-22T10:00:00.000Z", count: 7 }]]);
  }
});
