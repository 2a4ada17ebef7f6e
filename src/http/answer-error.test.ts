import { afterAll, beforeEach, expect, test } from "vitest";
import { roomServer } from "../../test/room-server.ts";
import { Crowded, Fault, type FaultCode } from "../kernel/fault.ts";
import { newLog } from "../kernel/log.ts";

/** What a handler throws, as whoever asked and the log hear of it. */
const lines: Record<string, unknown>[] = [];
const log = newLog("web", "info", { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
const app = roomServer(() => Promise.resolve(null), { log });
let thrown: Error;
app.get("/fails", { config: { access: "anyone" } }, () => {
  throw thrown;
});
afterAll(() => app.close());
beforeEach(() => lines.splice(0));

async function answerTo(error: Error) {
  thrown = error;
  const { statusCode, headers, body } = await app.inject("/fails");
  expect(headers["content-type"]).toContain("application/problem+json");
  expect(body).not.toContain("of the inside");
  const { code, reference } = JSON.parse(body) as { code: string; reference?: string };
  return { status: statusCode, code, reference, retryAfter: headers["retry-after"] };
}

/** The line of the log that gives a reason. */
const told = () => lines.find(({ msg }) => msg !== "request");

test.each<[FaultCode, number, string, string | undefined]>([
  ["BUSY", 503, "busy", "2"],
  ["DB_UNAVAILABLE", 503, "busy", "2"],
  ["DATABASE_UNKNOWN", 503, "busy", "2"],
  ["KEYHOLDER_UNAVAILABLE", 503, "busy", "2"],
  ["MEDIA_TOOL_MISSING", 501, "tool-missing", undefined],
  ["DISK_FULL", 507, "disk-full", undefined],
  ["KEYHOLDER_REFUSED", 500, "broken", undefined],
  ["SEALED_UNREADABLE", 500, "broken", undefined],
  ["IMPOSSIBLE", 500, "broken", undefined],
])(
  "%s is answered with %i, and with a reference under which the log has the reason",
  async (fault, status, code, retryAfter) => {
    const cause = new Error("the cause of the inside");
    const answer = await answerTo(new Fault(fault, "a word of the inside", { cause }));
    expect(answer).toEqual({ status, code, retryAfter, reference: expect.any(String) as unknown });
    expect(told()).toMatchObject({
      msg: "fault",
      reference: answer.reference,
      fault,
      method: "GET",
      route: "/fails",
      reason: "a word of the inside",
      cause: "the cause of the inside",
    });
    expect(lines).toHaveLength(1);
  },
);

test.each([
  ["53300", 503, "busy"],
  ["08006", 503, "busy"],
  ["53100", 507, "disk-full"],
])("what the query builder throws is judged as what statements throw: %s", async (code, status, problem) => {
  const answer = await answerTo(Object.assign(new Error("select 1 of the inside"), { code }));
  expect([answer.status, answer.code]).toEqual([status, problem]);
});

test("whoever comes when the lanes are full is told when to come again, and no operator is", async () => {
  const answer = await answerTo(new Crowded("the lane of the inside is full", 6.2));
  expect(answer).toEqual({ status: 503, code: "crowded", retryAfter: "7", reference: undefined });
  expect(told()).toBeUndefined();
});

test.each(["22021", "22P05"])("text that PostgreSQL cannot hold (%s) is refused, and is no failure", async (code) => {
  const answer = await answerTo(Object.assign(new Error("invalid byte sequence of the inside"), { code }));
  expect(answer).toMatchObject({ status: 400, code: "text-refused" });
  expect(told()).toBeUndefined();
});

test("of anything else that is thrown nothing leaves the process but a reference, under which the log has all of it", async () => {
  const answer = await answerTo(new Error("a word of the inside"));
  expect(answer).toMatchObject({ status: 500, code: "broken", retryAfter: undefined });
  expect(told()).toMatchObject({
    msg: "unexpected error",
    reference: answer.reference,
    err: { message: "a word of the inside", stack: expect.stringContaining("answer-error.test.ts") as unknown },
  });
  expect(lines).toHaveLength(1);
});

test.each([
  [418, 400, "malformed-request"],
  [413, 413, "too-large"],
  [415, 415, "unsupported-media-type"],
  [502, 500, "broken"],
])("an error of the framework's with status %i is answered with %i", async (statusCode, status, code) => {
  expect(await answerTo(Object.assign(new Error("of the inside"), { statusCode }))).toMatchObject({ status, code });
});
