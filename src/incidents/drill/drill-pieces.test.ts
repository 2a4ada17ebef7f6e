import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { expect, test } from "vitest";
import { chooseCrowd, hoursUntil } from "./crowd.ts";
import { readDeliveryReport } from "../../mail/delivery-report.ts";
import { deliveryReport } from "./late-bounces.ts";
import { judge } from "./judge.ts";
import { codeIn, plainTextOf } from "./mail-text.ts";
import { askProviders, comesBack, domainsInTurn, isUnknown, providers } from "./providers.ts";
import { busiest, type Measured } from "./result.ts";
import { killSchedule } from "./schedule.ts";
import { seeded } from "./seeded.ts";
import { gather } from "./service.ts";

const size = { kills: 40, letters: 1_000, returns: 300 };

test("the same seed gives the same kills and the same crowd, and another one others", () => {
  expect(killSchedule(7, size)).toEqual(killSchedule(7, size));
  expect(killSchedule(8, size)).not.toEqual(killSchedule(7, size));
  expect([...chooseCrowd(500, 0.3, seeded(7))]).toEqual([...chooseCrowd(500, 0.3, seeded(7))]);
  const victims = new Set(killSchedule(7, size).map(({ victim }) => victim));
  expect([...victims].toSorted()).toEqual(["keyholder", "postmaster", "web", "worker"]);
  for (const { when, after } of killSchedule(7, size)) expect(after).toBeLessThan(0.8 * size[when]);
  expect(killSchedule(7, { ...size, returns: 0 }).every(({ when }) => when === "letters")).toBe(true);
});

test("a crowd is as large as it was asked to be, and comes by the published curve", () => {
  const crowd = chooseCrowd(20_000, 0.3, seeded(1));
  expect(crowd.size / 20_000).toBeCloseTo(0.3, 1);
  const inFirstHour = [...crowd.values()].filter((hours) => hours <= 1).length / crowd.size;
  expect(inFirstHour).toBeCloseTo(0.336 / 0.81, 1);
  expect([hoursUntil(0), hoursUntil(0.514 / 0.81), hoursUntil(1)]).toEqual([0, 3, 24]);
});

test("providers have the shares they are said to have, and answer by their own rules", () => {
  for (const { domain, share } of providers) {
    expect([domain, domainsInTurn.filter((one) => one === domain).length]).toEqual([domain, share]);
  }
  const ask = askProviders({ throttlePerSecond: 2, hangs: 1 });
  expect(ask("a-1@prompt.example", 0)).toBe("take");
  expect(ask("a-1@grey.example", 0)).toMatchObject({ code: 451 });
  expect(ask("a-1@grey.example", 0)).toBe("take");
  expect(ask("a-2@grey.example", 0)).toMatchObject({ code: 451 });
  expect([1, 2, 3].map(() => ask("a-1@throttle.example", 10))).toEqual([
    "take",
    "take",
    { code: 450, text: expect.any(String) },
  ]);
  expect(ask("a-1@throttle.example", 1_010)).toBe("take");
  expect([ask("a-1@slow.example", 0), ask("a-1@slow.example", 0)]).toEqual(["hang", "take"]);
  // One in five of those that these providers have, as it is said.
  const all = Array.from({ length: 1_000 }, (_, index) => `viewer-${index + 1}@${domainsInTurn[index % 100]}`);
  const strict = all.filter((to) => to.endsWith("@strict.example"));
  expect(ask(strict.find(isUnknown) ?? "", 0)).toMatchObject({ code: 550 });
  expect(strict.filter(isUnknown).length / strict.length).toBeCloseTo(0.2, 5);
  const late = all.filter((to) => to.endsWith("@late.example"));
  expect(late.map((to) => ask(to, 0))).toEqual(late.map(() => "take"));
  expect(late.filter(comesBack).length / late.length).toBeCloseTo(0.2, 5);
  expect(all.filter(comesBack)).toEqual(late.filter(comesBack));
});

test("a code is found in a letter, in whichever way the text was encoded", () => {
  const letter = (encoding: string, body: string): Buffer =>
    Buffer.from(
      `Subject: x\r\nContent-Type: multipart/alternative;\r\n boundary="b1"\r\n\r\n--b1\r\n` +
        `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}\r\n--b1\r\n` +
        `Content-Type: text/html\r\n\r\n<p>BCDFG-ZZZZZ</p>\r\n--b1--\r\n`,
    );
  const words = "Größe\r\n\r\nBCDFG-HJKLM\r\n";
  expect(plainTextOf(letter("8bit", words))).toContain("Größe");
  expect(codeIn(plainTextOf(letter("quoted-printable", "Gr=C3=B6=C3=9Fe =\r\nx\r\nBCDFG-HJ=\r\nKLM")))).toBe(
    "BCDFG-HJKLM",
  );
  expect(codeIn(plainTextOf(letter("base64", Buffer.from(words).toString("base64"))))).toBe("BCDFG-HJKLM");
  expect(codeIn("no code here, HL-BCDF-GHJK")).toBeUndefined();
});

test("what a command prints is gathered whole, also where a character's bytes come in two pieces", async () => {
  const stream = new PassThrough();
  const text = gather(stream);
  const bytes = Buffer.from("お知らせ");
  for (let at = 0; at < bytes.length; at++) stream.write(bytes.subarray(at, at + 1));
  stream.end();
  await finished(stream);
  expect(text()).toBe("お知らせ");
});

test("a thief who has tried no password shows nothing of the promise about passwords", () => {
  const tries = { tokens: 5, passwords: 1, letIn: 0 };
  const numbers =
    "containCommitMs triedByDevices servedOld looks wrongLooks lost duplicates inFlight returned reportsTaken renewed " +
    "expectedBack places again devices returnsTried returnsLost";
  // For the other promises: nothing was counted.
  const others = {
    ...Object.fromEntries(numbers.split(" ").map((name) => [name, 0])),
    ...Object.fromEntries(
      ["killed", "darkMs", "strange", "reportsRefused", "failedCommands"].map((name) => [name, []]),
    ),
    thiefBefore: { ...tries, letIn: 6 },
  } as unknown as Measured;
  const isHeld = (thief: Measured["thief"]) =>
    judge({ ...others, thief }).find(({ promise }) => promise.startsWith("P3 "))?.held;
  expect(isHeld(tries)).toBe(true);
  expect(isHeld({ ...tries, passwords: 0 })).toBe(false);
});

test("the busiest stretch is the one with most in it", () => {
  expect(busiest([0, 100, 200, 4_000, 9_000], 1_000)).toBe(3);
  expect(busiest([], 1_000)).toBe(0);
});

test("a provider's report is one that the service reads, and says that the letter will not arrive", () => {
  const report = readDeliveryReport(Buffer.from(deliveryReport("viewer-1@late.example")));
  expect(report).toEqual({ kind: "report", recipients: [{ action: "failed", status: "5.1.1" }] });
});
