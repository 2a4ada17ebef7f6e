import { afterAll, expect, test, vi } from "vitest";
import { roomServer } from "../../test/room-server.ts";

/** Whoever likes may ask what the routes are, as often as they like: it costs a copy of bytes, and no work. */
const app = roomServer(() => Promise.resolve(null));
app.get("/here", { config: { access: "anyone" }, schema: { summary: "Is here" } }, () => "here");
afterAll(() => app.close());

test("what the routes are is written once, however often it is asked for", async () => {
  await app.ready();
  const written = vi.spyOn(JSON, "stringify");
  const answers = [];
  for (let n = 0; n < 20; n++) answers.push(await app.inject({ url: "/openapi.json" }));
  const times = written.mock.calls.filter(
    ([value]) => typeof value === "object" && value !== null && "openapi" in value,
  );
  written.mockRestore();
  expect(times).toHaveLength(1);
  for (const { body, headers } of answers) {
    expect(headers["content-type"]).toContain("application/json");
    expect(JSON.parse(body)).toMatchObject({ openapi: "3.1.0", paths: { "/here": { get: { summary: "Is here" } } } });
  }
});
