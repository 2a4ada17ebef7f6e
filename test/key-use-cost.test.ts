import { expect, test } from "vitest";
import { goodPassword, testService } from "./service.ts";

/** Announcing uses of keys must not be felt where everybody goes through. */
const service = await testService();
const { ground } = service;

test("a sign-in has the statements that it had, and no announcement of its own", async () => {
  const addresses = Array.from({ length: 8 }, (_, n) => `person-${n}@example.org`);
  for (const address of addresses) await service.account(address, goodPassword);
  const announcing = ground.plainDb.statements();
  const calls = () => Object.values(ground.keyholders.web.stats().calls).reduce((sum, count) => sum + count, 0);
  const before = calls();
  for (let round = 0; round < 5; round++) {
    for (const address of addresses) await service.signIn(address, goodPassword);
  }
  const signIns = 5 * addresses.length;
  // Several calls each, and one range of hundreds of them at a time.
  expect(calls() - before).toBeGreaterThan(2 * signIns);
  expect(ground.plainDb.statements() - announcing).toBeLessThanOrEqual(3);
}, 60_000);
