import { expect, test } from "vitest";
import { testService } from "../../test/service.ts";
import { systemClock } from "../kernel/clock.ts";
import { newMetrics } from "./health.ts";

test("finished requests are counted by method, route and status, and timed by route in buckets that add up", async () => {
  const metrics = newMetrics("web");
  metrics.finished("GET", "/api/session", 200, 2);
  metrics.finished("GET", "/api/session", 200, 3);
  metrics.finished("GET", "/api/session", 401, 12_000);
  const lines = (await metrics.registry.metrics()).split("\n").filter((line) => line.startsWith("houselights_request"));
  const value = (start: string, ...labels: readonly string[]): number[] =>
    lines
      .filter((line) => line.startsWith(`${start}{`) && labels.every((label) => line.includes(label)))
      .map((line) => Number(line.split(" ").at(-1)));
  expect(value("houselights_requests_total", 'status="200"', 'route="/api/session"', 'component="web"')).toEqual([2]);
  expect(value("houselights_requests_total", 'status="401"')).toEqual([1]);
  expect(value("houselights_request_seconds_bucket", 'le="0.001"')).toEqual([0]);
  expect(value("houselights_request_seconds_bucket", 'le="0.003"')).toEqual([2]);
  expect(value("houselights_request_seconds_bucket", 'le="10"')).toEqual([2]);
  expect(value("houselights_request_seconds_bucket", 'le="+Inf"')).toEqual([3]);
  expect(value("houselights_request_seconds_count")).toEqual([3]);
  expect(value("houselights_request_seconds_sum")[0]).toBeCloseTo(12.005);
});

test("metrics are this machine's: not for another one, and not for what a proxy here passes on", async () => {
  const service = await testService();
  const ask = async (from: string, headers: Readonly<Record<string, string>> = {}) =>
    (await service.call("GET", "/metrics", { from, headers })).status;
  for (const from of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) expect([from, await ask(from)]).toEqual([from, 200]);
  for (const from of ["203.0.113.7", "10.0.0.1", "2001:db8::1", "::ffff:203.0.113.7"]) {
    expect([from, await ask(from)]).toEqual([from, 404]);
  }
  for (const [name, value] of [
    ["x-forwarded-for", "127.0.0.1"],
    ["x-forwarded-host", "films.example"],
    ["x-forwarded-proto", "https"],
    ["x-real-ip", "127.0.0.1"],
    ["forwarded", "for=127.0.0.1"],
    ["via", "1.1 proxy"],
  ] as const) {
    expect([name, await ask("127.0.0.1", { [name]: value })]).toEqual([name, 404]);
  }
});

test("behind a proxy on this machine that says nothing of whom it asks for, metrics are for whoever brings the token", async () => {
  const token = "a token of 32 characters or more".replaceAll(" ", "-");
  const proxied = { PUBLIC_ORIGIN: "https://films.example" };
  const serve = async (settings: Readonly<Record<string, string>>) => {
    const service = await testService({ settings });
    return async (bearer?: string) =>
      (await service.call("GET", "/metrics", bearer === undefined ? {} : { bearer })).status;
  };
  // The same request as above, which a service that this machine alone reaches answers.
  expect(await (await serve(proxied))()).toBe(404);
  expect(await (await serve({ TRUST_PROXY: "1" }))()).toBe(404);
  const ask = await serve({ ...proxied, METRICS_TOKEN: token });
  expect([await ask(token), await ask(token.slice(1)), await ask()]).toEqual([200, 404, 404]);
});

test("a node whose clock is more than two seconds from the database's is not ready, nor one whose keyholder does not answer", async () => {
  const service = await testService();
  const { clock } = service;
  const ready = async () => (await service.call("GET", "/readyz")).status;
  // Days behind.
  expect(await ready()).toBe(503);
  const agree = async (aheadMs: number) => {
    clock.advance(systemClock.now() - clock.now() + aheadMs);
    return ready();
  };
  await expect.poll(() => agree(0)).toBe(200);
  await expect.poll(() => agree(1_000)).toBe(200);
  // It stands while the database's goes on, so that it is less than this ahead.
  await expect.poll(() => agree(3_500)).toBe(503);
  await expect.poll(() => agree(0)).toBe(200);
  const keyholder = service.keyholder.pid();
  process.kill(keyholder, "SIGSTOP");
  try {
    const answer = await service.call("GET", "/readyz");
    expect([answer.status, answer.body]).toMatchObject([503, { code: "busy", detail: "KEYHOLDER_UNAVAILABLE" }]);
    expect(answer.headers["retry-after"]).toBe("1");
  } finally {
    process.kill(keyholder, "SIGCONT");
  }
  await expect.poll(() => agree(0)).toBe(200);
});
