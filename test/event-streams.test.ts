import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import type { AccountId } from "../src/kernel/brand.ts";
import { silentLog } from "../src/kernel/log.ts";
import { openDb } from "../src/db/db.ts";
import type { Viewer } from "../src/http/viewer.ts";
import { browserCookie, sessionCookie } from "../src/http/cookies.ts";
import { contain, containAccount } from "../src/incidents/contain.ts";
import { deleteAccount } from "../src/leaving/delete-account.ts";
import { forgetProgress } from "../src/streaming/progress.ts";
import { announce } from "../src/sessions/announce.ts";
import { sessionCheck } from "../src/sessions/check.ts";
import { startPush, streamsPerSession } from "../src/sessions/push.ts";
import { containNeedsOf } from "./contain-needs.ts";
import { peopleOf, type Person } from "./people.ts";
import { asCookie, goodPassword, testService } from "./service.ts";
import { stallablePostgres } from "./stallable-postgres.ts";

const service = await testService();
const port = await service.web.listen("127.0.0.1", 0);
await service.account("ada@example.org", goodPassword);

interface Stream {
  /** Everything it said, when it has ended. */
  readonly whole: Promise<string>;
  readonly leave: () => void;
}

async function open(token: string): Promise<Stream> {
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/api/events`, {
    headers: { cookie: `${sessionCookie}=${token}` },
    signal: leaving.signal,
  });
  expect(answer.status).toBe(200);
  return { whole: answer.text(), leave: () => leaving.abort() };
}

test("one session holds a few event streams: the oldest ends for the newest, and others stay", async () => {
  const [busy, quiet] = [
    await service.signIn("ada@example.org", goodPassword),
    await service.signIn("ada@example.org", goodPassword),
  ];
  const other = await open(quiet);
  const first = await open(busy);
  const rest: Stream[] = [];
  for (let i = 0; i < streamsPerSession; i++) rest.push(await open(busy));
  // Ended without a reason: its session is good, and a page that is still there connects again.
  expect(await first.whole).not.toContain("event: ended");
  // Those that were kept hear of the end of their session; the other session goes on.
  const answer = await service.call("DELETE", "/api/sessions?except=current", { cookies: { [sessionCookie]: quiet } });
  expect(answer.status).toBe(200);
  for (const { whole } of rest) expect(await whole).toContain('"reason":"signed-out"');
  other.leave();
  await expect(other.whole).rejects.toThrow();
});

test("P7: a stream says again and again that it is alive, so that a page notices one that delivers nothing", async () => {
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/api/events`, {
    headers: { cookie: `${sessionCookie}=${await service.signIn("ada@example.org", goodPassword)}` },
    signal: leaving.signal,
  });
  let said = "";
  for await (const chunk of answer.body ?? []) {
    said += Buffer.from(chunk).toString("utf8");
    if (said.split("event: here\n").length > 3) break;
  }
  leaving.abort();
  expect(said).toMatch(/^retry: 1000\n\n(?:event: here\ndata: \{\}\n\n){3,}$/);
});

test("P7: a stream that could not be judged when its session ended is judged a moment later, with the reason of then", async () => {
  const token = await service.signIn("ada@example.org", goodPassword);
  const { body } = await service.call("GET", "/api/session", { cookies: asCookie(token) });
  const viewer = { accountId: body["accountId"], sessionId: body["sessionId"] } as Viewer;
  let answer: "good" | "unknown" | "over" = "good";
  let looks = 0;
  const push = await startPush({
    db: service.ground.db,
    check: async () => {
      looks += 1;
      if (answer === "unknown") throw new Error("the database is away");
      return answer === "good" ? viewer : null;
    },
    log: silentLog,
    ended: () => undefined,
  });
  const server = createServer((_request, response) => push.attach(viewer, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: near } = server.address() as AddressInfo;
  const whole = fetch(`http://127.0.0.1:${near}/`).then((stream) => stream.text());
  await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(0);
  answer = "unknown";
  const before = looks;
  await service.ground.db.transaction((tx) => announce(tx, { accountId: viewer.accountId, reason: "renewed" }));
  await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(before);
  expect(push.open()).toBe(1);
  answer = "over";
  await expect.poll(() => push.open(), { timeout: 10_000 }).toBe(0);
  expect(await whole).toContain('event: ended\ndata: {"reason":"renewed"}');
  await push.close();
  server.close();
});

const { person } = peopleOf(service);
const containment = containNeedsOf(service.ground);
const newPassword = "eleven owls above the orchard";

/** By whom and how a session ends, and what its open streams say of it. */
const ends: Readonly<Record<string, readonly [reason: string, end: (who: Person) => Promise<unknown>]>> = {
  "its own sign-out": [
    "signed-out",
    async ({ session }) => {
      const { body } = await service.call("GET", "/api/session", { cookies: asCookie(session) });
      return asks(session, "DELETE", `/api/sessions/${String(body["sessionId"])}`);
    },
  ],
  "a sign-out of the others": [
    "signed-out",
    async ({ address }) => asks(await service.signIn(address, goodPassword), "DELETE", "/api/sessions?except=current"),
  ],
  "another sign-in by the same browser": [
    "signed-out",
    ({ address, session }) => asks(session, "POST", "/api/sessions", { address, password: goodPassword }),
  ],
  "a change of the password": [
    "signed-out",
    async ({ address }) =>
      asks(await service.signIn(address, goodPassword), "POST", "/api/password", {
        currentPassword: goodPassword,
        newPassword,
        signOutDevices: true,
      }),
  ],
  "a renewal": [
    "renewed",
    async ({ address }) => {
      const asked = await service.call("POST", "/api/renewals", { body: { address } });
      const code = (await service.letters()).find(({ to }) => to === address)?.code;
      const cookies = { [browserCookie]: asked.cookies[browserCookie] ?? "" };
      return service.call("POST", "/api/renewals/complete", { body: { code, password: newPassword }, cookies });
    },
  ],
  "it was not me": [
    "signed-out",
    async ({ address, session }) => {
      const body = { currentPassword: goodPassword, newPassword, signOutDevices: false };
      await asks(session, "POST", "/api/password", body);
      const undo = (await service.letters()).find(({ to, undo: one }) => to === address && one !== undefined)?.undo;
      return service.call("POST", "/not-me", { body: { token: undo ?? "" } });
    },
  ],
  "the deletion of the account": [
    "signed-out",
    ({ accountId }) =>
      deleteAccount({ ...service.ground, keyholder: service.ground.keyholders.mailer, forgetProgress }, accountId, {
        by: "host",
        due: false,
      }),
  ],
  "a containment of the account": [
    "contained",
    ({ accountId }) => containAccount(containment, accountId as AccountId, { reason: "test", operator: "test" }),
  ],
  "a containment of everybody": [
    "contained",
    () => contain(containment, { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" }),
  ],
};

const asks = (session: string, method: "POST" | "DELETE", path: string, body?: object) =>
  service.call(method, path, { ...(body === undefined ? {} : { body }), cookies: asCookie(session) });

// What is not announced would be noticed by the next heartbeat, and called expired.
test.each(Object.entries(ends))(
  "%s is told at once to the streams that it ends, with its reason",
  async (_how, one) => {
    const [reason, end] = one;
    const who = await person();
    const { whole } = await open(who.session);
    await end(who);
    expect(await whole).toContain(`event: ended\ndata: {"reason":"${reason}"}`);
  },
);

test("P7: what was contained while nothing could be heard is noticed as soon as it can be again", async () => {
  const { session } = await person();
  const { body } = await service.call("GET", "/api/session", { cookies: asCookie(session) });
  const viewer = { accountId: body["accountId"], sessionId: body["sessionId"] } as Viewer;
  const { host, database, user } = service.ground.plainDb.pool.options;
  const way = await stallablePostgres(String(host));
  const db = openDb({ connection: { host: way.folder, port: 5432, database, user }, log: silentLog });
  const { check } = sessionCheck({ ...service.ground, refusedAsOld: () => undefined });
  const push = await startPush({ db, check, log: silentLog, ended: () => undefined });
  const server = createServer((_request, response) => push.attach(viewer, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: near } = server.address() as AddressInfo;
  const whole = fetch(`http://127.0.0.1:${near}/`).then((stream) => stream.text());
  await expect.poll(() => push.open(), { timeout: 10_000 }).toBe(1);

  way.cut();
  const order = { mode: "everyone-out", keepTools: false, reason: "test", operator: "test" } as const;
  expect(await contain(containment, order)).toMatchObject({ kind: "contained" });
  // Its session is refused, and nobody has told it.
  expect(await check({ kind: "grant", ...viewer })).toBeNull();
  expect(push.open()).toBe(1);
  way.restore();
  // Not only when all are looked at in case one has expired.
  expect(await whole).toContain('event: ended\ndata: {"reason":"signed-out"}');
  await push.close();
  server.close();
  await db.close();
  await way.close();
}, 30_000);
