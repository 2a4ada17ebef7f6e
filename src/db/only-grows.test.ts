import { expect, test } from "vitest";
import { testDatabase } from "./test-database.ts";

test.each([
  ["floor", "a floor only rises"],
  ["timeline_entry", "the timeline only grows"],
  ["timeline_checkpoint", "the timeline only grows"],
  ["timeline_node", "the timeline only grows"],
])("%s is not emptied, by no statement", async (table, refusal) => {
  const db = await testDatabase();
  await expect(db.run(`truncate ${table}`)).rejects.toThrow(refusal);
});
