import fc from "fast-check";
import { expect, test } from "vitest";
import { deliveryReport } from "../../test/delivery-reports.ts";
import { permanentFailure, readDeliveryReport, reportLimitBytes } from "./delivery-report.ts";

const read = (text: string) => readDeliveryReport(Buffer.from(text, "latin1"));

function statusOf(text: string): string | undefined {
  const report = read(text);
  if (report.kind === "refused") throw new Error(report.reason);
  return permanentFailure(report.recipients);
}

test("a report as mail servers send it is read: the failed recipient's status", () => {
  expect(statusOf(deliveryReport({ status: "5.1.1" }))).toBe("5.1.1");
  expect(statusOf(deliveryReport({ status: "5.2.2 (mailbox full)" }))).toBe("5.2.2");
  expect(statusOf(deliveryReport({ status: "5.1.10", encoding: "base64" }))).toBe("5.1.10");
  expect(statusOf(deliveryReport({ status: "5.7.1", encoding: "quoted-printable" }))).toBe("5.7.1");
  expect(statusOf(deliveryReport({ status: "5.1.1", type: "message/global-delivery-status" }))).toBe("5.1.1");
  expect(statusOf(deliveryReport({ status: "5.1.1" }).replaceAll("\r\n", "\n"))).toBe("5.1.1");
});

test.each([
  ["delayed", { action: "delayed", status: "4.4.1" }],
  ["given up for a passing reason", { action: "failed", status: "4.4.7" }],
  ["delivered", { action: "delivered", status: "2.0.0" }],
  ["a status that is none", { action: "failed", status: "5.1.1.1.1" }],
  ["no status", { action: "failed", status: "" }],
])("what does not fail for good is no failure: %s", (_, options) => {
  expect(statusOf(deliveryReport(options))).toBeUndefined();
});

test.each<[string, string, RegExp]>([
  ["an ordinary letter", "Subject: hello\r\n\r\nhello\r\n", /no delivery report/],
  ["a read receipt", deliveryReport({ status: "5.1.1", reportType: "disposition-notification" }), /no delivery report/],
  ["no boundary", "Content-Type: multipart/report; report-type=delivery-status\r\n\r\n", /boundary/],
  ["a boundary of 5,000 characters", deliveryReport({ status: "5.1.1", boundary: "b".repeat(5_000) }), /boundary/],
  ["no status part", deliveryReport({ status: "5.1.1", type: "text/plain" }), /no message\/delivery-status/],
  ["endless headers", `X: ${"a".repeat(40_000)}\r\n\r\n`, /headers/],
  ["nothing", "", /no delivery report/],
])("%s is refused with a reason", (_, text, reason) => {
  expect(read(text)).toEqual({ kind: "refused", reason: expect.stringMatching(reason) as unknown });
});

test("a MIME bomb costs one pass: nothing nested is entered, and more parts than twenty are refused", () => {
  let nested = "deep";
  for (let depth = 0; depth < 1_500; depth++) {
    nested = `Content-Type: multipart/mixed; boundary=n${depth}\n\n--n${depth}\n${nested}\n--n${depth}--`;
  }
  const bomb = deliveryReport({ status: "5.1.1", before: nested });
  expect(bomb.length).toBeLessThan(reportLimitBytes);
  expect(statusOf(bomb)).toBe("5.1.1");
  const inside = deliveryReport({
    status: "5.1.1",
    type: "text/plain",
    before: deliveryReport({ status: "5.1.1", boundary: "in" }),
  });
  expect(read(inside).kind).toBe("refused");
  expect(read(deliveryReport({ status: "5.1.1", parts: 30 }))).toMatchObject({
    reason: expect.stringContaining("20 parts") as unknown,
  });
  expect(readDeliveryReport(Buffer.alloc(reportLimitBytes + 1, "a"))).toMatchObject({ kind: "refused" });
  expect(read(deliveryReport({ status: "5.1.1", more: `X-More: ${"x".repeat(150_000)}` }))).toMatchObject({
    reason: expect.stringContaining("64 KiB") as unknown,
  });
});

test("whatever arrives, reading ends and never throws", () => {
  const pieces = fc.constantFrom(
    "--b",
    "--b--",
    "\n",
    "\n\n",
    "Content-Type: message/delivery-status",
    "Action: failed",
    "=",
    ":",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 20 })), { maxLength: 60 }), (lines) => {
      const text = `Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n${lines.join("\n")}`;
      expect(["report", "refused"]).toContain(read(text).kind);
      expect(["report", "refused"]).toContain(read(lines.join("")).kind);
    }),
  );
});
