import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asCookie, testService } from "../../test/service.ts";
import { secretText, sessionCookie } from "../http/cookies.ts";
import { startWorker, type Worker } from "../jobs/worker.ts";
import { dayMs, hourMs, sleep } from "../kernel/clock.ts";
import { silentLog } from "../kernel/log.ts";
import { Secret } from "../kernel/secret.ts";
import type { MailTransport } from "../mail/mail.ts";
import { openMailbox } from "../mail/mailbox.ts";
import { readTimeline } from "../timeline/read.ts";
import { makeOperatorLink } from "../sessions/operator-link.ts";
import type { Alarm } from "../wire/alarms.ts";
import { testAlarm } from "./alarm-words.ts";
import { acknowledgeAlarm, listAlarms } from "./alarms.ts";
import { alarmTasks } from "./deliver-alarm.ts";
import { everyDataClass } from "../incidents/open.ts";
import { raiseAlarm, type AlarmFound, type AlarmId } from "./raise-alarm.ts";

/** P10: an alarm reaches the operators by mail, webhook and console, says what it is worth, and proposes a case. */
const service = await testService();
const { ground, clock } = service;
const { db, random, keyholders } = ground;

const hookSecret = "a secret of thirty-two characters";
interface Posted {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly url: string;
}
const posted: Posted[] = [];
let answers: number[] = [];
let hook: Server;
let worker: Worker;

const found = (about = "something", more: Partial<AlarmFound> = {}): AlarmFound => ({
  kind: "canary",
  about,
  place: "backup-2026-11",
  title: "A canary was used",
  evidence: "a copy was read",
  notEvidence: "when it was made",
  facts: { way: "sign-in" },
  proposes: {
    foundHow: "a canary rang",
    copiedAfter: clock.now(),
    dataClasses: everyDataClass,
    keysReachable: "unknown",
  },
  ...more,
});
const ring = (about?: string, more?: Partial<AlarmFound>) =>
  db.transaction((tx) => raiseAlarm(tx, clock.now(), random, found(about, more)));

async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(20);
}
const lettersTo = async (address: string): Promise<string[]> => {
  const mailbox = await service.call("GET", "/api/mailbox", { cookies: asCookie(operator) });
  const { letters } = mailbox.body as { letters: { to: string; text: string }[] };
  return letters.filter(({ to }) => to === address).map(({ text }) => text);
};

/** Addresses whose letters the relay puts off, and how often it did. */
const putOff = new Set<string>();
let timesPutOff = 0;

let operator = "";
beforeAll(async () => {
  const { secret } = await makeOperatorLink(ground);
  const first = await service.call("POST", "/api/operator-sessions", {
    body: { secret: secretText(secret) },
    headers: { "accept-language": "de-AT, en;q=0.5" },
  });
  operator = first.cookies[sessionCookie] ?? "";
  for (const address of ["night@operators.example", "day@operators.example"]) {
    clock.advance(1_000);
    await service.call("POST", "/api/account/addresses", { body: { address }, cookies: asCookie(operator) });
    const code = (await service.letters()).find(({ to }) => to === address)?.code;
    await service.call("POST", "/api/account/addresses/confirm", { body: { code }, cookies: asCookie(operator) });
  }
  await db.run(`delete from graphile_worker._private_jobs`);

  hook = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      posted.push({ headers: request.headers, body, url: request.url ?? "" });
      const status = answers.shift() ?? 204;
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {});
      response.end("not for us to read");
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/alarms`;
  const mailbox = openMailbox({ db, keyholder: keyholders.mailer, clock, random });
  const transport: MailTransport = {
    ...mailbox,
    send: async (letter) => {
      if (!putOff.has(letter.to)) return mailbox.send(letter);
      timesPutOff++;
      return { kind: "deferred", reply: "451 4.7.1 come again", mayHaveArrived: false, cause: "letter" };
    },
  };
  worker = await startWorker({
    db,
    log: silentLog,
    concurrency: { letters: 2, work: 1 },
    tasks: [
      ...alarmTasks({
        db,
        keyholder: keyholders.mailer,
        transport,
        clock,
        service: { name: "Houselights", origin: "https://films.example", contact: null },
        alarmAddress: "pager@operators.example",
        webhook: { url: Secret.fromText(url), secret: Secret.fromText(hookSecret) },
      }),
    ],
  });
});
afterAll(async () => {
  await worker.stop();
  await new Promise((resolve) => hook.close(resolve));
});

test("an alarm is told by mail to every operator and the named address, by a signed webhook, and in the console", async () => {
  await ring();
  await until(async () => posted.length === 1 && (await lettersTo("pager@operators.example")).length === 1);
  await until(async () => (await lettersTo("night@operators.example")).length === 1);
  const [letter = ""] = await lettersTo("pager@operators.example");
  for (const words of ["a copy was read", "when it was made", "backup-2026-11", "password records"]) {
    expect(letter).toContain(words);
  }

  const { headers, body } = posted[0]!;
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  const mac = createHmac("sha256", hookSecret).update(signed).digest("base64");
  expect(headers["webhook-signature"]).toBe(`v1,${mac}`);
  expect(JSON.parse(body)).toMatchObject({ type: "alarm.raised", data: { kind: "canary", place: "backup-2026-11" } });
  // Accounts and tries are among the facts: they stay in the house.
  expect(JSON.parse(body)).not.toHaveProperty("data.facts");

  const shown = await service.call("GET", "/api/console", { cookies: asCookie(operator) });
  expect(shown.body["alarms"]).toMatchObject([{ title: "A canary was used", times: 1, acknowledgedAt: null }]);
  expect((await readTimeline(db, { kinds: ["alarm"], limit: 5 })).map(({ detail }) => detail)).toMatchObject([
    { kind: "canary", place: "backup-2026-11" },
  ]);
});

test("an operator reads an alarm in the language they came with, and the named address in English", async () => {
  await db.transaction((tx) => raiseAlarm(tx, clock.now(), random, testAlarm()));
  const inGerman = "Eine Probe des Alarms";
  await until(async () => (await lettersTo("night@operators.example")).some((text) => text.startsWith(inGerman)));
  await until(async () =>
    (await lettersTo("pager@operators.example")).some((text) => text.startsWith("A test of the alarm")),
  );
  await until(() => posted.length === 2);
  expect(JSON.parse(posted[1]?.body ?? "")).toMatchObject({ data: { title: "A test of the alarm", language: "en" } });

  // In the console each in the language of whoever looks, where its facts say what it is about.
  const look = { cookies: asCookie(operator), headers: { "accept-language": "de-AT, en;q=0.5" } };
  for (const url of ["/api/console", "/api/alarms"]) {
    const { alarms } = (await service.call("GET", url, look)).body as { alarms: Alarm[] };
    expect(alarms.find(({ kind }) => kind === "test")).toMatchObject({ language: "de", title: inGerman });
    expect(alarms.find(({ kind }) => kind === "canary")).toMatchObject({ language: "en", title: "A canary was used" });
  }
});

test("an address whose letter the relay puts off is tried again by itself, and the operator's other one is told once", async () => {
  const letters = async (address: string) => (await lettersTo(address)).length;
  const before = { night: await letters("night@operators.example"), day: await letters("day@operators.example") };
  const told = posted.length;
  putOff.add("day@operators.example");
  await ring("put off");
  // Its next try is due seconds later; now is soon enough here.
  const untilTried = (look: () => Promise<boolean>) =>
    until(async () => {
      await db.run(`update graphile_worker._private_jobs set run_at = now() where locked_at is null`);
      return look();
    });
  await untilTried(async () => timesPutOff >= 3);
  putOff.clear();
  await untilTried(async () => (await letters("day@operators.example")) === before.day + 1);
  const waiting = () => Promise.all(["alarm-letter", "alarm-letter-to", "alarm-webhook"].map(jobsOf));
  await until(async () => (await waiting()).every((count) => count === 0));
  expect(await letters("night@operators.example")).toBe(before.night + 1);
  expect(posted).toHaveLength(told + 1);
});

test("the same thing again is counted and not told; after a day it is told again; acknowledged, it rings anew", async () => {
  const before = posted.length;
  expect([await ring("again"), await ring("again"), await ring("again")]).toEqual([true, false, false]);
  clock.advance(dayMs + hourMs);
  expect(await ring("again")).toBe(true);
  expect(await ring("again")).toBe(false);
  await until(() => posted.length === before + 2);
  operator = await service.operator();
  const [alarm] = (await listAlarms(db)).filter(({ times }) => times === 5);
  expect(alarm?.acknowledgedAt).toBeNull();
  expect(await acknowledgeAlarm(ground, alarm?.id as AlarmId, "host")).toBe(true);
  expect(await acknowledgeAlarm(ground, alarm?.id as AlarmId, "host")).toBe(false);
  expect(await ring("again")).toBe(true);
  await until(() => posted.length === before + 3);
});

test("concurrent rings of one thing make one alarm and lose no count", async () => {
  const told = await Promise.all(Array.from({ length: 20 }, () => ring("crowd")));
  expect(told.filter(Boolean)).toHaveLength(1);
  const rows = await db.many<{ times: number }>(`select times from alarm where about = 'crowd'`);
  expect(rows).toEqual([{ times: 20 }]);
});

test("a webhook that fails is tried again under the same id, and no redirect is followed", async () => {
  await until(async () => (await jobsOf("deliver-alarm")) + (await jobsOf("alarm-webhook")) === 0);
  const before = posted.length;
  answers = [302, 503, 204];
  await ring("flaky");
  for (const tries of [1, 2]) {
    await until(() => posted.length === before + tries);
    await until(async () => (await lastError()).includes(tries === 1 ? "answered 302" : "answered 503"));
    // Its next try is due seconds later; now is soon enough here.
    await db.run(`update graphile_worker._private_jobs set run_at = now() where locked_at is null`);
  }
  await until(() => posted.length === before + 3);
  const ids = posted.slice(before).map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids).size).toBe(1);
  expect(posted.some(({ url }) => url === "/elsewhere")).toBe(false);
  expect(await lastError()).not.toContain("not for us to read");
});

const jobsOf = async (task: string): Promise<number> =>
  (
    await db.many(
      `select from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
        where t.identifier = $1`,
      [task],
    )
  ).length;
const lastError = async (): Promise<string> =>
  (
    await db.many<{ error: string | null }>(
      `select last_error as error from graphile_worker._private_jobs where locked_at is null`,
    )
  )
    .map(({ error }) => error ?? "")
    .join();

test("one button opens the case that an alarm proposes, filled in; with a case in hand nothing changes", async () => {
  operator = await service.operator();
  await ring("proposal");
  const [alarm] = await db.many<{ id: string }>(`select id from alarm where about = 'proposal'`);
  const foundAt = clock.now();
  clock.advance(hourMs / 60);
  const nobody = await service.call("POST", `/api/alarms/${alarm?.id}/case`);
  expect(nobody.status).toBe(401);
  const opened = await service.call("POST", `/api/alarms/${alarm?.id}/case`, { cookies: asCookie(operator) });
  expect(opened.status).toBe(201);
  const status = await service.call("GET", `/api/incidents/${String(opened.body["incidentId"])}`, {
    cookies: asCookie(operator),
  });
  expect(status.body).toMatchObject({
    reason: "A canary was used (backup-2026-11)",
    foundHow: "a canary rang",
    foundBy: "alarm",
    foundAt: new Date(foundAt).toISOString(),
    copiedAt: null,
    copiedAfter: new Date(foundAt).toISOString(),
    dataClasses: [...everyDataClass],
    keysReachable: "unknown",
  });
  const [kept] = (await listAlarms(db)).filter(({ id }) => id === alarm?.id);
  expect(kept).toMatchObject({ incidentId: opened.body["incidentId"] });
  expect(kept?.acknowledgedAt).not.toBeNull();

  await ring("second");
  const [second] = await db.many<{ id: string }>(`select id from alarm where about = 'second'`);
  const refused = await service.call("POST", `/api/alarms/${second?.id}/case`, { cookies: asCookie(operator) });
  expect(refused.body["code"]).toBe("incident-in-hand");
  const after = await service.call("GET", "/api/alarms", { cookies: asCookie(operator) });
  const listed = (after.body as { alarms: { id: string; acknowledgedAt: string | null }[] }).alarms;
  expect(listed.find(({ id }) => id === second?.id)?.acknowledgedAt).toBeNull();
  expect(
    (await service.call("POST", `/api/alarms/${second?.id}/acknowledge`, { cookies: asCookie(operator) })).status,
  ).toBe(200);
});

test("alarms that nobody has acknowledged are listed first, the newest of them first of all", async () => {
  const abouts = ["older", "old", "newer"];
  for (const about of abouts) {
    clock.advance(1_000);
    await ring(about);
  }
  const rows = await db.many<{ id: AlarmId; about: string }>(`select id, about from alarm where about = any($1)`, [
    abouts,
  ]);
  const aboutOf = (id: string) => rows.find((row) => row.id === id)?.about;
  const listed = async () => (await listAlarms(db)).map(({ id }) => aboutOf(id)).filter((about) => about !== undefined);
  expect(await listed()).toEqual(["newer", "old", "older"]);
  await acknowledgeAlarm(ground, rows.find(({ about }) => about === "newer")!.id, "host");
  expect(await listed()).toEqual(["old", "older", "newer"]);
});

test("an alarm whose transaction fails has not rung", async () => {
  const count = async () => (await listAlarms(db)).length;
  const before = await count();
  await expect(
    db.transaction(async (tx) => {
      await raiseAlarm(tx, clock.now(), random, found("undone"));
      throw new Error("undone");
    }),
  ).rejects.toThrow("undone");
  expect(await count()).toBe(before);
});
