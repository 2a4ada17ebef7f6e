import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { expect, test } from "vitest";
import type { AccountId, SessionId } from "../../kernel/brand.ts";
import { systemClock } from "../../kernel/clock.ts";
import { newId, systemRandom } from "../../kernel/random.ts";
import { Secret } from "../../kernel/secret.ts";
import { readDeliveryReport } from "../../mail/delivery-report.ts";
import { chooseCrowd, hoursUntil } from "./crowd.ts";
import { startDevices } from "./devices.ts";
import { deliveryReport } from "./late-bounces.ts";
import { judge } from "./judge.ts";
import { codeIn, plainTextOf } from "./mail-text.ts";
import { startPeople } from "./people.ts";
import type { PersonInPopulation } from "./population.ts";
import { duration, project } from "./projection.ts";
import { askProviders, comesBack, domainsInTurn, isUnknown, providers } from "./providers.ts";
import { busiest, middle, type DrillOrder, type Measured } from "./result.ts";
import { killSchedule } from "./schedule.ts";
import { seeded } from "./seeded.ts";
import { gather } from "./service.ts";
import { canReturn, startThief } from "./thief.ts";

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

const kill = { victim: "web", when: "letters", after: 3, delayMs: 1 } as const;
const letters = {
  scope: 100,
  handedOver: 90,
  bounced: 3,
  refused: 5,
  suppressed: 0,
  noAddress: 2,
  waiting: 0,
  possiblyTwice: 25,
};

/** A drill in which every promise was held. */
const kept: Measured = {
  containCommitMs: 5,
  containCountMs: 6,
  containExitCode: 0,
  devices: 2,
  playedBefore: 2,
  darkMs: [40, 2_000],
  triedByDevices: 9,
  servedOld: 0,
  thiefBefore: { tokens: 5, passwords: 1, letIn: 6 },
  thief: { tokens: 9, passwords: 3, letIn: 0 },
  looks: 10,
  wrongLooks: 0,
  sum: letters,
  isFinished: true,
  lettersPerSecond: 50,
  duplicates: 20,
  lost: 0,
  returned: 3,
  reportsTaken: 3,
  reportsRefused: [],
  inFlight: 20,
  answers: {},
  expectedBack: 8,
  renewed: 8,
  renewalsPerSecond: 2,
  renewalMs: [100],
  again: 0,
  places: 0,
  strange: {},
  returnsTried: 8,
  returnsLost: 0,
  schedule: [kill],
  killed: [{ ...kill, backMs: 900, isMidway: true }],
  closed: true,
  verified: true,
  verdict: "intact",
  reportAgrees: true,
  failedCommands: [],
};

const broken = (measured: Measured): string[] =>
  judge(measured)
    .filter(({ held }) => !held)
    .map(({ promise }) => promise);

test.each<[found: Partial<Measured>, promises: readonly RegExp[]]>([
  [{}, []],
  [{ containExitCode: 1 }, [/^P1 /]],
  [{ containExitCode: null }, [/^P1 /]],
  [{ servedOld: 1 }, [/^P2 /]],
  // A thief who opened nothing before shows nothing after.
  [{ thiefBefore: { tokens: 5, passwords: 1, letIn: 0 } }, [/^P2 /]],
  [{ thief: { tokens: 9, passwords: 3, letIn: 1 } }, [/^P2 /, /^P3 /]],
  [{ thief: { tokens: 9, passwords: 0, letIn: 0 } }, [/^P3 /]],
  [{ looks: 0 }, [/^P5 the sum/]],
  [{ wrongLooks: 1 }, [/^P5 the sum/]],
  [{ sum: { ...letters, handedOver: 89 } }, [/^P5 the sum/]],
  [{ isFinished: false }, [/^P5 nothing waits/]],
  [{ sum: { ...letters, handedOver: 89, waiting: 1 } }, [/^P5 nothing waits/]],
  [{ lost: 1 }, [/^P5 nothing waits/]],
  [{ duplicates: 21 }, [/^P5 duplicates/]],
  [{ sum: { ...letters, possiblyTwice: 19 } }, [/^P5 duplicates/]],
  [{ returned: 4 }, [/^P5 what came back/]],
  [{ reportsRefused: ["550 5.1.1"] }, [/^P5 what came back/]],
  [{ renewed: 7 }, [/^P6 who came back/]],
  [{ strange: { "500 /renew": 1 } }, [/^P6 who came back/]],
  [{ returnsLost: 1 }, [/^P6 no acknowledged/]],
  [{ returnsTried: 0 }, [/^P6 no acknowledged/]],
  [{ darkMs: [40] }, [/^P7 /]],
  [{ darkMs: [40, 2_001] }, [/^P7 /]],
  [{ verified: false }, [/^P11 /]],
  [{ closed: false }, [/^the runbook/]],
  [{ reportAgrees: false }, [/^the runbook/]],
  [{ failedCommands: ["incident close: exit code 1"] }, [/^the runbook/]],
])("a drill that finds %j finds these promises broken, and no others: %j", (found, promises) => {
  expect(broken({ ...kept, ...found })).toEqual(promises.map((promise) => expect.stringMatching(promise)));
});

const order: DrillOrder = {
  accounts: 1_000,
  watching: 2,
  crowd: 0.3,
  seed: 1,
  kills: 1,
  rate: null,
  isHurried: false,
  real: 30_000_000,
  allowancePerHour: null,
};

test("what the real day would take follows from what was measured, and is not known where nothing was", () => {
  const valuesOf = (asked: Partial<DrillOrder>, found: Partial<Measured> = {}) =>
    Object.fromEntries(
      project({ ...order, ...asked }, { ...kept, ...found }).map(({ term, value }) => [term, value] as const),
    );
  expect(valuesOf({})).toEqual({
    accounts: "30,000,000",
    "to contain": "5.0 ms",
    "to count what it refuses": "3 min",
    "letters a second": "50",
    "to hand every letter over": "6.9 days",
    "with the relay's allowance": "not known",
    "who come back on the first day": "9,000,000",
    "of them in the first hour": "41 %",
    "renewals a second": "2.0",
    "to bring them back": "52.1 days",
    "renewals a second if all letters arrived at once": "1,037",
    "machines like this one for that": "519",
    "a renewal takes": "100.0 ms",
  });
  // The slower of the two.
  const allowance = "with the relay's allowance";
  expect(valuesOf({ allowancePerHour: 1_000_000 })[allowance]).toBe("6.9 days");
  expect(valuesOf({ allowancePerHour: 100_000 })[allowance]).toBe("13.9 days");
  const nothing = valuesOf({ allowancePerHour: 1_000_000 }, { lettersPerSecond: 0, renewalsPerSecond: 0 });
  expect(nothing).toMatchObject({
    "to hand every letter over": "not known",
    "to bring them back": "not known",
    "machines like this one for that": "not known",
  });
});

test("a length of time is said in the largest unit that says it plainly", () => {
  expect([0.0052, 1, 119, 120, 7_199, 7_200, 172_799, 172_800].map(duration)).toEqual([
    "5.2 ms",
    "1.0 s",
    "119.0 s",
    "2 min",
    "120 min",
    "2.0 h",
    "48.0 h",
    "2.0 days",
  ]);
});

/** Something that answers every request, whoever asks: by its method alone. */
async function answering(statuses: Readonly<Record<"GET" | "POST", number>>) {
  const server = createServer(({ method }, response) => {
    response.writeHead(method === "POST" ? statuses.POST : statuses.GET).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

test("a service that goes on serving what is old is caught at it, by the devices and by the thief", async () => {
  const careless = await answering({ GET: 200, POST: 201 });
  const sessions = [
    {
      sessionId: newId<SessionId>(systemRandom, systemClock.now()),
      class: "tv",
      token: Secret.fromText("old"),
    } as const,
  ];
  const accountId = newId<AccountId>(systemRandom, systemClock.now());
  const person: PersonInPopulation = { accountId, address: "viewer-1@example.org", locale: "en", sessions };
  const { origin } = careless;
  const devices = startDevices({ origin, clock: systemClock }, [person], { plays: false });
  const thief = await startThief({ origin, random: seeded(1) }, [person], "a stolen password");
  try {
    expect(thief.before).toEqual({ tokens: 1, passwords: 1, letIn: 2 });
    await expect.poll(() => devices.playing(), { timeout: 20_000 }).toBe(1);
    expect(devices.records[0]).toMatchObject({ triedAfter: 0, servedAfter: 0, refusedAt: null });
    devices.contained(systemClock.now());
    thief.contained();
    await expect.poll(() => devices.records[0]?.servedAfter, { timeout: 20_000 }).toBeGreaterThan(0);
    await expect.poll(() => thief.tries().passwords, { timeout: 20_000 }).toBeGreaterThan(0);
  } finally {
    await devices.stop();
    await thief.stop();
    await careless.stop();
  }
  const { tokens, passwords, letIn } = thief.tries();
  expect([tokens > 0, letIn]).toEqual([true, tokens + passwords]);
  expect(devices.records[0]?.servedAfter).toBe(devices.records[0]?.triedAfter);
}, 60_000);

test("who was told that they are back and is refused is lost, and who is told to come again is waited for", async () => {
  const renewal = { number: 1, address: "viewer-1@example.org", password: "a new one" };
  for (const [status, isBack] of [
    [201, true],
    [401, false],
    [202, false],
  ] as const) {
    const service = await answering({ GET: 500, POST: status });
    const patience = new AbortController().signal;
    expect([status, await canReturn(service.origin, renewal, patience)]).toEqual([status, isBack]);
    await service.stop();
  }
  const busy = await answering({ GET: 500, POST: 503 });
  expect(await canReturn(busy.origin, renewal, AbortSignal.timeout(100))).toBe(false);
  await busy.stop();
});

test("the busiest stretch is the one with most in it", () => {
  expect(busiest([0, 100, 200, 4_000, 9_000], 1_000)).toBe(3);
  expect(busiest([], 1_000)).toBe(0);
  // Of a second, however long the stretch is; what lies a whole stretch apart is not in one.
  expect(busiest([0, 1_999, 2_000], 2_000)).toBe(1);
});

test("an answer that nobody should get is noted with where it came, and nobody is said to be back by it", async () => {
  const broken = await answering({ GET: 500, POST: 400 });
  const relay = { nextCode: async () => undefined, codesTo: () => 0 };
  const needs = { origin: broken.origin, relay, monotonicMs: () => 0, reference: "HL-AAAA-AAAA" };
  const people = startPeople(needs, new Map([[7, 0]]), { hourSeconds: 1 });
  people.letter(8, "not-of-the-crowd@example.org");
  expect(people.underway()).toBe(0);
  people.letter(7, "viewer-8@example.org");
  expect(people.underway()).toBe(1);
  try {
    await expect.poll(() => [...people.strange.keys()].toSorted()).toEqual(["400 /renew", "500 /notice"]);
  } finally {
    await people.stop();
    await broken.stop();
  }
  expect(people.renewed).toEqual([]);
});

test("the middle of some durations is one of them", () => {
  expect([middle([30, 10, 20]), middle([10, 20]), middle([])]).toEqual([20, 20, 0]);
});

test("a provider's report is one that the service reads, and says that the letter will not arrive", () => {
  const report = readDeliveryReport(Buffer.from(deliveryReport("viewer-1@late.example")));
  expect(report).toEqual({ kind: "report", recipients: [{ action: "failed", status: "5.1.1" }] });
});
