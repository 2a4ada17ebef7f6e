import { randomBytes } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { contain } from "../src/incidents/contain.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { openService } from "./open-service.ts";
import { asCookie, goodPassword } from "./service.ts";

/** Others have used up every connection that PostgreSQL takes: the service goes on with those that it has, and contains. */
const template = await testDatabase();
const role = `limited_${randomBytes(6).toString("hex")}`;
await template.run(`create role ${role} login`);
await template.run(`grant houselights to ${role}`);
const limit = async (connections: number): Promise<void> => {
  await template.run(`alter role ${role} connection limit ${connections}`);
};
const service = await openService({
  connection: { ...testConnection(String(template.pool.options.database)), user: role },
});
const { plainDb } = service.ground;
afterAll(async () => {
  await limit(-1);
  await service.close();
  await template.run(`drop role ${role}`);
});

test("what uses of keys and a containment need is connected from the start, and kept", () => {
  expect([plainDb.pool.totalCount, plainDb.pool.options.min]).toEqual([2, 2]);
});

test("people sign in, and are signed out by a containment, though no connection can be had", async () => {
  await service.account("ada@example.org", goodPassword);
  await limit(0);
  const cookies = asCookie(await service.signIn("ada@example.org", goodPassword));
  expect((await service.call("GET", "/api/session", { cookies })).status).toBe(200);
  const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
  const needs = containNeedsOf(service.ground);
  // Two at once have a turn each, over two connections.
  const [one, two] = await Promise.all([contain(needs, order), contain(needs, order)]);
  expect(Math.abs(one.epoch - two.epoch)).toBe(1);
  expect([one.witness, two.witness]).toEqual(["told", "told"]);
  expect((await service.call("GET", "/api/session", { cookies })).status).toBe(401);
});
