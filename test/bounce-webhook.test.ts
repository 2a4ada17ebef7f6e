import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { signedHeaders } from "../src/canaries/webhook.ts";
import { forgetBounceReports } from "../src/incidents/bounce-routes.ts";
import { minuteMs, plus } from "../src/kernel/clock.ts";
import { Secret } from "../src/kernel/secret.ts";
import { withToken } from "../src/mail/return-token.ts";
import { testService } from "./service.ts";

/** A relay's signed reports of letters that came back: taken once, from who has the secret, and not from the day before. */
const secret = "what a relay signs its reports with";
const address = "bounces@films.example";
const service = await testService({ settings: { BOUNCE_ADDRESS: address, BOUNCE_WEBHOOK_SECRET: secret } });
const { clock, ground } = service;

const report = (status = "5.1.1", returnPath = withToken(address, "a".repeat(45))) => ({
  bounces: [{ returnPath, status }],
});

interface Signing {
  readonly id?: string;
  readonly secret?: string;
  readonly at?: number;
  readonly over?: string;
}
let reports = 0;

function post(body: object, { id = `report-${++reports}`, secret: by = secret, at = clock.now(), over }: Signing = {}) {
  const headers = signedHeaders(Secret.fromText(by), id, at as never, over ?? JSON.stringify(body));
  return service.call("POST", "/api/bounces", { body, headers });
}

async function queued(): Promise<unknown[]> {
  const rows = await ground.db.many<{ payload: unknown }>(
    `select payload from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
      where t.identifier = 'bounces' order by j.id`,
  );
  return rows.map(({ payload }) => payload);
}

test("a signed report is taken, and what it says is queued with it", async () => {
  const answer = await post(report());
  expect(answer).toMatchObject({ status: 200, body: { taken: 1 } });
  expect(await queued()).toEqual([{ bounces: [{ token: "a".repeat(45), status: "5.1.1" }] }]);
  // An address that is not under ours is nobody's letter.
  expect((await post(report("5.1.1", "someone@example.org"))).body).toEqual({ taken: 0 });
  expect(await queued()).toHaveLength(1);
});

test("a report that is replayed is refused, also with other bytes under its id", async () => {
  const before = (await queued()).length;
  expect((await post(report(), { id: "once" })).status).toBe(200);
  expect(await post(report(), { id: "once" })).toMatchObject({ status: 409, body: { code: "wrong-state" } });
  expect((await post(report("5.2.2"), { id: "once" })).status).toBe(409);
  expect(await queued()).toHaveLength(before + 1);
  // Several at the same moment are one.
  const raced = await Promise.all(Array.from({ length: 8 }, () => post(report(), { id: "raced" })));
  expect(raced.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
    200,
    ...Array<number>(7).fill(409),
  ]);
  expect(await queued()).toHaveLength(before + 2);
});

test("while a secret is being changed the right signature may stand behind others, five in all", async () => {
  for (const [others, status] of [
    [4, 200],
    [5, 404],
  ] as const) {
    const body = report();
    const id = `behind-${others}`;
    const headers = signedHeaders(Secret.fromText(secret), id, clock.now(), JSON.stringify(body));
    const wrong = signedHeaders(Secret.fromText("the one before"), id, clock.now(), JSON.stringify(body));
    const name = "webhook-signature";
    const all = [...Array<string>(others).fill(wrong[name] ?? ""), headers[name] ?? ""].join(" ");
    const answer = await service.call("POST", "/api/bounces", { body, headers: { ...headers, [name]: all } });
    expect([others, answer.status]).toEqual([others, status]);
  }
});

test("that a report was taken is remembered for longer than it is good for, and then forgotten", async () => {
  expect((await post(report())).status).toBe(200);
  const forget = (afterMs: number) =>
    ground.db.transaction((tx) => forgetBounceReports(tx, plus(clock.now(), afterMs)));
  // Five minutes behind our clock or ahead of it, and as much again.
  expect(await forget(15 * minuteMs)).toBe(0);
  expect(await forget(15 * minuteMs + 1)).toBeGreaterThan(0);
});

test("without the secret, over other bytes, or from another time it is nothing, before anything is read", async () => {
  const before = (await queued()).length;
  const wrong: Signing[] = [
    { secret: "what somebody else signs reports with" },
    { over: JSON.stringify(report("5.2.2")) },
    { at: plus(clock.now(), -6 * minuteMs) },
    { at: plus(clock.now(), 6 * minuteMs) },
    { id: "with space" },
  ];
  for (const signing of wrong) expect((await post(report(), signing)).status, JSON.stringify(signing)).toBe(404);
  expect((await service.call("POST", "/api/bounces", { body: report() })).status).toBe(404);
  expect((await service.call("POST", "/api/bounces", { body: { anything: true } })).status).toBe(404);
  expect(await queued()).toHaveLength(before);
  // At the edge of the time it is still good.
  expect((await post(report(), { at: plus(clock.now(), -5 * minuteMs + 1_000) })).status).toBe(200);
});

test.each<[string, object]>([
  ["a status that is none", report("permanent")],
  ["nothing", { bounces: [] }],
  ["101 at once", { bounces: Array.from({ length: 101 }, () => report().bounces[0]) }],
  ["an unknown field", { ...report(), reason: "x" }],
])("signed, but in bad form, it says field and rule: %s", async (_, body) => {
  const answer = await post(body);
  expect(answer).toMatchObject({ status: 400, body: { code: "malformed-request" } });
  expect(answer.text).toMatch(/"field":"body(\.bounces)?/);
});

test("a body beyond the limit is answered and its connection closed, signed or not, and not kept for what still comes", async () => {
  const port = await service.web.listen("127.0.0.1", 0);
  for (const size of ["content-length: 10000000", "transfer-encoding: chunked"]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(`POST /api/bounces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${size}\r\n\r\n`);
    const part = " ".repeat(100_000);
    socket.write(size.startsWith("content") ? part : `${part.length.toString(16)}\r\n${part}\r\n`);
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  }
});
