import { afterAll } from "vitest";
import type { GroundOptions } from "../src/app.ts";
import { testConnection, testDatabase } from "../src/db/test-database.ts";
import { openService, type OpenServiceOptions, type TestService } from "./open-service.ts";

export { asCookie } from "./cookies.ts";
export type { Answer, CallOptions, TestService } from "./open-service.ts";

export const goodPassword = "seven lanterns over the harbour";

/** `openService` over a private copy of the template database. Call it at the top of a test file. */
export async function testService({
  startAt,
  open,
  settings = {},
  lobby,
  hashCost,
  log,
  surplusIsMeant,
}: {
  startAt?: number;
  open?: GroundOptions["open"];
  settings?: Readonly<Record<string, string>>;
  lobby?: OpenServiceOptions["lobby"];
  hashCost?: OpenServiceOptions["hashCost"];
  log?: OpenServiceOptions["log"];
  surplusIsMeant?: string;
} = {}): Promise<TestService> {
  const template = await testDatabase();
  const service = await openService({
    connection: testConnection(String(template.pool.options.database)),
    settings,
    ...(startAt === undefined ? {} : { startAt }),
    ...(open === undefined ? {} : { open }),
    ...(lobby === undefined ? {} : { lobby }),
    ...(hashCost === undefined ? {} : { hashCost }),
    ...(log === undefined ? {} : { log }),
    ...(surplusIsMeant === undefined ? {} : { surplusIsMeant }),
  });
  afterAll(service.close);
  return service;
}
