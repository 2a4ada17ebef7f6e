import { Check } from "typebox/value";
import { expect, test } from "vitest";
import { asCookie, goodPassword, testService } from "../../test/service.ts";
import { Report } from "../wire/report.ts";

const service = await testService();

test("an operator gets a case's report as a page or as JSON, nobody else does, and an unknown case has none", async () => {
  const cookies = asCookie(await service.operator());
  const opened = await service.call("POST", "/api/incidents", { body: { reason: "a copy is for sale" }, cookies });
  const url = `/api/incidents/${String(opened.body["id"])}/report`;
  const json = await service.call("GET", url, { cookies });
  expect(json.status).toBe(200);
  expect(Check(Report, json.body)).toBe(true);
  const page = await service.call("GET", `${url}?format=html`, { cookies });
  expect([page.status, page.text.slice(0, 15).toLowerCase()]).toEqual([200, "<!doctype html>"]);

  await service.account("ada@example.org", goodPassword);
  const viewer = asCookie(await service.signIn("ada@example.org", goodPassword));
  expect((await service.call("GET", url, { cookies: viewer })).status).toBe(403);
  const unknown = url.replace(/[0-9a-f]{12}\/report$/, "000000000000/report");
  expect((await service.call("GET", unknown, { cookies })).status).toBe(404);
});
