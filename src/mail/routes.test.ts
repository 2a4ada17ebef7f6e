import { expect, test } from "vitest";
import { asCookie, testService } from "../../test/service.ts";

/** The built-in mailbox over HTTP; docs/decisions/2026-11-23-mailbox-on-loopback.md. */
const service = await testService();
const operator = asCookie(await service.operator());
const look = async (from: string, headers: Readonly<Record<string, string>> = {}) => {
  const { status, body } = await service.call("GET", "/api/mailbox", { cookies: operator, from, headers });
  return [status, status === 200 ? "letters" in body : body["code"]];
};

test("an operator on this machine reads it, and on any other there is no such thing", async () => {
  for (const here of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
    expect([here, ...(await look(here))]).toEqual([here, 200, true]);
  for (const elsewhere of ["203.0.113.9", "192.168.1.20", "10.0.0.1", "2001:db8::1", "::ffff:203.0.113.9", "fe80::1"])
    expect([elsewhere, ...(await look(elsewhere))]).toEqual([elsewhere, 404, "not-found"]);
});

test("whoever says that they are this machine is not believed", async () => {
  expect(await look("127.0.0.1", { "x-forwarded-for": "203.0.113.9" })).toEqual([200, true]);
  for (const headers of [{ "x-forwarded-for": "127.0.0.1" }, { forwarded: "for=127.0.0.1" }])
    expect([headers, ...(await look("203.0.113.9", headers))]).toEqual([headers, 404, "not-found"]);
});

test("nor is anybody else on this machine let in than an operator", async () => {
  expect((await service.call("GET", "/api/mailbox")).status).toBe(401);
  expect(await look("127.0.0.1")).toEqual([200, true]);
});
