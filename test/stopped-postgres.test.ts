import { realpath } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processesIn, signal } from "../src/db/embedded-process.ts";
import { openDb, type Db } from "../src/db/db.ts";
import { startPostgres } from "../src/db/embedded.ts";
import { silentLog } from "../src/kernel/log.ts";
import { runningService, type ApiAnswer, type RunningService } from "./running-service.ts";

/**
 * The service over a PostgreSQL that is stopped in the middle of its work, as by a host that is out of memory or a machine that is
 * moved: its sockets stay, and nobody answers. Whoever asks is told so; when it goes on, everything goes on by itself.
 */
let service: RunningService;
let db: Db;
let operator = "";
let cluster = "";
let socket = "";
beforeAll(async () => {
  service = await runningService({ LOG_LEVEL: "info" });
  operator = await service.operatorCookie();
  cluster = join(await realpath(service.dataDir), "postgres", "cluster");
  const { connection } = await startPostgres({ dataDir: service.dataDir, log: silentLog, role: "command" });
  db = openDb({ connection, log: silentLog });
  socket = join(String(connection.host), `.s.PGSQL.${connection.port}`);
}, 120_000);
afterAll(async () => {
  for (const pid of await processesIn(cluster)) signal(pid, "SIGCONT");
  await db?.close();
  await service?.remove();
}, 60_000);

async function stopPostgres(): Promise<void> {
  const stopped = new Set<number>();
  // The postmaster is one of the first: what it has begun before is found in the next round.
  for (let found = 1; found > 0;) {
    const rest = (await processesIn(cluster)).filter((pid) => !stopped.has(pid));
    for (const pid of rest) {
      signal(pid, "SIGSTOP");
      stopped.add(pid);
    }
    found = rest.length;
  }
}
async function continuePostgres(): Promise<void> {
  for (const pid of await processesIn(cluster)) signal(pid, "SIGCONT");
}

/** Connects until nobody else can: the queue of connections that a stopped server does not accept is full. @returns what leaves it. */
async function fillQueue(): Promise<() => void> {
  const queued: Socket[] = [];
  for (let isTaken = true; isTaken;) {
    const one = connect(socket);
    isTaken = await new Promise<boolean>((resolve) => {
      one.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isTaken) queued.push(one);
  }
  expect(queued.length).toBeGreaterThan(10);
  return () => queued.forEach((one) => one.destroy());
}

/** Each of them needs the database, with a session and without. */
const asks: readonly (() => Promise<ApiAnswer>)[] = [
  () => service.api("GET", "/api/session", { cookie: operator }),
  () => service.api("GET", "/api/titles", { cookie: operator }),
  () => service.api("GET", "/api/incidents", { cookie: operator }),
  () => service.api("POST", "/api/sessions", { body: { address: "a@example.org", password: "eleven green bottles" } }),
  () => service.api("POST", "/api/accounts", { body: { address: "a@example.org", password: "eleven green bottles" } }),
  () => service.api("POST", "/api/renewals", { body: { address: "a@example.org" } }),
  () => service.api("POST", "/oauth/device_authorization", { body: { client_id: "houselights-tv" } }),
  () => service.api("GET", "/sign-in"),
  () => service.api("GET", "/readyz"),
];
const links = async () => (await db.one<{ count: number }>(`select count(*)::int as count from link`))?.count ?? 0;
const askForLink = () => asks[6]!();

test("while it is stopped everybody is told to come again, in words and with a time; nobody waits for ever", async () => {
  for (const ask of asks) expect((await ask()).status).toBeLessThan(500);
  const before = await links();
  let given = 0;
  const giving = Promise.all(
    Array.from({ length: 30 }, async () => {
      if ((await askForLink()).status === 200) given++;
    }),
  );
  let leaveQueue: (() => void) | undefined;
  await stopPostgres();
  try {
    // Several times more than the pool has connections.
    const answers = await Promise.all(Array.from({ length: 15 }, () => asks.map((ask) => ask())).flat());
    await giving;
    for (const { status, headers, text } of answers) {
      expect([status, text]).toEqual([503, expect.stringMatching(/try again|Try again|come again/)]);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    }
    // A new connection is refused at once from now on, and not only waited for in vain.
    leaveQueue = await fillQueue();
    for (const { status, text } of await Promise.all(Array.from({ length: 60 }, () => askForLink())))
      expect([status, text]).toEqual([503, expect.anything()]);
    const told = await service.command("incident", "status");
    expect([told.code, told.err]).toEqual([3, expect.stringContaining("does not answer")]);
    const contained = await service.command("incident", "contain", "--reason", "a test", "--yes");
    expect([contained.code, contained.err]).toEqual([3, expect.stringContaining("does not answer")]);
  } finally {
    leaveQueue?.();
    await continuePostgres();
  }

  for (const ask of asks) await expect.poll(async () => (await ask()).status, { timeout: 30_000 }).toBeLessThan(500);
  // What was told to be there is there, and no more is open than these processes may have.
  expect(await links()).toBeGreaterThanOrEqual(before + given);
  const open = () =>
    db.many<{ open: number }>(
      `select count(*)::int as open from pg_stat_activity
        where application_name like 'houselights %@%' and state like 'idle in%' and state_change < now() - interval '2 s'`,
    );
  await expect.poll(open, { timeout: 20_000 }).toEqual([{ open: 0 }]);
}, 240_000);

test("what the worker does goes on by itself: a letter that was asked for afterwards arrives, and the log says once what was", async () => {
  const jar = new Map<string, string>();
  const body = { address: "later@example.org", password: "seven lanterns over the harbour", name: "Later" };
  expect((await service.api("POST", "/api/accounts", { body, jar })).status).toBe(202);
  await expect
    .poll(
      async () => {
        const { text } = await service.api("GET", "/api/mailbox", { cookie: operator });
        return text.includes("later@example.org");
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  // Each reason once: first no answer came, then the connection was given up.
  const reasons = (words: string) =>
    service
      .output()
      .split("\n")
      .filter((line) => line.includes('"component":"worker"') && line.includes(`"msg":"${words}`))
      .map((line) => String((JSON.parse(line) as { reason?: unknown }).reason));
  for (const words of ["the timeline could not be integrated", "signals wait: they are looked at again"]) {
    expect(reasons(words)).not.toEqual([]);
    expect([words, reasons(words)]).toEqual([words, [...new Set(reasons(words))]]);
  }
  expect(service.output()).not.toContain("unhandled");
}, 90_000);
