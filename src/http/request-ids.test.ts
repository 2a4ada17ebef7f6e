import { expect, test } from "vitest";
import { systemRandom } from "../kernel/random.ts";
import { requestIds } from "./request-ids.ts";

test("references are of one length and none comes twice", () => {
  const next = requestIds(systemRandom);
  const ids = Array.from({ length: 2_000 }, next);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => /^[A-Za-z0-9_-]{12}$/.test(id))).toBe(true);
});
